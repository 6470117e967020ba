//! UntagResource.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_UntagResource.html>

use super::tags::change;
use crate::Inner;
use hearth_api::Grant;
use hearth_api::events::{UntagResourceRequest, UntagResourceResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    _grant: &Grant,
    input: UntagResourceRequest,
) -> Result<UntagResourceResponse, Failure> {
    let keys = input.tag_keys.unwrap_or_default();
    let arn = input.resource_arn.unwrap_or_default();
    change(inner, &arn, |tags| tags.retain(|key, _| !keys.contains(key))).await?;
    Ok(UntagResourceResponse {})
}
