//! Durable queues above the contract: enqueue, claim for a time, extend, remove; at least once, in bounded memory.
//!
//! A [`Queue`] has one owner in one process, which does all that is asked of it in order and commits what has gathered
//! meanwhile as one batch. What waits costs disk: in memory are the entries that were ever claimed (whose number the
//! claimer bounds) and a short stretch of those that come next. An entry that is claimed stays where it was written;
//! what becomes of it is a small row beside it, so that a claim outlives a crash and its receipt stays good, unless the
//! claimer was a task of the process that has gone.
//!
//! It refuses to know what values mean, to run tasks that outlive what was asked, and to look for work by the clock: the
//! waiting of [`Queue::claim_within`] is its caller's own.

mod listener;
mod memory;
mod moves;
mod operation;
mod owner;
mod plan;
mod row;
mod window;

pub use row::{EntryId, millis as entry_millis};

use crate::{Batch, CommitError, Error, Key, Range, Shard, Store};
use bytes::Bytes;
use hearth_base::{Clock, Rng, Timestamp};
use owner::{Op, Owner};
use row::{Ids, Keys};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio::sync::oneshot;

/// Rows that one batch of a removal takes away.
const REMOVED_ROWS_MAX: usize = 500;

/// In which order entries are claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discipline {
    /// About in the order in which they became available; an entry that comes back is behind those that waited longer.
    Standard,
    /// In the order of enqueuing within each group, and nothing of a group while something of it is claimed.
    Grouped,
}

/// What queues stand on.
pub struct QueueOptions {
    /// Where they are kept.
    pub store: Store,
    /// What their batches belong to.
    pub shard: Shard,
    /// The first part of all their keys.
    pub name: &'static str,
    /// For all times.
    pub clock: Arc<dyn Clock>,
    /// For ids and receipts.
    pub rng: Arc<dyn Rng>,
    /// Who claims.
    pub claimers: Claimers,
}

/// Who claims entries: what is claimed in a queue that is opened anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimers {
    /// Others than this process: their claims hold until their time.
    Elsewhere,
    /// Tasks of this process: what those of a former one held when it ended is free at once. What they had given back to be
    /// tried later waits for its time all the same.
    Here,
}

/// Makes queues. Clones are the same.
#[derive(Clone)]
pub struct Queues {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    store: Store,
    shard: Shard,
    name: &'static str,
    clock: Arc<dyn Clock>,
    ids: Ids,
    claimers: Claimers,
    /// Bytes of values in memory over all queues.
    budget: Arc<AtomicUsize>,
}

/// One queue. Clones are the same queue.
#[derive(Clone)]
pub struct Queue {
    owner: Arc<Owner>,
}

/// An entry to enqueue.
#[derive(Debug, Clone, Default)]
pub struct New {
    /// Not to be claimed before this time, which is kept to a tenth of a second.
    pub due: Option<Timestamp>,
    /// For [`Discipline::Grouped`].
    pub group: Option<Bytes>,
    /// A token that enqueues once within [`ONCE`]; later ones are answered with the first.
    pub once: Option<Bytes>,
    /// What whoever used a token first called the entry.
    pub label: Bytes,
    /// The value.
    pub value: Bytes,
}

/// For how long a token is remembered.
pub const ONCE: Duration = Duration::from_secs(300);

/// An entry that is in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enqueued {
    /// Its id.
    pub id: EntryId,
    /// Its label: that of the first, when the token was used before.
    pub label: Bytes,
}

/// What is wanted of a queue.
#[derive(Clone)]
pub struct Claim {
    /// How many entries at most.
    pub max: usize,
    /// When they come back unless they are removed.
    pub until: Timestamp,
    /// Entries enqueued before this are removed and not claimed.
    pub since: Timestamp,
    /// How long entries of a grouped queue wait after they were enqueued.
    pub delay: Duration,
    /// How many may be claimed at once.
    pub claimed_max: usize,
    /// Where entries go that were claimed too often.
    pub dead: Option<Dead>,
    /// Entries to claim once more, when nothing has happened to any of them since.
    pub again: Vec<(Receipt, Timestamp)>,
}

/// Where entries go that were claimed too often.
#[derive(Clone)]
pub struct Dead {
    /// How often is still right.
    pub claims_max: u32,
    /// Where one that was claimed more often goes; where that is nowhere, it is claimed all the same.
    pub route: Route,
}

/// Says where an entry is moved.
pub type Route = Arc<dyn Fn(&Bytes) -> Option<Moved> + Send + Sync>;

/// Where an entry is moved.
pub struct Moved {
    /// To which queue of the same factory.
    pub to: Queue,
    /// What it is there.
    pub value: Bytes,
    /// Its group there.
    pub group: Option<Bytes>,
    /// Whether it counts as enqueued when it first was; otherwise it is a new entry.
    pub keeps_id: bool,
}

/// Proof of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// The entry.
    pub id: EntryId,
    /// Which claim of it.
    pub nonce: u64,
}

/// An entry that was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// To extend or remove it with.
    pub receipt: Receipt,
    /// How often it was claimed, this time counted.
    pub claims: u32,
    /// When it was first claimed.
    pub first: Timestamp,
    /// The value.
    pub value: Bytes,
    /// Shows that somebody is at work on the entry, for [`Queue::is_at_rest`].
    in_hand: Arc<()>,
}

/// A change of when an entry comes back.
#[derive(Debug, Clone, Copy)]
pub struct Extension {
    /// Of which claim.
    pub receipt: Receipt,
    /// From now on how long it stays claimed; zero gives it back.
    pub wait: Duration,
    /// How long it may stay claimed, from when it was.
    pub total_max: Duration,
}

/// What became of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It was done.
    Done,
    /// The entry is there, but its time has run out and nobody has claimed it since.
    Expired,
    /// The entry was claimed again since.
    Stale,
    /// There is no such entry any more.
    Gone,
    /// It would stay claimed for too long.
    TooLong,
}

/// What became of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transferred {
    /// How many entries went.
    pub moved: usize,
    /// Whether one went nowhere.
    pub stuck: bool,
    /// Whether there may be more to move.
    pub more: bool,
}

/// How many entries there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Neither claimed nor delayed.
    pub ready: usize,
    /// Whether one of these can be claimed now; not so when all wait behind others of their groups.
    pub claimable: bool,
    /// Claimed.
    pub claimed: usize,
    /// Not to be claimed yet.
    pub delayed: usize,
}

/// A queue did not do what was asked.
#[derive(Debug, Clone)]
pub enum QueueError {
    /// It was closed: removed or emptied.
    Closed,
    /// Too much waits to be done already.
    Busy,
    /// As many entries are claimed as may be.
    TooManyClaimed,
    /// Something stored does not read.
    Damaged {
        /// Where.
        key: Key,
    },
    /// The store could not read.
    Read(Error),
    /// The store could not write.
    Commit(CommitError),
}

impl Queues {
    /// A factory of queues.
    pub fn new(options: QueueOptions) -> Self {
        let QueueOptions { store, shard, name, clock, rng, claimers } = options;
        let ids = Ids::new(rng);
        let budget = Arc::default();
        Self { shared: Arc::new(Shared { store, shard, name, clock, ids, claimers, budget }) }
    }

    /// An id for a new queue.
    pub fn next_id(&self) -> EntryId {
        self.shared.ids.next(self.shared.clock.now())
    }

    /// The queue of an id. Whoever calls sees to it that there is one of each id: a second would not see what the first does.
    pub fn queue(&self, id: EntryId, discipline: Discipline) -> Queue {
        Queue { owner: Arc::new(Owner::new(Arc::clone(&self.shared), id, discipline)) }
    }

    /// The tombstone of a queue, to be put in the batch that makes it unreachable.
    pub fn tombstone(&self, id: EntryId) -> Key {
        Keys::new(self.shared.name, id).gone
    }

    /// Removes what is left of queues that have a tombstone.
    pub async fn remove_gone(&self) -> Result<(), QueueError> {
        let Shared { store, shard, name, .. } = &*self.shared;
        let all = Keys::all_gone(name);
        loop {
            let scan = store.scan(shard.keyspace, Range::prefix(&all).limit(REMOVED_ROWS_MAX)).await?;
            if scan.rows.is_empty() {
                return Ok(());
            }
            for (tombstone, _) in scan.rows {
                if let Some(id) = row::id_of(&tombstone) {
                    let Keys { waiting, delayed, claimed, once, .. } = Keys::new(name, id);
                    for prefix in [waiting, delayed, claimed, once] {
                        self.remove_range(&Range::prefix(&prefix)).await?;
                    }
                }
                store.commit(Batch::new(shard.clone()).delete(tombstone)).await?;
            }
        }
    }

    /// Removes the tokens of a queue that are no longer remembered.
    pub async fn forget_tokens(&self, id: EntryId) -> Result<(), QueueError> {
        let keys = Keys::new(self.shared.name, id);
        let bucket = row::millis(self.shared.clock.now()) / row::BUCKET_MS;
        let range = Range::between(keys.bucket(0), Some(keys.bucket(bucket.saturating_sub(1))));
        self.remove_range(&range).await
    }

    async fn remove_range(&self, range: &Range) -> Result<(), QueueError> {
        let Shared { store, shard, .. } = &*self.shared;
        loop {
            let scan = store.scan(shard.keyspace, range.clone().keys_only().limit(REMOVED_ROWS_MAX)).await?;
            if scan.rows.is_empty() {
                return Ok(());
            }
            let mut batch = Batch::new(shard.clone());
            batch.deletes.extend(scan.rows.into_iter().map(|(key, _)| key));
            store.commit(batch).await?;
        }
    }
}

impl Queue {
    /// The queue's id.
    pub fn id(&self) -> EntryId {
        self.owner.id()
    }

    /// Enqueues entries, all or none; they are in the queue in this order.
    pub async fn enqueue(&self, entries: Vec<New>) -> Result<Vec<Enqueued>, QueueError> {
        self.ask(|reply| Op::Enqueue(entries, reply)).await
    }

    /// Claims entries that are available now.
    pub async fn claim(&self, claim: Claim) -> Result<Vec<Claimed>, QueueError> {
        self.ask(|reply| Op::Claim(Box::new(claim), reply)).await
    }

    /// Claims entries; when there are none, waits for some until `deadline`.
    pub async fn claim_within(
        &self,
        deadline: Timestamp,
        claim: impl Fn() -> Claim,
    ) -> Result<Vec<Claimed>, QueueError> {
        loop {
            let listener = self.owner.listen();
            let claimed = self.claim(claim()).await;
            match claimed {
                Ok(ref claimed) if claimed.is_empty() => {}
                Err(QueueError::TooManyClaimed) => {}
                other => return other,
            }
            if self.owner.now() >= deadline {
                return claimed;
            }
            listener.until(deadline).await;
        }
    }

    /// Changes when entries come back.
    pub async fn extend(&self, extensions: Vec<Extension>) -> Result<Vec<Settled>, QueueError> {
        self.ask(|reply| Op::Extend(extensions, reply)).await
    }

    /// Removes claimed entries.
    pub async fn remove(&self, receipts: Vec<Receipt>) -> Result<Vec<Settled>, QueueError> {
        self.ask(|reply| Op::Remove(receipts, reply)).await
    }

    /// Moves up to `max` available entries to where `route` says; stops at the first that goes nowhere.
    pub async fn transfer(&self, max: usize, route: Route) -> Result<Transferred, QueueError> {
        self.ask(|reply| Op::Transfer(max, route, reply)).await
    }

    /// Removes entries enqueued before `since`, some at a time. Says whether there may be more.
    pub async fn expire(&self, since: Timestamp) -> Result<bool, QueueError> {
        self.ask(|reply| Op::Expire(since, reply)).await
    }

    /// Counts. In a grouped queue, entries younger than `delay` count as delayed.
    pub async fn counts(&self, delay: Duration) -> Result<Counts, QueueError> {
        self.ask(|reply| Op::Count(delay, reply)).await
    }

    /// Whether there is nothing to do now: nothing can be claimed, and nobody holds on to a [`Claimed`]. So it is for who keeps
    /// what was claimed until it is done with. What waits for its time, or for its claim to end, is at rest.
    pub async fn is_at_rest(&self) -> bool {
        match self.counts(Duration::ZERO).await {
            Ok(counts) => !counts.claimable && self.owner.in_hand() == 0,
            // Of a queue that has gone nothing can be claimed; one that cannot be read has nobody at work.
            Err(_) => true,
        }
    }

    /// Returns when [`Queue::is_at_rest`]. It looks again and again, as it is only for who puts a clock forward.
    pub async fn rest(&self) {
        while !self.is_at_rest().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Commits a batch of the caller's, with a tombstone for the queue in it, after all that was asked before; from then
    /// on the queue is closed. When the batch is refused it stays open.
    pub async fn close(&self, batch: Batch) -> Result<(), QueueError> {
        self.ask(|reply| Op::Close(batch, reply)).await
    }

    async fn ask<T>(
        &self,
        op: impl FnOnce(oneshot::Sender<Result<T, QueueError>>) -> Op,
    ) -> Result<T, QueueError> {
        let (reply, answer) = oneshot::channel();
        Owner::submit(&self.owner, op(reply))?;
        // Without an answer the owner's task has gone with its runtime.
        answer.await.unwrap_or(Err(QueueError::Closed))
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Queue").field(&self.id()).finish()
    }
}

impl From<Error> for QueueError {
    fn from(error: Error) -> Self {
        QueueError::Read(error)
    }
}

impl From<CommitError> for QueueError {
    fn from(error: CommitError) -> Self {
        QueueError::Commit(error)
    }
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueueError::Closed => f.write_str("the queue is closed"),
            QueueError::Busy => f.write_str("too much waits to be done by the queue"),
            QueueError::TooManyClaimed => f.write_str("too many entries of the queue are claimed"),
            QueueError::Damaged { key } => write!(f, "{key} does not read"),
            QueueError::Read(error) => fmt::Display::fmt(error, f),
            QueueError::Commit(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl std::error::Error for QueueError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            QueueError::Read(error) => std::error::Error::source(error),
            QueueError::Commit(error) => std::error::Error::source(error),
            _ => None,
        }
    }
}
