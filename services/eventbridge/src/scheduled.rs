//! Rules with a schedule: one task for all of them, asleep until the next is due.
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html>
//!
//! It refuses to make up for what was due while the server was down: a rule is due again at its next time.

use crate::Inner;
use crate::incoming::Head;
use crate::model::Event;
use crate::registry::Rule;
use hearth_base::{RequestId, Timestamp, id};
use hearth_store::queue::{New, QueueError};
use std::sync::Arc;
use std::time::Duration;

/// After this long the task looks again when nothing is due.
const IDLE: Duration = Duration::from_secs(3_600);

/// Puts an event on the targets of each rule whenever it is due.
pub async fn run(inner: Arc<Inner>) {
    let mut looked = inner.clock.now();
    loop {
        // Before the rules are read: a change after that wakes the task again.
        let changed = inner.rescheduled.notified();
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
        tokio::select! {
            () = inner.clock.sleep_until(until) => {}
            () = changed => {}
        }
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
