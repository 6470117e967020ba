//! Managed policies: CreatePolicy, GetPolicy, ListPolicies, DeletePolicy, their tags and who has them.

use super::Action;
use super::document::{self, Kind};
use super::page::{Paging, in_order};
use super::rules::{
    POLICIES_MAX, POLICY_CHARACTERS_MAX, add_tags, all_tags, characters, check_quota, exceeded, required,
    shown_tags, tags,
};
use super::scope::Scope;
use crate::directory::managed::{self, Managed};
use crate::directory::model::{Policy, PolicyRef, PolicyVersion, Tags};
use crate::directory::{Held, State, Usage};
use hearth_api::iam::{self, errors, *};
use hearth_wire::Failure;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A managed policy, whoever owns it.
pub enum Found<'a> {
    /// AWS's.
    Aws(&'static Managed),
    /// The account's own.
    Own(&'a Arc<Held<Policy>>),
}

impl Found<'_> {
    /// How those refer to it that have it.
    pub fn reference(&self) -> PolicyRef {
        match self {
            Self::Aws(policy) => policy.reference(),
            Self::Own(held) => PolicyRef::Own(held.value.head.name.clone()),
        }
    }
}

impl Action<'_> {
    /// The managed policy of an ARN.
    pub fn policy<'s>(&self, state: &'s State, arn: &str) -> Result<Found<'s>, Failure> {
        let found = match self.scope.reference(state, arn)? {
            Some(PolicyRef::Aws(name)) => managed::find(&name).map(Found::Aws),
            Some(PolicyRef::Own(name)) => state.policies.get(self.scope.account, &name).map(Found::Own),
            None => None,
        };
        found.ok_or_else(|| errors::no_such_entity(format!("Policy {arn} was not found.")))
    }

    /// The managed policy of an ARN, which must be one that the account may change.
    pub fn own_policy<'s>(&self, state: &'s State, arn: &str) -> Result<&'s Arc<Held<Policy>>, Failure> {
        match self.policy(state, arn)? {
            Found::Own(held) => Ok(held),
            // AWS: its own policies cannot be changed by anybody, whatever the caller may do.
            Found::Aws(_) => Err(Failure::sender(
                "AccessDenied",
                403,
                format!("Policy {arn} is owned by AWS and cannot be changed."),
            )),
        }
    }
}

/// A policy for a list, which AWS shows without description and tags.
fn listed_policy(scope: &Scope, state: &State, (found, usage): (&Found<'_>, Usage)) -> iam::Policy {
    let (name, arn) = scope.policy(state, &found.reference());
    let (id, path, created, updated, version) = match found {
        Found::Aws(policy) => (&policy.id, &policy.path, policy.created, policy.updated, policy.version),
        Found::Own(held) => {
            let policy = &held.value;
            (&policy.head.id, &policy.head.path, policy.head.created, policy.updated, policy.default)
        }
    };
    iam::Policy {
        policy_name: Some(name),
        policy_id: Some(id.clone()),
        arn: Some(arn),
        path: Some(path.clone()),
        default_version_id: Some(format!("v{version}")),
        attachment_count: Some(usage.attached),
        permissions_boundary_usage_count: Some(usage.boundaries),
        is_attachable: Some(true),
        description: None,
        create_date: Some(created),
        update_date: Some(updated),
        tags: None,
    }
}

/// A policy for an answer, in full.
pub fn shown_policy(scope: &Scope, state: &State, (found, usage): (&Found<'_>, Usage)) -> iam::Policy {
    let listed = listed_policy(scope, state, (found, usage));
    match found {
        Found::Aws(_) => listed,
        Found::Own(held) => iam::Policy {
            description: held.value.description.clone(),
            tags: shown_tags(&held.value.tags),
            ..listed
        },
    }
}

/// Refuses what no managed policy may hold.
pub fn check_document(text: &str) -> Result<(), Failure> {
    if characters(text) > POLICY_CHARACTERS_MAX {
        return Err(exceeded(format!("PolicySize: {POLICY_CHARACTERS_MAX}")));
    }
    document::check(text, Kind::Identity)
}

/// CreatePolicy.
pub async fn create_policy(
    action: Action<'_>,
    input: CreatePolicyRequest,
) -> Result<CreatePolicyResponse, Failure> {
    let name = required(input.policy_name, "PolicyName")?;
    let text = required(input.policy_document, "PolicyDocument")?;
    check_document(&text)?;
    let mut policy_tags = Tags::default();
    add_tags(&mut policy_tags, tags(input.tags)?)?;
    let head = action.head("ANPA", &name, input.path);
    let scope = &action.scope;
    let arn = action
        .directory()
        .change(|state, edit| {
            if state.policies.get(head.account, &name).is_some() {
                return Err(errors::entity_already_exists(format!(
                    "A policy called {name} already exists. Duplicate names are not allowed."
                )));
            }
            check_quota::<Policy>(state, scope, POLICIES_MAX)?;
            let policy = Policy {
                updated: head.created,
                versions: BTreeMap::from([(1, PolicyVersion { text, created: head.created })]),
                head,
                description: input.description,
                tags: policy_tags,
                default: 1,
                latest: 1,
            };
            let arn = scope.arn(&policy);
            edit.insert(policy);
            Ok(arn)
        })
        .await?;
    action.directory().read(|state| {
        let mut shown = shown_policy(scope, state, (&action.policy(state, &arn)?, Usage::default()));
        // AWS: the answer to CreatePolicy does not repeat the description.
        shown.description = None;
        Ok(CreatePolicyResponse { policy: Some(shown) })
    })
}

/// GetPolicy.
pub async fn get_policy(action: Action<'_>, input: GetPolicyRequest) -> Result<GetPolicyResponse, Failure> {
    let arn = required(input.policy_arn, "PolicyArn")?;
    action.directory().read(|state| {
        let found = action.policy(state, &arn)?;
        let usage = state.usage(action.scope.account).get(&found.reference()).copied().unwrap_or_default();
        Ok(GetPolicyResponse { policy: Some(shown_policy(&action.scope, state, (&found, usage))) })
    })
}

/// ListPolicies.
pub async fn list_policies(
    action: Action<'_>,
    input: ListPoliciesRequest,
) -> Result<ListPoliciesResponse, Failure> {
    let paging = Paging::of(input.marker, input.max_items)?;
    let prefix = input.path_prefix.unwrap_or_default();
    let scope = input.scope.unwrap_or(policyScopeType::All);
    let only_attached = input.only_attached == Some(true);
    let wanted = |policy: &iam::Policy| {
        let used = match input.policy_usage_filter {
            Some(PolicyUsageType::PermissionsPolicy) => policy.attachment_count,
            Some(PolicyUsageType::PermissionsBoundary) => policy.permissions_boundary_usage_count,
            None if only_attached => policy.attachment_count,
            None => Some(1),
        };
        used.unwrap_or_default() > 0 && policy.path.as_deref().is_some_and(|path| path.starts_with(&prefix))
    };
    Ok(action.directory().read(|state| {
        let usage: HashMap<PolicyRef, Usage> = state.usage(action.scope.account);
        let aws = managed::all().iter().filter(|_| scope != policyScopeType::Local).map(Found::Aws);
        let own = state.policies.of(action.scope.account).filter(|_| scope != policyScopeType::Aws);
        let policies = own.map(Found::Own).chain(aws).map(|found| {
            let usage = usage.get(&found.reference()).copied().unwrap_or_default();
            listed_policy(&action.scope, state, (&found, usage))
        });
        let page = paging.cut(policies.filter(wanted).map(|policy| (marked(&policy), policy)));
        ListPoliciesResponse { policies: Some(page.items), is_truncated: page.truncated, marker: page.marker }
    }))
}

/// A name that tells an own policy from AWS's of the same name.
pub fn marked(policy: &iam::Policy) -> String {
    let owner =
        if policy.arn.as_deref().is_some_and(|arn| arn.contains(":aws:policy/")) { "aws" } else { "own" };
    format!("{} {owner}", policy.policy_name.as_deref().unwrap_or_default())
}

/// DeletePolicy: nobody may have it, and its other versions must be gone.
pub async fn delete_policy(action: Action<'_>, input: DeletePolicyRequest) -> Result<(), Failure> {
    let arn = required(input.policy_arn, "PolicyArn")?;
    action
        .directory()
        .change(|state, edit| {
            let held = action.own_policy(state, &arn)?;
            let reference = PolicyRef::Own(held.value.head.name.clone());
            if state.usage(action.scope.account).contains_key(&reference) {
                return Err(errors::delete_conflict("Cannot delete a policy attached to entities."));
            }
            if held.value.versions.len() > 1 {
                return Err(errors::delete_conflict(
                    "This policy has more than one version. Before you delete a policy, you must delete the policy's \
                     versions. The default version is deleted with the policy.",
                ));
            }
            edit.remove(held);
            Ok(())
        })
        .await
}

/// TagPolicy.
pub async fn tag_policy(action: Action<'_>, input: TagPolicyRequest) -> Result<(), Failure> {
    let arn = required(input.policy_arn, "PolicyArn")?;
    let more = tags(input.tags)?;
    action.update_policy(&arn, |policy| add_tags(&mut policy.tags, more)).await
}

/// UntagPolicy.
pub async fn untag_policy(action: Action<'_>, input: UntagPolicyRequest) -> Result<(), Failure> {
    let arn = required(input.policy_arn, "PolicyArn")?;
    let keys = input.tag_keys.unwrap_or_default();
    action
        .update_policy(&arn, |policy| {
            policy.tags.remove(&keys);
            Ok(())
        })
        .await
}

/// ListPolicyTags.
pub async fn list_policy_tags(
    action: Action<'_>,
    input: ListPolicyTagsRequest,
) -> Result<ListPolicyTagsResponse, Failure> {
    let arn = required(input.policy_arn, "PolicyArn")?;
    let paging = Paging::of(input.marker, input.max_items)?;
    action.directory().read(|state| {
        let tags = match action.policy(state, &arn)? {
            Found::Own(held) => all_tags(&held.value.tags),
            Found::Aws(_) => Vec::new(),
        };
        let page = paging.cut(in_order(tags));
        Ok(ListPolicyTagsResponse {
            tags: Some(page.items),
            is_truncated: page.truncated,
            marker: page.marker,
        })
    })
}

/// ListEntitiesForPolicy.
pub async fn list_entities_for_policy(
    action: Action<'_>,
    input: ListEntitiesForPolicyRequest,
) -> Result<ListEntitiesForPolicyResponse, Failure> {
    let arn = required(input.policy_arn.clone(), "PolicyArn")?;
    let paging = Paging::of(input.marker.clone(), input.max_items)?;
    action.directory().read(|state| {
        let reference = action.policy(state, &arn)?.reference();
        let page = paging.cut(users_of(&action, state, (&reference, &input)).into_iter());
        let mut answer = ListEntitiesForPolicyResponse {
            policy_groups: Some(Vec::new()),
            policy_users: Some(Vec::new()),
            policy_roles: Some(Vec::new()),
            is_truncated: page.truncated,
            marker: page.marker,
        };
        for user in page.items {
            match user {
                Entity::Group(group) => answer.policy_groups.get_or_insert_default().push(group),
                Entity::Role(role) => answer.policy_roles.get_or_insert_default().push(role),
                Entity::User(user) => answer.policy_users.get_or_insert_default().push(user),
            }
        }
        Ok(answer)
    })
}

/// One that has a policy.
enum Entity {
    Group(PolicyGroup),
    Role(PolicyRole),
    User(PolicyUser),
}

/// Who has a policy, each under a name that no other has.
fn users_of(
    action: &Action<'_>,
    state: &State,
    (reference, input): (&PolicyRef, &ListEntitiesForPolicyRequest),
) -> Vec<(String, Entity)> {
    use crate::directory::model::{Head, Permissions};
    let account = action.scope.account;
    let has = |head: &Head, permissions: &Permissions| {
        let attached = permissions.attached.contains(reference);
        let bounded = permissions.boundary.as_ref() == Some(reference);
        let used = match input.policy_usage_filter {
            Some(PolicyUsageType::PermissionsPolicy) => attached,
            Some(PolicyUsageType::PermissionsBoundary) => bounded,
            None => attached || bounded,
        };
        used && input.path_prefix.as_ref().is_none_or(|prefix| head.path.starts_with(prefix))
    };
    let wanted = |kind: EntityType| input.entity_filter.is_none_or(|filter| filter == kind);
    let named = |head: &Head| (Some(head.name.clone()), Some(head.id.clone()));
    let mut found = Vec::new();
    for held in state.groups.of(account).filter(|_| wanted(EntityType::Group)) {
        if has(&held.value.head, &held.value.permissions) {
            let (group_name, group_id) = named(&held.value.head);
            let name = format!("group/{}", held.value.head.name);
            found.push((name, Entity::Group(PolicyGroup { group_name, group_id })));
        }
    }
    for held in state.roles.of(account).filter(|_| wanted(EntityType::Role)) {
        if has(&held.value.head, &held.value.permissions) {
            let (role_name, role_id) = named(&held.value.head);
            let name = format!("role/{}", held.value.head.name);
            found.push((name, Entity::Role(PolicyRole { role_name, role_id })));
        }
    }
    for held in state.users.of(account).filter(|_| wanted(EntityType::User)) {
        if has(&held.value.head, &held.value.permissions) {
            let (user_name, user_id) = named(&held.value.head);
            let name = format!("user/{}", held.value.head.name);
            found.push((name, Entity::User(PolicyUser { user_name, user_id })));
        }
    }
    found
}
