//! What a session token says, and the seal on it.
//!
//! A token is a version, ten bytes that make the id of its access key, JSON, and an HMAC over all of it with a key that
//! only this installation has. It refuses to know whether those it names still exist.

use crate::directory::model::PolicyRef;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hearth_base::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

/// The first byte of a token: what follows is laid out as [`Said`] and this file say.
const VERSION: u8 = 2;
/// Longer than any token made here.
const TOKEN_BYTES_MAX: usize = 12_288;
const SEAL_BYTES: usize = 32;
/// The bytes of a key id: five of the account, five at random.
pub const ID_BYTES: usize = 10;

/// Of whom a session is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Of {
    /// The root user of the account.
    Root,
    /// A user.
    User {
        /// Its name when the session was made.
        name: String,
        /// Its id: the session ends with the user.
        id: String,
    },
    /// A role.
    Role {
        /// Its name without the path.
        name: String,
        /// Its id; none when there was no such role.
        id: Option<String>,
        /// The session's name.
        session: String,
    },
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The account.
    #[serde(rename = "a")]
    pub account: AccountId,
    /// Of whom the session is.
    #[serde(rename = "w")]
    pub of: Of,
    /// When it was made.
    #[serde(rename = "i")]
    pub issued: Timestamp,
    /// When it ends.
    #[serde(rename = "e")]
    pub expiration: Timestamp,
    /// An inline session policy.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Managed policies as session policies.
    #[serde(rename = "m", default, skip_serializing_if = "Vec::is_empty")]
    pub managed: Vec<PolicyRef>,
    /// Session tags.
    #[serde(rename = "t", default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<(String, String)>,
    /// Which of the tags go on to the sessions that this one makes.
    #[serde(rename = "k", default, skip_serializing_if = "Vec::is_empty")]
    pub transitive: Vec<String>,
    /// Who first asked, as it said.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub source_identity: Option<String>,
    /// The ARN of the function for whose environments it was made.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub source_function: Option<String>,
}

/// A token that is genuine.
pub struct Opened {
    /// The bytes of its key's id.
    pub id: [u8; ID_BYTES],
    /// What it says.
    pub said: Said,
    /// All that was sealed: the secret is derived from it.
    pub sealed: Vec<u8>,
}

/// What is to be sealed.
pub fn write(id: [u8; ID_BYTES], said: &Said) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&id);
    // A structure of texts, numbers and lists always has a JSON form.
    bytes.extend(serde_json::to_vec(said).unwrap_or_default());
    bytes
}

/// The token of what [`write`] gave.
pub fn seal(key: &[u8; 32], sealed: &[u8]) -> String {
    let seal = super::hmac(key, &[sealed]);
    STANDARD.encode([sealed, &seal].concat())
}

/// Opens a token; none when it was not sealed here.
pub fn open(key: &[u8; 32], token: &str) -> Option<Opened> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let mut sealed = STANDARD.decode(token).ok()?;
    let seal = sealed.split_off(sealed.len().checked_sub(SEAL_BYTES)?);
    if !bool::from(super::hmac(key, &[&sealed]).ct_eq(&seal)) {
        return None;
    }
    let (version, rest) = sealed.split_first()?;
    let (id, json) = rest.split_first_chunk::<ID_BYTES>()?;
    if *version != VERSION {
        return None;
    }
    let (id, said) = (*id, serde_json::from_slice(json).ok()?);
    Some(Opened { id, said, sealed })
}
