//! IAM: users, groups, roles, policies and access keys, as an API over the [`Directory`].
//!
//! The eighty actions are a few verbs on a few kinds of entity, so a file holds the actions of one kind and not one
//! action. It refuses what there is nothing here for: instance profiles, identity providers, MFA, passwords,
//! certificates, service-linked roles.

mod account;
mod attached;
mod document;
mod groups;
mod inline;
mod keys;
mod page;
mod policies;
mod roles;
mod rules;
mod scope;
mod simulate;
#[cfg(test)]
mod tests;
mod users;
mod versions;

use crate::credentials::{Credentials, base32};
use crate::directory::model::{Head, Policy};
use crate::directory::{Directory, Shelved};
use hearth_api::iam::*;
use hearth_api::{Grant, Principal};
use hearth_base::{BoxFuture, Clock, Rng, Timestamp};
use hearth_wire::Failure;
use scope::Scope;
use std::sync::Arc;

/// What the service stands on.
pub struct IamOptions {
    /// Where the identities are.
    pub directory: Arc<Directory>,
    /// Makes the secrets of access keys and knows when they were used.
    pub credentials: Arc<Credentials>,
    /// For the times of creation.
    pub clock: Arc<dyn Clock>,
    /// For ids.
    pub rng: Arc<dyn Rng>,
}

/// Identity and Access Management.
pub struct Iam(IamOptions);

impl Iam {
    /// The service.
    pub fn new(options: IamOptions) -> Self {
        Self(options)
    }
}

/// One call of an action.
pub(crate) struct Action<'a> {
    inner: &'a IamOptions,
    scope: Scope,
}

impl<'a> Action<'a> {
    fn begin(inner: &'a IamOptions, grant: &Grant) -> Result<Self, Failure> {
        // AWS: what GetSessionToken gives opens nothing of IAM unless it was asked for with MFA, which is not here.
        let is_session = grant.session().is_some();
        if is_session && matches!(grant.principal(), Principal::User { .. } | Principal::Root(_)) {
            let message = "The security token included in the request is invalid";
            return Err(Failure::sender("InvalidClientTokenId", 403, message));
        }
        Ok(Self { inner, scope: Scope::of(grant) })
    }

    fn directory(&self) -> &'a Directory {
        &self.inner.directory
    }

    fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// A new id of 21 characters, such as `AIDA…`.
    fn id(&self, prefix: &str) -> String {
        let mut random = [0; 15];
        self.inner.rng.fill(&mut random);
        let mut id = format!("{prefix}{}", base32(&random));
        id.truncate(21);
        id
    }

    /// What a new entity has in common with all others.
    fn head(&self, prefix: &str, name: &str, path: Option<String>) -> Head {
        Head {
            account: self.scope.account,
            name: name.to_owned(),
            path: path.unwrap_or_else(|| "/".to_owned()),
            id: self.id(prefix),
            // AWS: these times have whole seconds.
            created: Timestamp::from_seconds(self.now().seconds()),
        }
    }

    /// Changes the entity of a name.
    async fn update<T: Shelved>(
        &self,
        name: &str,
        change: impl FnOnce(&mut T) -> Result<(), Failure> + Send,
    ) -> Result<(), Failure> {
        self.directory()
            .change(|state, edit| {
                let held = self.scope.find::<T>(state, name)?;
                let mut entity = held.value.clone();
                change(&mut entity)?;
                edit.replace(held, entity);
                Ok(())
            })
            .await
    }

    /// Changes the managed policy of an ARN.
    async fn update_policy(
        &self,
        arn: &str,
        change: impl FnOnce(&mut Policy) -> Result<(), Failure> + Send,
    ) -> Result<(), Failure> {
        self.directory()
            .change(|state, edit| {
                let held = self.own_policy(state, arn)?;
                let mut policy = held.value.clone();
                change(&mut policy)?;
                edit.replace(held, policy);
                Ok(())
            })
            .await
    }
}

/// Each action is a function of its name in the module named here.
macro_rules! operations {
    ($($module:ident::$operation:ident: $input:ty => $output:ty;)*) => {
        impl hearth_api::iam::Iam for Iam {
            $(fn $operation<'a>(
                &'a self,
                grant: Grant,
                input: $input,
            ) -> BoxFuture<'a, Result<$output, Failure>> {
                Box::pin(async move { $module::$operation(Action::begin(&self.0, &grant)?, input).await })
            })*

            fn get_account_summary<'a>(
                &'a self,
                grant: Grant,
            ) -> BoxFuture<'a, Result<GetAccountSummaryResponse, Failure>> {
                Box::pin(async move { account::get_account_summary(Action::begin(&self.0, &grant)?).await })
            }
        }
    };
}

operations! {
    groups::add_user_to_group: AddUserToGroupRequest => ();
    attached::attach_group_policy: AttachGroupPolicyRequest => ();
    attached::attach_role_policy: AttachRolePolicyRequest => ();
    attached::attach_user_policy: AttachUserPolicyRequest => ();
    keys::create_access_key: CreateAccessKeyRequest => CreateAccessKeyResponse;
    account::create_account_alias: CreateAccountAliasRequest => ();
    groups::create_group: CreateGroupRequest => CreateGroupResponse;
    policies::create_policy: CreatePolicyRequest => CreatePolicyResponse;
    versions::create_policy_version: CreatePolicyVersionRequest => CreatePolicyVersionResponse;
    roles::create_role: CreateRoleRequest => CreateRoleResponse;
    users::create_user: CreateUserRequest => CreateUserResponse;
    keys::delete_access_key: DeleteAccessKeyRequest => ();
    account::delete_account_alias: DeleteAccountAliasRequest => ();
    groups::delete_group: DeleteGroupRequest => ();
    inline::delete_group_policy: DeleteGroupPolicyRequest => ();
    policies::delete_policy: DeletePolicyRequest => ();
    versions::delete_policy_version: DeletePolicyVersionRequest => ();
    roles::delete_role: DeleteRoleRequest => ();
    attached::delete_role_permissions_boundary: DeleteRolePermissionsBoundaryRequest => ();
    inline::delete_role_policy: DeleteRolePolicyRequest => ();
    users::delete_user: DeleteUserRequest => ();
    attached::delete_user_permissions_boundary: DeleteUserPermissionsBoundaryRequest => ();
    inline::delete_user_policy: DeleteUserPolicyRequest => ();
    attached::detach_group_policy: DetachGroupPolicyRequest => ();
    attached::detach_role_policy: DetachRolePolicyRequest => ();
    attached::detach_user_policy: DetachUserPolicyRequest => ();
    keys::get_access_key_last_used: GetAccessKeyLastUsedRequest => GetAccessKeyLastUsedResponse;
    account::get_account_authorization_details: GetAccountAuthorizationDetailsRequest => GetAccountAuthorizationDetailsResponse;
    simulate::get_context_keys_for_custom_policy: GetContextKeysForCustomPolicyRequest => GetContextKeysForPolicyResponse;
    simulate::get_context_keys_for_principal_policy: GetContextKeysForPrincipalPolicyRequest => GetContextKeysForPolicyResponse;
    groups::get_group: GetGroupRequest => GetGroupResponse;
    inline::get_group_policy: GetGroupPolicyRequest => GetGroupPolicyResponse;
    policies::get_policy: GetPolicyRequest => GetPolicyResponse;
    versions::get_policy_version: GetPolicyVersionRequest => GetPolicyVersionResponse;
    roles::get_role: GetRoleRequest => GetRoleResponse;
    inline::get_role_policy: GetRolePolicyRequest => GetRolePolicyResponse;
    users::get_user: GetUserRequest => GetUserResponse;
    inline::get_user_policy: GetUserPolicyRequest => GetUserPolicyResponse;
    keys::list_access_keys: ListAccessKeysRequest => ListAccessKeysResponse;
    account::list_account_aliases: ListAccountAliasesRequest => ListAccountAliasesResponse;
    attached::list_attached_group_policies: ListAttachedGroupPoliciesRequest => ListAttachedGroupPoliciesResponse;
    attached::list_attached_role_policies: ListAttachedRolePoliciesRequest => ListAttachedRolePoliciesResponse;
    attached::list_attached_user_policies: ListAttachedUserPoliciesRequest => ListAttachedUserPoliciesResponse;
    policies::list_entities_for_policy: ListEntitiesForPolicyRequest => ListEntitiesForPolicyResponse;
    inline::list_group_policies: ListGroupPoliciesRequest => ListGroupPoliciesResponse;
    groups::list_groups: ListGroupsRequest => ListGroupsResponse;
    users::list_groups_for_user: ListGroupsForUserRequest => ListGroupsForUserResponse;
    roles::list_instance_profiles: ListInstanceProfilesRequest => ListInstanceProfilesResponse;
    roles::list_instance_profiles_for_role: ListInstanceProfilesForRoleRequest => ListInstanceProfilesForRoleResponse;
    policies::list_policies: ListPoliciesRequest => ListPoliciesResponse;
    policies::list_policy_tags: ListPolicyTagsRequest => ListPolicyTagsResponse;
    versions::list_policy_versions: ListPolicyVersionsRequest => ListPolicyVersionsResponse;
    inline::list_role_policies: ListRolePoliciesRequest => ListRolePoliciesResponse;
    roles::list_role_tags: ListRoleTagsRequest => ListRoleTagsResponse;
    roles::list_roles: ListRolesRequest => ListRolesResponse;
    inline::list_user_policies: ListUserPoliciesRequest => ListUserPoliciesResponse;
    users::list_user_tags: ListUserTagsRequest => ListUserTagsResponse;
    users::list_users: ListUsersRequest => ListUsersResponse;
    inline::put_group_policy: PutGroupPolicyRequest => ();
    attached::put_role_permissions_boundary: PutRolePermissionsBoundaryRequest => ();
    inline::put_role_policy: PutRolePolicyRequest => ();
    attached::put_user_permissions_boundary: PutUserPermissionsBoundaryRequest => ();
    inline::put_user_policy: PutUserPolicyRequest => ();
    groups::remove_user_from_group: RemoveUserFromGroupRequest => ();
    versions::set_default_policy_version: SetDefaultPolicyVersionRequest => ();
    simulate::simulate_custom_policy: SimulateCustomPolicyRequest => SimulatePolicyResponse;
    simulate::simulate_principal_policy: SimulatePrincipalPolicyRequest => SimulatePolicyResponse;
    policies::tag_policy: TagPolicyRequest => ();
    roles::tag_role: TagRoleRequest => ();
    users::tag_user: TagUserRequest => ();
    policies::untag_policy: UntagPolicyRequest => ();
    roles::untag_role: UntagRoleRequest => ();
    users::untag_user: UntagUserRequest => ();
    keys::update_access_key: UpdateAccessKeyRequest => ();
    roles::update_assume_role_policy: UpdateAssumeRolePolicyRequest => ();
    groups::update_group: UpdateGroupRequest => ();
    roles::update_role: UpdateRoleRequest => UpdateRoleResponse;
    roles::update_role_description: UpdateRoleDescriptionRequest => UpdateRoleDescriptionResponse;
    users::update_user: UpdateUserRequest => ();
}
