//! ListQueueTags.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListQueueTags.html>

use crate::Inner;
use hearth_api::Grant;
use hearth_api::sqs::{ListQueueTagsRequest, ListQueueTagsResult};
use hearth_wire::Failure;

pub async fn run(
    inner: &Inner,
    grant: &Grant,
    input: ListQueueTagsRequest,
) -> Result<ListQueueTagsResult, Failure> {
    let found = inner.registry.resolve_own(grant, input.queue_url)?;
    let tags = &found.record.tags;
    Ok(ListQueueTagsResult { tags: (!tags.is_empty()).then(|| tags.clone()) })
}
