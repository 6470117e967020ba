//! What the actions check in the same way: required members, quotas, tags, and the documents of policies.

use crate::directory::Shelved;
use crate::directory::State;
use crate::directory::model::{Tags, same};
use crate::service::scope::Scope;
use hearth_api::iam::{self, errors};
use hearth_wire::Failure;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

// AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
/// Users of an account.
pub const USERS_MAX: usize = 5_000;
/// Groups of an account.
pub const GROUPS_MAX: usize = 300;
/// Roles of an account.
pub const ROLES_MAX: usize = 5_000;
/// Managed policies of an account.
pub const POLICIES_MAX: usize = 1_500;
/// Managed policies attached to one user, group or role.
pub const ATTACHED_MAX: usize = 10;
/// Groups of a user.
pub const GROUPS_OF_USER_MAX: usize = 10;
/// Versions of a managed policy.
pub const VERSIONS_MAX: usize = 5;
/// Access keys of a user.
pub const KEYS_MAX: usize = 2;
/// Tags of an entity.
pub const TAGS_MAX: usize = 50;
/// Characters of a managed policy, white space not counted.
pub const POLICY_CHARACTERS_MAX: usize = 6_144;
/// Characters of a trust policy, white space not counted.
pub const TRUST_CHARACTERS_MAX: usize = 2_048;

/// A member that the model requires: the wire has refused requests without it.
pub fn required<T>(member: Option<T>, name: &str) -> Result<T, Failure> {
    member.ok_or_else(|| {
        Failure::sender("ValidationError", 400, format!("The request must contain the parameter {name}."))
    })
}

/// Refuses one entity more than an account may have.
pub fn check_quota<T: Shelved>(state: &State, scope: &Scope, max: usize) -> Result<(), Failure> {
    if T::shelf(state).of(scope.account).count() < max {
        return Ok(());
    }
    let plural = match T::WORD {
        "user" => "Users",
        "group" => "Groups",
        "role" => "Roles",
        _ => "Policies",
    };
    Err(exceeded(format!("{plural}PerAccount: {max}")))
}

/// `Cannot exceed quota for AccessKeysPerUser: 2`.
pub fn exceeded(quota: impl std::fmt::Display) -> Failure {
    errors::limit_exceeded(format!("Cannot exceed quota for {quota}"))
}

/// What counts of a policy's text.
pub fn characters(text: &str) -> usize {
    text.chars().filter(|c| !c.is_whitespace()).count()
}

/// A document in an answer: RFC 3986's unreserved characters as they are, all else as `%XX`.
pub fn encoded(text: &str) -> String {
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Tags of a request: no key twice, none of AWS's own.
pub fn tags(tags: Option<Vec<iam::Tag>>) -> Result<Vec<(String, String)>, Failure> {
    let mut read: Vec<(String, String)> = Vec::new();
    for tag in tags.unwrap_or_default() {
        let (key, value) = (tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
        if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
            return Err(errors::invalid_input(
                "Tag keys with the prefix aws: are reserved for AWS use and cannot be set.",
            ));
        }
        if read.iter().any(|(known, _)| same(known, &key)) {
            return Err(errors::invalid_input(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        read.push((key, value));
    }
    Ok(read)
}

/// Adds tags to those of an entity.
pub fn add_tags(tags: &mut Tags, more: Vec<(String, String)>) -> Result<(), Failure> {
    tags.set(more);
    if tags.0.len() > TAGS_MAX {
        return Err(errors::limit_exceeded("The number of tags has reached the maximum limit."));
    }
    Ok(())
}

/// Tags for an answer; none when there are none, as AWS leaves them out.
pub fn shown_tags(tags: &Tags) -> Option<Vec<iam::Tag>> {
    if tags.0.is_empty() { None } else { Some(all_tags(tags)) }
}

/// Tags for an answer that lists them.
pub fn all_tags(tags: &Tags) -> Vec<iam::Tag> {
    let tag =
        |(key, value): &(String, String)| iam::Tag { key: Some(key.clone()), value: Some(value.clone()) };
    tags.0.iter().map(tag).collect()
}
