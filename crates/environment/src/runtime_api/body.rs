//! The bodies of what a runtime posts, and what its headers say of them. It refuses to keep more than a response may have.

use super::Refused;
use bytes::{Bytes, BytesMut};
use hearth_base::limits;
use http::HeaderMap;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

/// Bytes of an answer that is read as a whole.
pub(super) const BUFFERED_BYTES_MAX: u64 = limits::RESPONSE_PAYLOAD_BYTES_MAX as u64;
/// Bytes of a request's `errorType` header; a longer one is cut.
const ERROR_TYPE_BYTES_MAX: usize = 256;

pub(super) enum Collected {
    Whole {
        payload: Bytes,
        trailers: HeaderMap,
    },
    /// Over the limit: read to its end to learn its size, and thrown away.
    TooLarge {
        size: u64,
    },
}

pub(super) async fn collect(mut body: Incoming) -> Result<Collected, Refused> {
    let (mut size, mut first, mut rest) = (0u64, Bytes::new(), BytesMut::new());
    let mut trailers = HeaderMap::new();
    while let Some(frame) = body.frame().await {
        match frame.map_err(|_| Refused::Unreadable)?.into_data() {
            Ok(data) => {
                size += data.len() as u64;
                if size > BUFFERED_BYTES_MAX {
                    (first, rest) = (Bytes::new(), BytesMut::new());
                } else if first.is_empty() && rest.is_empty() {
                    first = data;
                } else {
                    if rest.is_empty() {
                        let more = body.size_hint().lower().min(BUFFERED_BYTES_MAX);
                        rest.reserve(first.len() + data.len() + more as usize);
                        rest.extend_from_slice(&std::mem::take(&mut first));
                    }
                    rest.extend_from_slice(&data);
                }
            }
            Err(frame) => {
                if let Ok(map) = frame.into_trailers() {
                    trailers = map;
                }
            }
        }
    }
    if size > BUFFERED_BYTES_MAX {
        return Ok(Collected::TooLarge { size });
    }
    let payload = if rest.is_empty() { first } else { rest.freeze() };
    Ok(Collected::Whole { payload, trailers })
}

pub(super) fn error_body(headers: &HeaderMap, body: Bytes) -> Bytes {
    if !body.is_empty() {
        return body;
    }
    untold(error_type(headers).as_deref().unwrap_or("Runtime.Unknown"))
}

/// The body of an error of which only the type is known.
pub(super) fn untold(kind: &str) -> Bytes {
    Bytes::from(serde_json::json!({ "errorMessage": "", "errorType": kind }).to_string())
}

pub(super) fn error_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("lambda-runtime-function-error-type")?.to_str().ok()?;
    Some(value.chars().take(ERROR_TYPE_BYTES_MAX).collect())
}

pub(super) fn error_type_in(body: &Bytes) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Named {
        #[serde(rename = "errorType")]
        error_type: String,
    }
    let named: Named = serde_json::from_slice(body).ok()?;
    Some(named.error_type.chars().filter(|c| !c.is_control()).take(ERROR_TYPE_BYTES_MAX).collect())
}

pub(super) fn content_type(headers: &HeaderMap) -> String {
    let given = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    given.unwrap_or("application/json").to_owned()
}
