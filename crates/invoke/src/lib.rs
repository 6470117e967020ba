//! Lambda's data plane: invocations from the API to an execution environment and back, and the lines they log.
//!
//! It owns the way of an invocation. It refuses to know how functions are configured (`lambda` tells it what to run)
//! and how code is run (`environment` does that).

mod log_delivery;
mod payload;
mod streaming;
mod synchronous;
mod url;

pub use log_delivery::{LogDelivery, Writers};
pub use synchronous::Service;
