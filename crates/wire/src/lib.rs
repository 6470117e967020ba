//! The AWS wire protocols, driven by schema: decode a request into [`Value`]s, validate them, encode answers.
//!
//! It names no service. A service is a [`Service`] table (generated into the `api` crate from AWS's models); every
//! protocol here interprets that table, so that adding a service adds data and no code.
//!
//! The way of a request: [`Request`] → [`Protocol`] picks the [`Operation`] and decodes the input → [`validate`]
//! → the service's handler → [`Protocol`] encodes the output or the [`Failure`] → [`Response`].

pub mod failure;
pub mod message;
pub mod schema;
pub mod value;

pub use failure::Failure;
pub use message::{Body, Request, Response};
pub use schema::{
    Kind, Location, Member, Operation, Protocol, Service, Shape, Structure, TimestampFormat, Unimplemented,
};
pub use value::{Structured, Value};
