//! UntagResource.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_UntagResource.html>

use crate::Inner;
use crate::scope::{Scope, required};
use hearth_api::logs::UntagResourceRequest;
use hearth_wire::Failure;

pub async fn run(inner: &Inner, scope: &Scope, input: UntagResourceRequest) -> Result<(), Failure> {
    let arn = required(input.resource_arn, "resourceArn")?;
    let keys = required(input.tag_keys, "tagKeys")?;
    remove(inner, scope, scope.group_of_arn(&arn)?, &keys).await
}

/// Removes the tags of these keys from a group; keys it has not are no error.
pub async fn remove(inner: &Inner, scope: &Scope, name: &str, keys: &[String]) -> Result<(), Failure> {
    inner
        .tables
        .update_group(scope, name, |group| {
            group.tags.retain(|key, _| !keys.contains(key));
            Ok(())
        })
        .await
}
