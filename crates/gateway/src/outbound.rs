//! Answers on their way out: the headers every answer has, and bodies that are whole or stream.

use bytes::Bytes;
use futures_util::StreamExt;
use hearth_base::RequestId;
use hearth_wire::{Body, Response};
use http::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName};
use http::{HeaderValue, StatusCode};
use hyper::body::{Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// The body of an answer as hyper takes it.
pub(crate) struct OutboundBody(Body);

impl hyper::body::Body for OutboundBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match &mut self.0 {
            Body::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Body::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Body::Stream(stream) => stream.poll_next_unpin(context).map(|next| Some(next?.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Body::Bytes(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Body::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Body::Stream(_) => SizeHint::default(),
        }
    }
}

/// Gives an answer the headers that all answers have.
pub(crate) fn finish(response: Response, request_id: RequestId, date: &str) -> http::Response<OutboundBody> {
    let Response { status, mut headers, body } = response;
    if !headers.contains_key(REQUEST_ID) {
        let id = HeaderValue::try_from(request_id.to_string()).expect("a UUID is plain ASCII");
        headers.insert(REQUEST_ID, id);
    }
    // The date is the server's own, which may be a virtual one: SDKs correct their clocks by it.
    if let Ok(date) = HeaderValue::try_from(date) {
        headers.insert(DATE, date);
    }
    let mut answer = http::Response::new(OutboundBody(body));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    answer
}

/// An answer for people, outside the AWS protocols.
pub(crate) fn plain(status: StatusCode, text: &str) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Response { status, headers, body: Body::Bytes(Bytes::from(format!("{text}\n"))) }
}
