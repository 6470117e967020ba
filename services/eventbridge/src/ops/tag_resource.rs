//! TagResource.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_TagResource.html>

use super::tags::{change, of_list};
use crate::Inner;
use hearth_api::Grant;
use hearth_api::events::{TagResourceRequest, TagResourceResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    _grant: &Grant,
    input: TagResourceRequest,
) -> Result<TagResourceResponse, Failure> {
    let given = of_list(input.tags.unwrap_or_default());
    change(inner, &input.resource_arn.unwrap_or_default(), |tags| tags.extend(given)).await?;
    Ok(TagResourceResponse {})
}
