//! What waits for one subscriber: batches of bounded size, and a count of what was dropped.
//!
//! Time here is real time, whatever the clock of timestamps. It refuses to send anything.

use super::Subscription;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// How many batches wait at most, beside the one that is being sent: output comes in bursts.
const BATCHES_MAX: usize = 4;

pub(super) struct Queue {
    state: Mutex<State>,
    /// Told when a batch may be due earlier than it was.
    changed: Notify,
}

struct State {
    subscription: Arc<Subscription>,
    lines: VecDeque<String>,
    bytes: usize,
    /// When the first of the lines came.
    since: Option<Instant>,
    dropped: Dropped,
    flushing: bool,
}

/// What a subscriber has lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) records: u64,
    pub(super) bytes: u64,
}

/// Lines to be sent together.
pub(super) struct Batch {
    pub(super) subscription: Arc<Subscription>,
    pub(super) lines: Vec<String>,
    pub(super) dropped: Dropped,
}

impl Queue {
    pub(super) fn new(subscription: Subscription) -> Self {
        let state = State {
            subscription: Arc::new(subscription),
            lines: VecDeque::new(),
            bytes: 0,
            since: None,
            dropped: Dropped::default(),
            flushing: false,
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    pub(super) fn subscription(&self) -> Arc<Subscription> {
        Arc::clone(&self.lock().subscription)
    }

    pub(super) fn replace(&self, subscription: Subscription) {
        self.lock().subscription = Arc::new(subscription);
        self.changed.notify_one();
    }

    /// Adds a line, or drops it when too many wait.
    pub(super) fn push(&self, line: String) {
        let mut state = self.lock();
        let Subscription { items_max, bytes_max, .. } = *state.subscription;
        let full = state.lines.len() >= BATCHES_MAX * items_max
            || (state.bytes + line.len() > BATCHES_MAX * bytes_max && !state.lines.is_empty());
        if full {
            state.dropped.records += 1;
            state.dropped.bytes += line.len() as u64;
            return;
        }
        let was_due = state.is_full();
        state.since.get_or_insert_with(Instant::now);
        state.bytes += line.len();
        state.lines.push_back(line);
        let tell = state.lines.len() == 1 || (state.is_full() && !was_due);
        drop(state);
        if tell {
            self.changed.notify_one();
        }
    }

    /// From now on nothing waits for more.
    pub(super) fn flush(&self) {
        self.lock().flushing = true;
        self.changed.notify_one();
    }

    /// Returns when a batch is due. For one waiter.
    pub(super) async fn due(&self) {
        loop {
            let changed = self.changed.notified();
            let deadline = {
                let state = self.lock();
                if state.is_full() || (state.flushing && !state.lines.is_empty()) {
                    return;
                }
                state.since.map(|since| since + state.subscription.timeout)
            };
            match deadline {
                None => changed.await,
                Some(deadline) => {
                    if tokio::time::timeout_at(deadline, changed).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// The next batch, with what was dropped while it waited.
    pub(super) fn take(&self) -> Batch {
        let mut state = self.lock();
        let subscription = Arc::clone(&state.subscription);
        let (mut lines, mut bytes) = (Vec::new(), 0);
        while let Some(line) = state.lines.front()
            && lines.len() < subscription.items_max
            && (lines.is_empty() || bytes + line.len() <= subscription.bytes_max)
        {
            bytes += line.len();
            lines.extend(state.lines.pop_front());
        }
        state.bytes -= bytes;
        if state.lines.is_empty() {
            state.since = None;
        }
        let dropped = std::mem::take(&mut state.dropped);
        Batch { subscription, lines, dropped }
    }

    pub(super) fn is_flushing(&self) -> bool {
        self.lock().flushing
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_full(&self) -> bool {
        self.lines.len() >= self.subscription.items_max || self.bytes >= self.subscription.bytes_max
    }
}
