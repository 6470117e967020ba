//! The front door over real sockets, with the real tables of services and handlers that only report what they are given.

mod client;
mod urls;

use crate::{Audience, Gateway, Limits, LocalRequest, LocalRoute, LocalRoutes, Options};
use bytes::Bytes;
use client::{Answer, Asked, HOST, Line, NOW, ask};
use futures_util::StreamExt;
use hearth_api::authorisation::Authorisation;
use hearth_api::{Dispatch, Grant};
use hearth_base::{AccountId, BoxFuture, SeededRng, Timestamp, VirtualClock};
use hearth_iam::{AccessKey, Authority, Credentials, Origin, credentials};
use hearth_wire::{Body, Events, Failure, Response, Service, Value};
use http::{HeaderMap, StatusCode};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

const FUNCTIONS: &str = "/2015-03-31/functions/";
const INVOKE: &str = "/2015-03-31/functions/f/invocations";

/// Answers every operation: a member of the output that the input has too is echoed.
struct Echo {
    service: &'static Service,
    /// Who called, for whom and where.
    seen: Arc<Mutex<Vec<String>>>,
    /// A function named `wait` is invoked, and one named `trickle` streams, until this is notified.
    open: Arc<Notify>,
    /// Notified when a waiting handler has begun, and again when it has ended.
    progress: Arc<Notify>,
}

impl Echo {
    /// A stream without an event, which takes its time to end.
    fn trickle(&self) -> Value {
        let (open, progress) = (self.open.clone(), self.progress.clone());
        let end = async move {
            progress.notify_one();
            open.notified().await;
            None
        };
        Value::Events(Events::new(futures_util::stream::once(end).filter_map(std::future::ready).boxed()))
    }
}

impl Dispatch for Echo {
    fn service(&self) -> &'static Service {
        self.service
    }

    fn authorisation(&self) -> &'static [Authorisation] {
        match self.service.name {
            "lambda" => hearth_api::lambda::AUTHORISATION,
            "logs" => hearth_api::logs::AUTHORISATION,
            "sns" => hearth_api::sns::AUTHORISATION,
            _ => hearth_api::sts::AUTHORISATION,
        }
    }

    fn call(&self, operation: usize, grant: Grant, input: Value) -> BoxFuture<'_, Result<Value, Failure>> {
        let operation = &self.service.operations[operation];
        let (principal, region) = (grant.principal().arn("aws"), grant.region());
        self.seen.lock().unwrap().push(format!(
            "{} by {principal} in {} {region} at {}",
            operation.name,
            grant.account(),
            grant.endpoint()
        ));
        let inputs = operation.input.structure().unwrap().members;
        let outputs = operation.output.structure().unwrap().members;
        let slots = input.into_slots();
        let of = |name: &str| {
            let place = inputs.iter().position(|member| member.name == name)?;
            slots.get(place)?.clone()
        };
        let name = of("FunctionName");
        let trickles = name == Some(Value::String("trickle".to_owned()));
        let output = outputs.iter().map(|member| match member.name {
            "EventStream" if trickles => Some(self.trickle()),
            name => of(name),
        });
        let output = Value::Structure(output.collect());
        Box::pin(async move {
            match name {
                Some(Value::String(name)) if name == "wait" => {
                    self.progress.notify_one();
                    self.open.notified().await;
                    self.progress.notify_one();
                }
                Some(Value::String(name)) if name == "panic" => panic!("on purpose"),
                _ => {}
            }
            Ok(output)
        })
    }
}

/// `/_hearth/health` answers at once, `/_hearth/stream` in pieces.
struct Local;

impl LocalRoutes for Local {
    fn handle<'a>(&'a self, local: &'a LocalRequest) -> Option<BoxFuture<'a, Response>> {
        let path = local.request.uri.path();
        let body = if path.ends_with("/stream") {
            let pieces = ["one", "two"].map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
            Body::Stream(futures_util::stream::iter(pieces).boxed())
        } else if path.ends_with("/nothing") {
            return None;
        } else {
            Body::Bytes(Bytes::from(format!("{path} {}", local.request.body.len())))
        };
        Some(Box::pin(async { Response { status: StatusCode::OK, headers: HeaderMap::new(), body } }))
    }
}

struct Stage {
    address: SocketAddr,
    gateway: Arc<Gateway>,
    seen: Arc<Mutex<Vec<String>>>,
    open: Arc<Notify>,
    progress: Arc<Notify>,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
}

impl Stage {
    async fn new(limits: Limits) -> Self {
        let clock = Arc::new(VirtualClock::new(Timestamp::parse_sigv4(NOW).unwrap()));
        let rng = Arc::new(SeededRng::new(1));
        let keys = credentials::Options {
            account: AccountId::DEVELOPMENT,
            root: AccessKey::development(),
            sealing_key: [1; 32],
            clock: clock.clone(),
            rng: rng.clone(),
        };
        let (seen, open, progress) = <(Arc<Mutex<Vec<String>>>, Arc<Notify>, Arc<Notify>)>::default();
        use hearth_api::{lambda, logs, sns, sts};
        let tables = [&lambda::SERVICE, &logs::SERVICE, &sns::SERVICE, &sts::SERVICE];
        let services = tables.map(|service| -> Arc<dyn Dispatch> {
            let (seen, open, progress) = (seen.clone(), open.clone(), progress.clone());
            Arc::new(Echo { service, seen, open, progress })
        });
        let local = [
            ("/_hearth/health", Audience::Everyone),
            ("/_hearth/reset", Audience::Machine),
            ("/_hearth/code/", Audience::Network),
            ("/SimpleNotificationService-", Audience::Everyone),
        ];
        let local = local.map(|(path, audience)| LocalRoute { path, audience, routes: Arc::new(Local) });
        let gateway = Gateway::new(Options {
            services: services.into(),
            authority: Arc::new(Authority::new(Arc::new(Credentials::new(keys)), clock.clone())),
            clock,
            rng,
            local: local.into(),
            urls: Some(Arc::new(urls::Told)),
            hosts: Vec::new(),
            limits,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _ = stopped.await;
        };
        let served = tokio::spawn(gateway.clone().serve(listener, shutdown));
        Self { address, gateway, seen, open, progress, stop: Some(stop), served }
    }

    async fn line(&self) -> Line {
        Line::open(self.address).await
    }

    async fn ask(&self, asked: &Asked) -> Answer {
        self.line().await.ask(asked).await
    }

    fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

fn invoke(function: &str, payload: impl Into<Vec<u8>>) -> Asked {
    ask("POST", &INVOKE.replace("/f/", &format!("/{function}/"))).body(payload)
}

fn describe_log_groups() -> Asked {
    ask("POST", "/")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "Logs_20140328.DescribeLogGroups")
        .body("{}")
}

fn get_caller_identity() -> Asked {
    let body = "Action=GetCallerIdentity&Version=2011-06-15";
    ask("POST", "/").header("content-type", "application/x-www-form-urlencoded; charset=utf-8").body(body)
}

#[tokio::test]
async fn requests_reach_their_service_with_who_and_where() {
    let stage = Stage::new(Limits::default()).await;
    let mut line = stage.line().await;
    for (asked, service, key, expected) in [
        (
            ask("GET", FUNCTIONS),
            "lambda",
            "test",
            "ListFunctions by arn:aws:iam::000000000000:root in 000000000000",
        ),
        (describe_log_groups(), "logs", "test", "DescribeLogGroups by arn:aws:iam::000000000000:root"),
        (
            get_caller_identity(),
            "sts",
            "123456789012",
            "GetCallerIdentity by arn:aws:iam::123456789012:root in 123456789012",
        ),
    ] {
        let answer = line.ask(&asked.sign(key, service)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("x-amzn-requestid").len(), 36);
        assert_eq!(answer.header("date"), "Mon, 23 Nov 2026 12:00:00 GMT");
        let seen = stage.seen();
        assert!(seen.len() == 1 && seen[0].starts_with(expected), "{seen:?}");
        assert!(seen[0].ends_with(&format!("eu-west-1 at http://{HOST}")), "{seen:?}");
    }
    let echoed = line.ask(&invoke("f", r#"{"a":1}"#).sign("test", "lambda")).await;
    assert_eq!((echoed.status, echoed.body.as_str()), (200, r#"{"a":1}"#));
}

#[tokio::test]
async fn refusals_have_the_form_of_the_protocol() {
    let stage = Stage::new(Limits::default()).await;
    let forge = |asked: Asked, service| {
        asked.sign("test", service).header("x-amz-meta", "unsigned").header("host", "h")
    };
    let cases = [
        (
            ask("GET", FUNCTIONS),
            403,
            "MissingAuthenticationTokenException",
            r#"{"message":"Missing Authentication Token"}"#,
        ),
        (describe_log_groups(), 400, "", r#""__type":"MissingAuthenticationTokenException""#),
        (get_caller_identity(), 403, "", "<Code>MissingAuthenticationToken</Code>"),
        (
            ask("GET", FUNCTIONS).sign("AKIA", "lambda"),
            403,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ),
        (describe_log_groups().sign("AKIA", "logs"), 400, "", r#""__type":"UnrecognizedClientException""#),
        (get_caller_identity().sign("AKIA", "sts"), 403, "", "<Code>InvalidClientTokenId</Code>"),
        (
            forge(ask("GET", FUNCTIONS), "lambda"),
            403,
            "InvalidSignatureException",
            "The request signature we calculated does not match",
        ),
        (forge(describe_log_groups(), "logs"), 400, "", r#""__type":"InvalidSignatureException""#),
        (forge(get_caller_identity(), "sts"), 403, "", "<Code>SignatureDoesNotMatch</Code>"),
        (
            ask("GET", FUNCTIONS).header("authorization", "Basic eA=="),
            403,
            "IncompleteSignatureException",
            "Authorization header requires 'Credential' parameter.",
        ),
        (
            ask("POST", "/").sign("test", "sqs"),
            400,
            "UnknownServiceException",
            "Hearth does not have the service 'sqs'. It has: lambda, logs, sns, sts.",
        ),
        (ask("GET", "/bucket").sign("test", "s3"), 400, "", "<Code>UnknownServiceException</Code>"),
        (ask("GET", "/nowhere"), 403, "MissingAuthenticationTokenException", "Missing Authentication Token"),
        (ask("GET", "/nowhere").sign("test", "lambda"), 404, "UnknownOperationException", ""),
        (ask("OPTIONS", FUNCTIONS), 403, "MissingAuthenticationTokenException", ""),
        (
            ask("GET", "/2015-03-31/event-source-mappings").sign("test", "lambda"),
            404,
            "",
            "ListEventSourceMappings",
        ),
        (
            ask("GET", "/2015-03-31/functions/bad%20name").sign("test", "lambda"),
            403,
            "InvalidSignatureException",
            "",
        ),
    ];
    for (asked, status, error_type, text) in cases {
        let answer = stage.ask(&asked).await;
        assert_eq!(answer.status, status, "{} {answer:?}", asked.uri);
        assert!(answer.header("x-amzn-errortype").starts_with(error_type), "{answer:?}");
        assert!(answer.body.contains(text), "{answer:?}");
        assert_eq!(answer.header("x-amzn-requestid").len(), 36, "{answer:?}");
    }
    assert_eq!(stage.seen(), Vec::<String>::new());
}

#[tokio::test]
async fn invalid_input_is_refused_before_the_service() {
    let stage = Stage::new(Limits::default()).await;
    let name = "n".repeat(300);
    let answer = stage.ask(&ask("GET", &format!("{FUNCTIONS}{name}")).sign("test", "lambda")).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body.contains("1 validation error detected"), "{answer:?}");
    assert_eq!(stage.seen(), Vec::<String>::new());
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let stage = Stage::new(Limits::default()).await;
    let mut line = stage.line().await;
    let requests: Vec<u8> =
        (0..5).flat_map(|number| invoke("f", number.to_string()).sign("test", "lambda").bytes()).collect();
    line.send(&requests).await;
    for number in 0..5 {
        assert_eq!(line.read().await.unwrap().body, number.to_string());
    }
}

#[tokio::test]
async fn http_2_is_spoken_from_the_first_byte() {
    use http_body_util::{BodyExt, Full};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let stage = Stage::new(Limits::default()).await;
    let stream = tokio::net::TcpStream::connect(stage.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for number in 0..3 {
        let signed = invoke("f", number.to_string()).sign("test", "lambda");
        let mut request = http::Request::post(format!("http://{HOST}{}", signed.uri));
        // The host goes as `:authority`.
        for (name, value) in signed.headers.iter().filter(|(name, _)| name != "host") {
            request = request.header(name, value);
        }
        let response =
            sender.send_request(request.body(Full::new(Bytes::from(signed.body))).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), number.to_string());
    }
    assert!(stage.seen()[0].ends_with(&format!("at http://{HOST}")));
}

#[tokio::test]
async fn bodies_are_bounded_with_and_without_a_length() {
    let stage = Stage::new(Limits::default()).await;
    let whole = "x".repeat(6_291_456);
    let answer = stage.ask(&invoke("f", whole.clone()).sign("test", "lambda")).await;
    assert_eq!((answer.status, answer.body.len()), (200, whole.len()));

    let too_large = "Request must be smaller than 6291456 bytes for the InvokeFunction operation";
    let answer = stage.ask(&invoke("f", format!("{whole}x")).sign("test", "lambda")).await;
    assert_eq!(answer.status, 413);
    assert!(answer.body.contains(too_large), "{answer:?}");
    assert_eq!(answer.header("x-amzn-errortype"), "RequestEntityTooLargeException");

    // Without a length, it is the count that tells.
    let chunked = invoke("f", "").header("transfer-encoding", "chunked");
    let mut chunked = Asked { body: Vec::new(), ..chunked };
    chunked.headers.retain(|(name, _)| name != "content-length");
    let mut line = stage.line().await;
    line.send(&chunked.sign("test", "lambda").head()).await;
    let chunk = [b"100000\r\n", &[b'x'; 0x10_0000][..], b"\r\n"].concat();
    for _ in 0..8 {
        if !line.push(&chunk).await {
            break;
        }
    }
    line.push(b"0\r\n\r\n").await;
    let answer = line.read().await.expect("an answer");
    assert_eq!(answer.status, 413, "{answer:?}");
    assert_eq!(stage.seen().len(), 1);
}

#[tokio::test]
async fn leave_to_send_is_given_to_those_who_are_believed() {
    let stage = Stage::new(Limits::default()).await;
    let mut line = stage.line().await;
    let asked = invoke("f", "body").sign("test", "lambda").header("expect", "100-continue");
    line.send(&asked.head()).await;
    assert_eq!(line.read_head().await.unwrap().status, 100);
    line.send(&asked.body).await;
    assert_eq!(line.read().await.unwrap().body, "body");

    for (refused, status) in [
        (invoke("f", "body").sign("AKIA", "lambda"), 403),
        (invoke("f", "x".repeat(6_291_457)).sign("test", "lambda"), 413),
    ] {
        let mut line = stage.line().await;
        line.send(&refused.header("expect", "100-continue").head()).await;
        assert_eq!(line.read_head().await.unwrap().status, status, "without the body being asked for");
    }
}

#[tokio::test]
async fn heads_are_bounded_in_size_number_and_time() {
    let limits =
        Limits { head_timeout: Duration::from_millis(200), head_bytes_max: 16_384, ..Limits::default() };
    let stage = Stage::new(limits).await;
    let answer = stage.ask(&ask("GET", FUNCTIONS).header("x-large", &"x".repeat(20_000))).await;
    assert_eq!(answer.status, 431);
    let mut many = ask("GET", FUNCTIONS);
    many.headers.extend((0..120).map(|number| (format!("x-{number}"), "1".to_owned())));
    assert_eq!(stage.ask(&many).await.status, 431);
    for beginning in ["", "P", "GET / HTTP/1.1\r\nhost: h\r\n", "PRI * HTTP/2.0\r\n"] {
        let mut line = stage.line().await;
        line.send(beginning.as_bytes()).await;
        assert!(line.read_head().await.is_none_or(|answer| answer.status == 408), "{beginning:?} is cut off");
    }
}

#[tokio::test]
async fn a_long_answer_is_waited_for_and_an_idle_connection_is_not() {
    let limits = Limits { head_timeout: Duration::from_millis(100), ..Limits::default() };
    let stage = Stage::new(limits).await;
    let mut line = stage.line().await;
    line.send(&invoke("wait", "late").sign("test", "lambda").bytes()).await;
    stage.progress.notified().await;
    // Time itself is what is tested: the timeout of heads must not run while a request is under way.
    tokio::time::sleep(Duration::from_millis(250)).await;
    stage.open.notify_one();
    assert_eq!(line.read().await.unwrap().body, "late");
    assert!(line.read_head().await.is_none_or(|answer| answer.status == 408), "and then it is closed");
}

#[tokio::test]
async fn slow_bodies_are_not_waited_for() {
    let limits = Limits {
        body_timeout: Duration::from_millis(100),
        body_bytes_per_second: u64::MAX,
        ..Limits::default()
    };
    let stage = Stage::new(limits).await;
    let asked = invoke("f", "a body of which half is sent").sign("test", "lambda");
    // The rest is not waited for either: the client expects leave, so nothing is thrown away.
    let mut line = stage.line().await;
    line.send(&asked.header("expect", "100-continue").head()).await;
    assert_eq!(line.read_head().await.unwrap().status, 100);
    line.send(b"a body").await;
    let answer = line.read().await.unwrap();
    assert_eq!(answer.status, 408, "{answer:?}");
}

#[tokio::test]
async fn a_lost_client_cancels_nothing() {
    let stage = Stage::new(Limits::default()).await;
    let mut line = stage.line().await;
    line.send(&invoke("wait", "").sign("test", "lambda").bytes()).await;
    stage.progress.notified().await;
    drop(line);
    // Nobody listens any more when it is let go on, and it comes to its end.
    let permits = stage.gateway.limits.requests_max;
    assert_eq!(stage.gateway.requests.available_permits(), permits - 1);
    stage.open.notify_one();
    stage.progress.notified().await;
}

#[tokio::test]
async fn a_handler_that_panics_answers_with_an_internal_failure() {
    let stage = Stage::new(Limits::default()).await;
    let mut line = stage.line().await;
    let answer = line.ask(&invoke("panic", "").sign("test", "lambda")).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.header("x-amzn-errortype"), "InternalFailure");
    assert!(!answer.body.contains("on purpose"));
    assert_eq!(line.ask(&invoke("f", "next").sign("test", "lambda")).await.body, "next");
}

#[tokio::test]
async fn too_many_requests_are_told_to_come_back() {
    let stage = Stage::new(Limits { requests_max: 1, ..Limits::default() }).await;
    let mut line = stage.line().await;
    line.send(&invoke("wait", "").sign("test", "lambda").bytes()).await;
    stage.progress.notified().await;
    let answer = stage.ask(&invoke("f", "").sign("test", "lambda")).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    stage.open.notify_one();
    assert_eq!(line.read().await.unwrap().status, 200);
    assert_eq!(stage.ask(&invoke("f", "").sign("test", "lambda")).await.status, 200);
}

#[tokio::test]
async fn a_request_is_under_way_while_its_answer_streams() {
    let stage = Stage::new(Limits { requests_max: 1, ..Limits::default() }).await;
    let mut line = stage.line().await;
    let uri = "/2021-11-15/functions/trickle/response-streaming-invocations";
    line.send(&ask("POST", uri).body("").sign("test", "lambda").bytes()).await;
    stage.progress.notified().await;
    assert_eq!(stage.ask(&invoke("f", "").sign("test", "lambda")).await.status, 503);
    stage.open.notify_one();
    assert_eq!(line.read().await.unwrap().status, 200);
    assert_eq!(stage.ask(&invoke("f", "").sign("test", "lambda")).await.status, 200);
}

#[tokio::test]
async fn the_shutdown_waits_for_requests_under_way() {
    let mut stage = Stage::new(Limits::default()).await;
    let mut idle = stage.line().await;
    assert_eq!(idle.ask(&invoke("f", "").sign("test", "lambda")).await.status, 200);
    let mut line = stage.line().await;
    line.send(&invoke("wait", "last").sign("test", "lambda").bytes()).await;
    stage.progress.notified().await;
    stage.stop.take().unwrap().send(()).unwrap();
    assert!(idle.read_head().await.is_none(), "an idle connection is closed");
    assert!(!stage.served.is_finished());
    stage.open.notify_one();
    assert_eq!(line.read().await.unwrap().body, "last");
    stage.served.await.unwrap();
    assert!(tokio::net::TcpStream::connect(stage.address).await.is_err());
}

#[tokio::test]
async fn the_shutdown_ends_with_the_grace_period() {
    let mut stage = Stage::new(Limits { grace: Duration::from_millis(50), ..Limits::default() }).await;
    let mut line = stage.line().await;
    line.send(&invoke("wait", "").sign("test", "lambda").bytes()).await;
    stage.progress.notified().await;
    stage.stop.take().unwrap().send(()).unwrap();
    stage.served.await.unwrap();
    assert!(line.read_head().await.is_none());
}

#[tokio::test]
async fn local_routes_are_open_to_whom_they_say() {
    let stage = Stage::new(Limits::default()).await;
    let post = |uri: &str| ask("POST", uri).body("abc");
    for (asked, status, body) in [
        (ask("GET", "/_hearth/health"), 200, "/_hearth/health 0"),
        (post("/_hearth/reset"), 200, "/_hearth/reset 3"),
        (ask("GET", "/_hearth/code/a/b?c=d"), 200, "/_hearth/code/a/b 0"),
        (ask("GET", "/_hearth/code/stream"), 200, "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"),
        (ask("GET", "/_hearth/code/nothing"), 404, "Nothing is served here.\n"),
        (ask("GET", "/_hearth/healthy"), 404, "Nothing is served here.\n"),
        (
            post("/_hearth/reset").header("origin", "http://evil.example.org"),
            403,
            "Requests from pages of other sites are refused.\n",
        ),
        (
            post("/_hearth/reset").header("host", "evil.example.org"),
            403,
            "This server was reached under a name that is not its own.\n",
        ),
        (post("/_hearth/reset").header("host", "localhost:4566"), 200, "/_hearth/reset 3"),
        (
            post("/_hearth/reset").header("content-length", "2000000").header("expect", "100-continue"),
            413,
            "Request must be smaller than 1048576 bytes for the local operation\n",
        ),
    ] {
        let mut line = stage.line().await;
        line.send(&if status == 413 { asked.head() } else { asked.bytes() }).await;
        let answer = line.read().await.unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{}", asked.uri);
        assert_eq!(answer.header("x-amzn-requestid").len(), 36);
    }
}

#[tokio::test]
async fn user_code_reaches_services_and_not_the_administration() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let stage = Stage::new(Limits::default()).await;
    for (asked, status) in [
        (ask("GET", "/_hearth/health"), "200"),
        (ask("POST", "/_hearth/reset").body(""), "404"),
        (ask("GET", "/_hearth/code/x"), "404"),
        // Everybody knows the development key, user code too.
        (ask("GET", FUNCTIONS).sign("test", "lambda"), "403"),
    ] {
        let (mut client, server) = tokio::io::duplex(65_536);
        let serving = tokio::spawn(stage.gateway.clone().serve_connection(server, Origin::Environment));
        client.write_all(&asked.clone().header("connection", "close").bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(&answer[9..12], status, "{}", asked.uri);
        serving.await.unwrap();
    }
}

#[tokio::test]
async fn pages_of_other_sites_reach_nothing() {
    let stage = Stage::new(Limits::default()).await;
    let signed = ask("GET", FUNCTIONS).sign("test", "lambda");
    assert_eq!(stage.ask(&signed.clone().header("origin", "https://evil.example.org")).await.status, 403);
    assert_eq!(stage.ask(&signed.clone().header("sec-fetch-site", "cross-site")).await.status, 403);
    assert_eq!(stage.seen(), Vec::<String>::new());
    assert_eq!(stage.ask(&signed).await.status, 200);
}

#[tokio::test]
async fn aws_chunked_bodies_arrive_plain() {
    let stage = Stage::new(Limits::default()).await;
    let framed = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    let asked = ask("POST", INVOKE)
        .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", "5")
        .header("x-amz-trailer", "x-amz-checksum-crc32");
    let answer = stage.ask(&asked.clone().body(framed).sign("test", "lambda")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello"), "{answer:?}");
    let answer = stage.ask(&asked.body("5\r\nhell").sign("test", "lambda")).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.header("x-amzn-errortype").starts_with("IncompleteBody"), "{answer:?}");
}

#[tokio::test]
async fn what_a_token_or_an_arn_proves_needs_no_signature() {
    let stage = Stage::new(Limits::default()).await;
    let topic = "arn:aws:sns:eu-north-1:123456789012:t";
    let confirm = format!("/?Action=ConfirmSubscription&TopicArn={topic}&Token=t");
    let leave = format!("/?Action=Unsubscribe&SubscriptionArn={topic}:1");
    for (asked, expected) in [
        (ask("GET", &confirm), "ConfirmSubscription by anonymous in 123456789012 eu-north-1 at http://"),
        (ask("POST", &confirm), "ConfirmSubscription by anonymous in 123456789012 eu-north-1 at http://"),
        (ask("GET", &leave), "Unsubscribe by anonymous in 123456789012 eu-north-1 at http://"),
        (
            ask("GET", "/?Action=Unsubscribe&SubscriptionArn=x"),
            "Unsubscribe by anonymous in 000000000000 us-east-1 at ",
        ),
    ] {
        let answer = stage.ask(&asked).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let seen = stage.seen();
        assert!(seen.len() == 1 && seen[0].starts_with(expected), "{seen:?}");
    }
    for (asked, status) in [
        (ask("GET", &format!("/?Action=DeleteTopic&TopicArn={topic}&Version=2010-03-31")), 403),
        (ask("GET", "/?Action=GetCallerIdentity&Version=2011-06-15"), 403),
        (ask("PUT", &confirm), 403),
        (ask("GET", &confirm.replace("/?", "/path?")), 403),
        (ask("GET", &confirm.replace("&Token", "&Tokens")), 400),
        (ask("GET", &confirm).header("sec-fetch-site", "cross-site"), 403),
    ] {
        let answer = stage.ask(&asked).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(stage.seen().is_empty());
    }
}

#[tokio::test]
async fn certificates_are_for_everybody_and_what_sns_posts_has_no_rights() {
    let stage = Stage::new(Limits::default()).await;
    let pem = "/SimpleNotificationService-0.pem";
    let answer = stage.ask(&ask("GET", pem).header("host", "sns.us-east-1.amazonaws.com")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "/SimpleNotificationService-0.pem 0"));
    let reset = || ask("POST", "/_hearth/reset");
    assert_eq!(stage.ask(&reset()).await.status, 200);
    let posted = reset().header("x-amz-sns-message-type", "Notification");
    assert_eq!(stage.ask(&posted).await.status, 404);
}
