//! PublishBatch.
//! <https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html>

use crate::Inner;
use crate::naming::TopicName;
use crate::outgoing::{BYTES_MAX, Draft, publish};
use hearth_api::Grant;
use hearth_api::sns::{BatchResultErrorEntry, PublishBatchRequestEntry, PublishBatchResultEntry, errors};
use hearth_api::sns::{PublishBatchInput, PublishBatchResponse};
use hearth_wire::Failure;
use std::collections::HashSet;
use std::sync::Arc;

/// Entries of one request.
const ENTRIES_MAX: usize = 10;
/// Characters of an entry's id.
const ID_LENGTH_MAX: usize = 80;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: PublishBatchInput,
) -> Result<PublishBatchResponse, Failure> {
    let name = TopicName::of_request(grant, input.topic_arn.as_deref(), "TopicArn")?;

    let topic = inner.registry.known(&name)?;
    let entries = input.publish_batch_request_entries.unwrap_or_default();
    check(&entries)?;
    let drafts: Vec<(String, Draft)> = entries.into_iter().map(draft).collect();
    if drafts.iter().map(|(_, draft)| draft.size()).sum::<usize>() > BYTES_MAX {
        return Err(errors::batch_request_too_long(
            "The length of all the messages put together is more than the limit.",
        ));
    }
    let (mut ids, mut messages, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for (id, draft) in drafts {
        match draft.check(inner, (grant, &topic)) {
            Ok(message) => {
                ids.push(id);
                messages.push(message);
            }
            Err(failure) => failed.push(BatchResultErrorEntry {
                id: Some(id),
                code: Some(failure.code.to_string()),
                message: Some(failure.message.clone()),
                sender_fault: Some(failure.sender),
            }),
        }
    }
    let published = if messages.is_empty() { Vec::new() } else { publish(&topic, messages).await? };
    let successful = ids.into_iter().zip(published).map(|(id, published)| PublishBatchResultEntry {
        id: Some(id),
        message_id: Some(published.id),
        sequence_number: published.sequence,
    });
    Ok(PublishBatchResponse { successful: Some(successful.collect()), failed: Some(failed) })
}

fn check(entries: &[PublishBatchRequestEntry]) -> Result<(), Failure> {
    if entries.is_empty() {
        return Err(errors::empty_batch_request("The batch request doesn't contain any entries."));
    }
    if entries.len() > ENTRIES_MAX {
        return Err(errors::too_many_entries_in_batch_request(
            "The batch request contains more entries than permissible.",
        ));
    }
    let mut seen = HashSet::new();
    for entry in entries {
        let id = entry.id.as_deref().unwrap_or_default();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if id.is_empty() || id.len() > ID_LENGTH_MAX || !id.bytes().all(allowed) {
            return Err(errors::invalid_batch_entry_id(
                "The Id of a batch entry in a batch request doesn't abide by the specification.",
            ));
        }
        if !seen.insert(id) {
            return Err(errors::batch_entry_ids_not_distinct(
                "Two or more batch entries in the request have the same Id.",
            ));
        }
    }
    Ok(())
}

fn draft(entry: PublishBatchRequestEntry) -> (String, Draft) {
    let draft = Draft {
        message: entry.message,
        subject: entry.subject,
        structure: entry.message_structure,
        attributes: entry.message_attributes,
        group: entry.message_group_id,
        deduplication: entry.message_deduplication_id,
    };
    (entry.id.unwrap_or_default(), draft)
}
