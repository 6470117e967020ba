//! UntagResource.
//! <https://docs.aws.amazon.com/sns/latest/api/API_UntagResource.html>

use crate::Inner;
use crate::naming::TopicName;
use hearth_api::Grant;
use hearth_api::sns::{UntagResourceRequest, UntagResourceResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: UntagResourceRequest,
) -> Result<UntagResourceResponse, Failure> {
    let name = TopicName::of_request(grant, input.resource_arn.as_deref(), "ResourceArn")?;
    inner.registry.topic(&name).ok_or_else(super::tags::no_such_resource)?;
    let keys = input.tag_keys.unwrap_or_default();
    let change = inner.registry.update_topic(&name, |record| {
        record.tags.retain(|key, _| !keys.contains(key));
        Ok(())
    });
    change.await?;
    Ok(UntagResourceResponse {})
}
