//! Running one invocation: the same for those that are waited for and those that are not.
//!
//! It counts what happens and says why an invocation was not taken. It refuses to know how the request came and how
//! the answer goes.

use crate::metrics::{Counters, Metrics, Running};
use hearth_api::lambda::{ThrottleReason, TooManyRequestsException, errors};
use hearth_environment::{
    Completion, Definition, Environments, Invocation, Meter, Outcome, Part, Refusal, ResponseStream, Throttle,
};
use hearth_lambda::{FunctionKey, Functions, Invocable};
use hearth_wire::Failure;
use std::sync::Arc;

/// When a throttled client may try again: rates are by the second.
pub(crate) const RETRY_AFTER_SECONDS: &str = "1";

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
    /// The concurrency of the function, which is asked when the invocation begins.
    pub(crate) meter: Arc<Meter>,
    /// Without its permit.
    pub(crate) invocation: Invocation,
    pub(crate) executed_version: String,
}

/// The response of an invocation that is under way, and counted when it ends.
pub(crate) struct Streaming {
    response: ResponseStream,
    running: Option<Running>,
}

/// Why an invocation did not begin.
#[derive(Debug)]
pub(crate) enum Admission {
    /// The function may not run at all: it has reserved no concurrency for itself.
    NeverAdmitted,
    /// Not now: there is no concurrency left.
    Throttled(Throttle),
    /// Not now, for another reason.
    Refused(Failure),
}

impl Prepared {
    /// What `invocable` says, run for this invocation.
    pub(crate) fn new(function: FunctionKey, invocable: Invocable, invocation: Invocation) -> Self {
        let Invocable { definition, executed_version, meter, .. } = invocable;
        Self { function, definition, meter, invocation, executed_version }
    }
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
    pub(crate) async fn run(&self, mut prepared: Prepared) -> Result<Completion, Admission> {
        let (counters, running) = self.begin(&mut prepared)?;
        match self.environments.invoke(&prepared.definition, prepared.invocation).await {
            Ok(completion) => {
                let failed = matches!(completion.outcome, Outcome::Failed { .. });
                running.end(completion.report.duration, failed);
                Ok(completion)
            }
            Err(refusal) => Err(turned_away(&counters, refusal.into())),
        }
    }

    /// Runs an invocation and hands its response on while the function makes it.
    pub(crate) async fn stream(&self, mut prepared: Prepared) -> Result<Streaming, Admission> {
        let (counters, running) = self.begin(&mut prepared)?;
        match self.environments.invoke_streaming(&prepared.definition, prepared.invocation).await {
            Ok(response) => Ok(Streaming { response, running: Some(running) }),
            Err(refusal) => Err(turned_away(&counters, refusal.into())),
        }
    }

    /// Gives the invocation its permit. It goes where the invocation goes, and counts until its environment is free.
    fn begin(&self, prepared: &mut Prepared) -> Result<(Arc<Counters>, Running), Admission> {
        let counters = self.metrics.of(&prepared.function);
        match prepared.meter.admit(&prepared.executed_version) {
            Ok(permit) => {
                prepared.invocation.permit = Some(Arc::new(permit));
                let running = counters.begin();
                Ok((counters, running))
            }
            Err(throttle) => Err(turned_away(&counters, throttle.into())),
        }
    }
}

impl Streaming {
    /// The content type, once the response has begun.
    pub(crate) fn content_type(&self) -> Option<&str> {
        self.response.content_type()
    }

    /// The next part; none after the end.
    pub(crate) async fn next(&mut self) -> Option<Result<Part, Refusal>> {
        let part = self.response.next().await?;
        if let Ok(Part::End(completion)) = &part
            && let Some(running) = self.running.take()
        {
            let failed = matches!(completion.outcome, Outcome::Failed { .. });
            running.end(completion.report.duration, failed);
        }
        Some(part)
    }
}

/// Counts what was throttled.
fn turned_away(counters: &Counters, admission: Admission) -> Admission {
    if let Admission::NeverAdmitted | Admission::Throttled(_) = &admission {
        counters.throttled();
    }
    admission
}

impl From<Throttle> for Admission {
    fn from(throttle: Throttle) -> Self {
        match throttle {
            Throttle::ReservedNothing => Self::NeverAdmitted,
            other => Self::Throttled(other),
        }
    }
}

impl From<Refusal> for Admission {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            // The machine is the account here: it runs no more at once.
            Refusal::TooManyEnvironments => Self::Throttled(Throttle::Concurrent),
            Refusal::Throttled(throttle) => throttle.into(),
            other => Self::Refused(refuse(other)),
        }
    }
}

impl From<Admission> for Failure {
    fn from(admission: Admission) -> Self {
        match admission {
            Admission::NeverAdmitted => throttled(Throttle::ReservedNothing),
            Admission::Throttled(throttle) => throttled(throttle),
            Admission::Refused(failure) => failure,
        }
    }
}

/// What a caller is told whose invocation was not taken.
pub(crate) fn refuse(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::TooManyEnvironments => throttled(Throttle::Concurrent),
        Refusal::Throttled(throttle) => throttled(throttle),
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
fn throttled(throttle: Throttle) -> Failure {
    TooManyRequestsException {
        retry_after_seconds: Some(RETRY_AFTER_SECONDS.to_owned()),
        r#type: Some("User".to_owned()),
        message: Some("Rate Exceeded.".to_owned()),
        reason: ThrottleReason::parse(throttle.reason()),
    }
    .into()
}
