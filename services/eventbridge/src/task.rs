//! What goes on in the background: one task for each bus hands its events to the targets of the rules that want them,
//! and one for each target delivers what was handed to it. So a target that fails holds up no other.
//!
//! Both take from durable queues and remove what is done only when it is: a crash in between does it once more.

use crate::delivery::deliver_one;
use crate::model::Event;
use crate::naming::RuleName;
use crate::registry::{Bus, Rule, Target};
use crate::{Inner, archive, scheduled};
use hearth_base::{Running, Timestamp};
use hearth_store::queue::{Claim, Claimed, EntryId, Extension, New, Queue, QueueError};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// For how long something stays claimed by a task that may have gone.
const CLAIM: Duration = Duration::from_secs(30);
/// After this long without work a task looks again.
const IDLE: Duration = Duration::from_secs(30 * 86_400);
/// How many events of one target may wait for another try; later ones wait behind them.
const WAITING_MAX: usize = 10_000;
/// Events that are taken at once.
const AT_ONCE: usize = 16;
/// After this long storage is asked again when it failed.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two removals of what is left of buses and targets that are gone.
const SWEEP: Duration = Duration::from_secs(60);
/// For how long an event may stay claimed: longer than any is tried.
const CLAIMED_MAX: Duration = Duration::from_secs(48 * 3_600);

/// Starts the tasks of all there is.
pub fn start(inner: &Arc<Inner>) -> Running {
    let running = inner.background.open();
    for bus in inner.registry.buses() {
        start_bus(inner, bus);
    }
    for rule in inner.registry.rules() {
        for target in &*rule.targets {
            start_target(inner, rule.name.clone(), target.clone());
        }
    }
    inner.background.spawn(sweep(Arc::clone(inner)));
    inner.background.spawn(scheduled::run(Arc::clone(inner)));
    archive::start(inner);
    running
}

/// Starts the task of a bus.
pub fn start_bus(inner: &Arc<Inner>, bus: Bus) {
    inner.background.spawn(fan_out(Arc::clone(inner), bus));
}

/// Starts the task of a target.
pub fn start_target(inner: &Arc<Inner>, rule: RuleName, target: Target) {
    inner.background.spawn(deliver_all(Arc::clone(inner), rule, target));
}

/// Returns when no event waits for anything but another try, and none is on its way to a target.
pub async fn quiet(inner: &Inner) {
    let buses = inner.registry.buses().into_iter().map(|bus| bus.queue);
    let targets = inner.registry.rules().into_iter().flat_map(|rule| rule.targets.to_vec());
    let queues: Vec<Queue> = buses.chain(targets.map(|target| target.queue)).collect();
    for queue in queues {
        queue.rest().await;
    }
}

async fn sweep(inner: Arc<Inner>) {
    loop {
        if let Err(error) = inner.registry.queues().remove_gone().await {
            tracing::error!(%error, "cannot remove what is left of event buses and targets; trying again");
        }
        archive::expire(&inner).await;
        inner.clock.idle_until(inner.clock.now().after(SWEEP)).await;
    }
}

/// What is there to do; none when the queue has gone.
async fn next(inner: &Inner, queue: &Queue) -> Option<Vec<Claimed>> {
    let claim = || Claim {
        max: AT_ONCE,
        until: inner.clock.now().after(CLAIM),
        since: Timestamp::from_millis(0),
        delay: Duration::ZERO,
        claimed_max: WAITING_MAX,
        dead: None,
        again: Vec::new(),
    };
    loop {
        match queue.claim_within(inner.clock.now().after(IDLE), claim).await {
            Ok(claimed) => return Some(claimed),
            Err(QueueError::Closed) => return None,
            // One of those that wait for another try has to be done with first.
            Err(QueueError::TooManyClaimed) => tokio::time::sleep(PAUSE).await,
            Err(error) => {
                tracing::error!(%error, "cannot take events of a bus; trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn settle(queue: &Queue, claimed: &[Claimed], again: Option<Duration>) {
    let receipts = claimed.iter().map(|claimed| claimed.receipt);
    let settled = match again {
        None => queue.remove(receipts.collect()).await,
        Some(wait) => {
            let extension = |receipt| Extension { receipt, wait, total_max: CLAIMED_MAX };
            queue.extend(receipts.map(extension).collect()).await
        }
    };
    match settled {
        Ok(_) | Err(QueueError::Closed) => {}
        // They come back when their claim ends.
        Err(error) => tracing::error!(%error, "cannot note what became of events"),
    }
}

async fn fan_out(inner: Arc<Inner>, bus: Bus) {
    while let Some(claimed) = next(&inner, &bus.queue).await {
        let again = match hand_out(&inner, &bus, &claimed).await {
            Ok(()) => None,
            Err(error) => {
                tracing::error!(%error, "cannot hand events to targets; trying again");
                Some(PAUSE)
            }
        };
        settle(&bus.queue, &claimed, again).await;
    }
}

/// Hands events to the archives and the targets that want them: to each of them in one write.
async fn hand_out(inner: &Inner, bus: &Bus, claimed: &[Claimed]) -> Result<(), QueueError> {
    let rules = inner.registry.rules_of(&bus.name);
    let mut kept = archive::Intake::new(inner, &bus.name);
    let mut waiting: HashMap<EntryId, (Queue, Vec<New>)> = HashMap::new();
    for claimed in claimed {
        let Some(event) = Event::decode(&claimed.value) else {
            tracing::error!(bus = bus.name.bus_arn(), "a stored event does not read and is dropped");
            continue;
        };
        let document = serde_json::from_str(&event.text).unwrap_or_default();
        kept.take(&event, &document);
        for rule in rules.iter().filter(|rule| wants(rule, &event, &document)) {
            for target in &*rule.targets {
                let queue = || (target.queue.clone(), Vec::new());
                let (_, entries) = waiting.entry(target.record.storage).or_insert_with(queue);
                entries.push(New { value: claimed.value.clone(), ..New::default() });
            }
        }
    }
    kept.commit().await.map_err(QueueError::Commit)?;
    for (queue, entries) in waiting.into_values() {
        match queue.enqueue(entries).await {
            // Taken off in between.
            Ok(_) | Err(QueueError::Closed) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn wants(rule: &Rule, event: &Event, document: &serde_json::Value) -> bool {
    let named = || event.rules.is_empty() || event.rules.contains(&rule.name.arn());
    rule.record.enabled && rule.pattern.as_ref().is_some_and(|pattern| pattern.matches(document)) && named()
}

async fn deliver_all(inner: Arc<Inner>, rule: RuleName, target: Target) {
    let (queue, storage) = (target.queue, target.record.storage);
    while let Some(claimed) = next(&inner, &queue).await {
        let mut running = JoinSet::new();
        for claimed in claimed {
            let (inner, rule, queue) = (Arc::clone(&inner), rule.clone(), queue.clone());
            running.spawn(async move {
                // The target as it is now: it may have been put again.
                let Some(rule) = inner.registry.rule(&rule) else { return };
                let Some(target) = rule.targets.iter().find(|it| it.record.storage == storage) else {
                    return;
                };
                let again = deliver_one(&inner, (&rule, target), &claimed).await;
                settle(&queue, &[claimed], again).await;
            });
        }
        while running.join_next().await.is_some() {}
    }
}
