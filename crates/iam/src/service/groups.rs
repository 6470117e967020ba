//! Groups: CreateGroup, GetGroup, ListGroups, UpdateGroup, DeleteGroup, and who is in them.

use super::Action;
use super::page::Paging;
use super::rules::{GROUPS_MAX, GROUPS_OF_USER_MAX, check_quota, exceeded, required};
use super::scope::{Scope, already_exists};
use super::users::listed_user;
use crate::directory::model::{Group, Permissions, User, same};
use hearth_api::iam::{self, errors, *};
use hearth_wire::Failure;

/// A group for an answer.
pub fn shown_group(scope: &Scope, group: &Group) -> iam::Group {
    iam::Group {
        path: Some(group.head.path.clone()),
        group_name: Some(group.head.name.clone()),
        group_id: Some(group.head.id.clone()),
        arn: Some(scope.arn(group)),
        create_date: Some(group.head.created),
    }
}

/// CreateGroup.
pub async fn create_group(
    action: Action<'_>,
    input: CreateGroupRequest,
) -> Result<CreateGroupResponse, Failure> {
    let name = required(input.group_name, "GroupName")?;
    let head = action.head("AGPA", &name, input.path);
    action
        .directory()
        .change(|state, edit| {
            if state.groups.get(head.account, &name).is_some() {
                return Err(already_exists::<Group>(&name));
            }
            check_quota::<Group>(state, &action.scope, GROUPS_MAX)?;
            let group = Group { head, permissions: Permissions::default() };
            let shown = shown_group(&action.scope, &group);
            edit.insert(group);
            Ok(CreateGroupResponse { group: Some(shown) })
        })
        .await
}

/// GetGroup: the group and its members.
pub async fn get_group(action: Action<'_>, input: GetGroupRequest) -> Result<GetGroupResponse, Failure> {
    let name = required(input.group_name, "GroupName")?;
    let paging = Paging::of(input.marker, input.max_items)?;
    action.directory().read(|state| {
        let held = action.scope.find::<Group>(state, &name)?;
        let members = state.members(action.scope.account, &held.value.head.id);
        let page = paging
            .cut(members.map(|user| (user.value.head.name.clone(), listed_user(&action.scope, &user.value))));
        Ok(GetGroupResponse {
            group: Some(shown_group(&action.scope, &held.value)),
            users: Some(page.items),
            is_truncated: page.truncated,
            marker: page.marker,
        })
    })
}

/// ListGroups.
pub async fn list_groups(
    action: Action<'_>,
    input: ListGroupsRequest,
) -> Result<ListGroupsResponse, Failure> {
    let paging = Paging::of(input.marker, input.max_items)?;
    let prefix = input.path_prefix.unwrap_or_default();
    Ok(action.directory().read(|state| {
        let groups =
            state.groups.of(action.scope.account).filter(|held| held.value.head.path.starts_with(&prefix));
        let page = paging
            .cut(groups.map(|held| (held.value.head.name.clone(), shown_group(&action.scope, &held.value))));
        ListGroupsResponse { groups: Some(page.items), is_truncated: page.truncated, marker: page.marker }
    }))
}

/// UpdateGroup: another name, another path, or both. Its members know it by its id.
pub async fn update_group(action: Action<'_>, input: UpdateGroupRequest) -> Result<(), Failure> {
    let name = required(input.group_name, "GroupName")?;
    action
        .directory()
        .change(|state, edit| {
            let held = action.scope.find::<Group>(state, &name)?;
            let mut group = held.value.clone();
            if let Some(path) = input.new_path {
                group.head.path = path;
            }
            if let Some(new) = input.new_group_name {
                if !same(&new, &name) && state.groups.get(action.scope.account, &new).is_some() {
                    return Err(already_exists::<Group>(&new));
                }
                group.head.name = new;
            }
            edit.replace(held, group);
            Ok(())
        })
        .await
}

/// DeleteGroup: it must have no members and no policies.
pub async fn delete_group(action: Action<'_>, input: DeleteGroupRequest) -> Result<(), Failure> {
    let name = required(input.group_name, "GroupName")?;
    action
        .directory()
        .change(|state, edit| {
            let held = action.scope.find::<Group>(state, &name)?;
            let Group { head, permissions } = &held.value;
            let conflict = if state.members(head.account, &head.id).next().is_some() {
                Some("remove users from group")
            } else if !permissions.inline.is_empty() {
                Some("delete policies")
            } else if !permissions.attached.is_empty() {
                Some("detach all policies")
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

/// AddUserToGroup; a member already is no error.
pub async fn add_user_to_group(action: Action<'_>, input: AddUserToGroupRequest) -> Result<(), Failure> {
    let group = required(input.group_name, "GroupName")?;
    let user = required(input.user_name, "UserName")?;
    action
        .directory()
        .change(|state, edit| {
            let id = action.scope.find::<Group>(state, &group)?.value.head.id.clone();
            let held = action.scope.find::<User>(state, &user)?;
            if held.value.groups.contains(&id) {
                return Ok(());
            }
            if held.value.groups.len() >= GROUPS_OF_USER_MAX {
                return Err(exceeded(format!("GroupsPerUser: {GROUPS_OF_USER_MAX}")));
            }
            let mut user = held.value.clone();
            user.groups.push(id);
            edit.replace(held, user);
            Ok(())
        })
        .await
}

/// RemoveUserFromGroup.
pub async fn remove_user_from_group(
    action: Action<'_>,
    input: RemoveUserFromGroupRequest,
) -> Result<(), Failure> {
    let group = required(input.group_name, "GroupName")?;
    let user = required(input.user_name, "UserName")?;
    action
        .directory()
        .change(|state, edit| {
            let id = &action.scope.find::<Group>(state, &group)?.value.head.id;
            let held = action.scope.find::<User>(state, &user)?;
            if !held.value.groups.contains(id) {
                let message =
                    format!("The user with name {user} cannot be found in the group with name {group}.");
                return Err(errors::no_such_entity(message));
            }
            let mut user = held.value.clone();
            user.groups.retain(|known| known != id);
            edit.replace(held, user);
            Ok(())
        })
        .await
}
