//! GetQueueUrl.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueUrl.html>

use crate::Inner;
use crate::failures::{no_such_queue, required};
use crate::naming::QueueName;
use hearth_api::Grant;
use hearth_api::sqs::{GetQueueUrlRequest, GetQueueUrlResult};
use hearth_wire::Failure;

pub async fn run(
    inner: &Inner,
    grant: &Grant,
    input: GetQueueUrlRequest,
) -> Result<GetQueueUrlResult, Failure> {
    let mut name = QueueName::of(grant, &required(input.queue_name, "QueueName")?);
    if let Some(owner) = input.queue_owner_aws_account_id.filter(|owner| !owner.is_empty()) {
        name.account = owner;
    }
    let found = inner.registry.find(&name).ok_or_else(no_such_queue)?;
    Ok(GetQueueUrlResult { queue_url: Some(found.name.url(grant)) })
}
