//! For whom an action is done, and how its entities are named there.

use crate::directory::managed;
use crate::directory::model::{Entity, Head, PolicyRef};
use crate::directory::{Held, Shelved, State};
use hearth_api::iam::errors;
use hearth_api::{Grant, Principal};
use hearth_base::{AccountId, Arn};
use hearth_wire::Failure;
use std::sync::Arc;

/// The account that an action is about, and who asks.
pub struct Scope {
    /// Whose entities are meant.
    pub account: AccountId,
    /// The first field of ARNs after `arn`.
    pub partition: &'static str,
    /// Who asks.
    pub principal: Principal,
}

impl Scope {
    /// The scope of a grant.
    pub fn of(grant: &Grant) -> Self {
        Self {
            account: grant.account(),
            partition: grant.region().partition(),
            principal: grant.principal().clone(),
        }
    }

    /// The ARN of an entity.
    pub fn arn<T: Entity>(&self, entity: &T) -> String {
        self.arn_of(T::WORD, entity.head())
    }

    fn arn_of(&self, word: &str, head: &Head) -> String {
        let Head { account, path, name, .. } = head;
        format!("arn:{}:iam::{account}:{word}{path}{name}", self.partition)
    }

    /// The name and the ARN of a managed policy. One that is gone has an ARN all the same.
    pub fn policy(&self, state: &State, reference: &PolicyRef) -> (String, String) {
        let (owner, path, name) = match reference {
            PolicyRef::Aws(name) => {
                ("aws".to_owned(), managed::find(name).map_or("/", |policy| &policy.path), name)
            }
            PolicyRef::Own(name) => {
                let path = state.policies.get(self.account, name).map_or("/", |held| &held.value.head.path);
                (self.account.to_string(), path, name)
            }
        };
        (name.clone(), format!("arn:{}:iam::{owner}:policy{path}{name}", self.partition))
    }

    /// The managed policy of an ARN, if there is one.
    ///
    /// # Errors
    /// When the text is no ARN of a managed policy.
    pub fn reference(&self, state: &State, arn: &str) -> Result<Option<PolicyRef>, Failure> {
        let invalid = || errors::invalid_input(format!("ARN {arn} is not valid."));
        let parsed: Arn = arn.parse().map_err(|_| invalid())?;
        let resource = parsed.resource.strip_prefix("policy").filter(|_| parsed.service == "iam");
        let (path, name) = match resource.and_then(|resource| resource.rsplit_once('/')) {
            Some((path, name)) if !name.is_empty() => (format!("{path}/"), name),
            _ => return Err(invalid()),
        };
        if parsed.account == "aws" {
            let found = managed::find(name).filter(|policy| policy.path == path);
            return Ok(found.map(managed::Managed::reference));
        }
        if parsed.account != self.account.as_str() {
            return Ok(None);
        }
        let found = state.policies.get(self.account, name).map(|held| &held.value.head);
        let found = found.filter(|head| head.name == name && head.path == path);
        Ok(found.map(|head| PolicyRef::Own(head.name.clone())))
    }

    /// The entity of a name.
    ///
    /// # Errors
    /// AWS's NoSuchEntity.
    pub fn find<'a, T: Shelved>(&self, state: &'a State, name: &str) -> Result<&'a Arc<Held<T>>, Failure> {
        let found = T::shelf(state).get(self.account, name).filter(|held| held.value.head().name == name);
        found.ok_or_else(|| no_such::<T>(name))
    }
}

/// `The role with name x cannot be found.`
pub fn no_such<T: Entity>(name: &str) -> Failure {
    errors::no_such_entity(format!("The {} with name {name} cannot be found.", T::WORD))
}

/// `Role with name x already exists.`
pub fn already_exists<T: Entity>(name: &str) -> Failure {
    let mut word = T::WORD.to_owned();
    word[..1].make_ascii_uppercase();
    errors::entity_already_exists(format!("{word} with name {name} already exists."))
}
