//! `Invoke`: the synchronous way, and the dry run; and what it shares with the streaming way.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>
//!
//! It refuses asynchronous invocations, and members that Hearth does not act on.

use crate::{payload, streaming};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hearth_api::Grant;
use hearth_api::lambda::{
    InvocationRequest, InvocationResponse, InvocationType, InvokeWithResponseStreamRequest,
    InvokeWithResponseStreamResponse, LambdaInvoke, LogType, TooManyRequestsException, errors,
};
use hearth_base::BoxFuture;
use hearth_environment::{Completion, Definition, Environments, Invocation, Outcome, Refusal};
use hearth_lambda::{Functions, Target};
use hearth_wire::Failure;
use std::sync::Arc;

/// The data plane: the invoking part of the `Lambda` API.
#[derive(Clone)]
pub struct Service {
    functions: Functions,
    pub(crate) environments: Environments,
}

/// An invocation that may begin.
pub(crate) struct Prepared {
    pub(crate) definition: Arc<Definition>,
    pub(crate) invocation: Invocation,
    pub(crate) executed_version: String,
}

impl Service {
    /// Invokes what `functions` names in `environments`.
    pub fn new(functions: Functions, environments: Environments) -> Self {
        Self { functions, environments }
    }

    async fn invoke(&self, grant: Grant, input: InvocationRequest) -> Result<InvocationResponse, Failure> {
        let Some(prepared) = self.prepare(&grant, input)? else {
            return Ok(InvocationResponse { status_code: Some(204), ..Default::default() });
        };
        let Prepared { definition, invocation, executed_version } = prepared;
        match self.environments.invoke(&definition, invocation).await {
            Ok(completion) => Ok(answer(completion, executed_version)),
            Err(refusal) => Err(refuse(refusal)),
        }
    }

    /// Everything before the environment; nothing for a dry run, which could be an invocation.
    pub(crate) fn prepare(
        &self,
        grant: &Grant,
        input: InvocationRequest,
    ) -> Result<Option<Prepared>, Failure> {
        refuse_unsupported(&input)?;
        let target = Target::read(grant, input.function_name.as_deref(), input.qualifier.as_deref())?;
        let invocable = self.functions.invocable(&target)?;
        if input.invocation_type == Some(InvocationType::DryRun) {
            return Ok(None);
        }
        let invocation = Invocation {
            request_id: grant.request_id(),
            payload: payload::event(input.payload)?,
            client_context: payload::client_context(input.client_context)?,
            cognito_identity: None,
            invoked_function_arn: invocable.invoked_arn,
            trace_header: grant.trace_header().map(str::to_owned),
            tail: input.log_type == Some(LogType::Tail),
        };
        let (definition, executed_version) = (invocable.definition, invocable.executed_version);
        Ok(Some(Prepared { definition, invocation, executed_version }))
    }
}

impl LambdaInvoke for Service {
    fn invoke(
        &self,
        grant: Grant,
        input: InvocationRequest,
    ) -> BoxFuture<'_, Result<InvocationResponse, Failure>> {
        Box::pin(Service::invoke(self, grant, input))
    }

    fn invoke_with_response_stream(
        &self,
        grant: Grant,
        input: InvokeWithResponseStreamRequest,
    ) -> BoxFuture<'_, Result<InvokeWithResponseStreamResponse, Failure>> {
        Box::pin(streaming::invoke(self, grant, input))
    }
}

fn refuse_unsupported(input: &InvocationRequest) -> Result<(), Failure> {
    let refused = if input.invocation_type == Some(InvocationType::Event) {
        Some("InvocationType: Hearth does not support asynchronous invocation (Event) yet.")
    } else if input.tenant_id.is_some() {
        Some("TenantId: Hearth does not support tenant isolation yet.")
    } else if input.durable_execution_name.is_some() {
        Some("DurableExecutionName: Hearth does not support durable functions yet.")
    } else {
        None
    };
    refused.map_or(Ok(()), |message| Err(errors::invalid_parameter_value(message)))
}

fn answer(completion: Completion, executed_version: String) -> InvocationResponse {
    let function_error = completion.outcome.function_error().map(str::to_owned);
    let payload = match completion.outcome {
        Outcome::Returned { payload, .. } | Outcome::Failed { payload, .. } => payload,
    };
    InvocationResponse {
        status_code: Some(200),
        function_error,
        log_result: completion.log_tail.map(|tail| STANDARD.encode(tail)),
        payload: Some(payload),
        executed_version: Some(executed_version),
        durable_execution_arn: None,
    }
}

pub(crate) fn refuse(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::TooManyEnvironments => throttled(),
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
fn throttled() -> Failure {
    TooManyRequestsException {
        r#type: Some("User".to_owned()),
        message: Some("Rate Exceeded.".to_owned()),
        reason: hearth_api::lambda::ThrottleReason::parse("ConcurrentInvocationLimitExceeded"),
        ..Default::default()
    }
    .into()
}
