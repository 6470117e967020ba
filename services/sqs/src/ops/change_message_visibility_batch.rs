//! ChangeMessageVisibilityBatch.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibilityBatch.html>

use super::change_message_visibility::change;
use crate::Inner;
use crate::batch::{check, failed, some};
use hearth_api::Grant;
use hearth_api::sqs::{
    ChangeMessageVisibilityBatchRequest, ChangeMessageVisibilityBatchResult,
    ChangeMessageVisibilityBatchResultEntry,
};
use hearth_wire::Failure;

pub async fn run(
    inner: &Inner,
    grant: &Grant,
    input: ChangeMessageVisibilityBatchRequest,
) -> Result<ChangeMessageVisibilityBatchResult, Failure> {
    let found = inner.registry.resolve(grant, input.queue_url)?;
    let entries = input.entries.unwrap_or_default();
    check("ChangeMessageVisibilityBatchRequestEntry", entries.iter().map(|entry| entry.id.as_deref()))?;
    let (mut ids, mut wanted) = (Vec::new(), Vec::new());
    for entry in entries {
        ids.push(entry.id.unwrap_or_default());
        wanted.push((entry.receipt_handle.unwrap_or_default(), entry.visibility_timeout));
    }
    let (mut successful, mut failures) = (Vec::new(), Vec::new());
    for (id, result) in ids.into_iter().zip(change(inner, &found, &wanted).await?) {
        match result {
            Ok(()) => successful.push(ChangeMessageVisibilityBatchResultEntry { id: Some(id) }),
            Err(failure) => failures.push(failed(id, &failure)),
        }
    }
    Ok(ChangeMessageVisibilityBatchResult { successful: some(successful), failed: some(failures) })
}
