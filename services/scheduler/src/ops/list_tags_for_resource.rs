//! ListTagsForResource.
//! <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_ListTagsForResource.html>

use super::tags::tagged;
use crate::Inner;
use hearth_api::Grant;
use hearth_api::scheduler::{ListTagsForResourceInput, ListTagsForResourceOutput, Tag};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: ListTagsForResourceInput,
) -> Result<ListTagsForResourceOutput, Failure> {
    let name = tagged(inner, grant, input.resource_arn.as_deref()).await?;
    let tags = inner.registry.group(&name).map(|record| record.tags).unwrap_or_default();
    let tags = tags.into_iter().map(|(key, value)| Tag { key: Some(key), value: Some(value) });
    Ok(ListTagsForResourceOutput { tags: Some(tags.collect()) })
}
