//! Access keys: the root key of the account, those of users, and the temporary ones of sessions.
//!
//! No secret is stored: that of a user's key is derived from its id, and that of a session from its token, with keys
//! that only this installation has. The token says whose session it is and until when, sealed likewise. It refuses to
//! know what a principal may do.

mod token;

use crate::directory::model::PolicyRef;
use crate::directory::{Directory, managed};
use crate::refusal::Refusal;
use crate::sigv4::Scope;
use crate::sigv4::key::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hearth_api::Principal;
use hearth_base::{AccountId, Clock, Rng, Timestamp};
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use token::{ID_BYTES, Of, Opened, Said};

/// Bytes of a role's or a session's name. AWS allows 64.
const NAME_BYTES_MAX: usize = 255;
/// What session policies and tags may come to, in bytes, so that a token fits into a header.
const PACKED_BYTES_MAX: usize = 4_096;
/// In the place of a managed session policy that is gone: it allows nothing that there is.
const NOTHING: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:None","Resource":"*"}}"#;

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This machine.
    Loopback,
    /// Another machine.
    Network,
    /// Inside an execution environment: user code.
    Environment,
}

impl Origin {
    /// The origin of a connection from this address.
    pub fn of(peer: IpAddr) -> Self {
        if peer.to_canonical().is_loopback() { Self::Loopback } else { Self::Network }
    }
}

/// A long-term access key.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// `AKIA…`, or what the operator chose.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
}

impl AccessKey {
    /// `test`/`test`, the key that everybody knows. It opens nothing but from this machine.
    pub fn development() -> Self {
        Self { access_key_id: "test".into(), secret_access_key: "test".into() }
    }

    /// The key of this id, with the secret that `key` derives for it.
    pub fn derived(key: &[u8; 32], access_key_id: String) -> Self {
        let secret_access_key = derived_secret(key, access_key_id.as_bytes());
        Self { access_key_id, secret_access_key }
    }

    /// The id of a new long-term key of an account: `AKIA…`, 20 characters.
    pub fn new_id(account: AccountId, rng: &dyn Rng) -> String {
        format!("AKIA{}", base32(&id_bytes(account, rng)))
    }

    /// Whether everybody knows this key's secret.
    pub fn is_development(&self) -> bool {
        self.secret_access_key == "test"
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessKey({})", self.access_key_id)
    }
}

/// What [`Credentials`] stand on.
pub struct Options {
    /// The account of the root key.
    pub account: AccountId,
    /// The root key.
    pub root: AccessKey,
    /// Seals session tokens; kept in the data directory. Whoever has it can be any role.
    pub sealing_key: [u8; 32],
    /// Tells when sessions end.
    pub clock: Arc<dyn Clock>,
    /// Makes access key ids.
    pub rng: Arc<dyn Rng>,
}

/// The access keys that are valid here.
pub struct Credentials {
    account: AccountId,
    root: AccessKey,
    token_key: [u8; 32],
    secret_key: [u8; 32],
    user_key: [u8; 32],
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    directory: Arc<Directory>,
    /// When users' keys were used last; no more of them than there are keys.
    uses: Mutex<HashMap<String, LastUse>>,
}

/// When an access key was used last, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUse {
    /// When.
    pub at: Timestamp,
    /// The service in the signature's scope.
    pub service: String,
    /// The region in the signature's scope.
    pub region: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("account", &self.account)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

/// A role session to be.
#[derive(Debug, Clone)]
pub struct Session<'a> {
    /// The account of the role.
    pub account: AccountId,
    /// The role's name without its path; 1 to 255 bytes.
    pub role: &'a str,
    /// The session's name: for a function, the function's name; 1 to 255 bytes.
    pub name: &'a str,
    /// How long it lasts.
    pub duration: Duration,
}

/// What a session carries beside who it is.
#[derive(Debug, Clone, Default)]
pub struct Extras {
    /// An inline session policy.
    pub policy: Option<String>,
    /// Managed policies as session policies.
    pub managed: Vec<PolicyRef>,
    /// Session tags.
    pub tags: Vec<(String, String)>,
    /// Which of the tags go on to the sessions that this one makes.
    pub transitive: Vec<String>,
    /// Who first asked, as it said.
    pub source_identity: Option<String>,
    /// The ARN of the function for whose environments it is made.
    pub source_function: Option<String>,
}

impl Extras {
    /// How much of what a token can hold these take, in percent; more than 100 does not fit.
    pub fn percent(&self) -> usize {
        let tags: usize = self.tags.iter().map(|(key, value)| key.len() + value.len() + 8).sum();
        let keys: usize = self.transitive.iter().map(|key| key.len() + 4).sum();
        let managed = self.managed.len() * 150;
        (self.policy.as_ref().map_or(0, String::len) + managed + tags + keys) * 100 / PACKED_BYTES_MAX
    }
}

/// Credentials of a session.
#[derive(Clone)]
pub struct SessionCredentials {
    /// `ASIA…`, 20 characters.
    pub access_key_id: String,
    /// 40 characters.
    pub secret_access_key: String,
    /// Goes into `X-Amz-Security-Token`.
    pub session_token: String,
    /// When they end.
    pub expiration: Timestamp,
}

impl fmt::Debug for SessionCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionCredentials")
            .field("access_key_id", &self.access_key_id)
            .field("expiration", &self.expiration)
            .finish_non_exhaustive()
    }
}

/// The role's or the session's name cannot be in a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSessionName(pub String);

impl fmt::Display for InvalidSessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} cannot name a role or a session: 1 to {NAME_BYTES_MAX} bytes are allowed", self.0)
    }
}

impl std::error::Error for InvalidSessionName {}

/// A key that was found: who has it, the secret that signs with it, and what its session carries.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) principal: Principal,
    pub(crate) secret: String,
    pub(crate) session: Option<Arc<hearth_api::Session>>,
}

impl Credentials {
    /// Prepares the keys; nothing is read or written. There are no users until [`Credentials::over`] says where.
    pub fn new(options: Options) -> Self {
        let Options { account, root, sealing_key, clock, rng } = options;
        Self {
            account,
            root,
            token_key: hmac(&sealing_key, &[b"hearth session token"]),
            secret_key: hmac(&sealing_key, &[b"hearth session secret"]),
            user_key: hmac(&sealing_key, &[b"hearth user secret"]),
            clock,
            rng,
            directory: Arc::default(),
            uses: Mutex::default(),
        }
    }

    /// The same with the users and roles of a directory.
    pub fn over(self, directory: Arc<Directory>) -> Self {
        Self { directory, ..self }
    }

    /// Whether the root key is the one that everybody knows: the server must then listen on loopback only.
    pub fn is_development(&self) -> bool {
        self.root.is_development()
    }

    /// The secret of a user's key.
    pub(crate) fn user_secret(&self, access_key_id: &str) -> String {
        derived_secret(&self.user_key, access_key_id.as_bytes())
    }

    /// The id of a new key of a user.
    pub(crate) fn new_key_id(&self, account: AccountId) -> String {
        AccessKey::new_id(account, &*self.rng)
    }

    /// When a user's key was used last since this server started.
    pub(crate) fn last_use(&self, access_key_id: &str) -> Option<LastUse> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).get(access_key_id).cloned()
    }

    /// Makes credentials for a role session. They are valid until they expire, also after a restart, as long as there
    /// is that role.
    ///
    /// # Errors
    /// When a name is empty or longer than 255 bytes.
    pub fn issue_session(&self, session: &Session<'_>) -> Result<SessionCredentials, InvalidSessionName> {
        self.issue_role_session(session, Extras::default())
    }

    /// The same with what the session is to carry.
    ///
    /// # Errors
    /// When a name is empty or longer than 255 bytes.
    pub fn issue_role_session(
        &self,
        session: &Session<'_>,
        extras: Extras,
    ) -> Result<SessionCredentials, InvalidSessionName> {
        for name in [session.role, session.name] {
            if name.is_empty() || name.len() > NAME_BYTES_MAX {
                return Err(InvalidSessionName(name.to_owned()));
            }
        }
        let id = self.directory.read(|state| {
            state.roles.get(session.account, session.role).map(|held| held.value.head.id.clone())
        });
        let of = Of::Role { name: session.role.to_owned(), id, session: session.name.to_owned() };
        Ok(self.issue((session.account, of), session.duration, extras))
    }

    /// Makes credentials for a session of a user, or of the root user when no user is named. None when there is no
    /// such user.
    pub(crate) fn issue_user_session(
        &self,
        account: AccountId,
        user: Option<&str>,
        duration: Duration,
    ) -> Option<SessionCredentials> {
        let of = match user {
            None => Of::Root,
            Some(name) => {
                let id = self
                    .directory
                    .read(|state| state.users.get(account, name).map(|held| held.value.head.id.clone()))?;
                Of::User { name: name.to_owned(), id }
            }
        };
        Some(self.issue((account, of), duration, Extras::default()))
    }

    fn issue(
        &self,
        (account, of): (AccountId, Of),
        duration: Duration,
        extras: Extras,
    ) -> SessionCredentials {
        let Extras { policy, managed, tags, transitive, source_identity, source_function } = extras;
        let issued = self.clock.now();
        let expiration = issued.after(duration);
        let said = Said {
            account,
            of,
            issued,
            expiration,
            policy,
            managed,
            tags,
            transitive,
            source_identity,
            source_function,
        };
        let id = id_bytes(account, &*self.rng);
        let sealed = token::write(id, &said);
        SessionCredentials {
            access_key_id: session_key_id(&id),
            secret_access_key: derived_secret(&self.secret_key, &sealed),
            session_token: token::seal(&self.token_key, &sealed),
            expiration,
        }
    }

    /// Finds a key: the root's, a development account's, a user's, or a session's.
    pub(crate) fn find(
        &self,
        access_key_id: &str,
        token: Option<&str>,
        origin: Origin,
    ) -> Result<Found, Refusal> {
        if access_key_id.starts_with("ASIA") {
            return self.find_session(access_key_id, token);
        }
        let found = match self.root_account(access_key_id, origin) {
            Some(account) => (Principal::Root(account), self.root.secret_access_key.clone()),
            None => self.find_user(access_key_id).ok_or(Refusal::UnknownKey)?,
        };
        // A long-term key has no session: a token beside it belongs to other credentials.
        if token.is_some_and(|token| !token.is_empty()) {
            return Err(Refusal::UnknownToken);
        }
        let (principal, secret) = found;
        Ok(Found { principal, secret, session: None })
    }

    /// The account a long-term key is the root of.
    ///
    /// A secret that everybody knows is worth nothing to user code and to other machines: there the development key
    /// does not exist. On this machine it opens every account, named by its number.
    fn root_account(&self, access_key_id: &str, origin: Origin) -> Option<AccountId> {
        if self.is_development() && origin != Origin::Loopback {
            return None;
        }
        if access_key_id == self.root.access_key_id {
            return Some(self.account);
        }
        if self.is_development() { access_key_id.parse().ok() } else { None }
    }

    /// The user of a key. AWS: a key that is switched off is as unknown as one that was never made.
    fn find_user(&self, access_key_id: &str) -> Option<(Principal, String)> {
        let principal = self.directory.read(|state| {
            let user = &state.user_of_key(access_key_id)?.value;
            let key = user.keys.iter().find(|key| key.id == access_key_id)?;
            key.active.then(|| user_principal(&user.head))
        })?;
        Some((principal, self.user_secret(access_key_id)))
    }

    /// Notes that a key signed for a service. Only users' keys are asked after.
    pub(crate) fn note_use(&self, scope: &Scope) {
        if !scope.access_key_id.starts_with("AKIA") || scope.access_key_id == self.root.access_key_id {
            return;
        }
        if !self.directory.read(|state| state.user_of_key(&scope.access_key_id).is_some()) {
            return;
        }
        let (service, region) = (scope.service.clone(), scope.region.clone());
        let last = LastUse { at: Timestamp::from_seconds(self.clock.now().seconds()), service, region };
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).insert(scope.access_key_id.clone(), last);
    }

    /// The account of an access key id: of session keys it is in the id.
    pub(crate) fn account_of(&self, access_key_id: &str) -> Option<AccountId> {
        if access_key_id == self.root.access_key_id {
            return Some(self.account);
        }
        let user =
            self.directory.read(|state| state.user_of_key(access_key_id).map(|held| held.value.head.account));
        user.or_else(|| account_in(access_key_id.strip_prefix("ASIA")?))
    }

    fn find_session(&self, access_key_id: &str, token: Option<&str>) -> Result<Found, Refusal> {
        let token = token.ok_or(Refusal::UnknownKey)?;
        let Opened { id, said, sealed } = token::open(&self.token_key, token).ok_or(Refusal::UnknownToken)?;
        if session_key_id(&id) != access_key_id {
            return Err(Refusal::UnknownToken);
        }
        if self.clock.now() >= said.expiration {
            return Err(Refusal::ExpiredToken);
        }
        let principal = self.principal_of(&said).ok_or(Refusal::UnknownToken)?;
        let secret = derived_secret(&self.secret_key, &sealed);
        Ok(Found { principal, secret, session: Some(Arc::new(self.carried(said))) })
    }

    /// Whose a session is; none when that user or role is gone.
    fn principal_of(&self, said: &Said) -> Option<Principal> {
        let account = said.account;
        match &said.of {
            Of::Root => Some(Principal::Root(account)),
            Of::User { id, .. } => self.directory.read(|state| {
                // The user may have another name by now.
                let held = state.users.of(account).find(|held| held.value.head.id == *id)?;
                Some(user_principal(&held.value.head))
            }),
            Of::Role { name, id, session } => {
                let there = id.as_ref().is_none_or(|id| {
                    let role = |state: &crate::directory::State| {
                        state.roles.get(account, name).is_some_and(|held| held.value.head.id == *id)
                    };
                    self.directory.read(role)
                });
                let (role, session) = (name.as_str().into(), session.as_str().into());
                there.then_some(Principal::AssumedRole { account, role, session })
            }
        }
    }

    /// What a session carries, with its managed policies as they are now.
    fn carried(&self, said: Said) -> hearth_api::Session {
        let Said {
            account, issued, policy, managed, tags, transitive, source_identity, source_function, ..
        } = said;
        let text = |reference: &PolicyRef| match reference {
            PolicyRef::Aws(name) => managed::find(name).map(|policy| Arc::from(policy.text.as_str())),
            PolicyRef::Own(name) => self
                .directory
                .read(|state| state.policies.get(account, name).map(|held| Arc::from(held.value.text()))),
        };
        let managed = managed.iter().map(|reference| text(reference).unwrap_or_else(|| NOTHING.into()));
        let policies = policy.into_iter().map(Arc::from).chain(managed).collect();
        hearth_api::Session {
            issued: Some(issued),
            policies,
            tags,
            transitive_tag_keys: transitive,
            source_identity,
            source_function: source_function.map(Arc::from),
        }
    }
}

fn user_principal(head: &crate::directory::model::Head) -> Principal {
    Principal::User {
        account: head.account,
        name: head.name.as_str().into(),
        path: head.path.as_str().into(),
    }
}

/// 30 bytes of an HMAC: 40 characters, as AWS's secrets are.
fn derived_secret(key: &[u8; 32], from: &[u8]) -> String {
    STANDARD.encode(&hmac(key, &[from])[..30])
}

/// The account's number, and as many random bytes: AWS's key ids tell the account as well.
fn id_bytes(account: AccountId, rng: &dyn Rng) -> [u8; ID_BYTES] {
    let mut bytes = [0; ID_BYTES];
    rng.fill(&mut bytes);
    // Twelve digits fit into forty bits.
    let number: u64 = account.as_str().parse().unwrap_or_default();
    bytes[..5].copy_from_slice(&number.to_be_bytes()[3..]);
    bytes
}

/// The account in the part of a key id that follows its prefix.
fn account_in(text: &str) -> Option<AccountId> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    if text.len() != 16 {
        return None;
    }
    let mut number: u64 = 0;
    for letter in text.chars().take(8) {
        number = number << 5 | u64::try_from(ALPHABET.find(letter)?).ok()?;
    }
    format!("{number:012}").parse().ok()
}

/// `ASIA` and 80 bits in base 32, as AWS writes key ids.
fn session_key_id(id: &[u8; ID_BYTES]) -> String {
    format!("ASIA{}", base32(id))
}

/// RFC 4648's base 32 without padding.
pub(crate) fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut bits, mut count) = (0u32, 0);
    for byte in bytes {
        bits = bits << 8 | u32::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            text.push(char::from(ALPHABET[(bits >> count) as usize & 31]));
        }
    }
    if count > 0 {
        text.push(char::from(ALPHABET[(bits << (5 - count)) as usize & 31]));
    }
    text
}

#[cfg(test)]
mod tests;
