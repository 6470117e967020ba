//! ListTagsForResource.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_ListTagsForResource.html>

use crate::Inner;
use crate::scope::{Scope, required};
use hearth_api::logs::{ListTagsForResourceRequest, ListTagsForResourceResponse};
use hearth_wire::Failure;

pub async fn run(
    inner: &Inner,
    scope: &Scope,
    input: ListTagsForResourceRequest,
) -> Result<ListTagsForResourceResponse, Failure> {
    let arn = required(input.resource_arn, "resourceArn")?;
    let group = inner.tables.group(scope, scope.group_of_arn(&arn)?).await?;
    Ok(ListTagsForResourceResponse { tags: Some(group.value.tags) })
}
