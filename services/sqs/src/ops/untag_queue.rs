//! UntagQueue.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_UntagQueue.html>

use crate::Inner;
use crate::failures::missing;
use hearth_api::Grant;
use hearth_api::sqs::UntagQueueRequest;
use hearth_wire::Failure;

pub async fn run(inner: &Inner, grant: &Grant, input: UntagQueueRequest) -> Result<(), Failure> {
    let found = inner.registry.resolve_own(grant, input.queue_url)?;
    let keys = input.tag_keys.filter(|keys| !keys.is_empty()).ok_or_else(|| missing("TagKeys"))?;
    inner
        .registry
        .update(&found.name, |record| {
            record.tags.retain(|key, _| !keys.contains(key));
            Ok(())
        })
        .await
}
