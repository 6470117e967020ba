//! What must be known of users and roles to decide what they may do. Whoever stores identities implements [`Identities`]
//! from memory: it is asked on every request.

use crate::policy::{Attached, Document};
use hearth_api::Principal;
use hearth_base::AccountId;
use std::sync::Arc;

/// The policies of one user, with those of its groups, or of one role.
#[derive(Debug, Clone)]
pub struct IdentityPolicies {
    /// The ARN of the user or role, with its path.
    pub arn: Arc<str>,
    /// `AIDA…` or `AROA…`
    pub id: Arc<str>,
    /// Everything attached to it, in-line or managed.
    pub policies: Vec<Attached>,
    /// Its permissions boundary.
    pub boundary: Option<Attached>,
    /// Its tags.
    pub tags: Vec<(String, String)>,
    /// A role's trust policy; none for users.
    pub trust: Option<Arc<Document>>,
}

/// The users and roles that there are. It answers at once, from memory.
pub trait Identities: Send + Sync + 'static {
    /// A user by its name; none when there is no such user.
    fn user(&self, account: AccountId, name: &str) -> Option<Arc<IdentityPolicies>>;

    /// A role by its name without its path; none when there is no such role.
    fn role(&self, account: AccountId, name: &str) -> Option<Arc<IdentityPolicies>>;

    /// The ARN of a group with its path; none when there is no such group.
    fn group(&self, account: AccountId, name: &str) -> Option<Arc<str>>;

    /// What a principal is let do by its account; none when it is no user and no role, or does not exist any more.
    fn policies(&self, principal: &Principal) -> Option<Arc<IdentityPolicies>> {
        match principal {
            Principal::User { account, name, .. } => self.user(*account, name),
            Principal::AssumedRole { account, role, .. } => self.role(*account, role),
            Principal::Root(_) | Principal::Service(_) | Principal::Anonymous => None,
        }
    }
}
