//! `ListTags`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_ListTags.html>

use crate::Inner;
use crate::ops::tag_resource::tagged_function;
use hearth_api::Grant;
use hearth_api::lambda::{ListTagsRequest, ListTagsResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn list_tags(
    inner: &Arc<Inner>,
    grant: Grant,
    input: ListTagsRequest,
) -> Result<ListTagsResponse, Failure> {
    let key = tagged_function(&grant, input.resource.as_deref())?;
    let entry = inner.registry.find(&key, None)?;
    Ok(ListTagsResponse { tags: Some(entry.function().tags.clone()) })
}
