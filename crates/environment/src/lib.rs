//! Execution environments: their lifecycle, their pool, the Runtime API served to each, and the runtimes of this machine.
//!
//! An environment is a cage of `hearth-sandbox` with a language runtime in it that asks for invocations over the Runtime
//! API, one at a time. This crate refuses to know AWS services and storage: what it needs of them comes in through the
//! traits of [`outside`].

mod bootstrap;
mod bytecode;
mod cage;
mod cells;
mod chore;
mod class_data;
pub mod concurrency;
pub mod definition;
mod dotnet;
mod environment;
mod extensions_api;
mod failure;
mod function_classes;
pub mod invocation;
mod living;
mod log;
pub mod outside;
mod plan;
mod platform;
pub mod pool;
pub mod response_stream;
mod rest;
pub mod runtime;
mod runtime_api;
pub mod runtimes;
pub mod sdk;
mod telemetry;
mod turns;
mod variables;

pub use bootstrap::BootstrapError;
pub use concurrency::{Account, Allowance, Meter, Permit, Throttle};
pub use definition::{Definition, InitializationType, Key, LogFormat, LogLevel, Logging, TracingMode};
pub use invocation::{Completion, Failure, Invocation, Outcome, Refusal, Report, new_trace};
pub use outside::{CredentialSource, Credentials, Endpoint, LogEvent, LogSink};
pub use pool::{Counts, Environments, Provisioned};
pub use response_stream::{Part, ResponseStream};
pub use runtime::{Language, Runtime, UnknownRuntime};
pub use runtimes::{Interpreter, Resolved, Runtimes, RuntimesOptions, Unavailable};

use hearth_base::{Clock, Rng};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// All that [`Environments`] stands on.
pub struct Options {
    /// Makes the cages.
    pub spawner: hearth_sandbox::Spawner,
    /// Where the bootstraps are written: the server's data directory.
    pub data_dir: PathBuf,
    /// Where the AWS SDKs for functions are installed; servers may share it.
    pub sdk_dir: PathBuf,
    /// The interpreters of this machine.
    pub runtimes: Arc<Runtimes>,
    /// Serves AWS API calls made inside environments.
    pub endpoint: Arc<dyn Endpoint>,
    /// Issues the credentials of execution roles.
    pub credentials: Arc<dyn CredentialSource>,
    /// Where lines go.
    pub logs: Arc<dyn LogSink>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Environments at once, idle ones included.
    pub environments_max: usize,
    /// Bytes of memory that stem cells may take together; 0 for none.
    pub stem_cell_bytes: u64,
    /// An environment idle for this long ends.
    pub idle_timeout: Duration,
}
