//! Real environments: real cages, real interpreters, the embedded bootstraps.
//!
//! What this machine cannot run is said on standard error, by name, and not silently passed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod extensions;
mod failures;
mod fixture;
mod languages;
mod latency;
mod lifecycle;
mod logs;
mod pool;
mod provisioned;
mod sdk;
mod snapstart;
mod streaming;
mod telemetry;
