//! The Extensions API of one environment: `2020-01-01`, served beside the Runtime API; and the way to subscribe to telemetry.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html>
//!
//! It knows who is registered and where each of them is; it refuses to start, stop or time anybody: that is the
//! environment's. As in the Runtime API the other end is hostile, and every size and count is bounded.

mod subscribe;

use crate::Definition;
use crate::log::LogStream;
use crate::telemetry::Telemetry;
use bytes::Bytes;
use hearth_base::{RequestId, Rng};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Extensions of one function, external and internal.
pub(crate) const EXTENSIONS_MAX: usize = 10;
/// Bytes of a request's body.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Bytes of an extension's name, as of a file's.
const NAME_BYTES_MAX: usize = 255;
/// Characters of an error type; a longer one is cut.
const ERROR_TYPE_CHARS_MAX: usize = 256;

/// Where the paths of the API begin.
const PREFIX: &str = "/2020-01-01/extension/";

const NAME: &str = "lambda-extension-name";
const IDENTIFIER: &str = "lambda-extension-identifier";
const ACCEPT_FEATURE: &str = "lambda-extension-accept-feature";
const ERROR_TYPE: &str = "lambda-extension-function-error-type";

/// The extensions of one cage.
pub(crate) struct Extensions {
    log: Arc<LogStream>,
    pub(crate) telemetry: Arc<Telemetry>,
    rng: Arc<dyn Rng>,
    state: Mutex<State>,
    /// Told whenever an event waits for somebody.
    offered: Notify,
    /// Told whenever somebody has registered, asked for more, or failed.
    changed: Notify,
}

struct State {
    /// The external ones, in the order in which they are started.
    expected: Vec<String>,
    members: Vec<Member>,
    /// The initialisation is over: nobody registers any more.
    closed: bool,
    failure: Option<Failed>,
}

/// One that has registered.
struct Member {
    name: String,
    identifier: String,
    invoke: bool,
    shutdown: bool,
    stage: Stage,
    pending: Option<Event>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Registered,
    /// `next` was called.
    Ready,
    /// An event was handed out, and `next` not called since.
    Running,
    /// It said that it cannot go on.
    Failed(Told),
}

/// By which call an extension said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    InitError,
    ExitError,
}

/// An event as an extension gets it.
#[derive(Clone)]
struct Event(Bytes);

/// An extension that ended or said that it cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    /// `Extension.Crash`, or what it said.
    pub(crate) error_type: String,
    /// What follows `Error: ` in the log.
    pub(crate) message: String,
}

/// What the log says of one extension at the end of the initialisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) name: String,
    pub(crate) state: &'static str,
    pub(crate) events: Vec<&'static str>,
}

/// An invocation as extensions hear of it.
pub(crate) struct Invoked<'a> {
    pub(crate) request_id: RequestId,
    pub(crate) deadline_millis: i64,
    pub(crate) function_arn: &'a str,
    pub(crate) trace_header: &'a str,
}

/// Why an environment ends or is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShutdownReason {
    /// It is not needed any more.
    Spindown,
    /// An invocation or an initialisation took too long.
    Timeout,
    /// Something in it failed.
    Failure,
}

/// The most that runs beside the runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    None,
    Internal,
    External,
}

impl Extensions {
    /// `expected` are the external ones.
    pub(crate) fn new(
        (log, telemetry): (Arc<LogStream>, Arc<Telemetry>),
        expected: Vec<String>,
        rng: Arc<dyn Rng>,
    ) -> Arc<Self> {
        let state = State { expected, members: Vec::new(), closed: false, failure: None };
        let state = Mutex::new(state);
        Arc::new(Self { log, telemetry, rng, state, offered: Notify::new(), changed: Notify::new() })
    }

    /// The function that they extend.
    pub(crate) fn definition(&self) -> &Definition {
        self.log.definition()
    }

    /// The names of the external ones.
    pub(crate) fn expected(&self) -> Vec<String> {
        self.lock().expected.clone()
    }

    pub(crate) fn kind(&self) -> Kind {
        let state = self.lock();
        match (state.expected.is_empty(), state.members.is_empty()) {
            (false, _) => Kind::External,
            (true, false) => Kind::Internal,
            (true, true) => Kind::None,
        }
    }

    /// Resolves when every extension has registered and waits for an event.
    pub(crate) async fn initialised(&self) {
        self.until(|state| state.is_complete().then_some(())).await;
    }

    /// The initialisation is over.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
    }

    /// Tells those that want to know of an invocation.
    pub(crate) fn invoke(&self, invoked: &Invoked<'_>) {
        let mut state = self.lock();
        if state.members.iter().all(|member| !member.invoke) {
            return;
        }
        let event = Event(Bytes::from(
            serde_json::json!({
                "eventType": "INVOKE",
                "deadlineMs": invoked.deadline_millis,
                "requestId": invoked.request_id.to_string(),
                "invokedFunctionArn": invoked.function_arn,
                "tracing": { "type": "X-Amzn-Trace-Id", "value": invoked.trace_header },
            })
            .to_string(),
        ));
        for member in state.members.iter_mut().filter(|member| member.invoke) {
            member.pending = Some(event.clone());
        }
        drop(state);
        self.offered.notify_waiters();
    }

    /// Whether every extension waits for an event.
    pub(crate) fn is_settled(&self) -> bool {
        self.lock().is_settled()
    }

    /// Resolves when every extension waits for an event.
    pub(crate) async fn settled(&self) {
        self.until(|state| state.is_settled().then_some(())).await;
    }

    /// Resolves when one has failed. Stays resolved.
    pub(crate) async fn failed(&self) -> Failed {
        self.until(|state| state.failure.clone()).await
    }

    /// Tells those that want to know of the end. True for each of the external ones, in their order, that was told.
    pub(crate) fn shutdown(&self, reason: ShutdownReason, deadline_millis: i64) -> Vec<bool> {
        let event = serde_json::json!({
            "eventType": "SHUTDOWN", "shutdownReason": reason.as_str(), "deadlineMs": deadline_millis,
        });
        let event = Event(Bytes::from(event.to_string()));
        let mut state = self.lock();
        for member in state.members.iter_mut().filter(|member| member.shutdown) {
            member.pending = Some(event.clone());
        }
        let State { expected, members, .. } = &*state;
        let told = |name: &String| members.iter().any(|member| member.shutdown && member.name == *name);
        let told = expected.iter().map(told).collect();
        drop(state);
        self.offered.notify_waiters();
        told
    }

    /// The process of an external one has ended.
    pub(crate) fn ended(&self, message: String) {
        self.fail(Failed { error_type: "Extension.Crash".to_owned(), message });
    }

    /// What the log says of each, external ones first.
    pub(crate) fn standings(&self) -> Vec<Standing> {
        let state = self.lock();
        let absent = state.expected.iter().filter(|name| state.member(name).is_none());
        let absent = absent.map(|name| Standing { name: name.clone(), state: "Started", events: Vec::new() });
        let mut standings: Vec<Standing> = state.members.iter().map(Member::standing).collect();
        standings.extend(absent);
        standings
    }

    /// Serves a request whose path is [its own](owns).
    pub(crate) async fn serve(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        let result = match (request.method(), path.strip_prefix(PREFIX).unwrap_or_default()) {
            (&Method::PUT, "") if let Some(api) = subscribe::api(path) => self.subscribe(api, request).await,
            (&Method::POST, "register") => self.register(request).await,
            (&Method::GET, "event/next") => self.next(request.headers()).await,
            (&Method::POST, "init/error") => self.error(request, Told::InitError).await,
            (&Method::POST, "exit/error") => self.error(request, Told::ExitError).await,
            _ => Err(Refused::NoSuchResource),
        };
        result.unwrap_or_else(|refused| refused.response())
    }

    async fn register(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Refused> {
        #[derive(serde::Deserialize)]
        struct Wanted {
            #[serde(default)]
            events: Vec<String>,
        }
        let (head, body) = request.into_parts();
        let header = |name| head.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let name = header(NAME).filter(|name| !name.is_empty() && name.len() <= NAME_BYTES_MAX);
        let name = name.ok_or(Refused::InvalidName)?.to_owned();
        let features = header(ACCEPT_FEATURE).unwrap_or_default();
        let with_account = features.split(',').any(|feature| feature.trim() == "accountId");
        let body = read(body).await?;
        let wanted: Wanted = serde_json::from_slice(&body).map_err(|_| Refused::InvalidFormat)?;
        let known = |event: &String| matches!(event.as_str(), "INVOKE" | "SHUTDOWN");
        if !wanted.events.iter().all(known) {
            return Err(Refused::InvalidEventType);
        }
        let wants = |kind: &str| wanted.events.iter().any(|event| event == kind);
        let identifier = self.admit(name, wants("INVOKE"), wants("SHUTDOWN"))?;
        let definition = self.definition();
        let key = &definition.key;
        let mut answered = serde_json::json!({
            "functionName": key.name, "functionVersion": key.version, "handler": definition.handler,
        });
        if with_account {
            answered["accountId"] = key.account.to_string().into();
        }
        let mut response = answer(StatusCode::OK, answered.to_string());
        response.headers_mut().insert(IDENTIFIER, text(&identifier));
        Ok(response)
    }

    /// The identifier of the new one.
    fn admit(&self, name: String, invoke: bool, shutdown: bool) -> Result<String, Refused> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::RegistrationClosed);
        }
        if state.member(&name).is_some() {
            return Err(Refused::InvalidState);
        }
        if state.members.len() >= EXTENSIONS_MAX {
            return Err(Refused::TooMany);
        }
        let external = state.expected.contains(&name);
        // AWS: an internal one is a part of the runtime's process, which has ended when the others hear of the end.
        // https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
        if shutdown && !external {
            return Err(Refused::ShutdownOfInternal);
        }
        let identifier = RequestId::new(&*self.rng).to_string();
        let (stage, pending) = (Stage::Registered, None);
        let member = Member { name, identifier: identifier.clone(), invoke, shutdown, stage, pending };
        state.members.push(member);
        Ok(identifier)
    }

    async fn next(&self, headers: &HeaderMap) -> Result<Response<Full<Bytes>>, Refused> {
        {
            let mut state = self.lock();
            let member = state.identified(headers)?;
            match member.stage {
                // One that lost its connection asks again.
                Stage::Registered | Stage::Running | Stage::Ready => member.stage = Stage::Ready,
                Stage::Failed(_) => return Err(Refused::InvalidState),
            }
        }
        self.changed.notify_waiters();
        loop {
            let offered = self.offered.notified();
            tokio::pin!(offered);
            offered.as_mut().enable();
            {
                let mut state = self.lock();
                let member = state.identified(headers)?;
                if let Some(Event(body)) = member.pending.take() {
                    member.stage = Stage::Running;
                    let mut response = answer(StatusCode::OK, body);
                    let event = RequestId::new(&*self.rng).to_string();
                    response.headers_mut().insert("lambda-extension-event-identifier", text(&event));
                    return Ok(response);
                }
            }
            offered.await;
        }
    }

    async fn error(&self, request: Request<Incoming>, told: Told) -> Result<Response<Full<Bytes>>, Refused> {
        let (head, body) = request.into_parts();
        let given = head.headers.get(ERROR_TYPE).and_then(|value| value.to_str().ok());
        let given = given.filter(|text| !text.is_empty()).map(|text| text.chars().take(ERROR_TYPE_CHARS_MAX));
        {
            let mut state = self.lock();
            let member = state.identified(&head.headers)?;
            if told == Told::InitError && member.stage != Stage::Registered {
                return Err(Refused::InvalidState);
            }
            if given.is_none() {
                return Err(Refused::MissingErrorType);
            }
            member.stage = Stage::Failed(told);
        }
        // Read so that the connection stays usable; what it says beyond the type AWS does not show either.
        read(body).await?;
        let error_type: String = given.into_iter().flatten().collect();
        self.fail(Failed { message: error_type.clone(), error_type });
        Ok(answer(StatusCode::ACCEPTED, "{\"status\":\"OK\"}\n"))
    }

    fn fail(&self, failed: Failed) {
        self.lock().failure.get_or_insert(failed);
        self.changed.notify_waiters();
    }

    async fn until<T>(&self, mut take: impl FnMut(&State) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(value) = take(&self.lock()) {
                return value;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    fn identified(&mut self, headers: &HeaderMap) -> Result<&mut Member, Refused> {
        let identifier = headers.get(IDENTIFIER).ok_or(Refused::MissingIdentifier)?;
        let known = self.members.iter_mut().find(|member| member.identifier.as_bytes() == identifier);
        known.ok_or(Refused::UnknownIdentifier)
    }

    fn is_settled(&self) -> bool {
        self.members.iter().all(|member| member.stage == Stage::Ready && member.pending.is_none())
    }

    fn is_complete(&self) -> bool {
        self.expected.iter().all(|name| self.member(name).is_some()) && self.is_settled()
    }
}

impl Member {
    fn standing(&self) -> Standing {
        let state = match self.stage {
            Stage::Registered => "Registered",
            Stage::Ready | Stage::Running => "Ready",
            Stage::Failed(Told::InitError) => "InitError",
            Stage::Failed(Told::ExitError) => "ExitError",
        };
        let events = [(self.invoke, "INVOKE"), (self.shutdown, "SHUTDOWN")];
        let events = events.into_iter().filter_map(|(wanted, name)| wanted.then_some(name)).collect();
        Standing { name: self.name.clone(), state, events }
    }
}

impl ShutdownReason {
    // AWS: the guide writes them in capitals, the wire in small letters, which is what extensions compare with.
    // https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html#runtimes-lifecycle-shutdown
    fn as_str(self) -> &'static str {
        match self {
            Self::Spindown => "spindown",
            Self::Timeout => "timeout",
            Self::Failure => "failure",
        }
    }
}

/// Whether a path belongs to the APIs of extensions.
pub(crate) fn owns(path: &str) -> bool {
    path.starts_with(PREFIX) || subscribe::api(path).is_some()
}

async fn read(body: Incoming) -> Result<Bytes, Refused> {
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(_) => Err(Refused::InvalidFormat),
    }
}

fn text(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("identifiers are letters, digits and dashes")
}

/// An answer in JSON, as all APIs of an environment give.
pub(crate) fn answer(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[derive(Debug)]
enum Refused {
    NoSuchResource,
    InvalidFormat,
    InvalidName,
    InvalidEventType,
    ShutdownOfInternal,
    RegistrationClosed,
    TooMany,
    MissingIdentifier,
    UnknownIdentifier,
    MissingErrorType,
    InvalidState,
}

impl Refused {
    fn response(&self) -> Response<Full<Bytes>> {
        let (status, kind, message) = match self {
            Self::NoSuchResource => (404, "NoSuchResource", "The Extensions API has no such resource"),
            Self::InvalidFormat => (400, "InvalidRequestFormat", "The request could not be read"),
            Self::InvalidName => (403, "Extension.InvalidExtensionName", "Invalid extension name"),
            Self::InvalidEventType => (403, "Extension.InvalidEventType", "Invalid event type"),
            Self::ShutdownOfInternal => {
                (403, "Extension.InvalidEventType", "SHUTDOWN event is not supported for internal extensions")
            }
            Self::RegistrationClosed => {
                (403, "Extension.RegistrationClosed", "Extension registration closed already")
            }
            Self::TooMany => (403, "Extension.TooManyExtensions", "Extension limit of 10 reached"),
            Self::MissingIdentifier => {
                (403, "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header")
            }
            Self::UnknownIdentifier => {
                (403, "Extension.UnknownExtensionIdentifier", "Unknown extension identifier")
            }
            Self::MissingErrorType => {
                (400, "Extension.MissingHeader", "Lambda-Extension-Function-Error-Type header not found")
            }
            Self::InvalidState => (403, "Extension.InvalidExtensionState", "Invalid extension state"),
        };
        let status = StatusCode::from_u16(status).expect("the statuses above are such");
        answer(status, serde_json::json!({ "errorMessage": message, "errorType": kind }).to_string())
    }
}
