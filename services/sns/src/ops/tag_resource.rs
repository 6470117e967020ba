//! TagResource.
//! <https://docs.aws.amazon.com/sns/latest/api/API_TagResource.html>

use super::tags::{check_tags, of_list};
use crate::Inner;
use crate::naming::TopicName;
use hearth_api::Grant;
use hearth_api::sns::{TagResourceRequest, TagResourceResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: TagResourceRequest,
) -> Result<TagResourceResponse, Failure> {
    let name = TopicName::of_request(grant, input.resource_arn.as_deref(), "ResourceArn")?;
    inner.registry.topic(&name).ok_or_else(super::tags::no_such_resource)?;
    let tags = of_list(input.tags.unwrap_or_default());
    let change = inner.registry.update_topic(&name, |record| {
        record.tags.extend(tags);
        check_tags(&record.tags)
    });
    change.await?;
    Ok(TagResourceResponse {})
}
