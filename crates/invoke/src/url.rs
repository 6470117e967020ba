//! Function URLs: an HTTP request becomes an event, and what the function returns becomes an HTTP response.
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html>
//!
//! It refuses to believe callers: who signed a request is told by the gateway.

mod cors;
mod event;
mod response;

use crate::runner::{self, Prepared, RETRY_AFTER_SECONDS, Streaming};
use crate::synchronous::Service;
use bytes::Bytes;
use futures_util::stream;
use hearth_base::limits::SYNCHRONOUS_PAYLOAD_BYTES_MAX;
use hearth_environment::{Completion, Invocation, Outcome, Part, Throttle};
use hearth_gateway::urls::message;
use hearth_gateway::{Admission, UrlRequest};
use hearth_lambda::{FunctionUrl, UrlAuth};
use hearth_wire::{Body, Failure, Request, Response};
use http::header::{CONTENT_TYPE, ORIGIN, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use response::Prelude;
use std::io;

/// The content type of a streamed response that begins with its status and headers.
const INTEGRATION: &str = "application/vnd.awslambda.http-integration-response";
/// AWS: the name of the error, for clients that know it.
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// Why nothing of the function ran.
enum Unserved {
    Throttled(Throttle),
    Failed(Failure),
}

impl From<runner::Admission> for Unserved {
    fn from(admission: runner::Admission) -> Self {
        match admission {
            runner::Admission::NeverAdmitted => Self::Throttled(Throttle::ReservedNothing),
            runner::Admission::Throttled(throttle) => Self::Throttled(throttle),
            runner::Admission::Refused(failure) => Self::Failed(failure),
        }
    }
}

impl Service {
    /// Whether a request for a function URL may come in, by its head alone.
    pub fn admit_url(&self, id: &str, head: &Request) -> Admission {
        let answered = |response| Admission::Answered(Box::new(response));
        let Some(found) = self.runner.functions().url(id) else {
            return answered(message(StatusCode::NOT_FOUND, "Not Found"));
        };
        let cors = found.url.cors.as_ref();
        if let Some(preflight) = cors.and_then(|cors| cors::preflight(cors, head)) {
            return answered(preflight);
        }
        match found.url.auth {
            UrlAuth::None if found.is_public => Admission::Everyone,
            UrlAuth::None => answered(message(StatusCode::FORBIDDEN, "Forbidden")),
            UrlAuth::AwsIam => Admission::Signers {
                function: found.target.arn(),
                page_allowed: cors.is_some_and(|cors| cors::allows(cors, &head.headers)),
            },
        }
    }

    /// Answers a request for a function URL that was admitted.
    pub async fn answer_url(&self, asked: UrlRequest) -> Response {
        // It may have gone since it was admitted.
        let Some(found) = self.runner.functions().url(&asked.id) else {
            return message(StatusCode::NOT_FOUND, "Not Found");
        };
        let mut answer = match self.run_url(&found, &asked).await {
            Ok(answer) => answer,
            Err(Unserved::Throttled(throttle)) => throttled(throttle),
            Err(Unserved::Failed(failure)) => {
                tracing::debug!(%failure, "a function URL cannot be served");
                bad_gateway()
            }
        };
        if let (Some(cors), Some(origin)) = (&found.url.cors, asked.request.headers.get(ORIGIN)) {
            cors::decorate(cors, origin, &mut answer.headers);
        }
        answer
    }

    async fn run_url(&self, found: &FunctionUrl, asked: &UrlRequest) -> Result<Response, Unserved> {
        let functions = self.runner.functions();
        let invocable = functions.invocable(&found.target).map_err(Unserved::Failed)?;
        let payload = event::event(asked, functions.now());
        if payload.len() > SYNCHRONOUS_PAYLOAD_BYTES_MAX {
            let words = format!(
                "Request must be smaller than {SYNCHRONOUS_PAYLOAD_BYTES_MAX} bytes for the InvokeFunction operation"
            );
            return Ok(message(StatusCode::PAYLOAD_TOO_LARGE, &words));
        }
        let trace = asked.request.headers.get("x-amzn-trace-id").and_then(|value| value.to_str().ok());
        let invocation = Invocation {
            request_id: asked.request_id,
            payload,
            client_context: None,
            cognito_identity: None,
            invoked_function_arn: invocable.invoked_arn.clone(),
            trace_header: trace.map(str::to_owned),
            tail: false,
            permit: None,
        };
        let prepared = Prepared::new(found.target.key.clone(), invocable, invocation);
        if found.url.streams {
            let stream = self.runner.stream(prepared).await?;
            return Ok(streamed(stream).await);
        }
        Ok(match self.runner.run(prepared).await?.outcome {
            Outcome::Returned { payload, .. } => response::buffered(payload).unwrap_or_else(bad_gateway),
            Outcome::Failed { .. } => bad_gateway(),
        })
    }
}

/// The response of a function behind a URL that streams.
async fn streamed(mut stream: Streaming) -> Response {
    let first = stream.next().await;
    let content_type = stream.content_type().map(str::to_owned);
    let first = match first {
        Some(Ok(Part::Piece(piece))) => piece,
        Some(Ok(Part::End(Completion { outcome: Outcome::Returned { payload, content_type }, .. })))
            if content_type != INTEGRATION =>
        {
            return plain(&content_type, Body::Bytes(payload));
        }
        _ => return bad_gateway(),
    };
    if content_type.as_deref() != Some(INTEGRATION) {
        return plain(content_type.as_deref().unwrap_or("application/octet-stream"), rest(first, stream));
    }
    let mut prelude = Prelude::default();
    let mut piece = first;
    loop {
        match prelude.read(piece) {
            Ok(Some((mut response, body))) => {
                response.body = rest(body, stream);
                return response;
            }
            Ok(None) => {}
            Err(response::NotAResponse) => return bad_gateway(),
        }
        match stream.next().await {
            Some(Ok(Part::Piece(next))) => piece = next,
            // It ended before it said what it was.
            _ => return bad_gateway(),
        }
    }
}

/// What is left of a response, as it comes. A function that fails amid it cuts the connection: the status has gone out.
fn rest(first: Bytes, stream: Streaming) -> Body {
    let pieces = stream::unfold((Some(first), stream), |(first, mut stream)| async {
        if let Some(first) = first {
            return Some((Ok(first), (None, stream)));
        }
        match stream.next().await? {
            Ok(Part::Piece(piece)) => Some((Ok(piece), (None, stream))),
            Ok(Part::End(Completion { outcome: Outcome::Returned { payload, .. }, .. })) => {
                (!payload.is_empty()).then_some((Ok(payload), (None, stream)))
            }
            Ok(Part::End(_)) => Some((Err(io::Error::other("the function failed")), (None, stream))),
            Err(refusal) => Some((Err(io::Error::other(refusal)), (None, stream))),
        }
    });
    Body::Stream(Box::pin(pieces))
}

fn plain(content_type: &str, body: Body) -> Response {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::try_from(content_type);
    headers
        .insert(CONTENT_TYPE, value.unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream")));
    Response { status: StatusCode::OK, headers, body }
}

/// AWS: a function that fails, and one that returns no response, is told of in these words alone.
fn bad_gateway() -> Response {
    let mut response = plain("application/json", Body::Bytes(Bytes::from_static(b"Internal Server Error")));
    response.status = StatusCode::BAD_GATEWAY;
    response
}

/// AWS: the members are those of `TooManyRequestsException`.
fn throttled(throttle: Throttle) -> Response {
    let body = serde_json::json!({"Reason": throttle.reason(), "Type": "User", "message": "Rate Exceeded."});
    let mut response = plain("application/json", Body::Bytes(body.to_string().into()));
    response.status = StatusCode::TOO_MANY_REQUESTS;
    response.headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
    response.headers.insert(ERROR_TYPE, HeaderValue::from_static("TooManyRequestsException"));
    response
}
