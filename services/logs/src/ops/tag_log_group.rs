//! TagLogGroup, the older form of TagResource.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_TagLogGroup.html>

use super::tag_resource;
use crate::Inner;
use crate::scope::{Scope, required};
use hearth_api::logs::{TagLogGroupRequest, errors};
use hearth_wire::Failure;

pub async fn run(inner: &Inner, scope: &Scope, input: TagLogGroupRequest) -> Result<(), Failure> {
    let name = required(input.log_group_name, "logGroupName")?;
    let tags = required(input.tags, "tags")?;
    let too_many = errors::invalid_parameter("A resource can have no more than 50 tags.");
    tag_resource::add(inner, scope, &name, (tags, too_many)).await
}
