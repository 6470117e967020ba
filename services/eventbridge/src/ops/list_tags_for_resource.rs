//! ListTagsForResource.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListTagsForResource.html>

use super::tags::{no_such_resource, of_arn};
use crate::Inner;
use hearth_api::Grant;
use hearth_api::events::{ListTagsForResourceRequest, ListTagsForResourceResponse, Tag};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    _grant: &Grant,
    input: ListTagsForResourceRequest,
) -> Result<ListTagsForResourceResponse, Failure> {
    let arn = input.resource_arn.unwrap_or_default();
    let tags = of_arn(inner, &arn).ok_or_else(|| no_such_resource(&arn))?;
    let tags = tags.into_iter().map(|(key, value)| Tag { key: Some(key), value: Some(value) });
    Ok(ListTagsForResourceResponse { tags: Some(tags.collect()) })
}
