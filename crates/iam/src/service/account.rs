//! The account as a whole: its alias, GetAccountSummary, GetAccountAuthorizationDetails.

use super::Action;
use super::attached::{attached_of, boundary_of};
use super::page::Paging;
use super::policies::{Found, marked, shown_policy};
use super::rules::{
    ATTACHED_MAX, GROUPS_MAX, GROUPS_OF_USER_MAX, KEYS_MAX, POLICIES_MAX, POLICY_CHARACTERS_MAX, ROLES_MAX,
    TRUST_CHARACTERS_MAX, USERS_MAX, VERSIONS_MAX, encoded, required, shown_tags,
};
use crate::directory::model::{Group, Holder, Permissions, PolicyRef, Role, User};
use crate::directory::{State, Usage, managed};
use crate::service::versions::versions_of;
use hearth_api::iam::{self, errors, *};
use hearth_wire::Failure;
use std::collections::{BTreeMap, HashMap};

/// CreateAccountAlias. AWS: one that the account has already is replaced.
pub async fn create_account_alias(
    action: Action<'_>,
    input: CreateAccountAliasRequest,
) -> Result<(), Failure> {
    let alias = required(input.account_alias, "AccountAlias")?;
    let account = action.scope.account;
    action
        .directory()
        .change(|state, edit| {
            if state.account_of_alias(&alias).is_some() {
                return Err(errors::entity_already_exists(format!(
                    "The account alias {alias} already exists."
                )));
            }
            edit.alias(state, account, Some(alias));
            Ok(())
        })
        .await
}

/// DeleteAccountAlias.
pub async fn delete_account_alias(
    action: Action<'_>,
    input: DeleteAccountAliasRequest,
) -> Result<(), Failure> {
    let alias = required(input.account_alias, "AccountAlias")?;
    let account = action.scope.account;
    action
        .directory()
        .change(|state, edit| {
            if state.alias(account) != Some(&alias) {
                let message = format!("The account alias with name {alias} cannot be found.");
                return Err(errors::no_such_entity(message));
            }
            edit.alias(state, account, None);
            Ok(())
        })
        .await
}

/// ListAccountAliases: one, or none.
pub async fn list_account_aliases(
    action: Action<'_>,
    _input: ListAccountAliasesRequest,
) -> Result<ListAccountAliasesResponse, Failure> {
    let alias = action.directory().read(|state| state.alias(action.scope.account).map(str::to_owned));
    Ok(ListAccountAliasesResponse {
        account_aliases: Some(alias.into_iter().collect()),
        is_truncated: Some(false),
        marker: None,
    })
}

/// GetAccountSummary. What Hearth does not have counts zero.
pub async fn get_account_summary(action: Action<'_>) -> Result<GetAccountSummaryResponse, Failure> {
    let account = action.scope.account;
    let counts = action.directory().read(|state| {
        let versions: usize = state.policies.of(account).map(|held| held.value.versions.len()).sum();
        [
            ("Users", state.users.of(account).count()),
            ("Groups", state.groups.of(account).count()),
            ("Roles", state.roles.of(account).count()),
            ("Policies", state.policies.of(account).count()),
            ("PolicyVersionsInUse", versions),
        ]
    });
    let quotas = [
        ("UsersQuota", USERS_MAX),
        ("GroupsQuota", GROUPS_MAX),
        ("RolesQuota", ROLES_MAX),
        ("PoliciesQuota", POLICIES_MAX),
        ("PolicyVersionsInUseQuota", 10_000),
        ("UserPolicySizeQuota", User::INLINE_CHARACTERS_MAX),
        ("GroupPolicySizeQuota", Group::INLINE_CHARACTERS_MAX),
        ("RolePolicySizeQuota", Role::INLINE_CHARACTERS_MAX),
        ("AssumeRolePolicySizeQuota", TRUST_CHARACTERS_MAX),
        ("PolicySizeQuota", POLICY_CHARACTERS_MAX),
        ("GroupsPerUserQuota", GROUPS_OF_USER_MAX),
        ("AccessKeysPerUserQuota", KEYS_MAX),
        ("AttachedPoliciesPerUserQuota", ATTACHED_MAX),
        ("AttachedPoliciesPerGroupQuota", ATTACHED_MAX),
        ("AttachedPoliciesPerRoleQuota", ATTACHED_MAX),
        ("VersionsPerPolicyQuota", VERSIONS_MAX),
        ("GlobalEndpointTokenVersion", 1),
        ("AccountAccessKeysPresent", 1),
    ];
    let absent = [
        "ServerCertificates",
        "ServerCertificatesQuota",
        "SigningCertificatesPerUserQuota",
        "MFADevices",
        "MFADevicesInUse",
        "AccountMFAEnabled",
        "AccountPasswordPresent",
        "AccountSigningCertificatesPresent",
        "InstanceProfiles",
        "InstanceProfilesQuota",
        "Providers",
    ];
    let all = counts.into_iter().chain(quotas).chain(absent.map(|name| (name, 0)));
    let summary: BTreeMap<String, i64> =
        all.map(|(name, count)| (name.to_owned(), i64::try_from(count).unwrap_or(i64::MAX))).collect();
    Ok(GetAccountSummaryResponse { summary_map: Some(summary) })
}

/// One entity of GetAccountAuthorizationDetails.
enum Detail {
    User(UserDetail),
    Group(GroupDetail),
    Role(RoleDetail),
    Policy(ManagedPolicyDetail),
}

/// GetAccountAuthorizationDetails: everything that decides what is allowed, in pages.
pub async fn get_account_authorization_details(
    action: Action<'_>,
    input: GetAccountAuthorizationDetailsRequest,
) -> Result<GetAccountAuthorizationDetailsResponse, Failure> {
    let paging = Paging::of(input.marker, input.max_items)?;
    let filter = input.filter.unwrap_or_default();
    let wanted = |kind: EntityType| filter.is_empty() || filter.contains(&kind);
    Ok(action.directory().read(|state| {
        let account = action.scope.account;
        let mut all: Vec<(String, Detail)> = Vec::new();
        if wanted(EntityType::User) {
            let users = state.users.of(account);
            all.extend(users.map(|held| {
                named("user", &held.value.head.name, Detail::User(user(&action, state, &held.value)))
            }));
        }
        if wanted(EntityType::Group) {
            let groups = state.groups.of(account);
            all.extend(groups.map(|held| {
                named("group", &held.value.head.name, Detail::Group(group(&action, state, &held.value)))
            }));
        }
        if wanted(EntityType::Role) {
            let roles = state.roles.of(account);
            all.extend(roles.map(|held| {
                named("role", &held.value.head.name, Detail::Role(role(&action, state, &held.value)))
            }));
        }
        let usage = state.usage(account);
        if wanted(EntityType::LocalManagedPolicy) {
            let own = state.policies.of(account).map(Found::Own);
            all.extend(own.map(|found| policy(&action, state, (&found, &usage))));
        }
        if wanted(EntityType::AwsManagedPolicy) {
            // AWS: of its own policies it shows those that are in use.
            let aws = managed::all()
                .iter()
                .filter(|policy| usage.contains_key(&policy.reference()))
                .map(Found::Aws);
            all.extend(aws.map(|found| policy(&action, state, (&found, &usage))));
        }
        let page = paging.cut(all.into_iter());
        let mut answer = GetAccountAuthorizationDetailsResponse {
            user_detail_list: Some(Vec::new()),
            group_detail_list: Some(Vec::new()),
            role_detail_list: Some(Vec::new()),
            policies: Some(Vec::new()),
            is_truncated: page.truncated,
            marker: page.marker,
        };
        for detail in page.items {
            match detail {
                Detail::User(user) => answer.user_detail_list.get_or_insert_default().push(user),
                Detail::Group(group) => answer.group_detail_list.get_or_insert_default().push(group),
                Detail::Role(role) => answer.role_detail_list.get_or_insert_default().push(role),
                Detail::Policy(policy) => answer.policies.get_or_insert_default().push(policy),
            }
        }
        answer
    }))
}

fn named(kind: &str, name: &str, detail: Detail) -> (String, Detail) {
    (format!("{kind}/{name}"), detail)
}

fn inline_of(permissions: &Permissions) -> Vec<PolicyDetail> {
    let detail = |(name, text): (&String, &String)| PolicyDetail {
        policy_name: Some(name.clone()),
        policy_document: Some(encoded(text)),
    };
    permissions.inline.iter().map(detail).collect()
}

fn user(action: &Action<'_>, state: &State, user: &User) -> UserDetail {
    let groups = user.groups.iter().filter_map(|id| state.group_of_id(id));
    UserDetail {
        path: Some(user.head.path.clone()),
        user_name: Some(user.head.name.clone()),
        user_id: Some(user.head.id.clone()),
        arn: Some(action.scope.arn(user)),
        create_date: Some(user.head.created),
        user_policy_list: Some(inline_of(&user.permissions)),
        group_list: Some(groups.map(|held| held.value.head.name.clone()).collect()),
        attached_managed_policies: Some(attached_of(&action.scope, state, &user.permissions)),
        permissions_boundary: boundary_of(&action.scope, state, &user.permissions),
        tags: shown_tags(&user.tags),
    }
}

fn group(action: &Action<'_>, state: &State, group: &Group) -> GroupDetail {
    GroupDetail {
        path: Some(group.head.path.clone()),
        group_name: Some(group.head.name.clone()),
        group_id: Some(group.head.id.clone()),
        arn: Some(action.scope.arn(group)),
        create_date: Some(group.head.created),
        group_policy_list: Some(inline_of(&group.permissions)),
        attached_managed_policies: Some(attached_of(&action.scope, state, &group.permissions)),
    }
}

fn role(action: &Action<'_>, state: &State, role: &Role) -> RoleDetail {
    RoleDetail {
        path: Some(role.head.path.clone()),
        role_name: Some(role.head.name.clone()),
        role_id: Some(role.head.id.clone()),
        arn: Some(action.scope.arn(role)),
        create_date: Some(role.head.created),
        assume_role_policy_document: Some(encoded(&role.trust)),
        instance_profile_list: Some(Vec::new()),
        role_policy_list: Some(inline_of(&role.permissions)),
        attached_managed_policies: Some(attached_of(&action.scope, state, &role.permissions)),
        permissions_boundary: boundary_of(&action.scope, state, &role.permissions),
        tags: shown_tags(&role.tags),
        role_last_used: Some(RoleLastUsed::default()),
    }
}

fn policy(
    action: &Action<'_>,
    state: &State,
    (found, usage): (&Found<'_>, &HashMap<PolicyRef, Usage>),
) -> (String, Detail) {
    let usage = usage.get(&found.reference()).copied().unwrap_or_default();
    let shown: iam::Policy = shown_policy(&action.scope, state, (found, usage));
    let name = format!("policy/{}", marked(&shown));
    let detail = ManagedPolicyDetail {
        policy_name: shown.policy_name,
        policy_id: shown.policy_id,
        arn: shown.arn,
        path: shown.path,
        default_version_id: shown.default_version_id,
        attachment_count: shown.attachment_count,
        permissions_boundary_usage_count: shown.permissions_boundary_usage_count,
        is_attachable: shown.is_attachable,
        description: shown.description,
        create_date: shown.create_date,
        update_date: shown.update_date,
        policy_version_list: Some(versions_of(found, true)),
    };
    (name, Detail::Policy(detail))
}
