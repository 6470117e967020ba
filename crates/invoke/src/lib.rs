//! Lambda's data plane: invocations from the API to an execution environment and back, the events that wait for theirs,
//! and the lines they log.
//!
//! It owns the way of an invocation. It refuses to know how functions are configured (`lambda` tells it what to run)
//! and how code is run (`environment` does that).

mod asynchronous;
mod lineage;
mod log_delivery;
mod metrics;
mod payload;
mod runner;
mod streaming;
mod synchronous;
mod url;

pub use log_delivery::{LogDelivery, Writers};
pub use metrics::{Counters, Metrics, Running};
pub use synchronous::{Options, Service};
