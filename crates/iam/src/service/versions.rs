//! Versions of managed policies: CreatePolicyVersion, GetPolicyVersion, SetDefaultPolicyVersion and the rest.

use super::Action;
use super::page::{Paging, in_order};
use super::policies::{Found, check_document};
use super::rules::{VERSIONS_MAX, encoded, required};
use crate::directory::model::{Policy, PolicyVersion};
use hearth_api::iam::{self, errors, *};
use hearth_wire::Failure;

/// A version for an answer, without its document.
fn shown(policy: &Policy, number: u32, version: &PolicyVersion) -> iam::PolicyVersion {
    iam::PolicyVersion {
        document: None,
        version_id: Some(format!("v{number}")),
        is_default_version: Some(number == policy.default),
        create_date: Some(version.created),
    }
}

/// The versions of a policy, with their documents when they are wanted.
pub fn versions_of(found: &Found<'_>, with_document: bool) -> Vec<iam::PolicyVersion> {
    let document = |text: &str| with_document.then(|| encoded(text));
    match found {
        Found::Aws(policy) => vec![iam::PolicyVersion {
            document: document(&policy.text),
            version_id: Some(format!("v{}", policy.version)),
            is_default_version: Some(true),
            create_date: Some(policy.updated),
        }],
        Found::Own(held) => {
            let versions = held.value.versions.iter().rev();
            let version = |(number, version): (&u32, &PolicyVersion)| iam::PolicyVersion {
                document: document(&version.text),
                ..shown(&held.value, *number, version)
            };
            versions.map(version).collect()
        }
    }
}

/// `v2`; AWS allows a suffix that none of its versions has.
fn number(id: &str) -> Option<u32> {
    id.strip_prefix('v')?.parse().ok()
}

fn no_such_version(arn: &str, id: &str) -> Failure {
    errors::no_such_entity(format!("Policy {arn} version {id} does not exist or is not attachable."))
}

/// CreatePolicyVersion.
pub async fn create_policy_version(
    action: Action<'_>,
    input: CreatePolicyVersionRequest,
) -> Result<CreatePolicyVersionResponse, Failure> {
    let arn = required(input.policy_arn, "PolicyArn")?;
    let text = required(input.policy_document, "PolicyDocument")?;
    check_document(&text)?;
    let created = action.now();
    action
        .directory()
        .change(|state, edit| {
            let held = action.own_policy(state, &arn)?;
            let mut policy = held.value.clone();
            if policy.versions.len() >= VERSIONS_MAX {
                return Err(errors::limit_exceeded(format!(
                    "A managed policy can have up to {VERSIONS_MAX} versions. Before you create a new version, you \
                     must delete an existing version."
                )));
            }
            policy.latest += 1;
            let (number, version) = (policy.latest, PolicyVersion { text, created });
            if input.set_as_default == Some(true) {
                policy.default = number;
            }
            policy.updated = created;
            let policy_version = shown(&policy, number, &version);
            policy.versions.insert(number, version);
            edit.replace(held, policy);
            Ok(CreatePolicyVersionResponse { policy_version: Some(policy_version) })
        })
        .await
}

/// GetPolicyVersion.
pub async fn get_policy_version(
    action: Action<'_>,
    input: GetPolicyVersionRequest,
) -> Result<GetPolicyVersionResponse, Failure> {
    let arn = required(input.policy_arn, "PolicyArn")?;
    let id = required(input.version_id, "VersionId")?;
    action.directory().read(|state| {
        let versions = versions_of(&action.policy(state, &arn)?, true);
        let version = versions.into_iter().find(|version| version.version_id.as_ref() == Some(&id));
        let policy_version = version.ok_or_else(|| no_such_version(&arn, &id))?;
        Ok(GetPolicyVersionResponse { policy_version: Some(policy_version) })
    })
}

/// ListPolicyVersions: the latest first.
pub async fn list_policy_versions(
    action: Action<'_>,
    input: ListPolicyVersionsRequest,
) -> Result<ListPolicyVersionsResponse, Failure> {
    let arn = required(input.policy_arn, "PolicyArn")?;
    let paging = Paging::of(input.marker, input.max_items)?;
    action.directory().read(|state| {
        let versions = versions_of(&action.policy(state, &arn)?, false);
        let page = paging.cut(in_order(versions));
        Ok(ListPolicyVersionsResponse {
            versions: Some(page.items),
            is_truncated: page.truncated,
            marker: page.marker,
        })
    })
}

/// DeletePolicyVersion: not the one in force.
pub async fn delete_policy_version(
    action: Action<'_>,
    input: DeletePolicyVersionRequest,
) -> Result<(), Failure> {
    let arn = required(input.policy_arn, "PolicyArn")?;
    let id = required(input.version_id, "VersionId")?;
    action
        .update_policy(&arn, |policy| {
            let number = number(&id).filter(|number| policy.versions.contains_key(number));
            let number = number.ok_or_else(|| no_such_version(&arn, &id))?;
            if number == policy.default {
                return Err(errors::delete_conflict("Cannot delete the default version of a policy."));
            }
            policy.versions.remove(&number);
            Ok(())
        })
        .await
}

/// SetDefaultPolicyVersion.
pub async fn set_default_policy_version(
    action: Action<'_>,
    input: SetDefaultPolicyVersionRequest,
) -> Result<(), Failure> {
    let arn = required(input.policy_arn, "PolicyArn")?;
    let id = required(input.version_id, "VersionId")?;
    let now = action.now();
    action
        .update_policy(&arn, |policy| {
            let number = number(&id).filter(|number| policy.versions.contains_key(number));
            policy.default = number.ok_or_else(|| no_such_version(&arn, &id))?;
            policy.updated = now;
            Ok(())
        })
        .await
}
