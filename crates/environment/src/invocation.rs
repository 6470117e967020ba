//! One invocation: what goes in, and what comes out.
//!
//! A failing function is an outcome, not an `Err`. It refuses to know who asked, and over which protocol.

use crate::concurrency::{Permit, Throttle};
use bytes::Bytes;
use hearth_base::{RequestId, Rng, Timestamp, id};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What the caller sends.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The id in the answer and in every log line.
    pub request_id: RequestId,
    /// The event, as it came. JSON; at most [`hearth_base::limits::SYNCHRONOUS_PAYLOAD_BYTES_MAX`]. An absent payload is `{}`.
    pub payload: Bytes,
    /// The client context as JSON text, its base64 already taken off. One line.
    pub client_context: Option<String>,
    /// The Cognito identity as JSON text.
    pub cognito_identity: Option<String>,
    /// The ARN the caller used, qualifier included when there was one.
    pub invoked_function_arn: String,
    /// `X-Amzn-Trace-Id` of the request; one is made up when it is absent.
    pub trace_header: Option<String>,
    /// Collect the last 4 KB of this invocation's log.
    pub tail: bool,
    /// Leave to run: held until the environment is free again, whether or not the caller still waits.
    pub permit: Option<Arc<Permit>>,
}

/// What the caller gets.
#[derive(Debug, Clone)]
pub struct Completion {
    /// How it ended.
    pub outcome: Outcome,
    /// The last 4 KB of this invocation's log, START to REPORT, when asked for. Not base64.
    pub log_tail: Option<Bytes>,
    /// The numbers of the REPORT line.
    pub report: Report,
}

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The function returned.
    Returned {
        /// The response, as the runtime posted it; at most [`hearth_base::limits::RESPONSE_PAYLOAD_BYTES_MAX`].
        payload: Bytes,
        /// The content type the runtime gave, `application/json` when it gave none.
        content_type: String,
    },
    /// The function failed, or the environment under it.
    Failed {
        /// What kind of failure it was.
        failure: Failure,
        /// The error as JSON, with `errorType` and `errorMessage`, as AWS returns it.
        payload: Bytes,
    },
}

/// Kinds of failure. On the wire they are all `X-Amz-Function-Error: Unhandled`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The runtime reported an error of the handler.
    Reported,
    /// The runtime reported that it could not be initialised.
    Initialisation,
    /// The timeout passed: `Sandbox.Timedout`.
    TimedOut,
    /// The runtime process ended: `Runtime.ExitError`.
    Exited,
    /// The kernel killed the runtime because memory ran out: `Runtime.ExitError` with `signal: killed`.
    OutOfMemory,
    /// The response was over the limit: `Function.ResponseSizeTooLarge`.
    ResponseTooLarge,
    /// The runtime broke off a response that it had begun to stream: `Runtime.TruncatedResponse`.
    Truncated,
    /// The program of the function could not be started: `Runtime.InvalidEntrypoint`.
    InvalidEntrypoint,
    /// An extension could not be started, ended, or said that it cannot go on: `Extension.Crash` and the like.
    Extension,
}

/// The numbers of the REPORT line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// From the hand-over of the event to the end of the invocation.
    pub duration: Duration,
    /// What AWS would bill: whole milliseconds, the initialisation included.
    pub billed: Duration,
    /// The initialisation, when this invocation was the first of its environment.
    pub init: Option<Duration>,
    /// The restore, when this invocation was the first of an environment that was restored from a snapshot.
    pub restore: Option<Duration>,
    /// The function's memory in MB.
    pub memory_size_mb: u32,
    /// The most memory the environment has used, in MB.
    pub max_memory_used_mb: u32,
    /// The log stream the environment writes to.
    pub log_stream: Arc<str>,
}

/// Why an invocation was not accepted at all: nothing of the function ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// `environments_max` are busy.
    TooManyEnvironments,
    /// The function adds environments too fast.
    Throttled(Throttle),
    /// The server is draining.
    ShuttingDown,
    /// The runtime was not ready in time after its environment's restore.
    RestoreTimedOut,
    /// It failed after the restore.
    RestoreFailed {
        /// What the runtime said, or how it ended.
        error_type: String,
    },
    /// No environment could be made: a fault of the machine or of its configuration, not of the function's code.
    CannotStart {
        /// What failed, in words for the operator.
        reason: String,
    },
}

/// The header of a trace that begins here, and that nobody samples.
/// <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>
pub fn new_trace(now: Timestamp, rng: &dyn Rng) -> String {
    let (root, parent) = (id::random_hex(rng, 12), id::random_hex(rng, 8));
    format!("Root=1-{:08x}-{root};Parent={parent};Sampled=0", now.seconds())
}

impl Outcome {
    /// The body of the answer.
    pub fn payload(&self) -> &Bytes {
        match self {
            Self::Returned { payload, .. } | Self::Failed { payload, .. } => payload,
        }
    }

    /// The value of `X-Amz-Function-Error`, when the function failed.
    pub fn function_error(&self) -> Option<&'static str> {
        match self {
            Self::Returned { .. } => None,
            Self::Failed { .. } => Some("Unhandled"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyEnvironments => f.write_str("as many execution environments as allowed are busy"),
            Self::Throttled(throttle) => write!(f, "the function is throttled: {throttle}"),
            Self::RestoreTimedOut => f.write_str("the restore of an execution environment took too long"),
            Self::RestoreFailed { error_type } => {
                write!(f, "the restore of an execution environment failed: {error_type}")
            }
            Self::ShuttingDown => f.write_str("the server is shutting down"),
            Self::CannotStart { reason } => write!(f, "an execution environment cannot be started: {reason}"),
        }
    }
}

impl std::error::Error for Refusal {}
