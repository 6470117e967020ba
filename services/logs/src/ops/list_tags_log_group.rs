//! ListTagsLogGroup, the older form of ListTagsForResource.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_ListTagsLogGroup.html>

use crate::Inner;
use crate::scope::{Scope, required};
use hearth_api::logs::{ListTagsLogGroupRequest, ListTagsLogGroupResponse};
use hearth_wire::Failure;

pub async fn run(
    inner: &Inner,
    scope: &Scope,
    input: ListTagsLogGroupRequest,
) -> Result<ListTagsLogGroupResponse, Failure> {
    let name = required(input.log_group_name, "logGroupName")?;
    let group = inner.tables.group(scope, &name).await?;
    Ok(ListTagsLogGroupResponse { tags: Some(group.value.tags) })
}
