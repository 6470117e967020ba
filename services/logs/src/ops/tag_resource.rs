//! TagResource.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_TagResource.html>

use crate::Inner;
use crate::scope::{Scope, required};
use hearth_api::logs::{TagResourceRequest, TooManyTagsException, errors};
use hearth_wire::Failure;
use std::collections::BTreeMap;

/// Tags of one group.
const TAGS_MAX: usize = 50;

pub async fn run(inner: &Inner, scope: &Scope, input: TagResourceRequest) -> Result<(), Failure> {
    let arn = required(input.resource_arn, "resourceArn")?;
    let tags = required(input.tags, "tags")?;
    let too_many = TooManyTagsException {
        message: Some(format!("A resource can have no more than {TAGS_MAX} tags.")),
        resource_name: Some(arn.clone()),
    };
    add(inner, scope, scope.group_of_arn(&arn)?, (tags, too_many.into())).await
}

/// Adds tags to a group, in place of those of the same keys; answers `too_many` when it would then have too many.
pub async fn add(
    inner: &Inner,
    scope: &Scope,
    name: &str,
    (tags, too_many): (BTreeMap<String, String>, Failure),
) -> Result<(), Failure> {
    check_keys(&tags)?;
    inner
        .tables
        .update_group(scope, name, |group| {
            group.tags.extend(tags.clone());
            if group.tags.len() > TAGS_MAX { Err(too_many.clone()) } else { Ok(()) }
        })
        .await
}

/// AWS: keys that begin with `aws:` are its own.
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_TagResource.html>
pub fn check_keys(tags: &BTreeMap<String, String>) -> Result<(), Failure> {
    match tags.keys().find(|key| key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"))) {
        Some(key) => {
            Err(errors::invalid_parameter(format!("Tag key {key} starts with aws:, which is reserved")))
        }
        None => Ok(()),
    }
}
