//! The documents of policies in requests: what IAM does not take is refused before it is stored.

use crate::policy::Document;
use hearth_api::iam::errors;
use hearth_wire::Failure;

/// What a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Says what whoever has it may do.
    Identity,
    /// Says who may assume the role that has it.
    Trust,
}

/// Refuses a document that IAM would not take.
///
/// # Errors
/// AWS's MalformedPolicyDocument.
pub fn check(text: &str, kind: Kind) -> Result<(), Failure> {
    let read = match kind {
        Kind::Identity => Document::identity(text),
        Kind::Trust => Document::trust(text),
    };
    read.map(drop).map_err(|malformed| errors::malformed_policy_document(malformed.to_string()))
}
