//! How an invocation ended: what the caller gets, what the log says, and whether the environment can go on.
//!
//! It refuses to reset anything: the environment does, when there is a fault.

use crate::extensions_api::ShutdownReason;
use crate::failure::Fault;
use crate::invocation::{Failure, Outcome};
use crate::platform::Status;
use crate::runtime_api::Answer;
use bytes::Bytes;
use hearth_base::RequestId;

/// How an invocation ended.
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    /// What the caller got beside the outcome.
    pub(super) streamed_bytes: u64,
    pub(super) status: Status,
    /// What ended it from outside the handler; such an environment is reset.
    pub(super) fault: Option<Fault>,
}

impl Ending {
    pub(super) fn of(fault: Fault, id: RequestId) -> Self {
        let outcome = Outcome::Failed { failure: fault.failure, payload: fault.payload(id) };
        Self { outcome, streamed_bytes: 0, status: fault.status(), fault: Some(fault) }
    }

    pub(super) fn of_answer(answer: Answer, id: RequestId) -> Self {
        let well = |outcome| Self { outcome, streamed_bytes: 0, status: Status::Success, fault: None };
        let reported = |payload| Outcome::Failed { failure: Failure::Reported, payload };
        match answer {
            Answer::Response { payload, content_type } => well(Outcome::Returned { payload, content_type }),
            Answer::Error { payload } => well(reported(payload)),
            Answer::Streamed { size, content_type, error } => {
                let returned = Outcome::Returned { payload: Bytes::new(), content_type };
                Self { streamed_bytes: size, ..well(error.map_or(returned, reported)) }
            }
            Answer::TooLarge { size, limit } => {
                // The runtime is well: only its answer is lost.
                let ending = Self::of(Fault::response_too_large(size, limit), id);
                Self { status: Status::Success, fault: None, ..ending }
            }
            Answer::Truncated => Self::of(Fault::truncated(), id),
        }
    }
}

impl Fault {
    pub(super) fn shutdown_reason(&self) -> ShutdownReason {
        match self.failure {
            Failure::TimedOut => ShutdownReason::Timeout,
            _ => ShutdownReason::Failure,
        }
    }

    pub(super) fn status(&self) -> Status {
        match self.failure {
            Failure::TimedOut => Status::Timeout,
            _ => Status::Error(self.error_type.clone()),
        }
    }
}
