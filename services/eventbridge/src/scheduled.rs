//! Rules with a schedule: one task for all of them, asleep until the next is due.
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html>
//!
//! It refuses to make up for what was due while the server was down: a rule is due again at its next time.

use crate::Inner;
use crate::incoming::Head;
use crate::model::Event;
use crate::registry::Rule;
use hearth_base::{Clock, RequestId, Timestamp, id};
use hearth_store::queue::{New, QueueError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// After this long the task looks again when nothing is due.
const IDLE: Duration = Duration::from_secs(30 * 86_400);

/// Which rules with a schedule there are, as far as the task for them knows.
#[derive(Default)]
pub struct Activity {
    changed: Notify,
    changes: AtomicU64,
    /// Until when the task sleeps, and how many changes it has seen; none while it is at work.
    asleep: watch::Sender<Option<(Timestamp, u64)>>,
}

impl Activity {
    /// A rule may have become due at another time.
    pub fn change(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// Returns when the task sleeps until a time to come, and knows of every change.
    pub async fn quiet(&self, clock: &dyn Clock) {
        let mut asleep = self.asleep.subscribe();
        loop {
            let (now, changes) = (clock.now(), self.changes.load(Ordering::Relaxed));
            if asleep.borrow_and_update().is_some_and(|(until, seen)| until > now && seen == changes) {
                return;
            }
            asleep.changed().await.expect("the service holds the sender");
        }
    }
}

/// Puts an event on the targets of each rule whenever it is due.
pub async fn run(inner: Arc<Inner>) {
    let mut looked = inner.clock.now();
    loop {
        // Before the rules are read: a change after that wakes the task again.
        let changed = inner.schedules.changed.notified();
        let changes = inner.schedules.changes.load(Ordering::Relaxed);
        let rules: Vec<Rule> = inner.registry.rules().into_iter().filter(is_active).collect();
        let now = inner.clock.now();
        for rule in &rules {
            if let Some(due) = next(rule, looked).filter(|due| *due <= now) {
                fire(&inner, rule, due).await;
            }
        }
        looked = now;
        let soonest = rules.iter().filter_map(|rule| next(rule, now)).min();
        let until = soonest.unwrap_or_else(|| now.after(IDLE));
        let sleep = inner.clock.sleep_until(until);
        inner.schedules.asleep.send_replace(Some((until, changes)));
        tokio::select! {
            () = sleep => {}
            () = changed => {}
        }
        inner.schedules.asleep.send_replace(None);
    }
}

fn is_active(rule: &Rule) -> bool {
    rule.record.enabled && rule.schedule.is_some()
}

/// When a rule is due for the first time after another: never at a time before it was made.
fn next(rule: &Rule, after: Timestamp) -> Option<Timestamp> {
    let since = rule.record.since;
    rule.schedule.as_ref()?.next(after.max(since), since)
}

async fn fire(inner: &Inner, rule: &Rule, due: Timestamp) {
    let place = &rule.name.bus.place;
    let text = Head {
        id: &id::uuid(&*inner.rng),
        detail_type: "Scheduled Event",
        source: "aws.events",
        account: &place.account,
        time: &due.date_time(),
        region: &place.region,
        resources: &[rule.name.arn()],
    }
    .text("{}");
    let request = RequestId::new(&*inner.rng).to_string();
    let event = Event { text, at: inner.clock.now().millis(), request, ..Event::default() };
    for target in &*rule.targets {
        match target.queue.enqueue(vec![New { value: event.encode(), ..New::default() }]).await {
            // Taken off in between.
            Ok(_) | Err(QueueError::Closed) => {}
            Err(error) => tracing::error!(rule = rule.name.arn(), %error, "a scheduled event is lost"),
        }
    }
}
