//! What is stored of users, groups, roles, managed policies and accounts.
//!
//! What spans two entities is stored in one of them only: an attachment in the user, group or role that has it, a
//! membership in the user, an access key in its user. So each change is one record, and a crash leaves no half of one.
//! Secrets are not stored: see [`crate::credentials`].

use hearth_base::{AccountId, Timestamp};
use hearth_store::Model;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What users, groups, roles and managed policies have in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// Whose it is.
    pub account: AccountId,
    /// Its name, in the letters it was made with. Another that differs in case only cannot be made.
    pub name: String,
    /// `/`, or `/division/team/`.
    pub path: String,
    /// `AIDA…` and its like: another of the same name made later has another.
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
}

/// Tags in the order they were set. Keys that differ in case only are the same.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tags(pub Vec<(String, String)>);

impl Tags {
    /// Sets tags; those whose keys are there already take the new value and the new letters.
    pub fn set(&mut self, tags: Vec<(String, String)>) {
        for (key, value) in tags {
            match self.0.iter_mut().find(|(known, _)| same(known, &key)) {
                Some(tag) => *tag = (key, value),
                None => self.0.push((key, value)),
            }
        }
    }

    /// Removes tags; those that are not there do not matter.
    pub fn remove(&mut self, keys: &[String]) {
        self.0.retain(|(known, _)| !keys.iter().any(|key| same(known, key)));
    }
}

/// Whether two names that IAM does not distinguish by case are the same.
pub fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// A managed policy as those refer to it that have it. Names are unique whatever the path, so the path stays out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PolicyRef {
    /// One of AWS's.
    Aws(String),
    /// One of the account's own.
    Own(String),
}

/// The policies of a user, group or role.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Permissions {
    /// Inline policies by name: their texts as they were given.
    pub inline: BTreeMap<String, String>,
    /// Managed policies, in the order they were attached.
    pub attached: Vec<PolicyRef>,
    /// The permissions boundary; groups have none.
    #[serde(default)]
    pub boundary: Option<PolicyRef>,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// Name, path, id.
    pub head: Head,
    /// Its policies.
    pub permissions: Permissions,
    /// Its tags.
    pub tags: Tags,
    /// The ids of its groups, in the order it was added to them.
    pub groups: Vec<String>,
    /// Its access keys.
    pub keys: Vec<UserKey>,
}

/// An access key of a user. Its secret is derived from its id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserKey {
    /// `AKIA…`.
    pub id: String,
    /// Whether it opens anything.
    pub active: bool,
    /// When it was made.
    pub created: Timestamp,
}

/// A group. Its members are in the users.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Name, path, id.
    pub head: Head,
    /// Its policies.
    pub permissions: Permissions,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// Name, path, id.
    pub head: Head,
    /// Its policies.
    pub permissions: Permissions,
    /// Its tags.
    pub tags: Tags,
    /// Who may assume it: the trust policy as it was given.
    pub trust: String,
    /// What its owner says of it.
    pub description: Option<String>,
    /// How long a session of it may be asked to last.
    pub session_s_max: u32,
}

/// A managed policy of an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Name, path, id.
    pub head: Head,
    /// When a version was last made or made the default.
    pub updated: Timestamp,
    /// What its owner says of it; it never changes.
    pub description: Option<String>,
    /// Its tags.
    pub tags: Tags,
    /// Its versions by number.
    pub versions: BTreeMap<u32, PolicyVersion>,
    /// The number of the version in force.
    pub default: u32,
    /// The number of the latest version ever made: numbers are not used again.
    pub latest: u32,
}

/// A version of a managed policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// The document as it was given.
    pub text: String,
    /// When it was made.
    pub created: Timestamp,
}

/// What an account has beside its entities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Which.
    pub account: AccountId,
    /// Its alias.
    pub alias: Option<String>,
}

impl Policy {
    /// The document in force.
    pub fn text(&self) -> &str {
        self.versions.get(&self.default).map_or("", |version| &version.text)
    }
}

/// A record of the directory: what has an account and a name in it.
pub trait Entity: Model + Clone {
    /// Where its records are.
    const TABLE: &'static str;
    /// The word for it in messages, in small letters.
    const WORD: &'static str;

    /// Name, path, id.
    fn head(&self) -> &Head;
    /// The names and the texts of the policies in it: what a lookup wants parsed.
    fn texts(&self) -> Vec<(&str, &str)>;
    /// The text of its trust policy; roles alone have one.
    fn trust(&self) -> Option<&str>;
}

/// An entity that policies are attached to.
pub trait Holder: Entity {
    /// What its inline policies may come to, in characters that are not white space.
    const INLINE_CHARACTERS_MAX: usize;

    /// Its policies.
    fn permissions(&self) -> &Permissions;
    /// The same, to be changed.
    fn permissions_mut(&mut self) -> &mut Permissions;
}

fn inline(permissions: &Permissions) -> Vec<(&str, &str)> {
    permissions.inline.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
}

macro_rules! entities {
    ($($type:ty: $table:literal, $word:literal, $texts:expr, $trust:expr;)*) => {$(
        impl Model for $type {
            const FORMAT: u32 = 1;
        }

        impl Entity for $type {
            const TABLE: &'static str = $table;
            const WORD: &'static str = $word;

            fn head(&self) -> &Head {
                &self.head
            }

            fn texts(&self) -> Vec<(&str, &str)> {
                let texts: fn(&Self) -> Vec<(&str, &str)> = $texts;
                texts(self)
            }

            fn trust(&self) -> Option<&str> {
                let trust: fn(&Self) -> Option<&str> = $trust;
                trust(self)
            }
        }
    )*};
}

entities! {
    User: "iam/user", "user", |user| inline(&user.permissions), |_| None;
    Group: "iam/group", "group", |group| inline(&group.permissions), |_| None;
    Role: "iam/role", "role", |role| inline(&role.permissions), |role| Some(&role.trust);
    Policy: "iam/policy", "policy", |policy| vec![(&policy.head.name, policy.text())], |_| None;
}

macro_rules! holders {
    ($($type:ty: $inline:literal;)*) => {$(
        impl Holder for $type {
            const INLINE_CHARACTERS_MAX: usize = $inline;

            fn permissions(&self) -> &Permissions {
                &self.permissions
            }

            fn permissions_mut(&mut self) -> &mut Permissions {
                &mut self.permissions
            }
        }
    )*};
}

// AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
holders! {
    User: 2_048;
    Group: 5_120;
    Role: 10_240;
}

impl Model for Account {
    const FORMAT: u32 = 1;
}
