//! Inline policies of users, groups and roles: PutRolePolicy and its like.
//!
//! The three kinds have the same four actions, which differ in the names of their members only.

use super::Action;
use super::document::{self, Kind};
use super::page::{Page, Paging};
use super::rules::{characters, encoded, required};
use crate::directory::Shelved;
use crate::directory::model::{Group, Holder, Role, User};
use hearth_api::iam::{errors, *};
use hearth_wire::Failure;

/// A policy to put: of whom, its name, its text.
struct Put {
    name: String,
    policy: String,
    text: String,
}

async fn put<T: Holder + Shelved>(action: Action<'_>, put: Put) -> Result<(), Failure> {
    let Put { name, policy, text } = put;
    // AWS: an unknown entity is told before a malformed document.
    action.directory().read(|state| action.scope.find::<T>(state, &name).map(drop))?;
    document::check(&text, Kind::Identity)?;
    action
        .update::<T>(&name, |entity| {
            let inline = &mut entity.permissions_mut().inline;
            inline.insert(policy, text);
            let all: usize = inline.values().map(|text| characters(text)).sum();
            if all > T::INLINE_CHARACTERS_MAX {
                let (word, max) = (T::WORD, T::INLINE_CHARACTERS_MAX);
                let message = format!("Maximum policy size of {max} bytes exceeded for {word} {name}");
                return Err(errors::limit_exceeded(message));
            }
            Ok(())
        })
        .await
}

fn get<T: Holder + Shelved>(action: &Action<'_>, name: &str, policy: &str) -> Result<String, Failure> {
    action.directory().read(|state| {
        let held = action.scope.find::<T>(state, name)?;
        held.value
            .permissions()
            .inline
            .get(policy)
            .map(|text| encoded(text))
            .ok_or_else(|| no_such_policy::<T>(policy))
    })
}

async fn delete<T: Holder + Shelved>(action: Action<'_>, name: &str, policy: &str) -> Result<(), Failure> {
    action
        .update::<T>(name, |entity| {
            let removed = entity.permissions_mut().inline.remove(policy);
            removed.map(drop).ok_or_else(|| no_such_policy::<T>(policy))
        })
        .await
}

fn list<T: Holder + Shelved>(
    action: &Action<'_>,
    name: &str,
    paging: Paging,
) -> Result<Page<String>, Failure> {
    action.directory().read(|state| {
        let held = action.scope.find::<T>(state, name)?;
        let names = held.value.permissions().inline.keys();
        Ok(paging.cut(names.map(|name| (name.clone(), name.clone()))))
    })
}

fn no_such_policy<T: Holder>(policy: &str) -> Failure {
    errors::no_such_entity(format!("The {} policy with name {policy} cannot be found.", T::WORD))
}

macro_rules! actions {
    ($($kind:ty, $name:ident $wire:literal:
       $put:ident $put_input:ty,
       $get:ident $get_input:ty => $get_output:ident,
       $delete:ident $delete_input:ty,
       $list:ident $list_input:ty => $list_output:ident;)*) => {$(
        #[doc = concat!("Puts an inline policy of a ", stringify!($kind), ", in place of one of the same name.")]
        pub async fn $put(action: Action<'_>, input: $put_input) -> Result<(), Failure> {
            let name = required(input.$name, $wire)?;
            let policy = required(input.policy_name, "PolicyName")?;
            let text = required(input.policy_document, "PolicyDocument")?;
            put::<$kind>(action, Put { name, policy, text }).await
        }

        #[doc = concat!("Shows an inline policy of a ", stringify!($kind), ".")]
        pub async fn $get(action: Action<'_>, input: $get_input) -> Result<$get_output, Failure> {
            let name = required(input.$name, $wire)?;
            let policy = required(input.policy_name, "PolicyName")?;
            let text = get::<$kind>(&action, &name, &policy)?;
            Ok($get_output { $name: Some(name), policy_name: Some(policy), policy_document: Some(text) })
        }

        #[doc = concat!("Deletes an inline policy of a ", stringify!($kind), ".")]
        pub async fn $delete(action: Action<'_>, input: $delete_input) -> Result<(), Failure> {
            let name = required(input.$name, $wire)?;
            let policy = required(input.policy_name, "PolicyName")?;
            delete::<$kind>(action, &name, &policy).await
        }

        #[doc = concat!("Lists the inline policies of a ", stringify!($kind), ".")]
        pub async fn $list(action: Action<'_>, input: $list_input) -> Result<$list_output, Failure> {
            let name = required(input.$name, $wire)?;
            let page = list::<$kind>(&action, &name, Paging::of(input.marker, input.max_items)?)?;
            Ok($list_output {
                policy_names: Some(page.items),
                is_truncated: page.truncated,
                marker: page.marker,
            })
        }
    )*};
}

actions! {
    User, user_name "UserName":
        put_user_policy PutUserPolicyRequest,
        get_user_policy GetUserPolicyRequest => GetUserPolicyResponse,
        delete_user_policy DeleteUserPolicyRequest,
        list_user_policies ListUserPoliciesRequest => ListUserPoliciesResponse;
    Group, group_name "GroupName":
        put_group_policy PutGroupPolicyRequest,
        get_group_policy GetGroupPolicyRequest => GetGroupPolicyResponse,
        delete_group_policy DeleteGroupPolicyRequest,
        list_group_policies ListGroupPoliciesRequest => ListGroupPoliciesResponse;
    Role, role_name "RoleName":
        put_role_policy PutRolePolicyRequest,
        get_role_policy GetRolePolicyRequest => GetRolePolicyResponse,
        delete_role_policy DeleteRolePolicyRequest,
        list_role_policies ListRolePoliciesRequest => ListRolePoliciesResponse;
}
