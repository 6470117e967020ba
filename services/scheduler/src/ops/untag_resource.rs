//! UntagResource.
//! <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_UntagResource.html>

use super::tags::tagged;
use crate::Inner;
use hearth_api::Grant;
use hearth_api::scheduler::{UntagResourceInput, UntagResourceOutput};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: UntagResourceInput,
) -> Result<UntagResourceOutput, Failure> {
    let name = tagged(inner, grant, input.resource_arn.as_deref()).await?;
    let keys = input.tag_keys.unwrap_or_default();
    let changing = inner.registry.changing().await;
    let change = changing.update_group(&name, |record| {
        record.tags.retain(|key, _| !keys.contains(key));
        Ok(())
    });
    change.await?;
    Ok(UntagResourceOutput {})
}
