//! One request and its answer: every step between the head and the protocol's encoded response.

use crate::inbound::{Inbound, InboundError, Reading};
use crate::limits::Bound;
use crate::local::{self, LocalRequest};
use crate::outbound::{OutboundBody, finish, plain};
use crate::recognise::{NO_SERVICE, recognise};
use crate::unabandoned::Unabandoned;
use crate::unsigned::{self, Unsigned};
use crate::{Gateway, browser, urls};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use hearth_api::authorisation::Authorisation;
use hearth_api::grant::Client;
use hearth_api::{Dispatch, Grant};
use hearth_base::{BoxFuture, RequestId, Rng};
use hearth_iam::{Ask, Caller, Claim, Dialect, Head, Origin, PayloadDigest, Refusal, Signature, Verified};
use hearth_wire::{
    Body, Failure, Protocol, Request, Response, Routed, Service, Value, fill_idempotency_tokens, validate,
};
use http::header::{CONTENT_ENCODING, USER_AGENT};
use http::{HeaderMap, HeaderValue, StatusCode};
use hyper::body::Incoming;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// Bodies from this size on are checked and decoded off the threads that serve connections.
const BLOCKING_BYTES: usize = 256 * 1024;

/// A request while it is being answered.
pub(crate) struct Exchange {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) origin: Origin,
    pub(crate) address: Option<IpAddr>,
    pub(crate) request_id: RequestId,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub(crate) protocol: &'static str,
    /// The request; its body is empty until it is believed.
    pub(crate) asked: Request,
}

/// How a client and a service speak.
#[derive(Clone, Copy)]
struct Speech {
    service: &'static Service,
    protocol: Protocol,
}

impl Speech {
    fn dialect(self) -> Dialect {
        Dialect::of(self.service, self.protocol)
    }

    /// Whether the operation is named in the body.
    fn names_operation_in_body(self) -> bool {
        matches!(self.protocol, Protocol::AwsQuery | Protocol::Ec2Query)
    }
}

impl Gateway {
    /// Answers one request.
    pub(crate) async fn exchange(
        self: Arc<Self>,
        request: http::Request<Incoming>,
        (origin, address): (Origin, Option<IpAddr>),
    ) -> http::Response<OutboundBody> {
        let begun = self.clock.now();
        let request_id = RequestId::new(&*self.rng);
        let (parts, body) = request.into_parts();
        let mut inbound = Inbound::new(body, &parts.headers);
        let (method, uri) = (parts.method.clone(), parts.uri.clone());
        let asked =
            Request { method: parts.method, uri: parts.uri, headers: parts.headers, body: Bytes::new() };
        let protocol = if parts.version == http::Version::HTTP_2 { "HTTP/2.0" } else { "HTTP/1.1" };
        let exchange = Exchange { gateway: Arc::clone(&self), origin, address, request_id, protocol, asked };
        let response = exchange.answer(&mut inbound).await;
        inbound.discard().await;
        let now = self.clock.now();
        let status = response.status.as_u16();
        let ms = now.since(begun).as_millis();
        tracing::debug!(%request_id, %method, path = uri.path(), ?origin, status, ms, "answered");
        finish(response, request_id, &now.http_date())
    }
}

impl Exchange {
    async fn answer(self, inbound: &mut Inbound) -> Response {
        let Request { uri, headers, .. } = &self.asked;
        // Pages of other sites may ask for a function URL: whether it answers them is for its own CORS to say.
        if let Some(place) = urls::Place::of(uri, headers, &self.gateway.hosts) {
            return urls::answer(self, place, inbound).await;
        }
        if let Some(why) = browser::refusal(&self.asked.uri, &self.asked.headers, &self.gateway.hosts) {
            return plain(StatusCode::FORBIDDEN, why);
        }
        if local::is_local(self.asked.uri.path()) {
            return self.answer_locally(inbound).await;
        }
        let Request { method, uri, headers, .. } = &self.asked;
        let signature = Signature::read(&Head { method, uri, headers });
        if matches!(signature, Ok(None))
            && let Some(unsigned) = Unsigned::of(&self.gateway.services, &self.asked)
        {
            let (service, request_id) = (unsigned.dispatch.service(), self.request_id);
            let performed = self.perform_unsigned(unsigned).await;
            return performed
                .unwrap_or_else(|failure| unsigned::PROTOCOL.encode_failure(service, &failure, request_id));
        }
        let name = signature.as_ref().ok().and_then(Option::as_ref).map(|it| it.scope.service.as_str());
        let Some(dispatch) = recognise(&self.gateway.services, &self.asked, name) else {
            return self.unrecognised(signature);
        };
        let dispatch = Arc::clone(dispatch);
        let service = dispatch.service();
        let speech = Speech { service, protocol: service.negotiate(&self.asked) };
        let request_id = self.request_id;
        let performed = match signature {
            Ok(Some(signature)) => self.perform((dispatch, speech), signature, inbound).await,
            Ok(None) => Err(Refusal::MissingToken.failure(speech.dialect())),
            Err(refusal) => Err(refusal.failure(speech.dialect())),
        };
        match performed {
            Ok(response) => response,
            Err(failure) => speech.protocol.encode_failure(service, &failure, request_id),
        }
    }

    /// Says what there is, to a client that asks for what there is not.
    fn unrecognised(&self, signature: Result<Option<Signature>, Refusal>) -> Response {
        // S3 is the one service of its protocol family that clients ask for without a sign of it in the headers.
        let s3 = matches!(&signature, Ok(Some(signature)) if signature.scope.service == "s3");
        let protocol = if s3 { Protocol::RestXml } else { NO_SERVICE.negotiate(&self.asked) };
        let dialect = Dialect::of(&NO_SERVICE, protocol);
        let failure = match signature {
            Ok(None) => Refusal::MissingToken.failure(dialect),
            Err(refusal) => refusal.failure(dialect),
            Ok(Some(signature)) => {
                let mut names: Vec<&str> =
                    self.gateway.services.iter().map(|dispatch| dispatch.service().name).collect();
                names.sort_unstable();
                let (wanted, offered) = (signature.scope.service, names.join(", "));
                let message = format!("Hearth does not have the service '{wanted}'. It has: {offered}.");
                Failure::sender("UnknownServiceException", 400, message)
            }
        };
        protocol.encode_failure(&NO_SERVICE, &failure, self.request_id)
    }

    async fn answer_locally(self, inbound: &mut Inbound) -> Response {
        let Self { gateway, origin, mut asked, .. } = self;
        let origin = local::true_origin(origin, &asked.headers);
        let name = browser::host_name(browser::authority(&asked.uri, &asked.headers));
        // Everybody may have a certificate, under whatever name they have come by it.
        let public = asked.uri.path().starts_with(local::CERTIFICATES);
        if !public && !name.is_empty() && !browser::is_known(name, &gateway.hosts) {
            return plain(StatusCode::FORBIDDEN, "This server was reached under a name that is not its own.");
        }
        let mut routes = gateway.local.iter().filter(|route| route.covers(asked.uri.path()));
        let Some(route) = routes.find(|route| route.audience.admits(origin)) else {
            return plain(StatusCode::NOT_FOUND, "Nothing is served here.");
        };
        let bound = Bound { bytes: local::BODY_BYTES_MAX, name: "local" };
        let reading = Reading { bound, limits: &gateway.limits, buffers: &gateway.buffers };
        match inbound.read(reading, &mut PayloadDigest::none()).await {
            Ok(body) => asked.body = body,
            Err(error) => {
                let failure = unread(&error, bound);
                let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::BAD_REQUEST);
                return plain(status, &failure.message);
            }
        }
        let local = LocalRequest { request: asked, origin };
        match route.routes.handle(&local) {
            Some(answer) => answer.await,
            None => plain(StatusCode::NOT_FOUND, "Nothing is served here."),
        }
    }

    /// Has an operation performed that needs no signature.
    async fn perform_unsigned(self, unsigned: Unsigned) -> Result<Response, Failure> {
        let Self { gateway, address, request_id, asked, .. } = self;
        let (service, protocol) = (unsigned.dispatch.service(), unsigned::PROTOCOL);
        let operation = &service.operations[unsigned.operation];
        let permit = Arc::clone(&gateway.requests).try_acquire_owned().map_err(|_| busy())?;
        let labels = protocol.route(service, &asked)?.labels;
        let input = protocol.decode(service, operation, &labels, &asked)?;
        validate(service, operation.input, &input)?;
        let (account, region) = unsigned.place(&input);
        let endpoint = format!("http://{}", browser::authority(&asked.uri, &asked.headers)).into();
        let user_agent = asked.headers.get(USER_AGENT).and_then(|header| header.to_str().ok()).map(Box::from);
        let place = hearth_iam::Call { account, region, request_id, endpoint };
        let grant = gateway.authority.unsigned(Client { address, user_agent }, place);
        let Unsigned { dispatch, operation: index, .. } = unsigned;
        let (output, permit) = handle(dispatch, permit, Call { operation: index, grant, input }).await;
        let mut response = protocol.encode(service, operation, output?, request_id);
        response.body = under_way(response.body, permit);
        Ok(response)
    }

    async fn perform(
        self,
        (dispatch, speech): (Arc<dyn Dispatch>, Speech),
        signature: Signature,
        inbound: &mut Inbound,
    ) -> Result<Response, Failure> {
        let Self { gateway, origin, address, request_id, asked, .. } = self;
        let Speech { service, protocol } = speech;
        let Request { method, uri, headers, .. } = &asked;
        let claim = gateway
            .authority
            .claim(&Head { method, uri, headers }, signature, origin)
            .map_err(|refusal| refusal.failure(speech.dialect()))?;
        let routed =
            if speech.names_operation_in_body() { None } else { Some(protocol.route(service, &asked)?) };
        let permit = Arc::clone(&gateway.requests).try_acquire_owned().map_err(|_| busy())?;
        let bound = bound(&claim, speech, routed.as_ref());
        let reading = Reading { bound, limits: &gateway.limits, buffers: &gateway.buffers };
        let mut digest = claim.payload_digest();
        let body = inbound.read(reading, &mut digest).await.map_err(|error| unread(&error, bound))?;
        let endpoint = format!("http://{}", browser::authority(uri, headers)).into();
        let trace_header =
            headers.get("x-amzn-trace-id").and_then(|header| header.to_str().ok()).map(str::to_owned);
        let user_agent = headers.get(USER_AGENT).and_then(|header| header.to_str().ok()).map(Box::from);
        let rng = Arc::clone(&gateway.rng);
        let large = body.len() >= BLOCKING_BYTES;
        let opening = Opening { speech, claim, digest, body, asked, routed, rng };
        let opened = if large {
            tokio::task::spawn_blocking(move || opening.open()).await.unwrap_or_else(|_| Err(crashed()))?
        } else {
            opening.open()?
        };
        let Opened { caller, operation: index, input } = opened;
        let operation = &service.operations[index];
        let ask = Ask {
            authorisation: authorisation(&*dispatch, index),
            input: &input,
            dialect: speech.dialect(),
            request_id,
            endpoint,
            client: Client { address, user_agent },
        };
        let grant = gateway.authority.authorise(caller, ask)?;
        let grant = grant.traced(trace_header.as_deref());
        let (output, permit) = handle(dispatch, permit, Call { operation: index, grant, input }).await;
        let mut response = protocol.encode(service, operation, output?, request_id);
        response.body = under_way(response.body, permit);
        Ok(response)
    }
}

/// What the table says that an operation needs leave for.
fn authorisation(dispatch: &dyn Dispatch, operation: usize) -> &'static Authorisation {
    &dispatch.authorisation()[operation]
}

fn bound(claim: &Claim, speech: Speech, routed: Option<&Routed>) -> Bound {
    let operation = routed.map(|routed| &speech.service.operations[routed.operation]);
    let bound = Bound::of(speech.service, operation);
    if claim.is_chunked() { bound.with_framing() } else { bound }
}

/// A call that is granted.
struct Call {
    operation: usize,
    grant: Grant,
    input: Value,
}

/// Has the service answer, to the end, whether or not the client waits for it. The permit comes back.
async fn handle(
    dispatch: Arc<dyn Dispatch>,
    permit: OwnedSemaphorePermit,
    call: Call,
) -> (Result<Value, Failure>, OwnedSemaphorePermit) {
    let handler: BoxFuture<'static, _> = Box::pin(async move {
        let Call { operation, grant, input } = call;
        let called = AssertUnwindSafe(dispatch.call(operation, grant, input)).catch_unwind();
        let output = called.await.unwrap_or_else(|_| {
            let service = dispatch.service();
            tracing::error!(
                service = service.name,
                operation = service.operations[operation].name,
                "panicked"
            );
            Err(crashed())
        });
        (output, permit)
    });
    Unabandoned::new(handler).await
}

/// A request whose answer streams is under way until the stream has ended.
pub(crate) fn under_way(body: Body, permit: OwnedSemaphorePermit) -> Body {
    match body {
        Body::Bytes(_) => body,
        Body::Stream(stream) => Body::Stream(
            stream
                .inspect(move |_| {
                    let _held = &permit;
                })
                .boxed(),
        ),
    }
}

/// A whole request that is yet to be believed and understood. No waiting from here on, but work by the byte.
struct Opening {
    speech: Speech,
    claim: Claim,
    digest: PayloadDigest,
    body: Bytes,
    asked: Request,
    routed: Option<Routed>,
    rng: Arc<dyn Rng>,
}

/// A request that is believed and understood.
struct Opened {
    caller: Caller,
    operation: usize,
    input: Value,
}

impl Opening {
    fn open(self) -> Result<Opened, Failure> {
        let Self { speech, claim, digest, body, mut asked, routed, rng } = self;
        let Speech { service, protocol } = speech;
        let verified = claim.verify(digest, body).map_err(|refusal| refusal.failure(speech.dialect()))?;
        let Verified { caller, body, trailers } = verified;
        asked.body = body;
        unframe_headers(&mut asked.headers, trailers);
        let routed = match routed {
            Some(routed) => routed,
            None => protocol.route(service, &asked)?,
        };
        let operation = &service.operations[routed.operation];
        let mut input = protocol.decode(service, operation, &routed.labels, &asked)?;
        fill_idempotency_tokens(operation, &mut input, &*rng);
        validate(service, operation.input, &input)?;
        Ok(Opened { caller, operation: routed.operation, input })
    }
}

/// Makes the headers those of the plain body: the framing is gone, and what came behind it counts as sent before it.
fn unframe_headers(headers: &mut HeaderMap, trailers: HeaderMap) {
    let encoding = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    if let Some(encoding) = encoding.filter(|encoding| encoding.contains("aws-chunked")) {
        let rest: Vec<&str> =
            encoding.split(',').map(str::trim).filter(|coding| *coding != "aws-chunked").collect();
        match HeaderValue::try_from(rest.join(",")) {
            Ok(rest) if !rest.is_empty() => {
                headers.insert(CONTENT_ENCODING, rest);
            }
            _ => {
                headers.remove(CONTENT_ENCODING);
            }
        }
    }
    headers.extend(trailers);
}

/// What a client is told whose body was not read.
fn unread(error: &InboundError, bound: Bound) -> Failure {
    match error {
        InboundError::TooLarge => Failure::sender(
            "RequestEntityTooLargeException",
            413,
            format!("Request must be smaller than {} bytes for the {} operation", bound.bytes, bound.name),
        ),
        InboundError::TooSlow => {
            Failure::sender("RequestTimeoutException", 408, "The body of the request did not arrive in time.")
        }
        InboundError::Broken(_) => {
            Failure::sender("IncompleteBody", 400, "The body of the request could not be read.")
        }
    }
}

fn busy() -> Failure {
    let mut failure = Failure::internal("More requests are under way than this server takes at once.");
    failure.code = "ServiceUnavailable".into();
    failure.status = 503;
    failure.with_header("Retry-After", "1")
}

fn crashed() -> Failure {
    Failure::internal("The request processing has failed because of an unknown error, exception or failure.")
}
