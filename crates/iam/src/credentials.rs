//! Access keys: the root key of the account, and the temporary ones of execution environments.
//!
//! Temporary credentials are stored nowhere: the session token says whose they are and until when, sealed with a key
//! that only this installation has, and the secret is derived from the token. It refuses to know what a principal may do.

use crate::refusal::Refusal;
use crate::sigv4::key::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hearth_api::Principal;
use hearth_base::{AccountId, Clock, Rng, Timestamp};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// The first byte of a sealed token: what follows is laid out as [`Sealed`] says.
const TOKEN_VERSION: u8 = 1;
/// Longer than any token made here.
const TOKEN_BYTES_MAX: usize = 1_024;
/// Bytes of a role's or a session's name: what fits the byte that says its length. AWS allows 64.
const NAME_BYTES_MAX: usize = u8::MAX as usize;
const SEAL_BYTES: usize = 32;

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
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
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

/// Credentials of a role session.
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

/// A key that was found: who has it and the secret that signs with it.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) principal: Principal,
    pub(crate) session: Option<Arc<hearth_api::Session>>,
    pub(crate) secret: String,
}

impl Credentials {
    /// Prepares the keys; nothing is read or written.
    pub fn new(options: Options) -> Self {
        let Options { account, root, sealing_key, clock, rng } = options;
        Self {
            account,
            root,
            token_key: hmac(&sealing_key, &[b"hearth session token"]),
            secret_key: hmac(&sealing_key, &[b"hearth session secret"]),
            clock,
            rng,
        }
    }

    /// Whether the root key is the one that everybody knows: the server must then listen on loopback only.
    pub fn is_development(&self) -> bool {
        self.root.is_development()
    }

    /// Makes credentials for a role session. They are valid until they expire, also after a restart.
    ///
    /// # Errors
    /// When a name is empty or longer than 255 bytes.
    pub fn issue_session(&self, session: &Session<'_>) -> Result<SessionCredentials, InvalidSessionName> {
        for name in [session.role, session.name] {
            if name.is_empty() || name.len() > NAME_BYTES_MAX {
                return Err(InvalidSessionName(name.to_owned()));
            }
        }
        let mut random = [0; 10];
        self.rng.fill(&mut random);
        let sealed = Sealed {
            random,
            expiration: self.clock.now().after(session.duration),
            account: session.account,
            role: session.role,
            name: session.name,
        };
        let mut token = sealed.write();
        let secret_access_key = self.session_secret(&token);
        let seal = hmac(&self.token_key, &[&token]);
        token.extend_from_slice(&seal);
        Ok(SessionCredentials {
            access_key_id: session_key_id(&random),
            secret_access_key,
            session_token: STANDARD.encode(&token),
            expiration: sealed.expiration,
        })
    }

    /// 30 bytes of an HMAC over what the token says: 40 characters, as AWS's secrets are.
    fn session_secret(&self, said: &[u8]) -> String {
        STANDARD.encode(&hmac(&self.secret_key, &[said])[..30])
    }

    /// Finds a key: the root's, a development account's, or a session's.
    pub(crate) fn find(
        &self,
        access_key_id: &str,
        token: Option<&str>,
        origin: Origin,
    ) -> Result<Found, Refusal> {
        if access_key_id.starts_with("ASIA") {
            return self.find_session(access_key_id, token);
        }
        let account = self.root_account(access_key_id, origin).ok_or(Refusal::UnknownKey)?;
        // A long-term key has no session: a token beside it belongs to other credentials.
        if token.is_some_and(|token| !token.is_empty()) {
            return Err(Refusal::UnknownToken);
        }
        let (principal, secret) = (Principal::Root(account), self.root.secret_access_key.clone());
        Ok(Found { principal, session: None, secret })
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

    fn find_session(&self, access_key_id: &str, token: Option<&str>) -> Result<Found, Refusal> {
        let token = token.ok_or(Refusal::UnknownKey)?;
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refusal::UnknownToken);
        }
        let bytes = STANDARD.decode(token).map_err(|_| Refusal::UnknownToken)?;
        let (said, seal) = bytes
            .len()
            .checked_sub(SEAL_BYTES)
            .map(|length| bytes.split_at(length))
            .ok_or(Refusal::UnknownToken)?;
        if !bool::from(hmac(&self.token_key, &[said]).ct_eq(seal)) {
            return Err(Refusal::UnknownToken);
        }
        let sealed = Sealed::read(said).ok_or(Refusal::UnknownToken)?;
        if session_key_id(&sealed.random) != access_key_id {
            return Err(Refusal::UnknownToken);
        }
        if self.clock.now() >= sealed.expiration {
            return Err(Refusal::ExpiredToken);
        }
        let principal = Principal::AssumedRole {
            account: sealed.account,
            role: sealed.role.into(),
            session: sealed.name.into(),
        };
        let session = Some(Arc::new(hearth_api::Session::default()));
        Ok(Found { principal, session, secret: self.session_secret(said) })
    }
}

/// `ASIA` and 80 bits in base 32, as AWS writes key ids.
fn session_key_id(random: &[u8; 10]) -> String {
    format!("ASIA{}", base32(random))
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

/// What a token says: version, random part of the key id, expiration in milliseconds, account, and the two names each
/// after its length.
struct Sealed<'a> {
    random: [u8; 10],
    expiration: Timestamp,
    account: AccountId,
    role: &'a str,
    name: &'a str,
}

impl<'a> Sealed<'a> {
    fn write(&self) -> Vec<u8> {
        let mut bytes = vec![TOKEN_VERSION];
        bytes.extend_from_slice(&self.random);
        bytes.extend_from_slice(&self.expiration.millis().to_be_bytes());
        bytes.extend_from_slice(self.account.as_str().as_bytes());
        for name in [self.role, self.name] {
            bytes.push(u8::try_from(name.len()).expect("names are at most 255 bytes"));
            bytes.extend_from_slice(name.as_bytes());
        }
        bytes
    }

    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        if *version != TOKEN_VERSION {
            return None;
        }
        let (random, rest) = rest.split_first_chunk::<10>()?;
        let (millis, rest) = rest.split_first_chunk::<8>()?;
        let (account, rest) = rest.split_first_chunk::<12>()?;
        let (role, rest) = name(rest)?;
        let (session, rest) = name(rest)?;
        rest.is_empty().then_some(Self {
            random: *random,
            expiration: Timestamp::from_millis(i64::from_be_bytes(*millis)),
            account: std::str::from_utf8(account).ok()?.parse().ok()?,
            role,
            name: session,
        })
    }
}

fn name(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

#[cfg(test)]
mod tests;
