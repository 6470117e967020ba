//! Asynchronous invocation: events are durable before they are answered with 202, run at least once, tried again, and told
//! of at the end.
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html>
//!
//! It owns the way of an event from its acceptance to its end: [`event`] is what is stored, [`lanes`] says whose turn it is,
//! [`record`] what is told. It refuses to know how a function is run and how a destination is reached.

mod event;
mod lanes;
mod record;
mod turn;

use crate::runner::Runner;
use event::{Event, NewEvent};
use hearth_api::Deliver;
use hearth_base::id::time_ordered;
use hearth_base::{Clock, Rng, Timestamp};
use hearth_lambda::FunctionKey;
use hearth_store::{Batch, CommitError, Error, Key, Keyspace, Range, Shard, Store};
use lanes::{Lanes, Step, Turn};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};

pub(crate) use event::NewEvent as Accepted;

/// Keys that are read at once.
const READ_ROWS: usize = 256;

/// What asynchronous invocation stands on.
pub(crate) struct Options {
    /// Where events wait.
    pub store: Store,
    /// Runs functions.
    pub runner: Arc<Runner>,
    /// Reaches destinations and dead-letter queues.
    pub deliver: Arc<dyn Deliver>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Events that run at once.
    pub running_max: usize,
}

/// The queue of events and what works on it. A cheap handle.
#[derive(Clone)]
pub(crate) struct Asynchronous {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    shard: Shard,
    runner: Arc<Runner>,
    deliver: Arc<dyn Deliver>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    lanes: Mutex<Lanes>,
    /// Told when a lane has something to do.
    work: Notify,
    /// Told when a turn has ended.
    ended: Notify,
    closing: watch::Sender<bool>,
}

impl Asynchronous {
    /// Finds the events that wait, and begins to work on them. Call it inside the async runtime.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn open(options: Options) -> Result<Self, Error> {
        let Options { store, runner, deliver, clock, rng, running_max } = options;
        let inner = Arc::new(Inner {
            shard: Shard::new(Keyspace::Queues, "asynchronous"),
            lanes: Mutex::new(Lanes::new(running_max)),
            work: Notify::new(),
            ended: Notify::new(),
            closing: watch::Sender::new(false),
            store,
            runner,
            deliver,
            clock,
            rng,
        });
        let waiting = functions_with_events(&inner.store).await?;
        for function in waiting {
            inner.lanes().discover(function, inner.clock.now());
        }
        tokio::spawn(work(Arc::clone(&inner)));
        Ok(Self { inner })
    }

    /// Takes an event. It is durable when this returns well.
    pub(crate) async fn accept(&self, function: &FunctionKey, event: NewEvent) -> Result<(), CommitError> {
        let inner = &self.inner;
        let due = event.accepted;
        let key = inner.key(function, due);
        inner.store.commit(inner.batch().put(key.clone(), Event::from(event).write())).await?;
        inner.lanes().arrive(function, key, inner.clock.now());
        inner.work.notify_one();
        Ok(())
    }

    /// Returns when nothing runs and nothing is due.
    pub(crate) async fn quiet(&self) {
        loop {
            let ended = self.inner.ended.notified();
            if self.inner.lanes().is_quiet(self.inner.clock.now()) {
                return;
            }
            ended.await;
        }
    }

    /// Begins nothing more. What runs goes on, and what it leaves undone is done after the next start.
    pub(crate) fn close(&self) {
        self.inner.closing.send_replace(true);
    }
}

impl Inner {
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn batch(&self) -> Batch {
        Batch::new(self.shard.clone())
    }

    fn key(&self, function: &FunctionKey, due: Timestamp) -> Key {
        event::key(function, due, &time_ordered(self.clock.now(), &*self.rng))
    }

    fn finish(&self, function: &FunctionKey, key: Key, turn: Turn) {
        self.lanes().finish(function, key, (turn, self.clock.now()));
        self.work.notify_one();
        self.ended.notify_waiters();
    }

    async fn read(&self, function: &FunctionKey, after: Option<Key>) {
        let range = Range::prefix(&event::of_function(function)).limit(READ_ROWS);
        let range = match after {
            Some(key) => range.after(key),
            None => range,
        };
        let scanned = self.store.scan(Keyspace::Queues, range).await;
        let now = self.clock.now();
        match scanned {
            Ok(scan) => {
                let keys = scan.rows.into_iter().map(|(key, _)| key).collect();
                self.lanes().read(function, (keys, scan.more), now);
            }
            Err(error) => {
                tracing::error!(function = %function.arn(), %error, "events that wait cannot be read");
                self.lanes().unread(function, now);
            }
        }
        self.work.notify_one();
        self.ended.notify_waiters();
    }
}

/// Gives every lane its turns until the queue is closed. One task for all functions; it sleeps until something is due.
async fn work(inner: Arc<Inner>) {
    let mut closing = inner.closing.subscribe();
    loop {
        let arrived = inner.work.notified();
        begin_turns(&inner);
        let next = inner.lanes().next_time();
        let due = async {
            match next {
                Some(time) => inner.clock.sleep_until(time).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = arrived => {}
            () = due => {}
            _ = closing.wait_for(|closing| *closing) => return,
        }
    }
}

fn begin_turns(inner: &Arc<Inner>) {
    let now = inner.clock.now();
    inner.lanes().allow_growth(!inner.runner.is_starting());
    loop {
        // The lock is not held while a task is spawned.
        let Some(step) = inner.lanes().next(now) else { return };
        let inner = Arc::clone(inner);
        match step {
            Step::Run(function, key) => {
                tokio::spawn(async move {
                    let turn = turn::take(&inner, &function, &key).await;
                    inner.finish(&function, key, turn);
                });
            }
            Step::Read(function, after) => {
                tokio::spawn(async move { inner.read(&function, after).await });
            }
        }
    }
}

/// The functions that have events waiting: one look for each, however many events it has.
async fn functions_with_events(store: &Store) -> Result<Vec<FunctionKey>, Error> {
    let all = event::all();
    let mut functions = Vec::new();
    let mut start = all.clone();
    loop {
        let range = Range::between(start, all.prefix_end()).limit(1);
        let scan = store.scan(Keyspace::Queues, range).await?;
        let Some((key, _)) = scan.rows.first() else { return Ok(functions) };
        start = match event::read_key(key) {
            Some((function, _)) => {
                let end = event::of_function(&function).prefix_end();
                functions.push(function);
                end.unwrap_or_else(|| key.successor())
            }
            None => {
                tracing::error!(%key, "a key among the events that wait is none of theirs");
                key.successor()
            }
        };
    }
}
