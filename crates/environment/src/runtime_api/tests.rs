//! The Runtime API against clients that are well-behaved, wrong and hostile.

use super::*;
use hearth_base::{SeededRng, limits};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

struct Served {
    api: Arc<RuntimeApi>,
    port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Served {
    async fn start() -> Self {
        Self::with(crate::InitializationType::OnDemand).await
    }

    async fn with(initialization: crate::InitializationType) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = crate::log::LogStream::sample(crate::Definition {
            initialization,
            ..crate::Definition::sample()
        });
        let telemetry = log.begin_telemetry();
        let extensions = Extensions::new((log, telemetry), Vec::new(), Arc::new(SeededRng::new(1)));
        let api = RuntimeApi::new(extensions);
        let task = {
            let api = Arc::clone(&api);
            tokio::spawn(async move { api.serve(listener).await })
        };
        Self { api, port, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    /// One request on a connection of its own; the status and the whole answer.
    async fn ask(&self, request: &str) -> (u16, String) {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        read_answer(&mut stream).await
    }

    async fn next(&self) -> (u16, String) {
        self.ask("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: x\r\n\r\n").await
    }

    async fn post(&self, path: &str, headers: &str, body: &str) -> (u16, String) {
        let length = body.len();
        let head = format!(
            "POST /2018-06-01/runtime/{path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {length}\r\n\r\n{body}"
        );
        self.ask(&head).await
    }

    /// Brings the runtime to where it works on `invocation`.
    async fn invoke(&self, invocation: &Invocation) {
        self.api.offer(offer(invocation.clone()));
        let (status, answer) = self.next().await;
        assert_eq!(status, 200, "{answer}");
    }
}

async fn read_answer(stream: &mut TcpStream) -> (u16, String) {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned)
            });
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                return (status, text);
            }
        }
        match tokio::time::timeout(Duration::from_secs(10), stream.read(&mut buffer)).await {
            Ok(Ok(count)) if count > 0 => answer.extend_from_slice(&buffer[..count]),
            other => panic!("no whole answer, only {text:?}: {other:?}"),
        }
    }
}

fn invocation(seed: u64) -> Invocation {
    Invocation {
        request_id: RequestId::new(&SeededRng::new(seed)),
        payload: Bytes::from_static(b"{\"a\":1}"),
        client_context: Some("{\n\"custom\":{}}".to_owned()),
        cognito_identity: None,
        invoked_function_arn: "arn:aws:lambda:us-east-1:000000000000:function:f".to_owned(),
        trace_header: None,
        tail: false,
        permit: None,
    }
}

fn offer(invocation: Invocation) -> Offer {
    Offer {
        invocation,
        sink: None,
        deadline_millis: 1234,
        trace_header: "Root=1-0-0;Parent=0;Sampled=0".to_owned(),
    }
}

#[tokio::test]
async fn an_invocation_goes_round() {
    let served = Served::start().await;
    let waiting = served.next();
    tokio::pin!(waiting);
    tokio::select! {
        answer = &mut waiting => panic!("next did not wait: {answer:?}"),
        initialisation = served.api.initialised() => assert!(matches!(initialisation, Initialisation::Ready)),
    }
    assert!(served.api.is_ready());
    let invocation = invocation(1);
    served.api.offer(offer(invocation.clone()));
    let (status, answer) = waiting.await;
    assert_eq!(status, 200);
    for expected in [
        format!("lambda-runtime-aws-request-id: {}\r\n", invocation.request_id),
        "lambda-runtime-deadline-ms: 1234\r\n".to_owned(),
        format!("lambda-runtime-invoked-function-arn: {}\r\n", invocation.invoked_function_arn),
        "lambda-runtime-trace-id: Root=1-0-0;Parent=0;Sampled=0\r\n".to_owned(),
        "lambda-runtime-client-context: { \"custom\":{}}\r\n".to_owned(),
        "\r\n\r\n{\"a\":1}".to_owned(),
    ] {
        assert!(answer.contains(&expected), "{expected:?} is not in {answer:?}");
    }
    assert!(!answer.contains("cognito"), "{answer}");
    assert!(!served.api.is_ready());
    let path = format!("invocation/{}/response", invocation.request_id);
    let (status, answer) = served.post(&path, "content-type: text/plain\r\n", "done").await;
    assert_eq!((status, answer.ends_with("{\"status\":\"OK\"}\n")), (202, true), "{answer}");
    match served.api.answer().await {
        Answer::Response { payload, content_type } => {
            assert_eq!((&payload[..], content_type.as_str()), (&b"done"[..], "text/plain"));
        }
        _ => panic!("no response"),
    }
}

#[tokio::test]
async fn a_runtime_that_goes_on_gets_the_next_event_for_its_outcome() {
    const ON: &str = "hearth-runtime-next: true\r\n";
    let served = Served::start().await;
    let (first, second, third) = (invocation(1), invocation(2), invocation(4));
    served.invoke(&first).await;
    let path = |of: &Invocation, outcome: &str| format!("invocation/{}/{outcome}", of.request_id);
    let (response, error) = (path(&first, "response"), path(&second, "error"));
    let posted = served.post(&response, ON, "1");
    tokio::pin!(posted);
    // The caller has its answer, and the environment is ready, while the runtime waits.
    tokio::select! {
        answer = &mut posted => panic!("it was answered: {answer:?}"),
        () = async { assert!(matches!(served.api.answer().await, Answer::Response { .. })) } => {}
    }
    served.api.ready().await;
    let times = served.api.times();
    assert!(times.responded <= times.ready && times.ready.is_some());
    served.api.offer(offer(second.clone()));
    let (status, answer) = posted.await;
    assert_eq!((status, answer.contains(&second.request_id.to_string())), (200, true), "{answer}");
    served.api.offer(offer(third.clone()));
    assert_eq!(served.post(&error, ON, "{}").await.0, 200);
    assert!(served.api.withdraw().is_none(), "it was taken");
    let (status, answer) = served.post(&error, ON, "{}").await;
    assert_eq!((status, answer.contains("InvalidRequestID")), (400, true), "{answer}");
}

#[tokio::test]
async fn what_comes_out_of_turn_is_refused_as_by_aws() {
    let served = Served::start().await;
    let other = RequestId::new(&SeededRng::new(99));
    let invocation = invocation(2);
    let id = invocation.request_id;
    let (status, answer) = served.post(&format!("invocation/{id}/response"), "", "{}").await;
    assert_eq!((status, answer.contains("InvalidRequestID")), (400, true), "before any invocation: {answer}");
    served.invoke(&invocation).await;
    let cases = [
        (format!("invocation/{other}/response"), 400, "InvalidRequestID"),
        (format!("invocation/{other}/error"), 400, "InvalidRequestID"),
        ("invocation/../../etc/response".to_owned(), 404, "NoSuchResource"),
        ("init/error".to_owned(), 403, "InvalidStateTransition"),
        ("extension/register".to_owned(), 404, "NoSuchResource"),
        (format!("invocation/{id}/response/more"), 404, "NoSuchResource"),
    ];
    for (path, expected, kind) in cases {
        let (status, answer) = served.post(&path, "", "{}").await;
        assert_eq!((status, answer.contains(kind)), (expected, true), "{path}: {answer}");
    }
    let (status, _) = served.next().await;
    assert_eq!(status, 403, "the invocation at hand has no answer yet");
    let ask = "GET /2020-01-01/extension/event/next HTTP/1.1\r\nhost: x\r\n\r\n";
    let (status, answer) = served.ask(ask).await;
    assert_eq!((status, answer.contains("MissingExtensionIdentifier")), (403, true), "{answer}");
    assert_eq!(served.post(&format!("invocation/{id}/error"), "", "{\"errorType\":\"E\"}").await.0, 202);
    let (status, answer) = served.post(&format!("invocation/{id}/response"), "", "{}").await;
    assert_eq!((status, answer.contains("InvalidStateTransition")), (403, true), "answered twice: {answer}");
    match served.api.answer().await {
        Answer::Error { payload } => assert_eq!(payload, "{\"errorType\":\"E\"}"),
        _ => panic!("the first answer counts"),
    }
}

#[tokio::test]
async fn a_response_over_the_limit_is_measured_and_thrown_away() {
    let served = Served::start().await;
    let limit = limits::RESPONSE_PAYLOAD_BYTES_MAX;
    for (seed, size, expected) in [(1, limit, 202), (2, limit + 1, 413), (3, limit + 1_000_000, 413)] {
        let invocation = invocation(seed);
        served.invoke(&invocation).await;
        let path = format!("invocation/{}/response", invocation.request_id);
        let (status, answer) = served.post(&path, "", &"x".repeat(size)).await;
        assert_eq!(status, expected, "{answer}");
        match served.api.answer().await {
            Answer::Response { payload, .. } => assert_eq!(payload.len(), limit),
            Answer::TooLarge { size: measured, .. } => assert_eq!(measured, size as u64),
            _ => panic!("neither was posted"),
        }
    }
}

#[tokio::test]
async fn streamed_responses_are_whole_and_their_trailers_understood() {
    let served = Served::start().await;
    for (seed, trailers, fails) in [
        (1, "", false),
        (
            2,
            "Lambda-Runtime-Function-Error-Type: Runtime.X\r\nLambda-Runtime-Function-Error-Body: eyJlcnJvclR5cGUiOiJYIn0=\r\n",
            true,
        ),
    ] {
        let invocation = invocation(seed);
        served.invoke(&invocation).await;
        let id = invocation.request_id;
        let request = format!(
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nhost: x\r\nLambda-Runtime-Function-Response-Mode: streaming\r\ntransfer-encoding: chunked\r\ntrailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n{trailers}\r\n"
        );
        assert_eq!(served.ask(&request).await.0, 202);
        match served.api.answer().await {
            Answer::Response { payload, .. } => assert_eq!((&payload[..], fails), (&b"abcde"[..], false)),
            Answer::Error { payload } => {
                assert_eq!((&payload[..], fails), (&b"{\"errorType\":\"X\"}"[..], true))
            }
            _ => panic!("it is small and whole"),
        }
    }
}

#[tokio::test]
async fn a_streamed_answer_that_breaks_off_may_be_given_again_unless_it_has_begun() {
    for (seed, begun) in [(1, false), (2, true)] {
        let served = Served::start().await;
        let invocation = invocation(seed);
        let (sink, mut source) = crate::response_stream::channel();
        served.api.offer(Offer { sink: Some(sink), ..offer(invocation.clone()) });
        assert_eq!(served.next().await.0, 200);
        let id = invocation.request_id;
        let mut stream = served.connect().await;
        let head = format!(
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nhost: x\r\nLambda-Runtime-Function-Response-Mode: Streaming\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        if begun {
            stream.write_all(b"3\r\nabc\r\n").await.unwrap();
            assert_eq!(source.pieces.recv().await.unwrap(), "abc", "before there is an end");
        }
        drop(stream);
        if begun {
            assert!(matches!(served.api.answer().await, Answer::Truncated));
            assert_eq!(served.post(&format!("invocation/{id}/response"), "", "again").await.0, 403);
            continue;
        }
        while served.post(&format!("invocation/{id}/response"), "", "again").await.0 != 202 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(served.api.answer().await, Answer::Response { payload, .. } if payload == "again"));
    }
}

#[tokio::test]
async fn a_response_mode_that_is_not_known_is_refused() {
    let served = Served::start().await;
    let invocation = invocation(1);
    served.invoke(&invocation).await;
    let path = format!("invocation/{}/response", invocation.request_id);
    for (mode, status) in [("trickling", 400), ("buffered", 202)] {
        let header = format!("Lambda-Runtime-Function-Response-Mode: {mode}\r\n");
        let (answered, answer) = served.post(&path, &header, "{}").await;
        assert_eq!(answered, status, "{answer}");
        assert_eq!(answer.contains("InvalidResponseModeHeader"), status == 400, "{answer}");
    }
}

#[tokio::test]
async fn half_an_answer_is_none_and_may_be_given_again() {
    let served = Served::start().await;
    let invocation = invocation(1);
    served.invoke(&invocation).await;
    let id = invocation.request_id;
    let mut stream = served.connect().await;
    let half = format!(
        "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf"
    );
    stream.write_all(half.as_bytes()).await.unwrap();
    while served.api.lock().phase != Phase::Answering(id) {
        tokio::task::yield_now().await;
    }
    let (status, answer) = served.post(&format!("invocation/{id}/error"), "", "").await;
    assert_eq!(status, 403, "while one answer is being read there is no other: {answer}");
    drop(stream);
    loop {
        let (status, _) = served.post(&format!("invocation/{id}/response"), "", "whole").await;
        if status == 202 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(matches!(served.api.answer().await, Answer::Response { payload, .. } if payload == "whole"));
}

#[tokio::test]
async fn hostile_clients_hold_up_nobody() {
    let served = Served::start().await;
    // Silent, half a request line, half a head.
    let mut idle = Vec::new();
    for start in ["", "GET /2018", "GET / HTTP/1.1\r\nhost: x\r\n"] {
        let mut stream = served.connect().await;
        stream.write_all(start.as_bytes()).await.unwrap();
        idle.push(stream);
    }
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(HEAD_BYTES_MAX));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(HEADERS_MAX + 1));
    let wide = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(2 * HEAD_BYTES_MAX));
    let wrong = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n".to_owned();
    for (request, expected) in [(long, 414), (many, 431), (wide, 431), (wrong, 400)] {
        let (status, answer) = served.ask(&request).await;
        assert!(status == expected || (status == 431 && expected == 414), "{expected}: {answer}");
    }
    let invocation = invocation(1);
    served.invoke(&invocation).await;
    let path = format!("invocation/{}/response", invocation.request_id);
    assert_eq!(served.post(&path, "", "{}").await.0, 202);
    drop(idle);
    served.api.disconnected().await;
}

#[tokio::test]
async fn initialisation_errors_are_told_once() {
    for (headers, body, kind, expected) in [
        (
            "Lambda-Runtime-Function-Error-Type: Runtime.ImportModuleError\r\n",
            "{\"errorMessage\":\"m\"}",
            "Runtime.ImportModuleError",
            "{\"errorMessage\":\"m\"}",
        ),
        ("", "{\"errorType\":\"Runtime.Mine\"}", "Runtime.Mine", "{\"errorType\":\"Runtime.Mine\"}"),
        ("", "", "Runtime.Unknown", "{\"errorMessage\":\"\",\"errorType\":\"Runtime.Unknown\"}"),
        ("", "no json", "Runtime.Unknown", "no json"),
    ] {
        let served = Served::start().await;
        assert_eq!(served.post("init/error", headers, body).await.0, 202);
        match served.api.initialised().await {
            Initialisation::Failed { error_type, body } => {
                assert_eq!((error_type.as_str(), &body[..]), (kind, expected.as_bytes()));
            }
            Initialisation::Ready | Initialisation::Snapped => panic!("it failed"),
        }
        assert_eq!(served.post("init/error", headers, body).await.0, 403);
        assert_eq!(served.next().await.0, 403);
    }
}

#[tokio::test]
async fn only_what_is_initialised_for_a_snapshot_is_restored() {
    let served = Served::start().await;
    let next = "GET /2018-06-01/runtime/restore/next HTTP/1.1\r\nhost: x\r\n\r\n";
    assert_eq!(served.ask(next).await.0, 403);
    for fails in [false, true] {
        let served = Served::with(crate::InitializationType::SnapStart).await;
        assert_eq!(served.post("restore/error", "", "{}").await.0, 403, "nothing was restored");
        let mut waiting = served.connect().await;
        waiting.write_all(next.as_bytes()).await.unwrap();
        assert!(matches!(served.api.initialised().await, Initialisation::Snapped));
        assert!(served.api.is_snapped());
        for (path, method) in [("init/error", "POST"), ("restore/error", "POST"), ("invocation/next", "GET")]
        {
            let request = format!(
                "{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"
            );
            assert_eq!(served.ask(&request).await.0, 403, "{path} before the restore");
        }
        served.api.restore();
        assert_eq!(read_answer(&mut waiting).await.0, 200);
        assert_eq!(served.ask(next).await.0, 200, "a lost answer is given again");
        if fails {
            let header = "lambda-runtime-function-error-type: Runtime.AfterRestoreError\r\n";
            let (status, _) = served.post("restore/error", header, r#"{"errorType": "E"}"#).await;
            assert_eq!(status, 202);
            let Initialisation::Failed { error_type, body } = served.api.initialised().await else {
                panic!()
            };
            assert_eq!(
                (error_type.as_str(), &body[..]),
                ("Runtime.AfterRestoreError", &br#"{"errorType": "E"}"#[..])
            );
            assert_eq!(served.next().await.0, 403);
        } else {
            served.api.offer(offer(invocation(1)));
            assert_eq!(served.next().await.0, 200);
            assert!(matches!(served.api.initialised().await, Initialisation::Ready));
            assert_eq!(served.post("restore/error", "", "{}").await.0, 403, "it is over");
        }
    }
}
