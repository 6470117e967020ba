//! Users: CreateUser, GetUser, ListUsers, UpdateUser, DeleteUser, and their tags.

use super::Action;
use super::attached::boundary_of;
use super::groups::shown_group;
use super::page::{Paging, in_order};
use super::rules::{USERS_MAX, add_tags, all_tags, check_quota, required, shown_tags, tags};
use super::scope::{Scope, already_exists};
use crate::directory::State;
use crate::directory::model::{Permissions, Tags, User, same};
use hearth_api::Principal;
use hearth_api::iam::{self, errors, *};
use hearth_wire::Failure;

/// A user for an answer, in full.
pub fn shown_user(scope: &Scope, state: &State, user: &User) -> iam::User {
    iam::User {
        permissions_boundary: boundary_of(scope, state, &user.permissions),
        tags: shown_tags(&user.tags),
        ..listed_user(scope, user)
    }
}

/// A user for a list, which AWS shows without tags and boundary.
pub fn listed_user(scope: &Scope, user: &User) -> iam::User {
    iam::User {
        path: Some(user.head.path.clone()),
        user_name: Some(user.head.name.clone()),
        user_id: Some(user.head.id.clone()),
        arn: Some(scope.arn(user)),
        create_date: Some(user.head.created),
        ..iam::User::default()
    }
}

/// CreateUser.
pub async fn create_user(
    action: Action<'_>,
    input: CreateUserRequest,
) -> Result<CreateUserResponse, Failure> {
    let name = required(input.user_name, "UserName")?;
    let mut user_tags = Tags::default();
    add_tags(&mut user_tags, tags(input.tags)?)?;
    let head = action.head("AIDA", &name, input.path);
    action
        .directory()
        .change(|state, edit| {
            if state.users.get(head.account, &name).is_some() {
                return Err(already_exists::<User>(&name));
            }
            check_quota::<User>(state, &action.scope, USERS_MAX)?;
            let boundary = action.attachable(state, input.permissions_boundary)?;
            let permissions = Permissions { boundary, ..Permissions::default() };
            let user = User { head, permissions, tags: user_tags, groups: Vec::new(), keys: Vec::new() };
            let shown = shown_user(&action.scope, state, &user);
            edit.insert(user);
            Ok(CreateUserResponse { user: Some(shown) })
        })
        .await
}

/// GetUser.
pub async fn get_user(action: Action<'_>, input: GetUserRequest) -> Result<GetUserResponse, Failure> {
    // AWS: asked without a name, the root user is told of itself.
    if let (None, Principal::Root(account)) = (&input.user_name, &action.scope.principal) {
        let root = iam::User {
            user_id: Some(account.to_string()),
            arn: Some(action.scope.principal.arn(action.scope.partition)),
            create_date: Some(hearth_base::Timestamp::default()),
            ..iam::User::default()
        };
        return Ok(GetUserResponse { user: Some(root) });
    }
    let name = action.user_name(input.user_name)?;
    action.directory().read(|state| {
        let held = action.scope.find::<User>(state, &name)?;
        Ok(GetUserResponse { user: Some(shown_user(&action.scope, state, &held.value)) })
    })
}

/// ListUsers.
pub async fn list_users(action: Action<'_>, input: ListUsersRequest) -> Result<ListUsersResponse, Failure> {
    let paging = Paging::of(input.marker, input.max_items)?;
    let prefix = input.path_prefix.unwrap_or_default();
    Ok(action.directory().read(|state| {
        let users =
            state.users.of(action.scope.account).filter(|held| held.value.head.path.starts_with(&prefix));
        let page = paging
            .cut(users.map(|held| (held.value.head.name.clone(), listed_user(&action.scope, &held.value))));
        ListUsersResponse { users: Some(page.items), is_truncated: page.truncated, marker: page.marker }
    }))
}

/// UpdateUser: another name, another path, or both.
pub async fn update_user(action: Action<'_>, input: UpdateUserRequest) -> Result<(), Failure> {
    let name = required(input.user_name, "UserName")?;
    action
        .directory()
        .change(|state, edit| {
            let held = action.scope.find::<User>(state, &name)?;
            let mut user = held.value.clone();
            if let Some(path) = input.new_path {
                user.head.path = path;
            }
            if let Some(new) = input.new_user_name {
                if !same(&new, &name) && state.users.get(action.scope.account, &new).is_some() {
                    return Err(already_exists::<User>(&new));
                }
                user.head.name = new;
            }
            edit.replace(held, user);
            Ok(())
        })
        .await
}

/// DeleteUser: what it has must be taken away first.
pub async fn delete_user(action: Action<'_>, input: DeleteUserRequest) -> Result<(), Failure> {
    let name = required(input.user_name, "UserName")?;
    action
        .directory()
        .change(|state, edit| {
            let held = action.scope.find::<User>(state, &name)?;
            let User { permissions, groups, keys, .. } = &held.value;
            let conflict = if !keys.is_empty() {
                Some("delete access keys")
            } else if !permissions.inline.is_empty() {
                Some("delete policies")
            } else if !permissions.attached.is_empty() {
                Some("detach all policies")
            } else if !groups.is_empty() {
                Some("remove users from group")
            } else {
                None
            };
            if let Some(conflict) = conflict {
                return Err(errors::delete_conflict(format!("Cannot delete entity, must {conflict} first.")));
            }
            edit.remove(held);
            Ok(())
        })
        .await
}

/// ListGroupsForUser.
pub async fn list_groups_for_user(
    action: Action<'_>,
    input: ListGroupsForUserRequest,
) -> Result<ListGroupsForUserResponse, Failure> {
    let name = required(input.user_name, "UserName")?;
    let paging = Paging::of(input.marker, input.max_items)?;
    action.directory().read(|state| {
        let held = action.scope.find::<User>(state, &name)?;
        let groups = held.value.groups.iter().filter_map(|id| state.group_of_id(id));
        let page = paging
            .cut(groups.map(|held| (held.value.head.name.clone(), shown_group(&action.scope, &held.value))));
        Ok(ListGroupsForUserResponse {
            groups: Some(page.items),
            is_truncated: page.truncated,
            marker: page.marker,
        })
    })
}

/// TagUser.
pub async fn tag_user(action: Action<'_>, input: TagUserRequest) -> Result<(), Failure> {
    let name = required(input.user_name, "UserName")?;
    let more = tags(input.tags)?;
    action.update::<User>(&name, |user| add_tags(&mut user.tags, more)).await
}

/// UntagUser.
pub async fn untag_user(action: Action<'_>, input: UntagUserRequest) -> Result<(), Failure> {
    let name = required(input.user_name, "UserName")?;
    let keys = input.tag_keys.unwrap_or_default();
    action
        .update::<User>(&name, |user| {
            user.tags.remove(&keys);
            Ok(())
        })
        .await
}

/// ListUserTags.
pub async fn list_user_tags(
    action: Action<'_>,
    input: ListUserTagsRequest,
) -> Result<ListUserTagsResponse, Failure> {
    let name = required(input.user_name, "UserName")?;
    let paging = Paging::of(input.marker, input.max_items)?;
    action.directory().read(|state| {
        let held = action.scope.find::<User>(state, &name)?;
        let page = paging.cut(in_order(all_tags(&held.value.tags)));
        Ok(ListUserTagsResponse { tags: Some(page.items), is_truncated: page.truncated, marker: page.marker })
    })
}
