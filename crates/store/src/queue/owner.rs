//! The one who does all that is asked of a queue, in order, and commits what has gathered as one batch.
//!
//! Nothing runs while nothing is asked: the first to ask starts a task, which ends when there is no more to do. Memory is
//! changed before the commit and answers are given after it; when a commit fails, memory is forgotten and read anew, since
//! what the store then holds is for the store to say.

use super::moves::Note;
use super::row::{self, BUCKET_MS, EntryId, Keys, State};
use super::window::{Known, Window};
use super::{
    Claim, Counts, Discipline, Enqueued, Extension, New, ONCE, QueueError, Receipt, Route, Settled, Shared,
};
use crate::limits::SCAN_ROWS_MAX;
use crate::{Batch, Key, Range};
use bytes::Bytes;
use hearth_base::Timestamp;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, oneshot};

/// What may wait to be done by one queue.
const PENDING_MAX: usize = 10_000;
/// What is taken up at once.
const ROUND_OPS_MAX: usize = 512;
/// Keys of a batch after which no more is added to it.
const BATCH_KEYS_MAX: usize = 2_000;
/// Bytes of a batch after which no more is added to it.
const BATCH_BYTES_MAX: usize = 6 << 20;
/// Entries never claimed that are kept in memory.
const AHEAD_MAX: usize = 1_000;
/// Rows read ahead at once.
const AHEAD_ROWS: usize = 256;
/// Entries in memory after which nothing more is read ahead, in a standard queue.
const KNOWN_MAX: usize = 200_000;
/// The same of a grouped queue. AWS: so far it looks for groups of which nothing is claimed.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-fifo.html>
const KNOWN_GROUPED_MAX: usize = 20_000;
/// Times of delayed entries are rounded up to this, so that counting them takes bounded memory.
const DELAY_STEP_MS: u64 = 100;
/// Entries that one request removes or moves on its way.
const PASSED_MAX: usize = 200;
/// Waiters woken at once.
const WOKEN_MAX: usize = 256;

type Reply<T> = oneshot::Sender<Result<T, QueueError>>;

/// What is asked of a queue.
pub enum Op {
    Enqueue(Vec<New>, Reply<Vec<Enqueued>>),
    Claim(Box<Claim>, Reply<Vec<super::Claimed>>),
    Extend(Vec<Extension>, Reply<Vec<Settled>>),
    Remove(Vec<Receipt>, Reply<Vec<Settled>>),
    Transfer(usize, Route, Reply<(usize, bool)>),
    Expire(Timestamp, Reply<bool>),
    Count(Duration, Reply<Counts>),
    Close(Batch, Reply<()>),
}

/// The owner of a queue.
pub struct Owner {
    pub(super) shared: Arc<Shared>,
    id: EntryId,
    pub(super) discipline: Discipline,
    pub(super) keys: Keys,
    gate: Mutex<Gate>,
    memory: Mutex<Option<Memory>>,
    loading: tokio::sync::Mutex<()>,
    /// Memory and store have come apart: memory is to be read anew.
    apart: AtomicBool,
    /// Something may be there to be claimed.
    changed: Notify,
    /// Something may come back earlier than was thought.
    rescheduled: Notify,
    /// Held by the one waiter that watches the time for all.
    timekeeper: Semaphore,
    /// How many wait.
    waiting: AtomicUsize,
}

#[derive(Default)]
struct Gate {
    pending: VecDeque<Op>,
    running: bool,
    closed: bool,
}

/// What is known of a queue.
pub(super) struct Memory {
    pub window: Window,
    /// Entries in the store.
    pub total: usize,
    /// All waiting entries up to this are in the window.
    end: Option<EntryId>,
    /// Whether there may be more behind it.
    more: bool,
    /// Entries not in the window that may be claimed later, by their time.
    delayed: BTreeMap<u64, usize>,
    /// Delayed entries whose time has come and that are not in the window.
    delayed_unread: usize,
    /// All delayed entries up to this are in the window.
    delayed_end: (u64, EntryId),
    /// Arrived behind `end` in the present round: a scan may have begun too early to see them.
    noted: Vec<(EntryId, Known)>,
    /// Whether a round is under way.
    busy: bool,
    /// No entry is older.
    oldest: u64,
    /// When the first entry of a grouped queue that was too young is old enough.
    head_waits: Option<u64>,
}

/// What a round is going to commit, and whom to tell.
pub(super) struct Plan {
    /// By key, so that a later change of a row takes the place of an earlier one.
    pub puts: BTreeMap<Key, Bytes>,
    deletes: Vec<Key>,
    bytes: usize,
    replies: Vec<Box<dyn FnOnce(Result<(), QueueError>) + Send + Sync>>,
    pub notes: Vec<Note>,
    tokens: HashMap<Bytes, Enqueued>,
    woken: usize,
    broken: Option<QueueError>,
}

impl Plan {
    fn new() -> Self {
        Self {
            puts: BTreeMap::new(),
            deletes: Vec::new(),
            bytes: 0,
            replies: Vec::new(),
            notes: Vec::new(),
            tokens: HashMap::new(),
            woken: 0,
            broken: None,
        }
    }

    pub fn put(&mut self, key: Key, value: Bytes) {
        self.bytes += value.len();
        self.puts.insert(key, value);
    }

    pub fn delete(&mut self, key: Key) {
        // What is put and deleted in one batch would be there in the end: puts come last.
        self.puts.remove(&key);
        self.deletes.push(key);
    }

    fn is_full(&self) -> bool {
        self.puts.len() + self.deletes.len() > BATCH_KEYS_MAX || self.bytes > BATCH_BYTES_MAX
    }

    fn answer<T: Send + Sync + 'static>(&mut self, reply: Reply<T>, result: Result<T, QueueError>) {
        match result {
            Ok(answer) => self.replies.push(Box::new(move |outcome| {
                // Whoever gave up waiting is not told.
                let _ = reply.send(outcome.map(|()| answer));
            })),
            Err(QueueError::TooManyClaimed) => drop(reply.send(Err(QueueError::TooManyClaimed))),
            Err(error) => {
                self.broken = Some(error.clone());
                drop(reply.send(Err(error)));
            }
        }
    }
}

impl Op {
    fn refuse(self, error: QueueError) {
        match self {
            Op::Enqueue(_, reply) => drop(reply.send(Err(error))),
            Op::Claim(_, reply) => drop(reply.send(Err(error))),
            Op::Extend(_, reply) | Op::Remove(_, reply) => drop(reply.send(Err(error))),
            Op::Transfer(_, _, reply) => drop(reply.send(Err(error))),
            Op::Expire(_, reply) => drop(reply.send(Err(error))),
            Op::Count(_, reply) => drop(reply.send(Err(error))),
            Op::Close(_, reply) => drop(reply.send(Err(error))),
        }
    }
}

impl Owner {
    pub fn new(shared: Arc<Shared>, id: EntryId, discipline: Discipline) -> Self {
        let keys = Keys::new(shared.name, id);
        Self {
            shared,
            id,
            discipline,
            keys,
            gate: Mutex::default(),
            memory: Mutex::default(),
            loading: tokio::sync::Mutex::default(),
            apart: AtomicBool::new(false),
            changed: Notify::new(),
            rescheduled: Notify::new(),
            timekeeper: Semaphore::new(1),
            waiting: AtomicUsize::new(0),
        }
    }

    pub fn id(&self) -> EntryId {
        self.id
    }

    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    pub(super) fn now_millis(&self) -> u64 {
        row::millis(self.now())
    }

    /// Takes an op in, and sees to it that someone does it.
    pub fn submit(owner: &Arc<Self>, op: Op) -> Result<(), QueueError> {
        let mut gate = owner.gate();
        if gate.closed {
            return Err(QueueError::Closed);
        }
        if gate.pending.len() >= PENDING_MAX {
            return Err(QueueError::Busy);
        }
        gate.pending.push_back(op);
        if !gate.running {
            gate.running = true;
            tokio::spawn(Arc::clone(owner).drain());
        }
        Ok(())
    }

    pub(super) fn is_closed(&self) -> bool {
        self.gate().closed
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn memory(&self) -> MutexGuard<'_, Option<Memory>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the memory, which is there in every round.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Memory) -> T) -> T {
        act(self.memory().as_mut().expect("a round begins with loading, and only its end forgets"))
    }

    async fn drain(self: Arc<Self>) {
        loop {
            let ops: Vec<Op> = {
                let mut gate = self.gate();
                let count = gate.pending.len().min(ROUND_OPS_MAX);
                gate.running = count > 0;
                gate.pending.drain(..count).collect()
            };
            if ops.is_empty() {
                return;
            }
            self.round(ops).await;
        }
    }

    async fn round(self: &Arc<Self>, ops: Vec<Op>) {
        let mut plan = Plan::new();
        for op in ops {
            if plan.is_full() || plan.broken.is_some() || matches!(op, Op::Close(..)) {
                self.settle(std::mem::replace(&mut plan, Plan::new())).await;
            }
            if self.is_closed() {
                op.refuse(QueueError::Closed);
            } else if let Op::Close(batch, reply) = op {
                self.close(batch, reply).await;
            } else if let Err(error) = self.load().await {
                op.refuse(error);
            } else {
                self.with(|memory| memory.busy = true);
                self.perform(op, &mut plan).await;
            }
        }
        self.settle(plan).await;
    }

    async fn perform(self: &Arc<Self>, op: Op, plan: &mut Plan) {
        match op {
            Op::Enqueue(entries, reply) => {
                let result = self.enqueue(entries, plan).await;
                plan.answer(reply, result);
            }
            Op::Claim(claim, reply) => {
                let result = self.claim(&claim, plan).await;
                plan.answer(reply, result);
            }
            Op::Extend(extensions, reply) => {
                let settled = extensions.iter().map(|extension| self.extend(extension, plan)).collect();
                plan.answer(reply, Ok(settled));
            }
            Op::Remove(receipts, reply) => {
                let settled = receipts.iter().map(|receipt| self.remove(receipt, plan)).collect();
                plan.answer(reply, Ok(settled));
            }
            Op::Transfer(max, route, reply) => {
                let result = self.transfer(max, &route, plan).await;
                plan.answer(reply, result);
            }
            Op::Expire(since, reply) => {
                let result = self.expire(row::millis(since), plan).await;
                plan.answer(reply, result);
            }
            Op::Count(delay, reply) => {
                let result = self.count(delay).await;
                plan.answer(reply, result);
            }
            Op::Close(_, reply) => drop(reply.send(Err(QueueError::Closed))),
        }
    }

    /// Commits a plan and tells everyone.
    async fn settle(self: &Arc<Self>, plan: Plan) {
        let before = self.next_wake();
        let outcome = match plan.broken {
            Some(error) => Err(error),
            None if plan.puts.is_empty() && plan.deletes.is_empty() => Ok(()),
            None => {
                let mut batch = Batch::new(self.shared.shard.clone());
                batch.puts.extend(plan.puts);
                batch.deletes = plan.deletes;
                self.shared.store.commit(batch).await.map(drop).map_err(QueueError::from)
            }
        };
        match &outcome {
            Ok(()) => {
                for note in plan.notes {
                    note.tell();
                }
                if let Some(memory) = self.memory().as_mut() {
                    memory.busy = false;
                    memory.noted.clear();
                }
            }
            Err(_) => *self.memory() = None,
        }
        if self.apart.swap(false, Ordering::Relaxed) {
            *self.memory() = None;
        }
        for reply in plan.replies {
            reply(outcome.clone());
        }
        for _ in 0..plan.woken.min(WOKEN_MAX) {
            self.changed.notify_one();
        }
        let after = self.next_wake();
        if after.is_some() && (before.is_none() || after < before) {
            self.rescheduled.notify_one();
        }
    }

    async fn close(&self, batch: Batch, reply: Reply<()>) {
        let batch = batch.put(self.keys.gone.clone(), Bytes::new());
        match self.shared.store.commit(batch).await {
            Ok(_) => {
                self.gate().closed = true;
                *self.memory() = None;
                self.changed.notify_waiters();
                drop(reply.send(Ok(())));
            }
            Err(error) => drop(reply.send(Err(error.into()))),
        }
    }

    /// Reads what must be in memory, unless it is there.
    pub(super) async fn load(&self) -> Result<(), QueueError> {
        if self.memory().is_some() {
            return Ok(());
        }
        let _one = self.loading.lock().await;
        if self.memory().is_some() {
            return Ok(());
        }
        let memory = self.read_memory().await?;
        *self.memory() = Some(memory);
        Ok(())
    }

    async fn read_memory(&self) -> Result<Memory, QueueError> {
        let now = self.now_millis();
        let mut memory = Memory {
            window: Window::new(self.discipline, Arc::clone(&self.shared.budget)),
            total: 0,
            end: None,
            more: true,
            delayed: BTreeMap::new(),
            delayed_unread: 0,
            delayed_end: (0, EntryId::default()),
            noted: Vec::new(),
            busy: false,
            oldest: 0,
            head_waits: None,
        };
        let mut damaged = None;
        self.scan_all(Range::prefix(&self.keys.claimed), |key, value| {
            match row::id_of(key).zip(row::decode_claim(value)) {
                Some((id, (group, state))) => {
                    drop(memory.window.insert(id, Known { state, group, value: None }, now))
                }
                None => damaged = Some(key.clone()),
            }
        })
        .await?;
        if let Some(key) = damaged {
            return Err(QueueError::Damaged { key });
        }
        let mut last = EntryId::default();
        self.scan_all(Range::prefix(&self.keys.waiting).keys_only(), |key, _| {
            memory.total += 1;
            last = row::id_of(key).unwrap_or(last);
        })
        .await?;
        self.shared.ids.raise(last);
        self.scan_all(Range::prefix(&self.keys.delayed).keys_only(), |key, _| {
            memory.total += 1;
            let (Some(due), Some(id)) = (row::due_of(key), row::id_of(key)) else { return };
            if due > now {
                *memory.delayed.entry(due).or_default() += 1;
            } else if memory.window.get(id).is_none() {
                memory.delayed_unread += 1;
            }
        })
        .await?;
        Ok(memory)
    }

    async fn scan_all(&self, range: Range, mut each: impl FnMut(&Key, Bytes)) -> Result<(), QueueError> {
        let mut range = range.limit(SCAN_ROWS_MAX);
        loop {
            let scan = self.shared.store.scan(self.shared.shard.keyspace, range.clone()).await?;
            let last = scan.rows.last().map(|(key, _)| key.clone());
            for (key, entry) in scan.rows {
                each(&key, entry.value);
            }
            match last {
                Some(last) if scan.more => range = range.after(last),
                _ => return Ok(()),
            }
        }
    }

    /// When something changes by itself.
    fn next_wake(&self) -> Option<u64> {
        let memory = self.memory();
        let memory = memory.as_ref()?;
        let delayed = memory.delayed.first_key_value().map(|(due, _)| *due);
        [memory.window.next_due(), delayed, memory.head_waits].into_iter().flatten().min()
    }

    async fn enqueue(&self, entries: Vec<New>, plan: &mut Plan) -> Result<Vec<Enqueued>, QueueError> {
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
                    return memory.delay(due);
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

    async fn claim(&self, claim: &Claim, plan: &mut Plan) -> Result<Vec<super::Claimed>, QueueError> {
        let now = self.now_millis();
        let returned = self.with(|memory| memory.tick(now));
        plan.woken += returned;
        if let Some(claimed) = self.claim_again(claim, plan).await? {
            return Ok(claimed);
        }
        if claim.max > 0 && self.with(|memory| memory.window.hidden()) >= claim.claimed_max {
            return Err(QueueError::TooManyClaimed);
        }
        let mut taken: Vec<super::Claimed> = Vec::new();
        let mut passed = 0;
        while taken.len() < claim.max && passed < PASSED_MAX {
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
                if taken.len() == claim.max || taken.iter().any(|claimed| claimed.receipt.id == id) {
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
        };
        self.change(id, &known, state, plan);
        Ok(Taken::Claimed(claimed(id, &state, value)))
    }

    /// Gives out the same entries once more, when nothing has happened to any of them.
    async fn claim_again(
        &self,
        claim: &Claim,
        plan: &mut Plan,
    ) -> Result<Option<Vec<super::Claimed>>, QueueError> {
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
            let state = State { due: row::millis(claim.until), ..known.state };
            self.change(id, &known, state, plan);
            again.push(claimed(id, &state, value));
        }
        Ok(Some(again))
    }

    fn extend(&self, extension: &Extension, plan: &mut Plan) -> Settled {
        let Extension { receipt, wait, total_max } = extension;
        let now = self.now_millis();
        let known = self.with(|memory| {
            memory.tick(now);
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
                self.change(receipt.id, &known, State { due, ..known.state }, plan);
                plan.woken += usize::from(due <= now);
                Settled::Done
            }
        }
    }

    fn remove(&self, receipt: &Receipt, plan: &mut Plan) -> Settled {
        let now = self.now_millis();
        let known = self.with(|memory| {
            memory.tick(now);
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

    async fn count(&self, delay: Duration) -> Result<Counts, QueueError> {
        let now = self.now_millis();
        let mut young = 0;
        if self.discipline == Discipline::Grouped && !delay.is_zero() {
            let delay = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            let first = EntryId::at(now.saturating_sub(delay).saturating_add(1));
            let range = Range::between(self.keys.entry(0, first), self.keys.waiting.prefix_end()).keys_only();
            self.scan_all(range, |_, _| young += 1).await?;
        }
        Ok(self.with(|memory| {
            memory.tick(now);
            let claimed = memory.window.hidden();
            let delayed = memory.delayed.values().sum::<usize>() + young;
            Counts { ready: memory.total.saturating_sub(claimed + delayed), claimed, delayed }
        }))
    }

    async fn expire(&self, since: u64, plan: &mut Plan) -> Result<bool, QueueError> {
        if self.with(|memory| memory.oldest >= since) {
            return Ok(false);
        }
        let end = EntryId::at(since);
        let waiting = (self.keys.entry(0, EntryId::default()), self.keys.entry(0, end));
        // A delayed entry was enqueued before its time: what was due before has been enqueued before.
        let delayed = (self.keys.delayed.clone(), self.keys.entry(since.max(1), EntryId::default()));
        let mut more = false;
        for (start, end) in [waiting, delayed] {
            let range = Range::between(start, Some(end)).keys_only().limit(super::REMOVED_ROWS_MAX);
            let scan = self.shared.store.scan(self.shared.shard.keyspace, range).await?;
            more |= scan.more;
            for (key, _) in scan.rows {
                let Some(id) = row::id_of(&key) else { continue };
                self.with(|memory| {
                    memory.total = memory.total.saturating_sub(1);
                    if memory.window.remove(id).is_none() && key.starts_with(&self.keys.delayed) {
                        memory.forget_delayed(row::due_of(&key).unwrap_or_default());
                    }
                });
                plan.delete(self.keys.claim(id));
                plan.delete(key);
            }
        }
        if !more {
            self.with(|memory| memory.oldest = since);
        }
        Ok(more)
    }

    /// Reads ahead until there is enough in memory, or there is no more.
    pub(super) async fn supply(&self, wanted: usize) -> Result<(), QueueError> {
        while self.may_supply() && !self.with(|memory| memory.window.has(wanted)) {
            self.read_ahead().await?;
        }
        Ok(())
    }

    fn may_supply(&self) -> bool {
        self.with(|memory| {
            (memory.more || memory.delayed_unread > 0) && memory.window.len() < self.known_max()
        })
    }

    fn known_max(&self) -> usize {
        match self.discipline {
            Discipline::Standard => KNOWN_MAX,
            Discipline::Grouped => KNOWN_GROUPED_MAX,
        }
    }

    /// Takes the next entries into memory.
    async fn read_ahead(&self) -> Result<(), QueueError> {
        let now = self.now_millis();
        let (unread, end, delayed_end) =
            self.with(|memory| (memory.delayed_unread > 0, memory.end, memory.delayed_end));
        let range = if unread {
            let (due, id) = delayed_end;
            let end = self.keys.entry(now.saturating_add(1), EntryId::default());
            Range::between(self.keys.delayed.clone(), Some(end)).after(self.keys.entry(due.max(1), id))
        } else {
            let range = Range::prefix(&self.keys.waiting);
            match end {
                Some(end) => range.after(self.keys.entry(0, end)),
                None => range,
            }
        };
        let scan = self.shared.store.scan(self.shared.shard.keyspace, range.limit(AHEAD_ROWS)).await?;
        let mut rows = Vec::with_capacity(scan.rows.len());
        for (key, entry) in scan.rows {
            let id = row::id_of(&key);
            let (Some(id), Some((group, value))) = (id, row::decode_entry(entry.value)) else {
                return Err(QueueError::Damaged { key });
            };
            let place = if unread { row::due_of(&key).unwrap_or_default() } else { 0 };
            let due = if unread { place } else { id.millis() }.min(now);
            let state = State { due, place, ..State::default() };
            rows.push((id, Known { state, group, value: Some(value) }));
        }
        self.with(
            |memory| if unread { memory.read_delayed(rows, now) } else { memory.read(rows, scan.more, now) },
        );
        Ok(())
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

    fn change(&self, id: EntryId, known: &Known, state: State, plan: &mut Plan) {
        let now = self.now_millis();
        self.with(|memory| memory.window.change(id, state, now));
        plan.put(self.keys.claim(id), row::encode_claim(known.group.as_ref(), &state));
    }

    /// Takes in an entry that another queue has moved here.
    pub(super) fn note(&self, id: EntryId, known: Known) {
        let now = self.now_millis();
        match self.memory().as_mut() {
            Some(memory) => {
                memory.total += 1;
                memory.oldest = memory.oldest.min(id.millis());
                memory.arrive(id, known, now);
            }
            // It was loaded before the move was committed and has failed since: it may or may not have read the entry.
            None => self.apart.store(true, Ordering::Relaxed),
        }
        self.changed.notify_one();
    }

    /// Listens for what may make a claim succeed, from now on.
    pub fn listen(&self) -> Listener<'_> {
        let mut notified = Box::pin(self.changed.notified());
        notified.as_mut().enable();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Listener { owner: self, notified }
    }
}

/// What became of an entry that was to be claimed.
enum Taken {
    Claimed(super::Claimed),
    Passed,
    TooYoung,
}

fn claimed(id: EntryId, state: &State, value: Bytes) -> super::Claimed {
    super::Claimed {
        receipt: Receipt { id, nonce: state.nonce },
        claims: state.claims,
        first: Timestamp::from_millis(i64::try_from(state.first).unwrap_or(i64::MAX)),
        value,
    }
}

impl Memory {
    /// Makes available whose time has come. Says how many there were.
    pub fn tick(&mut self, now: u64) -> usize {
        let mut returned = self.window.tick(now);
        while let Some(due) = self.delayed.first_entry().filter(|due| *due.key() <= now) {
            let count = due.remove();
            self.delayed_unread += count;
            returned += count;
        }
        if self.head_waits.is_some_and(|waits| waits <= now) {
            self.head_waits = None;
        }
        returned
    }

    /// Takes in a new entry when all before it are in memory; otherwise it is read when its turn comes.
    fn arrive(&mut self, id: EntryId, known: Known, now: u64) {
        let within = Some(id) <= self.end;
        if within || (!self.more && self.window.fresh < AHEAD_MAX) {
            self.window.insert(id, known, now);
            self.end = self.end.max(Some(id));
            return;
        }
        self.more = true;
        if self.busy {
            self.noted.push((id, known));
        }
    }

    /// Notes a delayed entry. Says where it is to be put.
    fn delay(&mut self, due: u64) -> u64 {
        let due = due.div_ceil(DELAY_STEP_MS) * DELAY_STEP_MS;
        // Never behind what was read already, as when the clock has stepped back.
        let due = due.max(self.delayed_end.0 + 1);
        *self.delayed.entry(due).or_default() += 1;
        due
    }

    fn forget_delayed(&mut self, due: u64) {
        match self.delayed.get_mut(&due) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) => drop(self.delayed.remove(&due)),
            None => self.delayed_unread = self.delayed_unread.saturating_sub(1),
        }
    }

    fn read(&mut self, rows: Vec<(EntryId, Known)>, more: bool, now: u64) {
        self.end = self.end.max(rows.last().map(|(id, _)| *id));
        self.more = more;
        for (id, known) in rows {
            self.window.insert(id, known, now);
        }
        for (id, known) in std::mem::take(&mut self.noted) {
            self.arrive(id, known, now);
        }
    }

    fn read_delayed(&mut self, rows: Vec<(EntryId, Known)>, now: u64) {
        if rows.is_empty() {
            self.delayed_unread = 0;
        }
        for (id, known) in rows {
            self.delayed_end = (known.state.place, id);
            if self.window.insert(id, known, now) {
                self.delayed_unread = self.delayed_unread.saturating_sub(1);
            }
        }
    }
}

/// Waits for what may make a claim succeed.
pub struct Listener<'a> {
    owner: &'a Owner,
    notified: std::pin::Pin<Box<tokio::sync::futures::Notified<'a>>>,
}

/// The one that watches the time for all who wait. When it goes, another must learn of it.
struct Timekeeper<'a> {
    owner: &'a Owner,
    permit: Option<tokio::sync::SemaphorePermit<'a>>,
}

impl Drop for Timekeeper<'_> {
    fn drop(&mut self) {
        if self.permit.take().is_some() && self.owner.waiting.load(Ordering::Relaxed) > 1 {
            self.owner.changed.notify_one();
        }
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        self.waiting_ends();
    }
}

impl Listener<'_> {
    fn waiting_ends(&self) {
        self.owner.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// Resolves when something has changed, and at the deadline.
    pub async fn until(mut self, deadline: Timestamp) {
        let owner = self.owner;
        let keeper = Timekeeper { owner, permit: owner.timekeeper.try_acquire().ok() };
        loop {
            let rescheduled = owner.rescheduled.notified();
            let wake = owner
                .next_wake()
                .map(|due| Timestamp::from_millis(i64::try_from(due).unwrap_or(i64::MAX)))
                .filter(|_| keeper.permit.is_some())
                .map_or(deadline, |due| due.min(deadline));
            tokio::select! {
                () = self.notified.as_mut() => return,
                () = owner.shared.clock.sleep_until(wake) => return,
                () = rescheduled, if keeper.permit.is_some() => {}
            }
        }
    }
}
