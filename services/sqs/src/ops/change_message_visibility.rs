//! ChangeMessageVisibility.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html>

use crate::failures::{invalid_value, missing, of_queue, required};
use crate::registry::Found;
use crate::{Inner, handle};
use hearth_api::Grant;
use hearth_api::sqs::{ChangeMessageVisibilityRequest, errors};
use hearth_store::queue::{Extension, QueueError, Settled};
use hearth_wire::Failure;
use std::time::Duration;

/// Seconds for which a message may be in flight, from when it was received.
const VISIBILITY_SECONDS_MAX: i64 = 43_200;

pub async fn run(inner: &Inner, grant: &Grant, input: ChangeMessageVisibilityRequest) -> Result<(), Failure> {
    let found = inner.registry.resolve(grant, input.queue_url)?;
    let handle = required(input.receipt_handle, "ReceiptHandle")?;
    let mut changed = change(inner, &found, &[(handle, input.visibility_timeout)]).await?;
    changed.pop().unwrap_or(Ok(()))
}

/// Changes how long messages stay in flight; each has an answer of its own.
pub async fn change(
    inner: &Inner,
    found: &Found,
    wanted: &[(String, Option<i64>)],
) -> Result<Vec<Result<(), Failure>>, Failure> {
    let read: Vec<_> = wanted.iter().map(|wanted| extension(found, wanted)).collect();
    let extensions: Vec<_> = read.iter().filter_map(|read| read.as_ref().ok().copied()).collect();
    let settled = match extensions.is_empty() {
        true => Vec::new(),
        false => match found.queue.extend(extensions).await {
            // The queue was purged at this moment, and the messages with it.
            Err(QueueError::Closed) => {
                inner.registry.after_change(&found.name).await?;
                Vec::new()
            }
            settled => settled.map_err(of_queue)?,
        },
    };
    let mut settled = settled.into_iter();
    let answers = wanted.iter().zip(read).map(|((text, seconds), read)| {
        read?;
        match settled.next() {
            Some(Settled::Done) => Ok(()),
            Some(Settled::Expired) => Err(errors::message_not_inflight("The message is not in flight.")),
            Some(Settled::TooLong) => Err(invalid_value(
                seconds.unwrap_or_default(),
                "VisibilityTimeout",
                "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]",
            )),
            Some(Settled::Gone | Settled::Stale) | None => Err(handle::unavailable(text)),
        }
    });
    Ok(answers.collect())
}

fn extension(found: &Found, (text, seconds): &(String, Option<i64>)) -> Result<Extension, Failure> {
    let seconds = seconds.ok_or_else(|| missing("VisibilityTimeout"))?;
    if !(0..=VISIBILITY_SECONDS_MAX).contains(&seconds) {
        let reason = format!("VisibilityTimeout must be an integer between 0 and {VISIBILITY_SECONDS_MAX}.");
        return Err(invalid_value(seconds, "VisibilityTimeout", &reason));
    }
    let receipt = handle::read(found.record.storage, text)?.ok_or_else(|| handle::unavailable(text))?;
    let total_max = Duration::from_secs(VISIBILITY_SECONDS_MAX.unsigned_abs());
    Ok(Extension { receipt, wait: Duration::from_secs(seconds.unsigned_abs()), total_max })
}
