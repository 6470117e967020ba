//! The AWS wire protocols, driven by schema: decode a request into [`Value`]s, validate them, encode answers.
//!
//! It names no service. A service is a [`Service`] table (generated into the `api` crate from AWS's models); every
//! protocol here interprets that table, so that adding a service adds data and no code.
//!
//! The way of a request: [`Request`] → [`Protocol`] picks the [`Operation`] and decodes the input → [`validate()`]
//! → the service's handler → [`Protocol`] encodes the output or the [`Failure`] → [`Response`].

pub mod bounds;
mod cbor;
pub mod event_stream;
pub mod failure;
#[cfg(test)]
mod fixture;
mod form;
mod http_binding;
mod json;
pub mod malformed;
pub mod message;
pub mod protocol;
mod scalar;
pub mod schema;
mod timestamp;
mod uri;
pub mod validate;
pub mod value;
mod xml;

pub use event_stream::Events;
pub use failure::Failure;
pub use message::{Body, Request, Response};
pub use protocol::{Routed, fill_idempotency_tokens};
pub use schema::{
    Kind, Location, Member, Operation, Protocol, Service, Shape, Structure, TimestampFormat, Unimplemented,
};
pub use uri::Labels;
pub use validate::validate;
pub use value::{Structured, Value};
