//! Who calls and what it may do: Signature Version 4, access keys, sessions, the grant on every call, and STS.
//!
//! It is the only crate that makes a [`hearth_api::Grant`]. It refuses to read bodies from the network and to store
//! anything: sessions are sealed into their tokens.

pub mod authorisation;
pub mod authority;
pub mod credentials;

pub mod identities;
mod ops;
pub mod policy;
pub mod refusal;
pub mod sigv4;
pub mod sources;

pub use authorisation::{Access, Ask};
pub use authority::{Authority, Call, Caller, Claim, PayloadDigest, Verified};
pub use credentials::{AccessKey, Credentials, Origin, Session, SessionCredentials};
pub use identities::{Identities, IdentityPolicies};
pub use ops::Sts;
pub use refusal::{Dialect, Refusal};
pub use sigv4::{Head, Signature};
pub use sources::{ResourcePolicies, Sources};
