//! The AWS service APIs as Rust: for each service its types, error codes, schema and one trait.
//!
//! Everything below `generated/` is written by `cargo xtask codegen` from AWS's own service models and
//! `operations.toml`; do not edit it. What stands beside it, by hand, is what every service's trait needs:
//! the [`Grant`] a handler takes and the [`Dispatch`] the gateway calls.

pub mod authorisation;
pub mod delivery;
pub mod dispatch;
mod fault;
mod generated;
pub mod grant;
mod slots;
mod table;
#[cfg(test)]
mod tests;

pub use delivery::{Deliver, Delivery};
pub use dispatch::Dispatch;
pub use generated::*;
pub use grant::{Grant, Principal, Session};
pub use slots::Document;
