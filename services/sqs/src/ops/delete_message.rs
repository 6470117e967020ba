//! DeleteMessage.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html>

use crate::failures::{of_queue, required};
use crate::registry::Found;
use crate::{Inner, handle};
use hearth_api::Grant;
use hearth_api::sqs::DeleteMessageRequest;
use hearth_store::queue::{QueueError, Settled};
use hearth_wire::Failure;

pub async fn run(inner: &Inner, grant: &Grant, input: DeleteMessageRequest) -> Result<(), Failure> {
    let found = inner.registry.resolve(grant, input.queue_url)?;
    let handle = required(input.receipt_handle, "ReceiptHandle")?;
    let mut deleted = delete(inner, &found, &[handle]).await?;
    deleted.pop().unwrap_or(Ok(()))
}

/// Deletes the messages of these handles; each has an answer of its own.
pub async fn delete(
    inner: &Inner,
    found: &Found,
    handles: &[String],
) -> Result<Vec<Result<(), Failure>>, Failure> {
    let read: Vec<_> = handles.iter().map(|text| handle::read(found.record.storage, text)).collect();
    let receipts: Vec<_> = read.iter().filter_map(|read| read.as_ref().ok().copied().flatten()).collect();
    let settled = match receipts.is_empty() {
        true => Vec::new(),
        false => match found.queue.remove(receipts).await {
            // The queue was purged at this moment, and the messages with it.
            Err(QueueError::Closed) => {
                inner.registry.after_change(&found.name).await?;
                Vec::new()
            }
            settled => settled.map_err(of_queue)?,
        },
    };
    let mut settled = settled.into_iter();
    let answers = handles.iter().zip(read).map(|(text, read)| match read?.and_then(|_| settled.next()) {
        Some(Settled::Expired) => Err(handle::expired(text)),
        // AWS: a message that is gone, or was received by another since, is not deleted, and that is no error.
        _ => Ok(()),
    });
    Ok(answers.collect())
}
