//! HTTP messages as the protocols see them: whole requests, and answers that may stream.

use bytes::Bytes;
use futures_util::stream::BoxStream;
use std::fmt;

/// A request whose body has been read within its bound.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: http::Method,
    /// Path and query as the client sent them, still percent-encoded.
    pub uri: http::Uri,
    /// All headers.
    pub headers: http::HeaderMap,
    /// The whole body, with any `aws-chunked` framing taken off.
    pub body: Bytes,
}

/// The body of an answer.
pub enum Body {
    /// All of it.
    Bytes(Bytes),
    /// Piece by piece; an error cuts the connection, since the status has gone out already.
    Stream(BoxStream<'static, Result<Bytes, std::io::Error>>),
}

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: http::StatusCode,
    /// All headers but those of the connection.
    pub headers: http::HeaderMap,
    /// The body.
    pub body: Body,
}

impl Body {
    /// No bytes.
    pub fn empty() -> Self {
        Body::Bytes(Bytes::new())
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Body::Stream(_) => f.write_str("Stream"),
        }
    }
}
