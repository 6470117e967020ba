//! Real environments: real cages, real interpreters, the embedded bootstraps.
//!
//! What this machine cannot run is said on standard error, by name, and not silently passed.

mod fixture;
mod lifecycle;
