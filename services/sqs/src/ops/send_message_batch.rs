//! SendMessageBatch.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>

use crate::Inner;
use crate::batch::{check, failed, some};
use crate::outgoing::{Draft, send};
use hearth_api::Grant;
use hearth_api::sqs::{
    SendMessageBatchRequest, SendMessageBatchRequestEntry, SendMessageBatchResult,
    SendMessageBatchResultEntry, SendMessageResult, errors,
};
use hearth_wire::Failure;

/// Bytes of all messages of a batch.
const BATCH_BYTES_MAX: usize = 1_048_576;

pub async fn run(
    inner: &Inner,
    grant: &Grant,
    input: SendMessageBatchRequest,
) -> Result<SendMessageBatchResult, Failure> {
    let found = inner.registry.resolve(grant, input.queue_url)?;
    let entries = input.entries.unwrap_or_default();
    check("SendMessageBatchRequestEntry", entries.iter().map(|entry| entry.id.as_deref()))?;
    let drafts: Vec<(String, Draft)> = entries.into_iter().map(draft).collect();
    let bytes: usize = drafts.iter().map(|(_, draft)| draft.size()).sum();
    if bytes > BATCH_BYTES_MAX {
        return Err(errors::batch_request_too_long(format!(
            "Batch requests cannot be longer than {BATCH_BYTES_MAX} bytes. You have sent {bytes} bytes."
        )));
    }
    let (mut ids, mut outgoing, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for (id, draft) in drafts {
        match draft.check(inner, grant, &found.record.settings) {
            Ok(checked) => {
                ids.push(id);
                outgoing.push(checked);
            }
            Err(failure) => failures.push(failed(id, &failure)),
        }
    }
    let sent = if outgoing.is_empty() { Vec::new() } else { send(inner, found, outgoing).await? };
    let successful = ids.into_iter().zip(sent).map(|(id, sent)| entry(id, sent)).collect();
    Ok(SendMessageBatchResult { successful: some(successful), failed: some(failures) })
}

fn draft(entry: SendMessageBatchRequestEntry) -> (String, Draft) {
    let draft = Draft {
        body: entry.message_body,
        delay_seconds: entry.delay_seconds,
        attributes: entry.message_attributes,
        system_attributes: entry.message_system_attributes,
        deduplication: entry.message_deduplication_id,
        group: entry.message_group_id,
    };
    (entry.id.unwrap_or_default(), draft)
}

fn entry(id: String, sent: SendMessageResult) -> SendMessageBatchResultEntry {
    SendMessageBatchResultEntry {
        id: Some(id),
        message_id: sent.message_id,
        md5_of_message_body: sent.md5_of_message_body,
        md5_of_message_attributes: sent.md5_of_message_attributes,
        md5_of_message_system_attributes: sent.md5_of_message_system_attributes,
        sequence_number: sent.sequence_number,
    }
}
