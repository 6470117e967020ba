//! `Invoke`: the synchronous way, the way into the queue, and the dry run; and what they share with the streaming way.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>
//!
//! It refuses members that Hearth does not act on.

use crate::asynchronous::{self, Accepted, Asynchronous};
use crate::metrics::Metrics;
use crate::runner::{Prepared, Runner};
use crate::{lineage, payload, streaming};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hearth_api::lambda::{
    InvocationRequest, InvocationResponse, InvocationType, InvokeAsyncRequest, InvokeAsyncResponse,
    InvokeWithResponseStreamRequest, InvokeWithResponseStreamResponse, LambdaInvoke, LogType, errors,
};
use hearth_api::{Deliver, Grant};
use hearth_base::limits::{ASYNCHRONOUS_PAYLOAD_BYTES_MAX, SYNCHRONOUS_PAYLOAD_BYTES_MAX};
use hearth_base::{BoxFuture, Clock, Rng};
use hearth_environment::{Completion, Environments, Invocation, Outcome, new_trace};
use hearth_lambda::{Functions, RecursiveLoop, Target};
use hearth_store::Store;
use hearth_wire::Failure;
use std::sync::Arc;

/// What the data plane stands on.
pub struct Options {
    /// What may be invoked.
    pub functions: Functions,
    /// Where it runs.
    pub environments: Environments,
    /// Where events wait.
    pub store: Store,
    /// Reaches destinations and dead-letter queues.
    pub deliver: Arc<dyn Deliver>,
    /// What is counted.
    pub metrics: Metrics,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Events that run at once, of all functions.
    pub events_running_max: usize,
}

/// The data plane: the invoking part of the `Lambda` API. A cheap handle.
#[derive(Clone)]
pub struct Service {
    pub(crate) runner: Arc<Runner>,
    asynchronous: Asynchronous,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

/// The recursion that AWS tells of.
const RECURSION: &str = "Lambda has detected that your function is being invoked in a recursive loop with other AWS \
    resources and has stopped your function's invocation.";

impl Service {
    /// Finds the events that wait and begins to work on them. Call it inside the async runtime.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn open(options: Options) -> Result<Self, hearth_store::Error> {
        let Options { functions, environments, store, deliver, metrics, clock, rng, events_running_max } =
            options;
        let runner = Arc::new(Runner::new(functions, environments, metrics));
        let asynchronous = Asynchronous::open(asynchronous::Options {
            store,
            runner: Arc::clone(&runner),
            deliver,
            clock: Arc::clone(&clock),
            rng: Arc::clone(&rng),
            running_max: events_running_max,
        });
        Ok(Self { runner, asynchronous: asynchronous.await?, clock, rng })
    }

    /// Begins no more events. What runs goes on; what waits is found again by the next start.
    pub fn close(&self) {
        self.asynchronous.close();
    }

    /// Returns when no event runs and none is due.
    pub async fn quiet(&self) {
        self.asynchronous.quiet().await;
    }

    async fn invoke(&self, grant: Grant, input: InvocationRequest) -> Result<InvocationResponse, Failure> {
        if input.invocation_type == Some(InvocationType::Event) {
            return self.accept(&grant, input).await;
        }
        let Some(prepared) = self.prepare(&grant, input)? else {
            return Ok(InvocationResponse { status_code: Some(204), ..Default::default() });
        };
        let executed_version = prepared.executed_version.clone();
        let completion = self.runner.run(prepared).await?;
        Ok(answer(completion, executed_version))
    }

    /// Everything before the environment; nothing for a dry run, which could be an invocation.
    pub(crate) fn prepare(
        &self,
        grant: &Grant,
        input: InvocationRequest,
    ) -> Result<Option<Prepared>, Failure> {
        refuse_unsupported(&input)?;
        let target = Target::read(grant, input.function_name.as_deref(), input.qualifier.as_deref())?;
        let functions = self.runner.functions();
        let invocable = functions.invocable(&target)?;
        if input.invocation_type == Some(InvocationType::DryRun) {
            return Ok(None);
        }
        let (trace_header, turns) = lineage::count(&self.trace(grant), &target.key.arn());
        if turns > lineage::TURNS_MAX && functions.recursive_loop(&target.key)? == RecursiveLoop::Terminate {
            self.runner.metrics().of(&target.key).recursion_dropped();
            return Err(errors::recursive_invocation(RECURSION));
        }
        let invocation = Invocation {
            request_id: grant.request_id(),
            payload: payload::event(input.payload, SYNCHRONOUS_PAYLOAD_BYTES_MAX)?,
            client_context: payload::client_context(input.client_context)?,
            cognito_identity: None,
            invoked_function_arn: invocable.invoked_arn.clone(),
            trace_header: Some(trace_header),
            tail: input.log_type == Some(LogType::Tail),
            permit: None,
        };
        Ok(Some(Prepared::new(target.key, invocable, invocation)))
    }

    fn trace(&self, grant: &Grant) -> String {
        let given = grant.trace_header().map(str::to_owned);
        given.unwrap_or_else(|| new_trace(self.clock.now(), &*self.rng))
    }

    /// Takes an event: it is durable before the caller hears of it.
    async fn accept(&self, grant: &Grant, input: InvocationRequest) -> Result<InvocationResponse, Failure> {
        refuse_unsupported(&input)?;
        let target = Target::read(grant, input.function_name.as_deref(), input.qualifier.as_deref())?;
        // It must be there and be able to run; whether there is a place for it is asked when its turn comes.
        self.runner.functions().invocable(&target)?;
        let event = Accepted {
            request_id: grant.request_id(),
            qualifier: target.qualifier.as_ref().map(ToString::to_string),
            accepted: self.clock.now(),
            client_context: payload::client_context(input.client_context)?,
            trace_header: Some(self.trace(grant)),
            payload: payload::event(input.payload, ASYNCHRONOUS_PAYLOAD_BYTES_MAX)?,
        };
        self.asynchronous.accept(&target.key, event).await.map_err(|error| {
            tracing::error!(function = %target.key.arn(), %error, "an event cannot be stored");
            errors::service("The event could not be stored.")
        })?;
        self.runner.metrics().of(&target.key).event_received();
        Ok(InvocationResponse { status_code: Some(202), ..Default::default() })
    }

    /// The older way to send an event.
    /// <https://docs.aws.amazon.com/lambda/latest/api/API_InvokeAsync.html>
    async fn invoke_async(
        &self,
        grant: Grant,
        input: InvokeAsyncRequest,
    ) -> Result<InvokeAsyncResponse, Failure> {
        let event = InvocationRequest {
            function_name: input.function_name,
            payload: input.invoke_args,
            ..Default::default()
        };
        let accepted = self.accept(&grant, event).await?;
        Ok(InvokeAsyncResponse { status: accepted.status_code })
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

    fn invoke_async(
        &self,
        grant: Grant,
        input: InvokeAsyncRequest,
    ) -> BoxFuture<'_, Result<InvokeAsyncResponse, Failure>> {
        Box::pin(Service::invoke_async(self, grant, input))
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
    let refused = if input.tenant_id.is_some() {
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
