//! ListTagsForResource.
//! <https://docs.aws.amazon.com/sns/latest/api/API_ListTagsForResource.html>

use crate::Inner;
use crate::naming::TopicName;
use hearth_api::Grant;
use hearth_api::sns::Tag;
use hearth_api::sns::{ListTagsForResourceRequest, ListTagsForResourceResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: ListTagsForResourceRequest,
) -> Result<ListTagsForResourceResponse, Failure> {
    let name = TopicName::of_request(grant, input.resource_arn.as_deref(), "ResourceArn")?;
    let topic = inner.registry.topic(&name).ok_or_else(super::tags::no_such_resource)?;
    let tags = topic.record.tags.iter();
    let tags = tags.map(|(key, value)| Tag { key: Some(key.clone()), value: Some(value.clone()) });
    Ok(ListTagsForResourceResponse { tags: Some(tags.collect()) })
}
