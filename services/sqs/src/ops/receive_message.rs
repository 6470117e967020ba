//! ReceiveMessage.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html>

use crate::Inner;
use crate::claim::{Receiving, claim};
use crate::failures::{invalid_value, of_queue, unknown_attribute};
use crate::message::{SYSTEM_ATTRIBUTES, Selection, to_wire};
use crate::registry::Found;
use hearth_api::Grant;
use hearth_api::sqs::{ReceiveMessageRequest, ReceiveMessageResult};
use hearth_base::Timestamp;
use hearth_store::queue::{Claimed, QueueError};
use hearth_wire::Failure;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

pub async fn run(
    inner: &Inner,
    grant: &Grant,
    input: ReceiveMessageRequest,
) -> Result<ReceiveMessageResult, Failure> {
    let found = inner.registry.resolve(grant, input.queue_url)?;
    let settings = &found.record.settings;
    let max = within(input.max_number_of_messages, 1, (1..=10, "MaxNumberOfMessages"))?;
    let wait = i64::from(settings.receive_message_wait_time_seconds);
    let wait = within(input.wait_time_seconds, wait, (0..=20, "WaitTimeSeconds"))?;
    let visibility = i64::from(settings.visibility_timeout);
    let visibility = within(input.visibility_timeout, visibility, (0..=43_200, "VisibilityTimeout"))?;
    let mut system = input.attribute_names.unwrap_or_default();
    system.extend(input.message_system_attribute_names.unwrap_or_default());
    if let Some(other) = system.iter().find(|name| !is_system_attribute(name)) {
        return Err(unknown_attribute(other));
    }
    let selection = Selection { system, user: input.message_attribute_names.unwrap_or_default() };
    let receiving =
        Receiving { max: usize::try_from(max).unwrap_or(1), visibility: Duration::from_secs(visibility) };
    let attempt = input.receive_request_attempt_id.filter(|_| settings.fifo);
    let deadline = inner.clock.now().after(Duration::from_secs(wait));
    let claimed = receive(inner, &found, (receiving, attempt, deadline)).await?;
    let (storage, fifo) = (found.record.storage, settings.fifo);
    let messages: Vec<_> =
        claimed.into_iter().filter_map(|claimed| to_wire(storage, fifo, claimed, &selection)).collect();
    Ok(ReceiveMessageResult { messages: (!messages.is_empty()).then_some(messages) })
}

/// AWS: the names of a queue's attributes were once taken here too, and still are, for nothing.
fn is_system_attribute(name: &str) -> bool {
    SYSTEM_ATTRIBUTES.contains(&name) || crate::attributes::NAMES.contains(&name)
}

fn within(
    asked: Option<i64>,
    plain: i64,
    (range, name): (RangeInclusive<i64>, &str),
) -> Result<u64, Failure> {
    let value = asked.unwrap_or(plain);
    if range.contains(&value) {
        return Ok(value.unsigned_abs());
    }
    let reason = match name {
        "MaxNumberOfMessages" => "Must be between 1 and 10, if provided.".to_owned(),
        _ => format!("Must be >= {} and <= {}, if provided.", range.start(), range.end()),
    };
    Err(invalid_value(value, name, &reason))
}

async fn receive(
    inner: &Inner,
    found: &Found,
    (receiving, attempt, deadline): (Receiving, Option<String>, Timestamp),
) -> Result<Vec<Claimed>, Failure> {
    let storage = found.record.storage;
    let begun = inner.clock.now();
    // When what is claimed comes back: an attempt made again finds by it that nothing has been changed.
    let until = AtomicI64::new(0);
    let make = || {
        let now = inner.clock.now();
        let again = attempt.as_ref().map(|attempt| inner.attempts.of(storage, attempt, now));
        let mut claim = claim(&inner.registry, found, receiving, now);
        claim.again = again.unwrap_or_default();
        until.store(claim.until.millis(), Ordering::Relaxed);
        claim
    };
    let claimed = match found.queue.claim_within(deadline, make).await {
        // AWS: a FIFO queue, and a receiver that waits, are told of no limit.
        // https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
        Err(QueueError::TooManyClaimed) if found.record.settings.fifo || deadline > begun => Vec::new(),
        // The queue was purged meanwhile, and there is nothing in it; or it was deleted.
        Err(QueueError::Closed) => {
            inner.registry.after_change(&found.name).await?;
            Vec::new()
        }
        other => other.map_err(of_queue)?,
    };
    if let Some(attempt) = attempt {
        let until = Timestamp::from_millis(until.into_inner());
        inner.attempts.note((storage, attempt), &claimed, (inner.clock.now(), until));
    }
    Ok(claimed)
}
