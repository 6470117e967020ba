//! DeleteMessageBatch.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessageBatch.html>

use super::delete_message::delete;
use crate::Inner;
use crate::batch::{check, failed, some};
use hearth_api::Grant;
use hearth_api::sqs::{DeleteMessageBatchRequest, DeleteMessageBatchResult, DeleteMessageBatchResultEntry};
use hearth_wire::Failure;

pub async fn run(
    inner: &Inner,
    grant: &Grant,
    input: DeleteMessageBatchRequest,
) -> Result<DeleteMessageBatchResult, Failure> {
    let found = inner.registry.resolve(grant, input.queue_url)?;
    let entries = input.entries.unwrap_or_default();
    check("DeleteMessageBatchRequestEntry", entries.iter().map(|entry| entry.id.as_deref()))?;
    let (ids, handles): (Vec<String>, Vec<String>) = entries
        .into_iter()
        .map(|entry| (entry.id.unwrap_or_default(), entry.receipt_handle.unwrap_or_default()))
        .unzip();
    let (mut successful, mut failures) = (Vec::new(), Vec::new());
    for (id, result) in ids.into_iter().zip(delete(inner, &found, &handles).await?) {
        match result {
            Ok(()) => successful.push(DeleteMessageBatchResultEntry { id: Some(id) }),
            Err(failure) => failures.push(failed(id, &failure)),
        }
    }
    Ok(DeleteMessageBatchResult { successful: some(successful), failed: some(failures) })
}
