//! Who calls and what it may do: Signature Version 4, access keys, sessions, the grant on every call, IAM and STS.
//!
//! It is the only crate that makes a [`hearth_api::Grant`]. It refuses to read bodies from the network, and to store
//! secrets and sessions: secrets are derived, and sessions are sealed into their tokens.

pub mod authorisation;
pub mod authority;
pub mod credentials;
pub mod directory;
pub mod identities;
pub mod policy;
pub mod refusal;
mod service;
pub mod sigv4;
pub mod sources;
mod sts;

pub use authorisation::{Access, Ask};
pub use authority::{Authority, Call, Caller, Claim, PayloadDigest, Verified};
pub use credentials::{AccessKey, Credentials, Extras, Origin, Session, SessionCredentials};
pub use directory::Directory;
pub use identities::{Identities, IdentityPolicies};
pub use refusal::{Dialect, Refusal};
pub use service::{Iam, IamOptions};
pub use sigv4::{Head, Signature};
pub use sources::{ResourcePolicies, Sources};
pub use sts::{Sts, StsOptions};
