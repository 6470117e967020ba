//! The Telemetry API of one cage (`2022-07-01`) and its predecessor, the Logs API (`2020-08-15`): who subscribed, and to
//! what of that which happens there.
//! <https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api.html>
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-logs-api.html>
//!
//! Without a subscriber it is gone once the initialisation is over. It refuses to hold anybody up: what a subscriber does
//! not take in time is dropped, and the subscriber is told how much.

pub(crate) mod delivery;
mod queue;
mod subscription;
#[cfg(test)]
mod tests;

pub(crate) use subscription::{Api, Invalid, Kind, Schema, Subscription};

use crate::platform::record::{self, Audience};
use crate::platform::{Event, Phase, Status};
use crate::{Definition, LogFormat};
use hearth_base::{Clock, Timestamp};
use queue::Queue;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Bytes of lines that are kept for those who subscribe later in the initialisation.
const HISTORY_BYTES_MAX: usize = 256 * 1024;
/// Lines of the same.
const HISTORY_LINES_MAX: usize = 1000;

/// Which stream a printed line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Function,
    Extension,
}

/// What happens in one cage, for those who subscribed.
pub(crate) struct Telemetry {
    definition: Arc<Definition>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Told of each new subscriber.
    subscribed: Notify,
}

struct State {
    /// What a subscriber has missed; None once nobody subscribes any more.
    history: Option<History>,
    subscribers: Vec<Arc<Subscriber>>,
    /// Those before this one are being served.
    served: usize,
    /// The cage is about to end: nothing waits for more.
    flushing: bool,
}

/// In the order in which it happened.
#[derive(Default)]
struct History {
    kept: Vec<(Timestamp, Kept)>,
    bytes: usize,
}

enum Kept {
    Started { phase: Phase, version: String, version_arn: String },
    RuntimeDone { phase: Phase, status: Status },
    Line { origin: Origin, line: String },
}

/// An extension that subscribed.
pub(crate) struct Subscriber {
    name: String,
    queue: Queue,
}

/// Why a subscription was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsubscribed {
    /// The initialisation is over.
    Closed,
    /// It has subscribed by the other API.
    OtherApi,
}

impl Telemetry {
    pub(crate) fn new(definition: Arc<Definition>, clock: Arc<dyn Clock>) -> Arc<Self> {
        let state =
            State { history: Some(History::default()), subscribers: Vec::new(), served: 0, flushing: false };
        Arc::new(Self { definition, clock, state: Mutex::new(state), subscribed: Notify::new() })
    }

    /// Adds a subscription, or puts it in the place of the one that this extension has.
    pub(crate) fn subscribe(&self, name: &str, subscription: Subscription) -> Result<(), Unsubscribed> {
        let mut state = self.lock();
        let Some(history) = &state.history else { return Err(Unsubscribed::Closed) };
        if let Some(known) = state.subscribers.iter().find(|subscriber| subscriber.name == name) {
            let same = known.queue.subscription().schema.api() == subscription.schema.api();
            return if same {
                known.queue.replace(subscription);
                Ok(())
            } else {
                Err(Unsubscribed::OtherApi)
            };
        }
        let subscriber = Arc::new(Subscriber { name: name.to_owned(), queue: Queue::new(subscription) });
        for (at, kept) in &history.kept {
            subscriber.catch_up(&self.definition, *at, kept);
        }
        state.subscribers.push(subscriber);
        drop(state);
        self.subscribed.notify_one();
        Ok(())
    }

    /// Tells of an event of the platform.
    pub(crate) fn platform(&self, now: Timestamp, event: &Event<'_>) {
        let mut state = self.lock();
        if let Some(history) = &mut state.history {
            history.kept.extend(Kept::of(event).map(|kept| (now, kept)));
        }
        for subscriber in &state.subscribers {
            subscriber.platform(&self.definition, now, event);
        }
    }

    /// Tells of a line that was printed.
    pub(crate) fn line(&self, now: Timestamp, origin: Origin, line: &str) {
        let mut state = self.lock();
        if let Some(history) = &mut state.history
            && history.kept.len() < HISTORY_LINES_MAX
            && history.bytes + line.len() <= HISTORY_BYTES_MAX
        {
            history.bytes += line.len();
            history.kept.push((now, Kept::Line { origin, line: line.to_owned() }));
        }
        for subscriber in &state.subscribers {
            subscriber.line(&self.definition, now, (origin, line));
        }
    }

    /// Nobody subscribes any more. False when nobody has.
    pub(crate) fn close(&self) -> bool {
        let mut state = self.lock();
        state.history = None;
        !state.subscribers.is_empty()
    }

    /// The cage is about to end: what waits for more goes now.
    pub(crate) fn flush(&self) {
        let mut state = self.lock();
        state.flushing = true;
        state.subscribers.iter().for_each(|subscriber| subscriber.queue.flush());
    }

    /// The next one to be served, once there is one.
    async fn newcomer(&self) -> Arc<Subscriber> {
        loop {
            let subscribed = self.subscribed.notified();
            {
                let mut state = self.lock();
                if let Some(subscriber) = state.subscribers.get(state.served).cloned() {
                    state.served += 1;
                    return subscriber;
                }
            }
            subscribed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// What of the platform's events happens before an extension can have subscribed.
    fn of(event: &Event<'_>) -> Option<Self> {
        match *event {
            Event::InitStart { phase, version, version_arn } => Some(Self::Started {
                phase,
                version: version.to_owned(),
                version_arn: version_arn.to_owned(),
            }),
            Event::InitRuntimeDone { phase, status } => {
                Some(Self::RuntimeDone { phase, status: status.clone() })
            }
            _ => None,
        }
    }
}

impl Subscriber {
    fn catch_up(&self, definition: &Definition, at: Timestamp, kept: &Kept) {
        let event = match kept {
            Kept::Started { phase, version, version_arn } => {
                Event::InitStart { phase: *phase, version, version_arn }
            }
            Kept::RuntimeDone { phase, status } => Event::InitRuntimeDone { phase: *phase, status },
            Kept::Line { origin, line } => return self.line(definition, at, (*origin, line)),
        };
        self.platform(definition, at, &event);
    }

    fn platform(&self, definition: &Definition, now: Timestamp, event: &Event<'_>) {
        let subscription = self.queue.subscription();
        if !subscription.has(Kind::Platform) {
            return;
        }
        let schema = subscription.schema;
        if let (Api::Logs, Event::Report { done, .. }) = (schema.api(), event) {
            self.queue.push(record::end(now, done.request_id));
        }
        if let Some(line) = record::event(definition, now, (event, Audience::Subscriber(schema))) {
            self.queue.push(line);
        }
    }

    fn line(&self, definition: &Definition, now: Timestamp, (origin, line): (Origin, &str)) {
        let subscription = self.queue.subscription();
        let (kind, name) = match origin {
            Origin::Function => (Kind::Function, "function"),
            Origin::Extension => (Kind::Extension, "extension"),
        };
        if subscription.has(kind) {
            let structured =
                definition.logging.format == LogFormat::Json && subscription.schema.has_objects();
            self.queue.push(record::printed(now, name, (line, structured)));
        }
    }
}
