//! Bodies on their way in: bounded before they are buffered, in size, in time and over all connections together.

use crate::Limits;
use crate::limits::Bound;
use bytes::{Bytes, BytesMut};
use hearth_iam::PayloadDigest;
use http::header::{EXPECT, HeaderMap};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use std::fmt;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Bodies up to this are not counted against the common bound.
const SMALL_BYTES: usize = 64 * 1024;
/// How much of a body that is not wanted is read and thrown away, so that its sender gets to read the answer.
const DISCARDED_BYTES_MAX: u64 = 80 << 20;
/// How long that may take.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(10);

/// A body that has not been read yet.
pub(crate) struct Inbound {
    body: Incoming,
    /// The client waits for leave to send it.
    expects_leave: bool,
}

/// Why a body was not read.
#[derive(Debug)]
pub(crate) enum InboundError {
    /// It is larger than the bound.
    TooLarge,
    /// It did not arrive in time, or there was no room for it in time.
    TooSlow,
    /// The connection broke, or the framing is wrong.
    Broken(hyper::Error),
}

impl fmt::Display for InboundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("the body is larger than its bound"),
            Self::TooSlow => f.write_str("the body did not arrive in time"),
            Self::Broken(_) => f.write_str("reading the body failed"),
        }
    }
}

impl std::error::Error for InboundError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Broken(error) => Some(error),
            Self::TooLarge | Self::TooSlow => None,
        }
    }
}

/// How a body is to be read.
pub(crate) struct Reading<'a> {
    pub(crate) bound: Bound,
    pub(crate) limits: &'a Limits,
    /// KiB that large bodies share.
    pub(crate) buffers: &'a Semaphore,
}

impl Inbound {
    pub(crate) fn new(body: Incoming, headers: &HeaderMap) -> Self {
        let expects_leave =
            headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        Self { body, expects_leave }
    }

    /// Reads the whole body; every byte goes through `digest` too.
    pub(crate) async fn read(
        &mut self,
        reading: Reading<'_>,
        digest: &mut PayloadDigest,
    ) -> Result<Bytes, InboundError> {
        if self.body.is_end_stream() {
            return Ok(Bytes::new());
        }
        let bytes_max = reading.bound.bytes;
        let hint = self.body.size_hint();
        if hint.lower() > bytes_max as u64 {
            return Err(InboundError::TooLarge);
        }
        let seconds = hint.exact().unwrap_or(bytes_max as u64) / reading.limits.body_bytes_per_second.max(1);
        let deadline = reading.limits.body_timeout + Duration::from_secs(seconds);
        match tokio::time::timeout(deadline, self.collect(&reading, digest)).await {
            Ok(collected) => collected,
            Err(_) => Err(InboundError::TooSlow),
        }
    }

    async fn collect(
        &mut self,
        reading: &Reading<'_>,
        digest: &mut PayloadDigest,
    ) -> Result<Bytes, InboundError> {
        let mut first = Bytes::new();
        let mut gathered = BytesMut::new();
        let mut room: Option<SemaphorePermit<'_>> = None;
        let exact = self.body.size_hint().exact().and_then(|exact| usize::try_from(exact).ok());
        while let Some(frame) = self.body.frame().await {
            let Ok(piece) = frame.map_err(InboundError::Broken)?.into_data() else { continue };
            let length = first.len() + gathered.len() + piece.len();
            if length > reading.bound.bytes {
                return Err(InboundError::TooLarge);
            }
            if length > SMALL_BYTES && room.is_none() {
                room = Some(reserve(reading, exact.unwrap_or(reading.bound.bytes)).await?);
            }
            digest.update(&piece);
            if length == piece.len() {
                // One piece, as most bodies are, is handed on as it is.
                first = piece;
                continue;
            }
            if gathered.is_empty() {
                gathered.reserve(exact.unwrap_or(length));
                gathered.extend_from_slice(&std::mem::take(&mut first));
            }
            gathered.extend_from_slice(&piece);
        }
        Ok(if gathered.is_empty() { first } else { gathered.freeze() })
    }

    /// Reads and forgets what is left, so that a client that sends before it reads gets to see the answer.
    ///
    /// A client that waits for leave is not given it.
    pub(crate) async fn discard(mut self) {
        if self.expects_leave || self.body.is_end_stream() {
            return;
        }
        let mut left = DISCARDED_BYTES_MAX;
        let discarded = async {
            while let Some(Ok(frame)) = self.body.frame().await {
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                left = left.saturating_sub(length);
                if left == 0 {
                    break;
                }
            }
        };
        // Whether it got to the end or not, the answer goes out now.
        let _ = tokio::time::timeout(DISCARD_TIMEOUT, discarded).await;
    }
}

/// Takes room in the common bound, waiting for it if need be.
async fn reserve<'a>(reading: &Reading<'a>, bytes: usize) -> Result<SemaphorePermit<'a>, InboundError> {
    let kib = bytes.div_ceil(1024).min(reading.limits.buffers_kib_max);
    let kib = u32::try_from(kib).unwrap_or(u32::MAX);
    reading.buffers.acquire_many(kib).await.map_err(|_| InboundError::TooSlow)
}
