//! What is done for each op: in memory at once, and in the plan of the round for the store.

use super::owner::Owner;
use super::plan::Plan;
use super::row::{self, BUCKET_MS, EntryId, State};
use super::window::Known;
use super::{
    Claim, Claimed, Counts, Discipline, Enqueued, Extension, New, ONCE, QueueError, REMOVED_ROWS_MAX,
    Receipt, Settled,
};
use crate::{Key, Range};
use bytes::Bytes;
use hearth_base::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// Entries that were delayed for longer expire only when their time has come.
const EXPIRED_DELAY_MS: u64 = 900_000;
/// Entries that one request removes or moves on its way.
const PASSED_MAX: usize = 200;

/// What became of an entry that was to be claimed.
enum Taken {
    Claimed(Claimed),
    Passed,
    TooYoung,
}

impl Owner {
    pub(super) async fn enqueue(
        &self,
        entries: Vec<New>,
        plan: &mut Plan,
    ) -> Result<Vec<Enqueued>, QueueError> {
        let mut enqueued = Vec::with_capacity(entries.len());
        for entry in entries {
            let now = self.now_millis();
            if let Some(token) = &entry.once
                && let Some(first) = self.first_of(token, now, plan).await?
            {
                enqueued.push(first);
                continue;
            }
            let id = self.shared.ids.next(self.now());
            let first = Enqueued { id, label: entry.label };
            if let Some(token) = entry.once {
                let key = self.keys.token(now / BUCKET_MS, &token);
                plan.put(key, row::encode_token(now, id, &first.label));
                plan.tokens.insert(token, first.clone());
            }
            let due = entry.due.map_or(0, row::millis);
            let row = row::encode_entry(entry.group.as_ref(), &entry.value);
            let place = self.with(|memory| {
                memory.total += 1;
                if due > now {
                    return memory.delay(due, now);
                }
                let state = State { due: now, ..State::default() };
                memory.arrive(id, Known { state, group: entry.group, value: Some(entry.value) }, now);
                0
            });
            plan.woken += usize::from(place == 0);
            plan.put(self.keys.entry(place, id), row);
            enqueued.push(first);
        }
        Ok(enqueued)
    }

    /// What a token was first used for, if it is remembered.
    async fn first_of(&self, token: &Bytes, now: u64, plan: &Plan) -> Result<Option<Enqueued>, QueueError> {
        if let Some(first) = plan.tokens.get(token) {
            return Ok(Some(first.clone()));
        }
        let bucket = now / BUCKET_MS;
        for bucket in [bucket, bucket.saturating_sub(1)] {
            let key = self.keys.token(bucket, token);
            let Some(found) = self.shared.store.get(self.shared.shard.keyspace, &key).await? else {
                continue;
            };
            let (at, id, label) = row::decode_token(found.value).ok_or(QueueError::Damaged { key })?;
            if u128::from(now.saturating_sub(at)) < ONCE.as_millis() {
                return Ok(Some(Enqueued { id, label }));
            }
        }
        Ok(None)
    }

    /// Makes available whose time has come. Whoever waits has to be told at once: it knows no longer that the time will come.
    pub(super) fn tick(&self, now: u64, plan: &mut Plan) {
        plan.woken += self.with(|memory| memory.tick(now));
    }

    pub(super) async fn claim(&self, claim: &Claim, plan: &mut Plan) -> Result<Vec<Claimed>, QueueError> {
        let now = self.now_millis();
        self.tick(now, plan);
        if let Some(claimed) = self.claim_again(claim, plan).await? {
            return Ok(claimed);
        }
        if claim.max > 0 && self.with(|memory| memory.window.hidden()) >= claim.claimed_max {
            return Err(QueueError::TooManyClaimed);
        }
        let mut taken: Vec<Claimed> = Vec::new();
        let mut passed = 0;
        while taken.len() < claim.max && passed < PASSED_MAX && !plan.is_full() {
            let wanted = claim.max - taken.len();
            self.supply(wanted).await?;
            let seen = taken.len();
            let (room, next) = self.with(|memory| {
                let room = claim.claimed_max.saturating_sub(memory.window.hidden()).min(wanted);
                // With no time to stay claimed, what was taken is available again and comes first.
                (room, memory.window.next(if room == 0 { 0 } else { room + seen }))
            });
            let (mut progress, mut too_young) = (false, false);
            for id in next {
                if taken.len() == claim.max
                    || plan.is_full()
                    || taken.iter().any(|claimed| claimed.receipt.id == id)
                {
                    continue;
                }
                match self.take(id, claim, plan).await? {
                    Taken::Claimed(claimed) => taken.push(claimed),
                    Taken::Passed => passed += 1,
                    Taken::TooYoung => {
                        too_young = true;
                        continue;
                    }
                }
                progress = true;
            }
            if !progress {
                if too_young || room == 0 || !self.may_supply() {
                    break;
                }
                self.read_ahead().await?;
            }
        }
        // Who gets all it wanted may have left some for the next.
        plan.woken += usize::from(taken.len() == claim.max);
        Ok(taken)
    }

    /// Claims one entry, or passes it by because its time is over or it was claimed too often.
    async fn take(&self, id: EntryId, claim: &Claim, plan: &mut Plan) -> Result<Taken, QueueError> {
        let now = self.now_millis();
        let Some(known) = self.with(|memory| memory.window.get(id).cloned()) else {
            return Ok(Taken::TooYoung);
        };
        if id < EntryId::at(row::millis(claim.since)) {
            self.discard(id, &known, plan);
            return Ok(Taken::Passed);
        }
        let available =
            id.millis().saturating_add(u64::try_from(claim.delay.as_millis()).unwrap_or(u64::MAX));
        if self.discipline == Discipline::Grouped && available > now {
            self.with(|memory| {
                memory.head_waits = Some(memory.head_waits.map_or(available, |waits| waits.min(available)));
            });
            return Ok(Taken::TooYoung);
        }
        let Some(value) = self.value(id, &known, plan).await? else {
            tracing::error!(%id, "an entry of a queue has lost its value");
            self.discard(id, &known, plan);
            return Ok(Taken::Passed);
        };
        if let Some(dead) = claim.dead.as_ref().filter(|dead| known.state.claims >= dead.claims_max)
            && let Some(moved) = (dead.route)(&value)
            && self.move_entry(id, moved, plan).await?
        {
            return Ok(Taken::Passed);
        }
        let state = State {
            due: row::millis(claim.until),
            claims: known.state.claims.saturating_add(1),
            first: if known.state.claims == 0 { now } else { known.state.first },
            last: now,
            nonce: self.shared.ids.nonce(),
            place: known.state.place,
            held: true,
        };
        self.change((id, &known), state, plan);
        Ok(Taken::Claimed(self.claimed(id, &state, value)))
    }

    /// Gives out the same entries once more, when nothing has happened to any of them.
    async fn claim_again(&self, claim: &Claim, plan: &mut Plan) -> Result<Option<Vec<Claimed>>, QueueError> {
        let untouched = |(receipt, due): &(Receipt, Timestamp)| {
            self.with(|memory| {
                let window = &memory.window;
                let same = window.get(receipt.id).is_some_and(|known| known.state.due == row::millis(*due));
                same && window.is_current(receipt) && window.is_hidden(receipt.id)
            })
        };
        if claim.again.is_empty() || !claim.again.iter().all(untouched) {
            return Ok(None);
        }
        let mut again = Vec::with_capacity(claim.again.len());
        for (receipt, _) in &claim.again {
            let id = receipt.id;
            let Some(known) = self.with(|memory| memory.window.get(id).cloned()) else { continue };
            let Some(value) = self.value(id, &known, plan).await? else { continue };
            let state = State { due: row::millis(claim.until), held: true, ..known.state };
            self.change((id, &known), state, plan);
            again.push(self.claimed(id, &state, value));
        }
        Ok(Some(again))
    }

    pub(super) fn extend(&self, extension: &Extension, plan: &mut Plan) -> Settled {
        let Extension { receipt, wait, total_max } = extension;
        let now = self.now_millis();
        self.tick(now, plan);
        let known = self.with(|memory| {
            memory.window.get(receipt.id).cloned().map(|known| (known, memory.window.is_hidden(receipt.id)))
        });
        let millis = |duration: &Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        match known {
            None => Settled::Gone,
            Some((known, _)) if known.state.nonce != receipt.nonce => Settled::Stale,
            Some((_, false)) => Settled::Expired,
            Some((known, true)) => {
                let due = now.saturating_add(millis(wait));
                if due > known.state.last.saturating_add(millis(total_max)) {
                    return Settled::TooLong;
                }
                self.change((receipt.id, &known), State { due, held: false, ..known.state }, plan);
                plan.woken += usize::from(due <= now);
                Settled::Done
            }
        }
    }

    pub(super) fn remove(&self, receipt: &Receipt, plan: &mut Plan) -> Settled {
        let now = self.now_millis();
        self.tick(now, plan);
        let known = self.with(|memory| {
            memory.window.get(receipt.id).cloned().map(|known| (known, memory.window.is_hidden(receipt.id)))
        });
        match known {
            None => Settled::Gone,
            Some((known, _)) if known.state.nonce != receipt.nonce => Settled::Stale,
            Some((_, false)) if self.discipline == Discipline::Grouped => Settled::Expired,
            Some((known, _)) => {
                self.discard(receipt.id, &known, plan);
                // What follows in the group may be free now.
                plan.woken += usize::from(self.discipline == Discipline::Grouped);
                Settled::Done
            }
        }
    }

    pub(super) async fn count(&self, delay: Duration, plan: &mut Plan) -> Result<Counts, QueueError> {
        let now = self.now_millis();
        let mut young = 0;
        if self.discipline == Discipline::Grouped && !delay.is_zero() {
            let delay = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            let first = EntryId::at(now.saturating_sub(delay).saturating_add(1));
            let range = Range::between(self.keys.entry(0, first), self.keys.waiting.prefix_end()).keys_only();
            self.scan_all(range, |_, _| young += 1).await?;
        }
        self.tick(now, plan);
        Ok(self.with(|memory| {
            let claimed = memory.window.hidden();
            let delayed = memory.delayed.values().sum::<usize>() + young;
            let ready = memory.total.saturating_sub(claimed + delayed);
            Counts { ready, claimable: ready > 0 && memory.may_have_claimable(), claimed, delayed }
        }))
    }

    pub(super) async fn expire(&self, since: u64, plan: &mut Plan) -> Result<bool, QueueError> {
        if self.with(|memory| memory.oldest >= since) {
            return Ok(false);
        }
        let end = EntryId::at(since);
        let waiting = Range::between(self.keys.entry(0, EntryId::default()), Some(self.keys.entry(0, end)));
        // Delayed entries are in the order of their times. Only those are looked at that are due soon after `since`.
        let last = self.keys.entry(since.saturating_add(EXPIRED_DELAY_MS), EntryId::default());
        let delayed = Range::between(self.keys.delayed.clone(), Some(last));
        let mut more = false;
        for range in [waiting, delayed] {
            let mut range = range.keys_only().limit(REMOVED_ROWS_MAX);
            let mut removed = 0;
            loop {
                let scan = self.shared.store.scan(self.shared.shard.keyspace, range.clone()).await?;
                let last = scan.rows.last().map(|(key, _)| key.clone());
                for (key, _) in scan.rows {
                    if let Some(id) = row::id_of(&key).filter(|id| *id < end) {
                        self.forget_expired(id, &key, plan);
                        removed += 1;
                    }
                }
                match last {
                    Some(last) if scan.more && removed < REMOVED_ROWS_MAX => range = range.after(last),
                    _ => {
                        more |= scan.more;
                        break;
                    }
                }
            }
        }
        if !more {
            self.with(|memory| memory.oldest = since);
        }
        Ok(more)
    }

    fn forget_expired(&self, id: EntryId, key: &Key, plan: &mut Plan) {
        self.with(|memory| {
            memory.total = memory.total.saturating_sub(1);
            if memory.window.remove(id).is_none() && key.starts_with(&self.keys.delayed) {
                memory.forget_delayed(row::due_of(key).unwrap_or_default());
            }
        });
        plan.delete(self.keys.claim(id));
        plan.delete(key.clone());
    }

    /// The value of an entry: from memory, from the store, or from what is about to be committed.
    pub(super) async fn value(
        &self,
        id: EntryId,
        known: &Known,
        plan: &Plan,
    ) -> Result<Option<Bytes>, QueueError> {
        if let Some(value) = &known.value {
            return Ok(Some(value.clone()));
        }
        let key = self.keys.entry(known.state.place, id);
        let row = match self.shared.store.get(self.shared.shard.keyspace, &key).await? {
            Some(entry) => entry.value,
            None => match plan.puts.get(&key) {
                Some(row) => row.clone(),
                None => return Ok(None),
            },
        };
        let (_, value) = row::decode_entry(row).ok_or(QueueError::Damaged { key })?;
        Ok(Some(value))
    }

    /// Removes an entry and all that is kept of it.
    pub(super) fn discard(&self, id: EntryId, known: &Known, plan: &mut Plan) {
        self.with(|memory| {
            memory.total = memory.total.saturating_sub(1);
            memory.window.remove(id);
        });
        plan.delete(self.keys.entry(known.state.place, id));
        if known.state.claims > 0 {
            plan.delete(self.keys.claim(id));
        }
    }

    fn change(&self, (id, known): (EntryId, &Known), state: State, plan: &mut Plan) {
        let now = self.now_millis();
        self.with(|memory| memory.window.change(id, state, now));
        plan.put(self.keys.claim(id), row::encode_claim(known.group.as_ref(), &state));
    }

    fn claimed(&self, id: EntryId, state: &State, value: Bytes) -> Claimed {
        Claimed {
            receipt: Receipt { id, nonce: state.nonce },
            claims: state.claims,
            first: Timestamp::from_millis(i64::try_from(state.first).unwrap_or(i64::MAX)),
            value,
            in_hand: Arc::clone(&self.in_hand),
        }
    }
}
