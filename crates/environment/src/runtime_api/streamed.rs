//! The answer that a runtime streams: handed on while it comes, for callers that take it so.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming>
//!
//! It refuses to buffer: for other callers the same request is read as a whole.

use super::body::{content_type, error_type, untold};
use super::{Answer, Reading, Refused, RuntimeApi};
use crate::response_stream::{Forwarded, ResponseSink};
use base64::Engine as _;
use bytes::Bytes;
use hearth_base::{RequestId, limits};
use http::{HeaderMap, HeaderValue, Request};
use hyper::body::Incoming;

impl RuntimeApi {
    /// As [`Self::response`], but the caller has the beginning before the runtime has made the end.
    pub(super) async fn streamed_response(
        &self,
        (id, sink): (RequestId, ResponseSink),
        request: Request<Incoming>,
    ) -> Result<(), Refused> {
        let mut reading = Reading { api: self, id, begun: false };
        let (head, body) = request.into_parts();
        sink.tell(content_type(&head.headers));
        match sink.forward(body, &mut reading.begun).await {
            Forwarded::Whole { size, trailers } => {
                let (content_type, error) = (content_type(&head.headers), error_of(&trailers));
                reading.post(Answer::Streamed { size, content_type, error });
                Ok(())
            }
            Forwarded::TooLarge { size } => {
                let limit = limits::STREAMED_RESPONSE_BYTES_MAX;
                reading.post(Answer::TooLarge { size, limit });
                Err(Refused::TooLarge { limit })
            }
            Forwarded::Broken => Err(Refused::Unreadable),
        }
    }
}

/// Whether the runtime sends its response piece by piece.
pub(super) fn is_asked(headers: &HeaderMap) -> Result<bool, Refused> {
    match headers.get("lambda-runtime-function-response-mode").map(HeaderValue::as_bytes) {
        None => Ok(false),
        Some(mode) if mode.eq_ignore_ascii_case(b"streaming") => Ok(true),
        Some(mode) if mode.eq_ignore_ascii_case(b"buffered") => Ok(false),
        Some(_) => Err(Refused::InvalidResponseMode),
    }
}

/// The error that a streaming function put in the trailers of its response.
pub(super) fn error_of(trailers: &HeaderMap) -> Option<Bytes> {
    let kind = error_type(trailers)?;
    let encoded = trailers.get("lambda-runtime-function-error-body").map(HeaderValue::as_bytes);
    let body = encoded.and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok());
    Some(body.map(Bytes::from).unwrap_or_else(|| untold(&kind)))
}
