//! A response handed on piece by piece while the function still makes it.
//!
//! A caller that is slow holds the function up, once the few pieces between them are waiting; a caller that has gone
//! does not: the function runs on to its end, and what it writes is read and dropped. It refuses to know protocols.

use crate::{Completion, Refusal};
use bytes::Bytes;
use hearth_base::limits;
use http::HeaderMap;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Pieces that wait for a slow caller. One is at most what a connection of the Runtime API reads at once, 64 KB.
const PIECES_MAX: usize = 16;

/// An invocation whose response comes piece by piece.
///
/// Dropping it does not stop the function, which runs to its end, as on AWS.
pub struct ResponseStream {
    pieces: mpsc::Receiver<Bytes>,
    /// None once it has ended.
    invocation: Option<JoinHandle<Result<Completion, Refusal>>>,
    end: Option<Result<Completion, Refusal>>,
    /// What was read ahead to learn whether the invocation was refused.
    first: Option<Bytes>,
    content_type: Arc<OnceLock<String>>,
}

/// What comes of a [`ResponseStream`]: any number of pieces, and one end.
#[derive(Debug)]
pub enum Part {
    /// Bytes of the response, as the function wrote them: at least one, and at most 64 KB.
    Piece(Bytes),
    /// The end. What a function has returned without streaming it stands in its outcome, and was not among the pieces; the
    /// outcome of one that streamed has an empty payload.
    End(Completion),
}

/// Where pieces go in.
#[derive(Clone)]
pub(crate) struct ResponseSink {
    pieces: mpsc::Sender<Bytes>,
    content_type: Arc<OnceLock<String>>,
}

/// Where they come out.
pub(crate) struct ResponseSource {
    pub(crate) pieces: mpsc::Receiver<Bytes>,
    content_type: Arc<OnceLock<String>>,
}

/// What came of the body of a streamed response.
pub(crate) enum Forwarded {
    Whole {
        size: u64,
        trailers: HeaderMap,
    },
    /// Over the limit: read to its end, and handed on up to the limit.
    TooLarge {
        size: u64,
    },
    Broken,
}

/// The two ends of a response.
pub(crate) fn channel() -> (ResponseSink, ResponseSource) {
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    let content_type = Arc::new(OnceLock::new());
    let sink = ResponseSink { pieces: sender, content_type: Arc::clone(&content_type) };
    (sink, ResponseSource { pieces: receiver, content_type })
}

impl ResponseStream {
    /// Waits for the first piece or the end.
    ///
    /// # Errors
    /// Why the invocation was not accepted at all.
    pub(crate) async fn begin(
        source: ResponseSource,
        invocation: JoinHandle<Result<Completion, Refusal>>,
    ) -> Result<Self, Refusal> {
        let ResponseSource { pieces, content_type } = source;
        let mut stream = Self { pieces, invocation: Some(invocation), end: None, first: None, content_type };
        stream.first = stream.piece().await;
        match stream.end.take() {
            Some(Err(refusal)) if stream.first.is_none() => Err(refusal),
            end => Ok(Self { end, ..stream }),
        }
    }

    /// The content type of the pieces, as the runtime gave it; none when there has been no piece.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.get().map(String::as_str)
    }

    /// The next part; nothing after the end.
    ///
    /// # Errors
    /// The server ended the invocation, not the function: it shuts down. Nothing comes after it.
    pub async fn next(&mut self) -> Option<Result<Part, Refusal>> {
        match self.piece().await {
            Some(piece) => Some(Ok(Part::Piece(piece))),
            None => self.end.take().map(|end| end.map(Part::End)),
        }
    }

    async fn piece(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        if let Some(invocation) = &mut self.invocation {
            tokio::select! {
                biased;
                Some(piece) = self.pieces.recv() => return Some(piece),
                end = invocation => {
                    let lost = |error| Refusal::CannotStart { reason: format!("its task was lost: {error}") };
                    self.end = Some(end.unwrap_or_else(|error| Err(lost(error))));
                    self.invocation = None;
                    // A connection of an environment that is being ended may hold its sink for a while yet.
                    self.pieces.close();
                }
            }
        }
        self.pieces.recv().await
    }
}

impl ResponseSink {
    /// Says what the body is, before its first piece.
    pub(crate) fn tell(&self, content_type: String) {
        // Only the first response to an invocation counts.
        let _ = self.content_type.set(content_type);
    }

    /// Hands on a body to its end. `begun` is set with the first byte: from then on it cannot be begun again.
    pub(crate) async fn forward(self, mut body: Incoming, begun: &mut bool) -> Forwarded {
        let limit = limits::STREAMED_RESPONSE_BYTES_MAX;
        let (mut size, mut caller) = (0, Some(self.pieces));
        let mut trailers = HeaderMap::new();
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return Forwarded::Broken };
            match frame.into_data() {
                Ok(mut data) => {
                    let room = usize::try_from(limit.saturating_sub(size)).unwrap_or(usize::MAX);
                    size += data.len() as u64;
                    data.truncate(room);
                    *begun |= !data.is_empty();
                    if let Some(sender) = &caller
                        && !data.is_empty()
                        && sender.send(data).await.is_err()
                    {
                        caller = None;
                    }
                }
                Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
            }
        }
        if size > limit { Forwarded::TooLarge { size } } else { Forwarded::Whole { size, trailers } }
    }
}
