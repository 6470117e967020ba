//! Dead-letter queues: where messages go that were received too often, and who may send them there.

use crate::failures::invalid_value;
use crate::message::Message;
use crate::model::{RedriveAllowPolicy, RedrivePermission, RedrivePolicy, Settings};
use crate::naming::QueueName;
use crate::registry::{Found, Registry};
use hearth_store::queue::{Dead, Moved, Route};
use hearth_wire::Failure;
use std::sync::Arc;

/// Where the messages of a queue go that were received too often.
pub fn dead(registry: &Arc<Registry>, found: &Found) -> Option<Dead> {
    let policy = found.record.settings.redrive_policy.as_ref()?;
    let target = QueueName::of_arn(&policy.dead_letter_target_arn)?;
    let (registry, source) = (Arc::clone(registry), found.name.arn());
    let route: Route = Arc::new(move |value| {
        let there = registry.find(&target)?;
        let mut message = Message::decode(value)?;
        message.dead_letter_source = Some(source.clone());
        let fifo = there.record.settings.fifo;
        // AWS: in a standard queue a message keeps the time at which it was first enqueued, in a FIFO queue it does not.
        // https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
        let (value, group) = (message.encode(), message.group_bytes(fifo));
        Some(Moved { to: there.queue, value, group, keeps_id: !fifo })
    });
    Some(Dead { claims_max: policy.max_receive_count, route })
}

/// Checks a redrive policy for a queue of this name and kind.
pub fn check(
    registry: &Registry,
    name: &QueueName,
    (text, settings): (&str, &Settings),
) -> Result<(), Failure> {
    let Some(policy) = &settings.redrive_policy else { return Ok(()) };
    let refuse = |reason: &str| Err(invalid_value(text, "RedrivePolicy", reason));
    let target = QueueName::of_arn(&policy.dead_letter_target_arn);
    let target = target.filter(|target| target.account == name.account && target.region == name.region);
    let Some(found) = target.and_then(|target| registry.find(&target)) else {
        return refuse("Dead letter target does not exist.");
    };
    if found.record.settings.fifo != settings.fifo {
        return refuse("Dead-letter queue must be same type of queue as the source.");
    }
    let allowed = match &found.record.settings.redrive_allow_policy {
        None => true,
        Some(RedriveAllowPolicy { redrive_permission, source_queue_arns }) => match redrive_permission {
            RedrivePermission::AllowAll => true,
            RedrivePermission::DenyAll => false,
            RedrivePermission::ByQueue => source_queue_arns.contains(&name.arn()),
        },
    };
    if allowed {
        Ok(())
    } else {
        refuse("The dead-letter queue's redrive allow policy does not allow this source queue.")
    }
}

/// The queues whose dead-letter queue this is.
pub fn sources(registry: &Registry, target: &QueueName) -> Vec<Found> {
    let arn = target.arn();
    let is_source = |policy: &RedrivePolicy| policy.dead_letter_target_arn == arn;
    registry
        .all()
        .into_iter()
        .filter(|found| found.record.settings.redrive_policy.as_ref().is_some_and(is_source))
        .collect()
}
