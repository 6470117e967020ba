//! Access keys of users: CreateAccessKey, ListAccessKeys, UpdateAccessKey, DeleteAccessKey, GetAccessKeyLastUsed.

use super::Action;
use super::page::Paging;
use super::rules::{KEYS_MAX, exceeded, required};
use crate::directory::model::{User, UserKey};
use hearth_api::Principal;
use hearth_api::iam::{self, errors, *};
use hearth_wire::Failure;

fn no_such_key(id: &str) -> Failure {
    errors::no_such_entity(format!("The Access Key with id {id} cannot be found."))
}

fn status(key: &UserKey) -> statusType {
    if key.active { statusType::Active } else { statusType::Inactive }
}

impl Action<'_> {
    /// The user that is named, or else the one who asks.
    ///
    /// # Errors
    /// When no user is named and none asks.
    pub fn user_name(&self, named: Option<String>) -> Result<String, Failure> {
        match (named, &self.scope.principal) {
            (Some(name), _) => Ok(name),
            (None, Principal::User { name, .. }) => Ok(name.to_string()),
            (None, Principal::Root(_)) => Err(errors::invalid_input(
                "UserName is needed: the keys of the root user are made with `hearth credentials` on the server's machine.",
            )),
            (None, _) => Err(Failure::sender(
                "ValidationError",
                400,
                "Must specify userName when calling with non-User credentials",
            )),
        }
    }
}

/// CreateAccessKey: the only answer that ever holds the secret.
pub async fn create_access_key(
    action: Action<'_>,
    input: CreateAccessKeyRequest,
) -> Result<CreateAccessKeyResponse, Failure> {
    let name = action.user_name(input.user_name)?;
    let id = action.inner.credentials.new_key_id(action.scope.account);
    let secret = action.inner.credentials.user_secret(&id);
    let key = UserKey { id, active: true, created: action.now() };
    let shown = iam::AccessKey {
        user_name: Some(name.clone()),
        access_key_id: Some(key.id.clone()),
        status: Some(statusType::Active),
        secret_access_key: Some(secret),
        create_date: Some(key.created),
    };
    action
        .update::<User>(&name, |user| {
            if user.keys.len() >= KEYS_MAX {
                return Err(exceeded(format!("AccessKeysPerUser: {KEYS_MAX}")));
            }
            user.keys.push(key);
            Ok(())
        })
        .await?;
    Ok(CreateAccessKeyResponse { access_key: Some(shown) })
}

/// ListAccessKeys.
pub async fn list_access_keys(
    action: Action<'_>,
    input: ListAccessKeysRequest,
) -> Result<ListAccessKeysResponse, Failure> {
    let paging = Paging::of(input.marker, input.max_items)?;
    let name = action.user_name(input.user_name)?;
    action.directory().read(|state| {
        let held = action.scope.find::<User>(state, &name)?;
        let shown = |key: &UserKey| iam::AccessKeyMetadata {
            user_name: Some(name.clone()),
            access_key_id: Some(key.id.clone()),
            status: Some(status(key)),
            create_date: Some(key.created),
        };
        let page = paging.cut(held.value.keys.iter().map(|key| (key.id.clone(), shown(key))));
        Ok(ListAccessKeysResponse {
            access_key_metadata: Some(page.items),
            is_truncated: page.truncated,
            marker: page.marker,
        })
    })
}

/// UpdateAccessKey: switches a key off and on.
pub async fn update_access_key(action: Action<'_>, input: UpdateAccessKeyRequest) -> Result<(), Failure> {
    let id = required(input.access_key_id, "AccessKeyId")?;
    let active = match required(input.status, "Status")? {
        statusType::Active => true,
        statusType::Inactive => false,
        statusType::Expired => {
            return Err(errors::invalid_input("Status can be set to Active or Inactive only."));
        }
    };
    let name = action.user_name(input.user_name)?;
    action
        .update::<User>(&name, |user| {
            let key = user.keys.iter_mut().find(|key| key.id == id).ok_or_else(|| no_such_key(&id))?;
            key.active = active;
            Ok(())
        })
        .await
}

/// DeleteAccessKey.
pub async fn delete_access_key(action: Action<'_>, input: DeleteAccessKeyRequest) -> Result<(), Failure> {
    let id = required(input.access_key_id, "AccessKeyId")?;
    let name = action.user_name(input.user_name)?;
    action
        .update::<User>(&name, |user| {
            let place = user.keys.iter().position(|key| key.id == id).ok_or_else(|| no_such_key(&id))?;
            user.keys.remove(place);
            Ok(())
        })
        .await
}

/// GetAccessKeyLastUsed: since this server started, in which uses are kept.
pub async fn get_access_key_last_used(
    action: Action<'_>,
    input: GetAccessKeyLastUsedRequest,
) -> Result<GetAccessKeyLastUsedResponse, Failure> {
    let id = required(input.access_key_id, "AccessKeyId")?;
    let found = action.directory().read(|state| {
        let held = state.user_of_key(&id).filter(|held| held.value.head.account == action.scope.account)?;
        Some(held.value.head.name.clone())
    });
    let user_name = found.ok_or_else(|| no_such_key(&id))?;
    let last = action.inner.credentials.last_use(&id);
    let (date, service, region) = match last {
        Some(last) => (Some(last.at), last.service, last.region),
        // AWS: a key that was never used has no date, and N/A for the rest.
        None => (None, "N/A".to_owned(), "N/A".to_owned()),
    };
    let access_key_last_used =
        iam::AccessKeyLastUsed { last_used_date: date, service_name: Some(service), region: Some(region) };
    Ok(GetAccessKeyLastUsedResponse {
        user_name: Some(user_name),
        access_key_last_used: Some(access_key_last_used),
    })
}
