//! Running one invocation: the same for those that are waited for and those that are not.
//!
//! It counts what happens and says why an invocation was not taken. It refuses to know how the request came and how
//! the answer goes.

use crate::metrics::{Metrics, Running};
use hearth_api::lambda::{TooManyRequestsException, errors};
use hearth_environment::{
    Completion, Definition, Environments, Invocation, Outcome, Refusal, ResponseStream,
};
use hearth_lambda::{FunctionKey, Functions};
use hearth_wire::Failure;
use std::sync::Arc;

/// What functions are run with.
pub(crate) struct Runner {
    functions: Functions,
    environments: Environments,
    metrics: Metrics,
}

/// An invocation that may begin.
pub(crate) struct Prepared {
    pub(crate) function: FunctionKey,
    pub(crate) definition: Arc<Definition>,
    pub(crate) invocation: Invocation,
    pub(crate) executed_version: String,
}

/// Why an invocation did not begin.
#[derive(Debug)]
pub(crate) enum Admission {
    /// The function may not run at all.
    NeverAdmitted,
    /// Not now.
    Refused(Failure),
}

impl Runner {
    pub(crate) fn new(functions: Functions, environments: Environments, metrics: Metrics) -> Self {
        Self { functions, environments, metrics }
    }

    pub(crate) fn functions(&self) -> &Functions {
        &self.functions
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whether environments are being started.
    pub(crate) fn is_starting(&self) -> bool {
        self.environments.is_starting()
    }

    /// Runs an invocation to its end.
    pub(crate) async fn run(&self, prepared: Prepared) -> Result<Completion, Admission> {
        let Prepared { function, definition, invocation, .. } = prepared;
        let counters = self.metrics.of(&function);
        let running = counters.begin();
        match self.environments.invoke(&definition, invocation).await {
            Ok(completion) => {
                let failed = matches!(completion.outcome, Outcome::Failed { .. });
                running.end(completion.report.duration, failed);
                Ok(completion)
            }
            Err(refusal) => {
                if matches!(refusal, Refusal::TooManyEnvironments) {
                    counters.throttled();
                }
                Err(Admission::Refused(refuse(refusal)))
            }
        }
    }

    /// Runs an invocation and hands its response on while the function makes it.
    pub(crate) async fn stream(&self, prepared: Prepared) -> Result<(ResponseStream, Running), Failure> {
        let Prepared { function, definition, invocation, .. } = prepared;
        let counters = self.metrics.of(&function);
        let running = counters.begin();
        match self.environments.invoke_streaming(&definition, invocation).await {
            Ok(response) => Ok((response, running)),
            Err(refusal) => Err(refuse(refusal)),
        }
    }
}

impl From<Admission> for Failure {
    fn from(admission: Admission) -> Self {
        match admission {
            Admission::NeverAdmitted => throttled("ReservedFunctionConcurrentInvocationLimitExceeded"),
            Admission::Refused(failure) => failure,
        }
    }
}

/// What a caller is told whose invocation was not taken.
pub(crate) fn refuse(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::TooManyEnvironments => throttled("ConcurrentInvocationLimitExceeded"),
        Refusal::ShuttingDown => errors::service("The server is shutting down."),
        Refusal::RestoreTimedOut => {
            errors::snap_start_timeout("Lambda couldn't restore the snapshot within the timeout limit.")
        }
        Refusal::RestoreFailed { .. } => errors::snap_start(
            "The afterRestore() runtime hook encountered an error. For more information, check the Amazon CloudWatch logs.",
        ),
        Refusal::CannotStart { reason } => {
            tracing::error!(%reason, "an execution environment cannot be started");
            errors::service(format!("The execution environment cannot be started: {reason}"))
        }
    }
}

/// AWS: the words and the reason of a throttled call.
/// <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_Errors>
fn throttled(reason: &str) -> Failure {
    TooManyRequestsException {
        r#type: Some("User".to_owned()),
        message: Some("Rate Exceeded.".to_owned()),
        reason: hearth_api::lambda::ThrottleReason::parse(reason),
        ..Default::default()
    }
    .into()
}
