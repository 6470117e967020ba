//! Roles: CreateRole, GetRole, ListRoles, UpdateRole, UpdateAssumeRolePolicy, DeleteRole, and their tags.

use super::Action;
use super::attached::boundary_of;
use super::document::{self, Kind};
use super::page::{Paging, in_order};
use super::rules::{
    ROLES_MAX, TRUST_CHARACTERS_MAX, add_tags, all_tags, characters, check_quota, encoded, exceeded,
    required, shown_tags, tags,
};
use super::scope::{Scope, already_exists};
use crate::directory::State;
use crate::directory::model::{Permissions, Role, Tags};
use hearth_api::iam::{self, errors, *};
use hearth_wire::Failure;

/// How long a session lasts at most when nobody says.
const SESSION_S_DEFAULT: u32 = 3_600;

/// A role for an answer, in full.
pub fn shown_role(scope: &Scope, state: &State, role: &Role) -> iam::Role {
    iam::Role {
        permissions_boundary: boundary_of(scope, state, &role.permissions),
        tags: shown_tags(&role.tags),
        role_last_used: Some(RoleLastUsed::default()),
        ..listed_role(scope, role)
    }
}

/// A role for a list, which AWS shows without tags, boundary and last use.
pub fn listed_role(scope: &Scope, role: &Role) -> iam::Role {
    iam::Role {
        path: Some(role.head.path.clone()),
        role_name: Some(role.head.name.clone()),
        role_id: Some(role.head.id.clone()),
        arn: Some(scope.arn(role)),
        create_date: Some(role.head.created),
        assume_role_policy_document: Some(encoded(&role.trust)),
        description: role.description.clone(),
        max_session_duration: Some(role.session_s_max.into()),
        ..iam::Role::default()
    }
}

fn check_trust(text: &str) -> Result<(), Failure> {
    if characters(text) > TRUST_CHARACTERS_MAX {
        return Err(exceeded(format!("ACLSizePerRole: {TRUST_CHARACTERS_MAX}")));
    }
    document::check(text, Kind::Trust)
}

/// CreateRole.
pub async fn create_role(
    action: Action<'_>,
    input: CreateRoleRequest,
) -> Result<CreateRoleResponse, Failure> {
    let name = required(input.role_name, "RoleName")?;
    let trust = required(input.assume_role_policy_document, "AssumeRolePolicyDocument")?;
    check_trust(&trust)?;
    let mut role_tags = Tags::default();
    add_tags(&mut role_tags, tags(input.tags)?)?;
    let head = action.head("AROA", &name, input.path);
    action
        .directory()
        .change(|state, edit| {
            if state.roles.get(head.account, &name).is_some() {
                return Err(already_exists::<Role>(&name));
            }
            check_quota::<Role>(state, &action.scope, ROLES_MAX)?;
            let boundary = action.attachable(state, input.permissions_boundary)?;
            let role = Role {
                head,
                permissions: Permissions { boundary, ..Permissions::default() },
                tags: role_tags,
                trust,
                description: input.description,
                session_s_max: session_seconds(input.max_session_duration).unwrap_or(SESSION_S_DEFAULT),
            };
            let mut shown = shown_role(&action.scope, state, &role);
            shown.role_last_used = None;
            edit.insert(role);
            Ok(CreateRoleResponse { role: Some(shown) })
        })
        .await
}

fn session_seconds(asked: Option<i64>) -> Option<u32> {
    asked.and_then(|seconds| u32::try_from(seconds).ok())
}

/// GetRole.
pub async fn get_role(action: Action<'_>, input: GetRoleRequest) -> Result<GetRoleResponse, Failure> {
    let name = required(input.role_name, "RoleName")?;
    action.directory().read(|state| {
        let held = action.scope.find::<Role>(state, &name)?;
        Ok(GetRoleResponse { role: Some(shown_role(&action.scope, state, &held.value)) })
    })
}

/// ListRoles.
pub async fn list_roles(action: Action<'_>, input: ListRolesRequest) -> Result<ListRolesResponse, Failure> {
    let paging = Paging::of(input.marker, input.max_items)?;
    let prefix = input.path_prefix.unwrap_or_default();
    Ok(action.directory().read(|state| {
        let roles =
            state.roles.of(action.scope.account).filter(|held| held.value.head.path.starts_with(&prefix));
        let page = paging
            .cut(roles.map(|held| (held.value.head.name.clone(), listed_role(&action.scope, &held.value))));
        ListRolesResponse { roles: Some(page.items), is_truncated: page.truncated, marker: page.marker }
    }))
}

/// UpdateRole: AWS sets what is not named back to its default.
pub async fn update_role(
    action: Action<'_>,
    input: UpdateRoleRequest,
) -> Result<UpdateRoleResponse, Failure> {
    let name = required(input.role_name, "RoleName")?;
    action
        .update::<Role>(&name, |role| {
            if let Some(description) = input.description {
                role.description = Some(description).filter(|text| !text.is_empty());
            }
            role.session_s_max = session_seconds(input.max_session_duration).unwrap_or(SESSION_S_DEFAULT);
            Ok(())
        })
        .await?;
    Ok(UpdateRoleResponse::default())
}

/// UpdateRoleDescription.
pub async fn update_role_description(
    action: Action<'_>,
    input: UpdateRoleDescriptionRequest,
) -> Result<UpdateRoleDescriptionResponse, Failure> {
    let name = required(input.role_name, "RoleName")?;
    let description = required(input.description, "Description")?;
    action
        .update::<Role>(&name, |role| {
            role.description = Some(description).filter(|text| !text.is_empty());
            Ok(())
        })
        .await?;
    action.directory().read(|state| {
        let held = action.scope.find::<Role>(state, &name)?;
        Ok(UpdateRoleDescriptionResponse { role: Some(shown_role(&action.scope, state, &held.value)) })
    })
}

/// UpdateAssumeRolePolicy.
pub async fn update_assume_role_policy(
    action: Action<'_>,
    input: UpdateAssumeRolePolicyRequest,
) -> Result<(), Failure> {
    let name = required(input.role_name, "RoleName")?;
    let trust = required(input.policy_document, "PolicyDocument")?;
    check_trust(&trust)?;
    action
        .update::<Role>(&name, |role| {
            role.trust = trust;
            Ok(())
        })
        .await
}

/// DeleteRole: its policies must be taken away first.
pub async fn delete_role(action: Action<'_>, input: DeleteRoleRequest) -> Result<(), Failure> {
    let name = required(input.role_name, "RoleName")?;
    action
        .directory()
        .change(|state, edit| {
            let held = action.scope.find::<Role>(state, &name)?;
            let permissions = &held.value.permissions;
            if !permissions.attached.is_empty() {
                return Err(errors::delete_conflict("Cannot delete entity, must detach all policies first."));
            }
            if !permissions.inline.is_empty() {
                return Err(errors::delete_conflict("Cannot delete entity, must delete policies first."));
            }
            edit.remove(held);
            Ok(())
        })
        .await
}

/// TagRole.
pub async fn tag_role(action: Action<'_>, input: TagRoleRequest) -> Result<(), Failure> {
    let name = required(input.role_name, "RoleName")?;
    let more = tags(input.tags)?;
    action.update::<Role>(&name, |role| add_tags(&mut role.tags, more)).await
}

/// UntagRole.
pub async fn untag_role(action: Action<'_>, input: UntagRoleRequest) -> Result<(), Failure> {
    let name = required(input.role_name, "RoleName")?;
    let keys = input.tag_keys.unwrap_or_default();
    action
        .update::<Role>(&name, |role| {
            role.tags.remove(&keys);
            Ok(())
        })
        .await
}

/// ListRoleTags.
pub async fn list_role_tags(
    action: Action<'_>,
    input: ListRoleTagsRequest,
) -> Result<ListRoleTagsResponse, Failure> {
    let name = required(input.role_name, "RoleName")?;
    let paging = Paging::of(input.marker, input.max_items)?;
    action.directory().read(|state| {
        let held = action.scope.find::<Role>(state, &name)?;
        let page = paging.cut(in_order(all_tags(&held.value.tags)));
        Ok(ListRoleTagsResponse { tags: Some(page.items), is_truncated: page.truncated, marker: page.marker })
    })
}

/// ListInstanceProfilesForRole: there is no EC2 here, so there are none. Tools ask before they delete a role.
pub async fn list_instance_profiles_for_role(
    action: Action<'_>,
    input: ListInstanceProfilesForRoleRequest,
) -> Result<ListInstanceProfilesForRoleResponse, Failure> {
    let name = required(input.role_name, "RoleName")?;
    action.directory().read(|state| action.scope.find::<Role>(state, &name).map(drop))?;
    Ok(ListInstanceProfilesForRoleResponse {
        instance_profiles: Some(Vec::new()),
        is_truncated: Some(false),
        marker: None,
    })
}

/// ListInstanceProfiles: none, as above.
pub async fn list_instance_profiles(
    _action: Action<'_>,
    _input: ListInstanceProfilesRequest,
) -> Result<ListInstanceProfilesResponse, Failure> {
    Ok(ListInstanceProfilesResponse {
        instance_profiles: Some(Vec::new()),
        is_truncated: Some(false),
        marker: None,
    })
}
