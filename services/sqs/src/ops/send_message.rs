//! SendMessage.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>

use crate::Inner;
use crate::outgoing::{Draft, send};
use hearth_api::Grant;
use hearth_api::sqs::{SendMessageRequest, SendMessageResult};
use hearth_wire::Failure;

pub async fn run(
    inner: &Inner,
    grant: &Grant,
    input: SendMessageRequest,
) -> Result<SendMessageResult, Failure> {
    let found = inner.registry.resolve(grant, input.queue_url)?;
    let draft = Draft {
        body: input.message_body,
        delay_seconds: input.delay_seconds,
        attributes: input.message_attributes,
        system_attributes: input.message_system_attributes,
        deduplication: input.message_deduplication_id,
        group: input.message_group_id,
    };
    let outgoing = draft.check(inner, grant, &found.record.settings)?;
    let mut sent = send(inner, found, vec![outgoing]).await?;
    Ok(sent.pop().unwrap_or_default())
}
