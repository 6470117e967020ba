//! Tags of groups, in the forms of requests and of records.
//!
//! It refuses to look groups up, but for those that a request names by their ARN.

use crate::Inner;
use crate::failures::{invalid, no_such_group};
use crate::naming::GroupName;
use hearth_api::Grant;
use hearth_api::scheduler::Tag;
use hearth_wire::Failure;
use std::collections::BTreeMap;

/// Tags of one group.
const TAGS_MAX: usize = 200;

/// The tags of a request.
pub fn of_list(tags: Vec<Tag>) -> BTreeMap<String, String> {
    tags.into_iter().map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default())).collect()
}

/// Refuses what a group cannot have.
pub fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Failure> {
    if tags.len() > TAGS_MAX {
        return Err(invalid(format!("A schedule group cannot have more than {TAGS_MAX} tags.")));
    }
    match tags.keys().find(|key| key.to_ascii_lowercase().starts_with("aws:")) {
        Some(key) => Err(invalid(format!("The tag key {key} cannot begin with aws:."))),
        None => Ok(()),
    }
}

/// The group that a request names.
pub async fn tagged(inner: &Inner, grant: &Grant, arn: Option<&str>) -> Result<GroupName, Failure> {
    let arn = arn.unwrap_or_default();
    let name = GroupName::of_arn(arn).ok_or_else(|| invalid("Provided Arn is not in correct format."))?;
    // A region and an account hold their own groups only.
    if (name.account.as_str(), name.region.as_str()) != (grant.account().as_str(), grant.region().as_str()) {
        return Err(no_such_group(&name.name));
    }
    inner.registry.known_group(&name, inner.clock.now()).await?;
    Ok(name)
}
