//! The error bodies AWS returns when an environment, and not the function's own code, ends an invocation.
//!
//! It refuses to touch errors that a runtime reported: those pass through as they came.

use crate::Failure;
use crate::extensions_api::Failed;
use bytes::Bytes;
use hearth_base::RequestId;
use hearth_sandbox::{Exit, ExitStatus};
use serde::Serialize;
use std::time::Duration;

/// `errorType` of a streamed response that has no end.
const TRUNCATED_RESPONSE: &str = "Runtime.TruncatedResponse";

/// Why an initialisation or an invocation ended without the runtime's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) failure: Failure,
    /// `errorType`, also of the REPORT line.
    pub(crate) error_type: String,
    /// What follows `RequestId: … Error: ` in `errorMessage`.
    pub(crate) message: String,
    /// The body a runtime posted: returned in place of one of ours.
    pub(crate) body: Option<Bytes>,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "errorType")]
    error_type: &'a str,
    #[serde(rename = "errorMessage")]
    error_message: String,
}

/// The same with the message first, as AWS writes this one error.
#[derive(Serialize)]
struct SizeBody<'a> {
    #[serde(rename = "errorMessage")]
    error_message: String,
    #[serde(rename = "errorType")]
    error_type: &'a str,
}

impl Fault {
    /// The function's timeout passed.
    pub(crate) fn timed_out(timeout: Duration) -> Self {
        Self {
            failure: Failure::TimedOut,
            error_type: "Sandbox.Timedout".to_owned(),
            message: format!("Task timed out after {:.2} seconds", timeout.as_secs_f64()),
            body: None,
        }
    }

    /// The runtime process ended by itself or was killed.
    pub(crate) fn exited(exit: Exit) -> Self {
        let killed = exit.status == ExitStatus::Signal(9);
        let (failure, error_type) = if exit.oom_killed && killed {
            // AWS: the body and the REPORT line name the cause, while the message stays that of any killed runtime.
            // https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html
            (Failure::OutOfMemory, "Runtime.OutOfMemory")
        } else {
            (Failure::Exited, "Runtime.ExitError")
        };
        let message = match exit.status {
            ExitStatus::Code(0) => "Runtime exited without providing a reason".to_owned(),
            status => format!("Runtime exited with error: {}", status_text(status)),
        };
        Self { failure, error_type: error_type.to_owned(), message, body: None }
    }

    /// There is no program to start, or the kernel refuses to execute it.
    pub(crate) fn invalid_entrypoint(message: String) -> Self {
        Self {
            failure: Failure::InvalidEntrypoint,
            error_type: "Runtime.InvalidEntrypoint".to_owned(),
            message,
            body: None,
        }
    }

    /// An extension failed.
    pub(crate) fn extension(failed: Failed) -> Self {
        let Failed { error_type, message } = failed;
        Self { failure: Failure::Extension, error_type, message, body: None }
    }

    /// The runtime posted an initialisation error.
    pub(crate) fn initialisation(error_type: String, body: Bytes) -> Self {
        Self { failure: Failure::Initialisation, error_type, message: String::new(), body: Some(body) }
    }

    /// The response was over the limit.
    pub(crate) fn response_too_large(size: u64, limit: u64) -> Self {
        let body = SizeBody {
            error_message: format!(
                "Response payload size ({size} bytes) exceeded maximum allowed payload size ({limit} bytes)."
            ),
            error_type: "Function.ResponseSizeTooLarge",
        };
        Self {
            failure: Failure::ResponseTooLarge,
            error_type: body.error_type.to_owned(),
            message: body.error_message.clone(),
            body: Some(json(&body)),
        }
    }

    /// The runtime broke off what it streamed.
    pub(crate) fn truncated() -> Self {
        Self {
            failure: Failure::Truncated,
            error_type: TRUNCATED_RESPONSE.to_owned(),
            message: "The runtime closed the connection before the end of its response".to_owned(),
            body: None,
        }
    }

    /// What a caller is told that has a part of the response already, while the log names the cause.
    ///
    /// AWS: a caller of a streaming function whose process ends amid the response sees this type, whatever ended it.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html>
    pub(crate) fn amid_response(&self) -> Self {
        Self { error_type: TRUNCATED_RESPONSE.to_owned(), ..self.clone() }
    }

    /// The body of the answer to the caller.
    pub(crate) fn payload(&self, request_id: RequestId) -> Bytes {
        match &self.body {
            Some(body) => body.clone(),
            None => json(&Body { error_type: &self.error_type, error_message: self.text(request_id) }),
        }
    }

    /// `RequestId: … Error: …`.
    pub(crate) fn text(&self, request_id: RequestId) -> String {
        format!("RequestId: {request_id} Error: {}", self.message)
    }
}

fn json(body: &impl Serialize) -> Bytes {
    Bytes::from(serde_json::to_vec(body).expect("strings are always JSON"))
}

/// How a process ended, in the words of Go's `os` package, which is what AWS prints.
pub(crate) fn status_text(status: ExitStatus) -> String {
    match status {
        ExitStatus::Code(code) => format!("exit status {code}"),
        ExitStatus::Signal(signal) => format!("signal: {}", signal_name(signal)),
    }
}

/// Signals by the words Go's `os` package has for them, which is what AWS prints.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        10 => "user defined signal 1",
        11 => "segmentation fault",
        12 => "user defined signal 2",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_base::SeededRng;

    #[test]
    fn bodies_are_those_of_aws() {
        let id = RequestId::new(&SeededRng::new(1));
        let exit = |status, oom_killed| Fault::exited(Exit { status, oom_killed });
        let cases = [
            (
                Fault::timed_out(Duration::from_secs(3)),
                format!(
                    r#"{{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: {id} Error: Task timed out after 3.00 seconds"}}"#
                ),
            ),
            (
                exit(ExitStatus::Code(1), false),
                format!(
                    r#"{{"errorType":"Runtime.ExitError","errorMessage":"RequestId: {id} Error: Runtime exited with error: exit status 1"}}"#
                ),
            ),
            (
                exit(ExitStatus::Code(0), false),
                format!(
                    r#"{{"errorType":"Runtime.ExitError","errorMessage":"RequestId: {id} Error: Runtime exited without providing a reason"}}"#
                ),
            ),
            (
                exit(ExitStatus::Signal(11), false),
                format!(
                    r#"{{"errorType":"Runtime.ExitError","errorMessage":"RequestId: {id} Error: Runtime exited with error: signal: segmentation fault"}}"#
                ),
            ),
            (
                exit(ExitStatus::Signal(9), true),
                format!(
                    r#"{{"errorType":"Runtime.OutOfMemory","errorMessage":"RequestId: {id} Error: Runtime exited with error: signal: killed"}}"#
                ),
            ),
            (
                Fault::response_too_large(7_340_060, 6_291_556),
                r#"{"errorMessage":"Response payload size (7340060 bytes) exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}"#.to_owned(),
            ),
        ];
        for (fault, body) in cases {
            assert_eq!(fault.payload(id), body);
        }
        let killed = exit(ExitStatus::Signal(9), false);
        assert_eq!(killed.failure, Failure::Exited, "a kill that no limit caused is no lack of memory");
    }
}
