//! TagResource.
//! <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_TagResource.html>

use super::tags::{check_tags, of_list, tagged};
use crate::Inner;
use hearth_api::Grant;
use hearth_api::scheduler::{TagResourceInput, TagResourceOutput};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: TagResourceInput,
) -> Result<TagResourceOutput, Failure> {
    let name = tagged(inner, grant, input.resource_arn.as_deref()).await?;
    let tags = of_list(input.tags.unwrap_or_default());
    let changing = inner.registry.changing().await;
    let change = changing.update_group(&name, |record| {
        record.tags.extend(tags);
        check_tags(&record.tags)
    });
    change.await?;
    Ok(TagResourceOutput {})
}
