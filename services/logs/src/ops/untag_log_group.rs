//! UntagLogGroup, the older form of UntagResource.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_UntagLogGroup.html>

use super::untag_resource;
use crate::Inner;
use crate::scope::{Scope, required};
use hearth_api::logs::UntagLogGroupRequest;
use hearth_wire::Failure;

pub async fn run(inner: &Inner, scope: &Scope, input: UntagLogGroupRequest) -> Result<(), Failure> {
    let name = required(input.log_group_name, "logGroupName")?;
    let keys = required(input.tags, "tags")?;
    untag_resource::remove(inner, scope, &name, &keys).await
}
