//! Managed policies on users, groups and roles: AttachRolePolicy and its like, and permissions boundaries.

use super::Action;
use super::page::{Page, Paging};
use super::rules::{ATTACHED_MAX, exceeded, required};
use super::scope::Scope;
use crate::directory::model::{Group, Holder, Permissions, PolicyRef, Role, User};
use crate::directory::{Shelved, State};
use hearth_api::iam::{self, errors, *};
use hearth_wire::Failure;

/// The boundary of an entity for an answer.
pub fn boundary_of(
    scope: &Scope,
    state: &State,
    permissions: &Permissions,
) -> Option<iam::AttachedPermissionsBoundary> {
    permissions.boundary.as_ref().map(|reference| iam::AttachedPermissionsBoundary {
        permissions_boundary_type: Some(PermissionsBoundaryAttachmentType::PermissionsBoundaryPolicy),
        permissions_boundary_arn: Some(scope.policy(state, reference).1),
    })
}

/// The managed policies of an entity for an answer.
pub fn attached_of(scope: &Scope, state: &State, permissions: &Permissions) -> Vec<iam::AttachedPolicy> {
    let shown = |reference: &PolicyRef| {
        let (name, arn) = scope.policy(state, reference);
        iam::AttachedPolicy { policy_name: Some(name), policy_arn: Some(arn) }
    };
    permissions.attached.iter().map(shown).collect()
}

impl Action<'_> {
    /// The managed policy that is to be attached, or to be a boundary.
    pub fn attachable(&self, state: &State, arn: Option<String>) -> Result<Option<PolicyRef>, Failure> {
        let Some(arn) = arn else { return Ok(None) };
        let found = self.scope.reference(state, &arn)?;
        found.map(Some).ok_or_else(|| {
            errors::no_such_entity(format!("Policy {arn} does not exist or is not attachable."))
        })
    }
}

async fn attach<T: Holder + Shelved>(action: Action<'_>, name: &str, arn: String) -> Result<(), Failure> {
    action
        .directory()
        .change(|state, edit| {
            let held = action.scope.find::<T>(state, name)?;
            let Some(reference) = action.attachable(state, Some(arn))? else { return Ok(()) };
            let attached = &held.value.permissions().attached;
            if attached.contains(&reference) {
                return Ok(());
            }
            if attached.len() >= ATTACHED_MAX {
                let word = match T::WORD {
                    "user" => "User",
                    "group" => "Group",
                    _ => "Role",
                };
                return Err(exceeded(format!("PoliciesPer{word}: {ATTACHED_MAX}")));
            }
            let mut entity = held.value.clone();
            entity.permissions_mut().attached.push(reference);
            edit.replace(held, entity);
            Ok(())
        })
        .await
}

async fn detach<T: Holder + Shelved>(action: Action<'_>, name: &str, arn: String) -> Result<(), Failure> {
    action
        .directory()
        .change(|state, edit| {
            let held = action.scope.find::<T>(state, name)?;
            let reference = action.scope.reference(state, &arn)?;
            let attached = &held.value.permissions().attached;
            let Some(reference) = reference.filter(|reference| attached.contains(reference)) else {
                return Err(errors::no_such_entity(format!("Policy {arn} was not found.")));
            };
            let mut entity = held.value.clone();
            entity.permissions_mut().attached.retain(|known| *known != reference);
            edit.replace(held, entity);
            Ok(())
        })
        .await
}

fn list<T: Holder + Shelved>(
    action: &Action<'_>,
    name: &str,
    (paging, prefix): (Paging, Option<String>),
) -> Result<Page<iam::AttachedPolicy>, Failure> {
    let prefix = prefix.unwrap_or_default();
    action.directory().read(|state| {
        let held = action.scope.find::<T>(state, name)?;
        let attached = attached_of(&action.scope, state, held.value.permissions());
        let within = attached.into_iter().filter(|policy| {
            let path =
                policy.policy_arn.as_deref().and_then(|arn| arn.split_once(":policy")).unwrap_or_default().1;
            path.starts_with(&prefix)
        });
        Ok(paging.cut(within.map(|policy| {
            // Whose it is tells an own policy from AWS's of the same name.
            let arn = policy.policy_arn.as_deref().unwrap_or_default();
            let owner = if arn.contains(":aws:policy/") { "aws" } else { "own" };
            (format!("{} {owner}", policy.policy_name.as_deref().unwrap_or_default()), policy)
        })))
    })
}

async fn put_boundary<T: Holder + Shelved>(
    action: Action<'_>,
    name: &str,
    arn: String,
) -> Result<(), Failure> {
    action
        .directory()
        .change(|state, edit| {
            let held = action.scope.find::<T>(state, name)?;
            let mut entity = held.value.clone();
            entity.permissions_mut().boundary = action.attachable(state, Some(arn))?;
            edit.replace(held, entity);
            Ok(())
        })
        .await
}

async fn delete_boundary<T: Holder + Shelved>(action: Action<'_>, name: &str) -> Result<(), Failure> {
    action
        .update::<T>(name, |entity| {
            let removed = entity.permissions_mut().boundary.take();
            removed.map(drop).ok_or_else(|| {
                errors::no_such_entity(format!(
                    "The {} {name} does not have a permissions boundary.",
                    T::WORD
                ))
            })
        })
        .await
}

macro_rules! actions {
    ($($kind:ty, $name:ident $wire:literal:
       $attach:ident $attach_input:ty,
       $detach:ident $detach_input:ty,
       $list:ident $list_input:ty => $list_output:ident;)*) => {$(
        #[doc = concat!("Attaches a managed policy to a ", stringify!($kind), "; one that is attached already is no error.")]
        pub async fn $attach(action: Action<'_>, input: $attach_input) -> Result<(), Failure> {
            let name = required(input.$name, $wire)?;
            attach::<$kind>(action, &name, required(input.policy_arn, "PolicyArn")?).await
        }

        #[doc = concat!("Detaches a managed policy from a ", stringify!($kind), ".")]
        pub async fn $detach(action: Action<'_>, input: $detach_input) -> Result<(), Failure> {
            let name = required(input.$name, $wire)?;
            detach::<$kind>(action, &name, required(input.policy_arn, "PolicyArn")?).await
        }

        #[doc = concat!("Lists the managed policies of a ", stringify!($kind), ".")]
        pub async fn $list(action: Action<'_>, input: $list_input) -> Result<$list_output, Failure> {
            let name = required(input.$name, $wire)?;
            let paging = Paging::of(input.marker, input.max_items)?;
            let page = list::<$kind>(&action, &name, (paging, input.path_prefix))?;
            Ok($list_output {
                attached_policies: Some(page.items),
                is_truncated: page.truncated,
                marker: page.marker,
            })
        }
    )*};
}

actions! {
    User, user_name "UserName":
        attach_user_policy AttachUserPolicyRequest,
        detach_user_policy DetachUserPolicyRequest,
        list_attached_user_policies ListAttachedUserPoliciesRequest => ListAttachedUserPoliciesResponse;
    Group, group_name "GroupName":
        attach_group_policy AttachGroupPolicyRequest,
        detach_group_policy DetachGroupPolicyRequest,
        list_attached_group_policies ListAttachedGroupPoliciesRequest => ListAttachedGroupPoliciesResponse;
    Role, role_name "RoleName":
        attach_role_policy AttachRolePolicyRequest,
        detach_role_policy DetachRolePolicyRequest,
        list_attached_role_policies ListAttachedRolePoliciesRequest => ListAttachedRolePoliciesResponse;
}

macro_rules! boundaries {
    ($($kind:ty, $name:ident $wire:literal: $put:ident $put_input:ty, $delete:ident $delete_input:ty;)*) => {$(
        #[doc = concat!("Sets the permissions boundary of a ", stringify!($kind), ".")]
        pub async fn $put(action: Action<'_>, input: $put_input) -> Result<(), Failure> {
            let name = required(input.$name, $wire)?;
            let arn = required(input.permissions_boundary, "PermissionsBoundary")?;
            put_boundary::<$kind>(action, &name, arn).await
        }

        #[doc = concat!("Removes the permissions boundary of a ", stringify!($kind), ".")]
        pub async fn $delete(action: Action<'_>, input: $delete_input) -> Result<(), Failure> {
            let name = required(input.$name, $wire)?;
            delete_boundary::<$kind>(action, &name).await
        }
    )*};
}

boundaries! {
    User, user_name "UserName":
        put_user_permissions_boundary PutUserPermissionsBoundaryRequest,
        delete_user_permissions_boundary DeleteUserPermissionsBoundaryRequest;
    Role, role_name "RoleName":
        put_role_permissions_boundary PutRolePermissionsBoundaryRequest,
        delete_role_permissions_boundary DeleteRolePermissionsBoundaryRequest;
}
