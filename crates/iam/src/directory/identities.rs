//! What the directory tells those who decide: the policies of a user or role, parsed and put together once.

use super::managed;
use super::model::{Entity, Permissions, PolicyRef};
use super::{Directory, Held, Shelved, State};
use crate::identities::{Identities, IdentityPolicies};
use crate::policy::{Attached, Document};
use hearth_api::iam::PolicySourceType;
use hearth_base::AccountId;
use std::sync::{Arc, Mutex, PoisonError};

/// In the place of a document that does not read: it denies everything, since what it denied is not known.
const DENY_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;

/// The documents of an entity, and what was put together with those of others.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    policies: Vec<Attached>,
    trust: Option<Arc<Document>>,
    /// Good as long as the directory is of this generation.
    together: Mutex<Option<(u64, Arc<IdentityPolicies>)>>,
}

impl Parsed {
    pub(super) fn of<T: Entity>(entity: &T) -> Self {
        let policies = entity.texts().into_iter().map(|(name, text)| parsed_or_nothing(name, text)).collect();
        let trust = entity.trust().map(|text| match Document::trust(text) {
            Ok(document) => Arc::new(document),
            // Nobody may assume a role whose trust policy does not read.
            Err(_) => parsed_or_nothing("trust", DENY_ALL).document,
        });
        Self { policies, trust, together: Mutex::default() }
    }
}

/// A policy that was checked when it was stored.
pub(super) fn parsed_or_nothing(name: &str, text: &str) -> Attached {
    let document = Document::identity(text).or_else(|malformed| {
        tracing::error!(%malformed, policy = name, "a stored policy does not read; it denies everything now");
        Document::parse(DENY_ALL)
    });
    Attached {
        id: name.into(),
        document: Arc::new(document.expect("the policy that denies everything reads")),
    }
}

impl State {
    /// A managed policy, to be evaluated.
    pub fn managed(&self, account: AccountId, reference: &PolicyRef) -> Option<Attached> {
        match reference {
            PolicyRef::Aws(name) => managed::find(name)?.attached.clone(),
            PolicyRef::Own(name) => self.policies.get(account, name)?.parsed.policies.first().cloned(),
        }
    }

    fn all_of(&self, account: AccountId, (parsed, permissions): (&Parsed, &Permissions)) -> Vec<Attached> {
        let managed = permissions.attached.iter().filter_map(|reference| self.managed(account, reference));
        parsed.policies.iter().cloned().chain(managed).collect()
    }

    fn together<T: Shelved>(
        &self,
        held: &Held<T>,
        (permissions, more, tags): (&Permissions, Vec<Attached>, &[(String, String)]),
    ) -> Arc<IdentityPolicies> {
        let head = held.value.head();
        let mut policies = self.all_of(head.account, (&held.parsed, permissions));
        policies.extend(more);
        let boundary = permissions.boundary.as_ref().map(|reference| {
            // A boundary that is gone lets nothing through.
            self.managed(head.account, reference).unwrap_or_else(|| parsed_or_nothing("boundary", DENY_ALL))
        });
        Arc::new(IdentityPolicies {
            arn: format!("arn:aws:iam::{}:{}{}{}", head.account, T::WORD, head.path, head.name).into(),
            id: head.id.as_str().into(),
            policies,
            boundary,
            tags: tags.to_vec(),
            trust: held.parsed.trust.clone(),
        })
    }
}

/// What was put together in this generation, or else what `make` puts together.
fn remembered<T>(
    held: &Held<T>,
    generation: u64,
    make: impl FnOnce() -> Arc<IdentityPolicies>,
) -> Arc<IdentityPolicies> {
    let mut together = held.parsed.together.lock().unwrap_or_else(PoisonError::into_inner);
    match &*together {
        Some((known, policies)) if *known == generation => Arc::clone(policies),
        _ => Arc::clone(&together.insert((generation, make())).1),
    }
}

impl Identities for Directory {
    fn user(&self, account: AccountId, name: &str) -> Option<Arc<IdentityPolicies>> {
        self.read(|state| {
            let held = state.users.get(account, name).filter(|held| held.value.head.name == name)?;
            Some(remembered(held, state.generation, || {
                let user = &held.value;
                let groups = user.groups.iter().filter_map(|id| state.group_of_id(id));
                let of_groups =
                    groups.flat_map(|group| state.all_of(account, (&group.parsed, &group.value.permissions)));
                state.together(held, (&user.permissions, of_groups.collect(), &user.tags.0))
            }))
        })
    }

    fn role(&self, account: AccountId, name: &str) -> Option<Arc<IdentityPolicies>> {
        self.read(|state| {
            let held = state.roles.get(account, name).filter(|held| held.value.head.name == name)?;
            Some(remembered(held, state.generation, || {
                state.together(held, (&held.value.permissions, Vec::new(), &held.value.tags.0))
            }))
        })
    }

    fn group(&self, account: AccountId, name: &str) -> Option<Arc<str>> {
        self.read(|state| {
            let head = &state.groups.get(account, name)?.value.head;
            Some(format!("arn:aws:iam::{account}:group{}{}", head.path, head.name).into())
        })
    }
}

impl Directory {
    /// The policies of a group; none when there is no such group.
    pub fn group_policies(&self, account: AccountId, name: &str) -> Option<Vec<Attached>> {
        self.read(|state| {
            let held = state.groups.get(account, name).filter(|held| held.value.head.name == name)?;
            Some(state.all_of(account, (&held.parsed, &held.value.permissions)))
        })
    }

    /// Whether a managed policy is AWS's or the account's; none when no managed policy has this name.
    pub fn kind_of(&self, account: AccountId, name: &str) -> Option<PolicySourceType> {
        let own = self.read(|state| state.policies.get(account, name).is_some());
        let of_aws = managed::find(name).map(|_| PolicySourceType::AwsManaged);
        own.then_some(PolicySourceType::UserManaged).or(of_aws)
    }
}
