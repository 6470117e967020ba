//! What an owner knows of its queue beside the window, and reading the queue into both.

use super::owner::Owner;
use super::row::{self, EntryId, State};
use super::window::{Known, Window};
use super::{Claimers, Discipline, QueueError};
use crate::limits::SCAN_ROWS_MAX;
use crate::{Key, Range};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Entries never claimed that are kept in memory.
const AHEAD_MAX: usize = 1_000;
/// Rows read ahead at once.
const AHEAD_ROWS: usize = 256;
/// Entries in memory after which nothing more is read ahead, in a standard queue.
const KNOWN_MAX: usize = 200_000;
/// The same of a grouped queue. AWS: so far it looks for groups of which nothing is claimed.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-fifo.html>
const KNOWN_GROUPED_MAX: usize = 20_000;
/// Times of delayed entries are rounded down to this, so that counting them takes bounded memory.
const DELAY_STEP_MS: u64 = 100;

/// What is known of a queue.
pub struct Memory {
    pub window: Window,
    /// Entries in the store.
    pub total: usize,
    /// All waiting entries up to this are in the window.
    end: Option<EntryId>,
    /// Whether there may be more behind it.
    more: bool,
    /// Entries not in the window that may be claimed later, by their time.
    pub delayed: BTreeMap<u64, usize>,
    /// Delayed entries whose time has come and that are not in the window.
    delayed_unread: usize,
    /// All delayed entries up to this are in the window.
    delayed_end: (u64, EntryId),
    /// Arrived behind `end` in the present round: a scan may have begun too early to see them.
    pub noted: Vec<(EntryId, Known)>,
    /// Whether a round is under way.
    pub busy: bool,
    /// No entry is older.
    pub oldest: u64,
    /// When the first entry of a grouped queue that was too young is old enough.
    pub head_waits: Option<u64>,
}

impl Owner {
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
        self.is_known.store(true, Ordering::Relaxed);
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
        let is_orphaned = |state: &State| {
            state.held && self.shared.claimers == Claimers::Here && !self.is_known.load(Ordering::Relaxed)
        };
        self.scan_all(Range::prefix(&self.keys.claimed), |key, value| {
            match row::id_of(key).zip(row::decode_claim(value)) {
                Some((id, (group, mut state))) => {
                    if is_orphaned(&state) {
                        state.due = state.due.min(now);
                    }
                    memory.window.insert(id, Known { state, group, value: None }, now);
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

    pub(super) async fn scan_all(
        &self,
        range: Range,
        mut each: impl FnMut(&Key, Bytes),
    ) -> Result<(), QueueError> {
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

    /// Reads ahead until there is enough in memory, or there is no more.
    pub(super) async fn supply(&self, wanted: usize) -> Result<(), QueueError> {
        while self.may_supply() && !self.with(|memory| memory.window.has(wanted)) {
            self.read_ahead().await?;
        }
        Ok(())
    }

    pub(super) fn may_supply(&self) -> bool {
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
    pub(super) async fn read_ahead(&self) -> Result<(), QueueError> {
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
            returned += 1;
        }
        returned
    }

    /// Whether there is an entry that can be claimed, or one to be read that may be.
    pub fn may_have_claimable(&self) -> bool {
        self.more || self.delayed_unread > 0 || !self.window.next(1).is_empty()
    }

    /// Takes in a new entry when all before it are in memory; otherwise it is read when its turn comes.
    pub fn arrive(&mut self, id: EntryId, known: Known, now: u64) {
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
    pub fn delay(&mut self, due: u64, now: u64) -> u64 {
        let due = (due / DELAY_STEP_MS * DELAY_STEP_MS).max(now + 1);
        // Never behind what was read already, as when the clock has stepped back.
        let due = due.max(self.delayed_end.0 + 1);
        *self.delayed.entry(due).or_default() += 1;
        due
    }

    pub fn forget_delayed(&mut self, due: u64) {
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
