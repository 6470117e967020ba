//! The Runtime API of one environment: `2018-06-01`, served to whatever runs inside.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>
//!
//! The other end is hostile: every size and count is bounded here, and a client that is slow or silent holds up nobody but
//! its own environment, whose time is bounded elsewhere. The APIs of extensions are served beside it.

mod body;
mod restore;
mod streamed;
#[cfg(test)]
mod tests;

use crate::Invocation;
use crate::extensions_api::{self, Extensions, answer};
use crate::response_stream::ResponseSink;
use body::{BUFFERED_BYTES_MAX, Collected, collect, content_type, error_body, error_type, error_type_in};
use bytes::Bytes;
use hearth_base::{RequestId, Settling};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The header by which our own runtimes say that they will ask for the next event with nothing in between. They get it in place of
/// the answer that their outcome was accepted, which spares both sides half of what an invocation takes of them.
const GOES_ON: &str = "hearth-runtime-next";
/// Connections at once; the next one waits for an end.
const CONNECTIONS_MAX: usize = 32;
/// Bytes of a request's line and headers.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Headers of a request.
const HEADERS_MAX: usize = 64;

/// What the server and the connections of one environment share.
pub(crate) struct RuntimeApi {
    state: Mutex<State>,
    pub(crate) extensions: Arc<Extensions>,
    /// Wakes `next` calls.
    offered: Notify,
    /// Wakes the environment.
    posted: Notify,
    connections: AtomicUsize,
    disconnected: Notify,
}

struct State {
    phase: Phase,
    offer: Option<Box<Offer>>,
    initialisation: Option<Initialisation>,
    answer: Option<Answer>,
    /// Where the response of the invocation at hand goes, if its caller takes it piece by piece.
    sink: Option<ResponseSink>,
    times: Times,
}

/// When the runtime did what for the invocation at hand.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Times {
    /// Its response began.
    pub(crate) responding: Option<Instant>,
    /// Its response was whole.
    pub(crate) responded: Option<Instant>,
    /// It asked for more.
    pub(crate) ready: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No `next` yet.
    Starting,
    /// `restore/next` was called: it waits to be snapped and restored.
    Snapped,
    /// It was restored, and gets ready for `next`.
    Restoring,
    /// `next` was called.
    Ready,
    /// An invocation was handed out.
    Invoking(RequestId),
    /// Its answer is being read.
    Answering(RequestId),
    /// Its answer was read; `next` was not called yet.
    Answered(RequestId),
    /// The runtime said that it cannot be initialised.
    Failed,
}

/// An invocation on its way to the runtime.
pub(crate) struct Offer {
    pub(crate) invocation: Invocation,
    pub(crate) sink: Option<ResponseSink>,
    pub(crate) deadline_millis: i64,
    pub(crate) trace_header: String,
}

/// How an initialisation ended.
pub(crate) enum Initialisation {
    /// `next` was called.
    Ready,
    /// `restore/next` was called.
    Snapped,
    /// `init/error` was called, or `restore/error`.
    Failed { error_type: String, body: Bytes },
}

/// What the runtime posted for an invocation.
pub(crate) enum Answer {
    Response {
        payload: Bytes,
        content_type: String,
    },
    Error {
        payload: Bytes,
    },
    /// The response went into the sink, and perhaps ended with an error.
    Streamed {
        size: u64,
        content_type: String,
        error: Option<Bytes>,
    },
    TooLarge {
        size: u64,
        limit: u64,
    },
    /// It broke off after a part of it had gone into the sink.
    Truncated,
}

enum Refused {
    NoSuchResource,
    InvalidRequestId,
    InvalidTransition,
    InvalidResponseMode,
    TooLarge { limit: u64 },
    Unreadable,
}

impl RuntimeApi {
    pub(crate) fn new(extensions: Arc<Extensions>) -> Arc<Self> {
        let state = State {
            phase: Phase::Starting,
            offer: None,
            initialisation: None,
            answer: None,
            sink: None,
            times: Times::default(),
        };
        Arc::new(Self {
            state: Mutex::new(state),
            extensions,
            offered: Notify::new(),
            posted: Notify::new(),
            connections: AtomicUsize::new(0),
            disconnected: Notify::new(),
        })
    }

    /// Accepts connections for as long as it is polled; dropping it ends them.
    pub(crate) async fn serve(self: &Arc<Self>, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            while connections.len() >= CONNECTIONS_MAX {
                connections.join_next().await;
            }
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let open = Open::new(Arc::clone(self));
                        connections.spawn(open.serve(stream));
                    }
                    // Out of file descriptors, or the peer is gone again: let others end first.
                    Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }

    /// Whether `next` waits for an invocation.
    pub(crate) fn is_ready(&self) -> bool {
        self.lock().phase == Phase::Ready
    }

    /// Resolves when the runtime first calls `next` or says that it cannot. For one waiter.
    pub(crate) async fn initialised(&self) -> Initialisation {
        self.wait(|state| state.initialisation.take()).await
    }

    /// Resolves when `next` waits for an invocation. For one waiter.
    pub(crate) async fn ready(&self) {
        self.wait(|state| (state.phase == Phase::Ready).then_some(())).await;
    }

    /// Hands an invocation to the runtime's `next`, be it called already or not.
    pub(crate) fn offer(&self, offer: Offer) {
        let mut state = self.lock();
        state.answer = None;
        state.times = Times::default();
        state.offer = Some(Box::new(offer));
        drop(state);
        self.offered.notify_one();
    }

    /// When the runtime did what for the invocation that was offered last.
    pub(crate) fn times(&self) -> Times {
        self.lock().times
    }

    /// Takes back what was offered, unless the runtime has taken it.
    pub(crate) fn withdraw(&self) -> Option<Box<Offer>> {
        self.lock().offer.take()
    }

    /// Resolves when the runtime has answered the invocation. For one waiter.
    pub(crate) async fn answer(&self) -> Answer {
        self.wait(|state| state.answer.take()).await
    }

    /// What the runtime posted as its last act: for when its process has ended already.
    pub(crate) fn last_answer(&self) -> Option<Answer> {
        self.lock().answer.take()
    }

    /// As [`Self::last_answer`], of the initialisation.
    pub(crate) fn last_initialisation(&self) -> Option<Initialisation> {
        self.lock().initialisation.take()
    }

    /// Resolves when no connection is open.
    pub(crate) async fn disconnected(&self) {
        loop {
            let disconnected = self.disconnected.notified();
            if self.connections.load(Ordering::Acquire) == 0 {
                return;
            }
            disconnected.await;
        }
    }

    async fn wait<T>(&self, mut take: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let posted = self.posted.notified();
            if let Some(value) = take(&mut self.lock()) {
                return value;
            }
            posted.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if extensions_api::owns(request.uri().path()) {
            return self.extensions.serve(request).await;
        }
        match self.route(request).await {
            Ok(response) => response,
            Err(refused) => refused.response(),
        }
    }

    async fn route(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Refused> {
        let path =
            request.uri().path().strip_prefix("/2018-06-01/runtime/").ok_or(Refused::NoSuchResource)?;
        let segments: Vec<&str> = path.splitn(4, '/').collect();
        let goes_on = request.headers().contains_key(GOES_ON);
        match (request.method(), segments.as_slice()) {
            (&Method::GET, ["invocation", "next"]) => self.next().await,
            (&Method::POST, ["invocation", id, "response"]) => {
                let streams = streamed::is_asked(request.headers())?;
                let id = self.begin_answer(id)?;
                let sink = self.lock().sink.clone().filter(|_| streams);
                match sink {
                    Some(sink) => self.streamed_response((id, sink), request).await?,
                    None => self.response(id, request).await?,
                }
                self.taken(goes_on).await
            }
            (&Method::POST, ["invocation", id, "error"]) => {
                let id = self.begin_answer(id)?;
                self.error(id, request).await?;
                self.taken(goes_on).await
            }
            (&Method::POST, ["init", "error"]) => self.initialisation_error(request).await,
            (&Method::GET, ["restore", "next"]) => self.restore_next().await,
            (&Method::POST, ["restore", "error"]) => self.restore_error(request).await,
            _ => Err(Refused::NoSuchResource),
        }
    }

    async fn next(&self) -> Result<Response<Full<Bytes>>, Refused> {
        {
            let mut state = self.lock();
            match state.phase {
                Phase::Starting | Phase::Restoring => {
                    state.initialisation = Some(Initialisation::Ready);
                    state.phase = Phase::Ready;
                }
                Phase::Answered(_) => {
                    state.phase = Phase::Ready;
                    state.times.ready = Some(Instant::now());
                }
                // A runtime that lost its connection asks again.
                Phase::Ready => {}
                Phase::Snapped | Phase::Invoking(_) | Phase::Answering(_) | Phase::Failed => {
                    return Err(Refused::InvalidTransition);
                }
            }
        }
        self.posted.notify_one();
        loop {
            let offered = self.offered.notified();
            if let Some(offer) = self.take_offer() {
                return Ok(offer.response());
            }
            offered.await;
        }
    }

    /// What is told of an outcome that was taken.
    async fn taken(&self, goes_on: bool) -> Result<Response<Full<Bytes>>, Refused> {
        if goes_on { self.next().await } else { Ok(accepted()) }
    }

    fn take_offer(&self) -> Option<Box<Offer>> {
        let mut state = self.lock();
        let offer = state.offer.take()?;
        state.phase = Phase::Invoking(offer.invocation.request_id);
        state.sink = offer.sink.clone();
        Some(offer)
    }

    /// Only the answer to the invocation at hand is read, and only one.
    fn begin_answer(&self, id: &str) -> Result<RequestId, Refused> {
        let mut state = self.lock();
        match state.phase {
            Phase::Invoking(current) if current.to_string() == id => {
                state.phase = Phase::Answering(current);
                state.times.responding = Some(Instant::now());
                Ok(current)
            }
            Phase::Answering(current) | Phase::Answered(current) if current.to_string() == id => {
                Err(Refused::InvalidTransition)
            }
            _ => Err(Refused::InvalidRequestId),
        }
    }

    async fn response(&self, id: RequestId, request: Request<Incoming>) -> Result<(), Refused> {
        let reading = Reading { api: self, id, begun: false };
        let (head, body) = request.into_parts();
        match collect(body).await? {
            Collected::Whole { payload, trailers } => {
                let answer = match streamed::error_of(&trailers) {
                    // The function failed after it had begun to stream: the caller of a buffered invocation sees the error.
                    Some(payload) => Answer::Error { payload },
                    None => Answer::Response { payload, content_type: content_type(&head.headers) },
                };
                reading.post(answer);
                Ok(())
            }
            Collected::TooLarge { size } => {
                reading.post(Answer::TooLarge { size, limit: BUFFERED_BYTES_MAX });
                Err(Refused::TooLarge { limit: BUFFERED_BYTES_MAX })
            }
        }
    }

    async fn error(&self, id: RequestId, request: Request<Incoming>) -> Result<(), Refused> {
        let reading = Reading { api: self, id, begun: false };
        let (head, body) = request.into_parts();
        match collect(body).await? {
            Collected::Whole { payload, .. } => {
                reading.post(Answer::Error { payload: error_body(&head.headers, payload) });
                Ok(())
            }
            Collected::TooLarge { size } => {
                reading.post(Answer::TooLarge { size, limit: BUFFERED_BYTES_MAX });
                Err(Refused::TooLarge { limit: BUFFERED_BYTES_MAX })
            }
        }
    }

    async fn initialisation_error(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Refused> {
        if self.lock().phase != Phase::Starting {
            return Err(Refused::InvalidTransition);
        }
        let (head, body) = request.into_parts();
        let Collected::Whole { payload, .. } = collect(body).await? else {
            return Err(Refused::TooLarge { limit: BUFFERED_BYTES_MAX });
        };
        let body = error_body(&head.headers, payload);
        let error_type = error_type(&head.headers).or_else(|| error_type_in(&body));
        let error_type = error_type.unwrap_or_else(|| "Runtime.Unknown".to_owned());
        {
            let mut state = self.lock();
            if state.phase != Phase::Starting {
                return Err(Refused::InvalidTransition);
            }
            state.phase = Phase::Failed;
            state.initialisation = Some(Initialisation::Failed { error_type, body });
        }
        self.posted.notify_one();
        Ok(accepted())
    }
}

/// While the answer of an invocation is read. When the client goes away in the middle, it may begin again, unless the
/// caller has a part of it already.
struct Reading<'a> {
    api: &'a RuntimeApi,
    id: RequestId,
    /// The caller has a part of it.
    begun: bool,
}

impl Reading<'_> {
    fn post(&self, answer: Answer) {
        {
            let mut state = self.api.lock();
            state.phase = Phase::Answered(self.id);
            state.times.responded = Some(Instant::now());
            state.answer = Some(answer);
            state.sink = None;
        }
        self.api.posted.notify_one();
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let mut state = self.api.lock();
        if state.phase != Phase::Answering(self.id) {
            return;
        }
        if self.begun {
            drop(state);
            self.post(Answer::Truncated);
        } else {
            state.phase = Phase::Invoking(self.id);
        }
    }
}

/// One open connection, counted.
struct Open {
    api: Arc<RuntimeApi>,
}

impl Open {
    fn new(api: Arc<RuntimeApi>) -> Self {
        api.connections.fetch_add(1, Ordering::AcqRel);
        Self { api }
    }

    async fn serve(self, stream: TcpStream) {
        // Small answers must not wait for the peer's acknowledgement; a socket without the option only is slower.
        let _ = stream.set_nodelay(true);
        let service = hyper::service::service_fn(|request| async {
            Ok::<_, Infallible>(self.api.handle(request).await)
        });
        // No time limit on headers: a runtime's connection rests for as long as a handler runs. Slow clients are bounded
        // by their number, and end with their environment.
        let connection = hyper::server::conn::http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let settling = Settling::default();
        if let Err(error) = poll_fn(|context| settling.poll(connection.as_mut(), context)).await {
            tracing::debug!(%error, "a connection to the Runtime API ended badly");
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.api.connections.fetch_sub(1, Ordering::AcqRel);
        self.api.disconnected.notify_waiters();
    }
}

impl Offer {
    fn response(self) -> Response<Full<Bytes>> {
        let Self { invocation, deadline_millis, trace_header, .. } = self;
        let mut response = Response::new(Full::new(invocation.payload));
        let headers = response.headers_mut();
        let mut set = |name: &'static str, value: &str| {
            headers.insert(name, header_value(value));
        };
        set("content-type", "application/json");
        set("lambda-runtime-aws-request-id", &invocation.request_id.to_string());
        set("lambda-runtime-deadline-ms", &deadline_millis.to_string());
        set("lambda-runtime-invoked-function-arn", &invocation.invoked_function_arn);
        set("lambda-runtime-trace-id", &trace_header);
        if let Some(context) = &invocation.client_context {
            set("lambda-runtime-client-context", context);
        }
        if let Some(identity) = &invocation.cognito_identity {
            set("lambda-runtime-cognito-identity", identity);
        }
        response
    }
}

/// Line breaks, which JSON text may have between its tokens, cannot stand in a header: they become spaces.
fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_bytes(text.as_bytes()).unwrap_or_else(|_| {
        let cleaned: String = text.chars().map(|c| if c.is_ascii_control() { ' ' } else { c }).collect();
        HeaderValue::from_bytes(cleaned.as_bytes()).expect("no control character is left")
    })
}

fn accepted() -> Response<Full<Bytes>> {
    answer(StatusCode::ACCEPTED, "{\"status\":\"OK\"}\n")
}

impl Refused {
    fn response(&self) -> Response<Full<Bytes>> {
        let (status, kind, message) = match self {
            Self::NoSuchResource => {
                (StatusCode::NOT_FOUND, "NoSuchResource", "The Runtime API has no such resource".to_owned())
            }
            Self::InvalidRequestId => {
                (StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID".to_owned())
            }
            Self::InvalidTransition => {
                (StatusCode::FORBIDDEN, "InvalidStateTransition", "Invalid state transition".to_owned())
            }
            Self::InvalidResponseMode => (
                StatusCode::BAD_REQUEST,
                "InvalidResponseModeHeader",
                "Lambda-Runtime-Function-Response-Mode is neither streaming nor buffered".to_owned(),
            ),
            Self::TooLarge { limit } => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestEntityTooLarge",
                format!("Exceeded maximum allowed payload size ({limit} bytes)."),
            ),
            Self::Unreadable => {
                (StatusCode::BAD_REQUEST, "BadRequest", "The request could not be read".to_owned())
            }
        };
        let body = serde_json::json!({ "errorMessage": message, "errorType": kind });
        answer(status, format!("{body}\n"))
    }
}
