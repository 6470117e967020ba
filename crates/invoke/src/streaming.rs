//! `InvokeWithResponseStream`: the response of a function as events, while the function makes it.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html>
//!
//! It refuses to gather: each piece of the response is an event as soon as it is there.

use crate::runner::{Streaming, refuse};
use crate::synchronous::Service;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use hearth_api::Grant;
use hearth_api::lambda::{
    InvocationRequest, InvocationType, InvokeResponseStreamUpdate, InvokeWithResponseStreamCompleteEvent,
    InvokeWithResponseStreamRequest, InvokeWithResponseStreamResponse, InvokeWithResponseStreamResponseEvent,
    ResponseStreamingInvocationType,
};
use hearth_environment::{Completion, Outcome, Part, Refusal};
use hearth_wire::{Events, Failure, Structured, Value};

/// Bytes of a response that one event carries at most, so that a buffered one of 6 MB is several.
const CHUNK_BYTES_MAX: usize = 1 << 20;

/// Invokes; answers with the first byte of the response, or with its end.
pub(crate) async fn invoke(
    service: &Service,
    grant: Grant,
    input: InvokeWithResponseStreamRequest,
) -> Result<InvokeWithResponseStreamResponse, Failure> {
    let Some(prepared) = service.prepare(&grant, buffered(input))? else {
        return Ok(InvokeWithResponseStreamResponse { status_code: Some(204), ..Default::default() });
    };
    let executed_version = prepared.executed_version.clone();
    let response = service.runner.stream(prepared).await?;
    Ok(InvokeWithResponseStreamResponse {
        status_code: Some(200),
        executed_version: Some(executed_version),
        event_stream: Some(events(response)),
        // The protocol sets it: it is that of every stream of events.
        response_stream_content_type: None,
    })
}

/// The same request in the words of `Invoke`.
fn buffered(input: InvokeWithResponseStreamRequest) -> InvocationRequest {
    InvocationRequest {
        function_name: input.function_name,
        invocation_type: input.invocation_type.map(|kind| match kind {
            ResponseStreamingInvocationType::RequestResponse => InvocationType::RequestResponse,
            ResponseStreamingInvocationType::DryRun => InvocationType::DryRun,
        }),
        log_type: input.log_type,
        client_context: input.client_context,
        qualifier: input.qualifier,
        payload: input.payload,
        tenant_id: input.tenant_id,
        ..Default::default()
    }
}

fn events(response: Streaming) -> Events {
    let parts = stream::unfold(response, |mut response| async {
        let part = response.next().await?;
        Some((part, response))
    });
    Events::new(parts.flat_map(|part| stream::iter(events_of(part))).boxed())
}

fn events_of(part: Result<Part, Refusal>) -> Vec<Result<Value, Failure>> {
    match part {
        Ok(Part::Piece(bytes)) => vec![Ok(chunk(bytes))],
        Ok(Part::End(completion)) => end(completion).into_iter().map(Ok).collect(),
        Err(refusal) => vec![Err(refuse(refusal))],
    }
}

/// What a function returned without streaming it, and that this is all.
fn end(completion: Completion) -> Vec<Value> {
    let mut complete = InvokeWithResponseStreamCompleteEvent {
        log_result: completion.log_tail.map(|tail| STANDARD.encode(tail)),
        ..Default::default()
    };
    let mut events = Vec::new();
    match completion.outcome {
        Outcome::Returned { mut payload, .. } => {
            while !payload.is_empty() {
                events.push(chunk(payload.split_to(payload.len().min(CHUNK_BYTES_MAX))));
            }
        }
        Outcome::Failed { payload, .. } => {
            complete.error_code = Some(error_type(&payload).unwrap_or_else(|| "Unhandled".to_owned()));
            complete.error_details = Some(String::from_utf8_lossy(&payload).into_owned());
        }
    }
    events.push(event(InvokeWithResponseStreamResponseEvent {
        invoke_complete: Some(complete),
        ..Default::default()
    }));
    events
}

fn chunk(payload: Bytes) -> Value {
    let update = InvokeResponseStreamUpdate { payload: Some(payload) };
    event(InvokeWithResponseStreamResponseEvent { payload_chunk: Some(update), ..Default::default() })
}

fn event(event: InvokeWithResponseStreamResponseEvent) -> Value {
    Value::Structure(event.into_slots())
}

/// AWS: the code of a failed stream is the type of the error, such as `Runtime.TruncatedResponse`, and its details are
/// the error. <https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStreamCompleteEvent.html>
fn error_type(error: &Bytes) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Typed {
        #[serde(rename = "errorType")]
        error_type: String,
    }
    let typed: Typed = serde_json::from_slice(error).ok()?;
    Some(typed.error_type)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_environment::{Failure as Kind, Report};
    use std::time::Duration;

    fn completion(outcome: Outcome) -> Completion {
        let report = Report {
            duration: Duration::ZERO,
            billed: Duration::ZERO,
            init: None,
            restore: None,
            memory_size_mb: 128,
            max_memory_used_mb: 1,
            log_stream: "s".into(),
        };
        Completion { outcome, log_tail: Some(Bytes::from_static(b"log")), report }
    }

    fn read(value: &Value) -> InvokeWithResponseStreamResponseEvent {
        InvokeWithResponseStreamResponseEvent::from_slots(value.clone().into_slots())
    }

    #[test]
    fn a_buffered_response_is_chunks_and_an_end() {
        for (size, expected) in [(0, vec![]), (5, vec![5]), (CHUNK_BYTES_MAX + 1, vec![CHUNK_BYTES_MAX, 1])] {
            let payload = Bytes::from(vec![b'x'; size]);
            let outcome = Outcome::Returned { payload, content_type: "text/plain".to_owned() };
            let mut events = end(completion(outcome));
            let last = read(&events.pop().unwrap()).invoke_complete.unwrap();
            assert_eq!((last.error_code, last.error_details), (None, None));
            assert_eq!(last.log_result.as_deref(), Some("bG9n"));
            let chunk = |value| read(value).payload_chunk.unwrap().payload.unwrap().len();
            assert_eq!(events.iter().map(chunk).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn an_error_is_the_end() {
        for (payload, code) in
            [(r#"{"errorType":"Sandbox.Timedout"}"#, "Sandbox.Timedout"), ("no json", "Unhandled")]
        {
            let outcome = Outcome::Failed { failure: Kind::Reported, payload: payload.into() };
            let events = end(completion(outcome));
            assert_eq!(events.len(), 1);
            let last = read(&events[0]).invoke_complete.unwrap();
            assert_eq!(last.error_code.as_deref(), Some(code));
            assert_eq!(last.error_details.as_deref(), Some(payload));
        }
    }
}
