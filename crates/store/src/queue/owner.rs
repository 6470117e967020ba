//! The one who does all that is asked of a queue, in order, and commits what has gathered as one batch.
//!
//! Nothing runs while nothing is asked: the first to ask starts a task, which ends when there is no more to do. Memory is
//! changed before the commit and answers are given after it; when a commit fails, memory is forgotten and read anew, since
//! what the store then holds is for the store to say.

use super::memory::Memory;
use super::plan::Plan;
use super::row::{self, EntryId, Keys};
use super::window::Known;
use super::{
    Claim, Claimed, Counts, Discipline, Enqueued, Extension, New, QueueError, Receipt, Route, Settled,
    Shared, Transferred,
};
use crate::Batch;
use bytes::Bytes;
use hearth_base::Timestamp;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, oneshot};

/// What may wait to be done by one queue.
const PENDING_MAX: usize = 10_000;
/// What is taken up at once.
const ROUND_OPS_MAX: usize = 512;
/// Waiters woken at once.
const WOKEN_MAX: usize = 256;

/// Whom to answer.
pub type Reply<T> = oneshot::Sender<Result<T, QueueError>>;

/// What is asked of a queue.
pub enum Op {
    Enqueue(Vec<New>, Reply<Vec<Enqueued>>),
    Claim(Box<Claim>, Reply<Vec<Claimed>>),
    Extend(Vec<Extension>, Reply<Vec<Settled>>),
    Remove(Vec<Receipt>, Reply<Vec<Settled>>),
    Transfer(usize, Route, Reply<Transferred>),
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
    pub(super) loading: tokio::sync::Mutex<()>,
    /// Whether it has been read before.
    pub(super) is_known: AtomicBool,
    /// Memory and store have come apart: memory is to be read anew.
    apart: AtomicBool,
    /// Something may be there to be claimed.
    pub(super) changed: Notify,
    /// Something was done: what comes back next may come earlier than was thought.
    pub(super) rescheduled: Notify,
    /// Held by the one waiter that watches the time for all.
    pub(super) timekeeper: Semaphore,
    /// How many wait.
    pub(super) waiting: AtomicUsize,
    /// In every [`Claimed`] there is.
    pub(super) in_hand: Arc<()>,
}

#[derive(Default)]
struct Gate {
    pending: VecDeque<Op>,
    running: bool,
    closed: bool,
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
            is_known: AtomicBool::new(false),
            apart: AtomicBool::new(false),
            changed: Notify::new(),
            rescheduled: Notify::new(),
            timekeeper: Semaphore::new(1),
            waiting: AtomicUsize::new(0),
            in_hand: Arc::default(),
        }
    }

    /// How many claimed entries somebody holds on to.
    pub fn in_hand(&self) -> usize {
        Arc::strong_count(&self.in_hand) - 1
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

    pub(super) fn memory(&self) -> MutexGuard<'_, Option<Memory>> {
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
                let result = self.count(delay, plan).await;
                plan.answer(reply, result);
            }
            Op::Close(_, reply) => drop(reply.send(Err(QueueError::Closed))),
        }
    }

    /// Commits a plan and tells everyone.
    async fn settle(self: &Arc<Self>, plan: Plan) {
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
        // What was forgotten tells nobody when something comes back: one has to ask, and have it read.
        let forgotten = usize::from(self.memory().is_none());
        for _ in 0..plan.woken.max(forgotten).min(WOKEN_MAX) {
            self.changed.notify_one();
        }
        if self.waiting.load(Ordering::Relaxed) > 0 {
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
}
