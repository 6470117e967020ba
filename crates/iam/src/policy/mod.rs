//! The policy language: documents as IAM reads them, and whether what they say allows a request.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies.html>
//!
//! It is pure: no storage, no clock, no network. It refuses to know where policies are kept, who is who, and which
//! operation is which action.

pub mod condition;
pub mod context;
pub mod document;
pub mod evaluate;
mod json;
mod parse;
pub mod pattern;
pub mod permission;
pub mod principal;
mod print;

pub use condition::Condition;
pub use context::{Context, Values};
pub use document::{Document, Effect, Place, Statement, Version};
pub use evaluate::{
    Applicable, Attached, Denial, Explanation, Identity, Matched, Question, Source, decide, explain,
};
pub use parse::Malformed;
pub use pattern::Pattern;
pub use principal::{Principals, Requester};

#[cfg(test)]
mod tests;
