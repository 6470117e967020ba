//! Responses that come piece by piece: from runtimes that stream, break off, fail and never end.

use crate::fixture::{Server, Settings, invocation, returned, tail};
use hearth_base::limits;
use hearth_environment::{Completion, Definition, Failure, Outcome, Part, Refusal, ResponseStream};
use std::sync::Arc;
use std::time::Duration;

/// A runtime in bash whose event is what it does with the stream, on descriptor 3.
const BOOTSTRAP: &str = r#"#!/bin/bash
LC_ALL=C
open() { exec 3<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API%:*}/${AWS_LAMBDA_RUNTIME_API##*:}"; }
status() { IFS= read -r line <&3; status=${line:9:3}; }
chunk() { printf '%x\r\n%s\r\n' "${#1}" "$1" >&3; }
zeros() { printf '%x\r\n' "$1" >&3; head -c "$1" /dev/zero >&3; printf '\r\n' >&3; }
finish() { printf '0\r\n%s\r\n' "$1" >&3; status; echo "answered $status"; }
stream() {
  printf 'POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nLambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\nTrailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n' "$id" >&3
}
while open; do
  printf 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n' >&3
  while IFS= read -r line <&3 && line=${line%$'\r'} && [[ -n $line ]]; do
    case $line in
      lambda-runtime-aws-request-id:*) id=${line#*: } ;;
      content-length:*) length=${line#*: } ;;
    esac
  done
  IFS= read -r -N "$length" event <&3
  stream
  eval "$event"
  exec 3>&-
done
"#;

struct Streamed {
    pieces: Vec<u8>,
    completion: Completion,
}

fn function(server: &Server) -> Arc<Definition> {
    let mut definition = server.shell(BOOTSTRAP);
    definition.timeout = Duration::from_secs(30);
    Arc::new(definition)
}

async fn begin(server: &Server, function: &Arc<Definition>, event: &str) -> ResponseStream {
    server.environments.invoke_streaming(function, invocation(function, event)).await.unwrap()
}

async fn rest(mut response: ResponseStream) -> Streamed {
    let mut pieces = Vec::new();
    loop {
        match response.next().await.expect("there is an end").unwrap() {
            Part::Piece(piece) => pieces.extend_from_slice(&piece),
            Part::End(completion) => {
                assert!(response.next().await.is_none(), "nothing comes after the end");
                return Streamed { pieces, completion };
            }
        }
    }
}

async fn stream(server: &Server, function: &Arc<Definition>, event: &str) -> Streamed {
    rest(begin(server, function, event).await).await
}

fn failure(completion: &Completion) -> (Failure, serde_json::Value) {
    match &completion.outcome {
        Outcome::Failed { failure, payload } => (*failure, serde_json::from_slice(payload).unwrap()),
        returned => panic!("{returned:?}\n{}", tail(completion)),
    }
}

async fn until_idle(server: &Server) {
    while server.environments.counts().busy > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What a runtime prints after its answer may come after the end of the invocation.
async fn until_logged(server: &Server, line: &str) {
    while !server.messages().await.iter().any(|logged| logged == line) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn pieces_come_while_the_function_runs() {
    let server = Server::start();
    let function = function(&server);
    let mut response =
        begin(&server, &function, "chunk one; sleep 0.3; chunk two; chunk three; finish").await;
    match response.next().await {
        Some(Ok(Part::Piece(piece))) => assert_eq!(piece, "one"),
        other => panic!("{other:?}"),
    }
    assert_eq!(server.environments.counts().busy, 1, "the function is still at it");
    let Streamed { pieces, completion } = rest(response).await;
    assert_eq!(pieces, b"twothree");
    assert_eq!(
        completion.outcome,
        Outcome::Returned { payload: Default::default(), content_type: "text/plain".to_owned() }
    );
    assert!(tail(&completion).contains("END RequestId: "), "{}", tail(&completion));
    // A caller of the other kind gets it in one piece.
    assert_eq!(returned(&server.invoke(&function, "chunk one; chunk two; finish").await), "onetwo");
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_streamed_is_in_the_outcome() {
    let server = Server::start();
    let function = Arc::new(
        server.python("def handler(event, context):\n    if event: raise ValueError('no')\n    return 'x'\n"),
    );
    let Streamed { pieces, completion } = stream(&server, &function, "null").await;
    assert_eq!((pieces.len(), returned(&completion)), (0, r#""x""#));
    let Streamed { pieces, completion } = stream(&server, &function, "1").await;
    assert_eq!((pieces.len(), failure(&completion).1["errorType"].as_str()), (0, Some("ValueError")));
    server.stop().await;
}

#[tokio::test]
async fn an_error_in_the_trailers_ends_the_stream() {
    let server = Server::start();
    let function = function(&server);
    let trailers = r#"$'Lambda-Runtime-Function-Error-Type: Mine\r\nLambda-Runtime-Function-Error-Body: eyJlcnJvclR5cGUiOiJNaW5lIn0=\r\n'"#;
    for (begun, pieces) in [("chunk some;", "some"), ("", "")] {
        let streamed = stream(&server, &function, &format!("{begun} finish {trailers}")).await;
        assert_eq!(streamed.pieces, pieces.as_bytes());
        let expected = (Failure::Reported, serde_json::json!({"errorType": "Mine"}));
        assert_eq!(failure(&streamed.completion), expected);
    }
    let log = server.messages().await;
    assert_eq!(
        log.iter().filter(|line| line.starts_with("INIT_START")).count(),
        1,
        "it is as well as before"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_response_that_breaks_off_is_truncated_and_the_log_says_why() {
    let server = Server::start();
    let function = function(&server);
    for (event, kind, words) in [
        ("chunk some; exit 3", Failure::Exited, "Runtime exited with error: exit status 3"),
        ("chunk some; kill -9 $$", Failure::Exited, "Runtime exited with error: signal: killed"),
        (
            "chunk some; exec 3>&-; sleep 20",
            Failure::Truncated,
            "The runtime closed the connection before the end of its response",
        ),
    ] {
        let Streamed { pieces, completion } = stream(&server, &function, event).await;
        assert_eq!(pieces, b"some", "{event}");
        let (failure, error) = failure(&completion);
        assert_eq!((failure, error["errorType"].as_str()), (kind, Some("Runtime.TruncatedResponse")));
        assert!(error["errorMessage"].as_str().unwrap().ends_with(&format!(" Error: {words}")), "{error}");
        let log = tail(&completion);
        assert!(log.contains(words) && log.contains("\tStatus: error\tError Type: Runtime."), "{log}");
        let next = stream(&server, &function, "chunk fine; finish").await;
        assert_eq!(next.pieces, b"fine", "{event}");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_exit_before_the_first_byte_is_an_exit() {
    let server = Server::start();
    let function = function(&server);
    let Streamed { completion, .. } = stream(&server, &function, "exit 3").await;
    let (kind, error) = failure(&completion);
    assert_eq!((kind, error["errorType"].as_str()), (Failure::Exited, Some("Runtime.ExitError")));
    server.stop().await;
}

#[tokio::test]
async fn a_timeout_ends_the_stream() {
    let server = Server::start();
    let mut definition = server.shell(BOOTSTRAP);
    definition.timeout = Duration::from_secs(1);
    let function = Arc::new(definition);
    // One that is silent, and one that never stops; of the latter not a byte is read until the time is over.
    for event in ["chunk some; sleep 20", "chunk some; while :; do zeros 100000; done"] {
        let response = begin(&server, &function, event).await;
        until_idle(&server).await;
        let Streamed { pieces, completion } = rest(response).await;
        assert!(pieces.starts_with(b"some") && pieces.len() < 4 << 20, "{}", pieces.len());
        let (kind, error) = failure(&completion);
        assert_eq!((kind, error["errorType"].as_str()), (Failure::TimedOut, Some("Sandbox.Timedout")));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_slow_caller_holds_the_function_up() {
    let server = Server::start();
    let function = function(&server);
    let response = begin(&server, &function, "zeros 40000000; finish").await;
    let unread = tokio::time::timeout(Duration::from_millis(300), until_idle(&server)).await;
    assert!(unread.is_err(), "nobody has read 40 MB, so they cannot be written");
    let Streamed { pieces, completion } = rest(response).await;
    assert_eq!((pieces.len(), returned(&completion)), (40_000_000, ""));
    server.stop().await;
}

#[tokio::test]
async fn a_caller_that_has_gone_does_not() {
    let server = Server::start();
    let function = function(&server);
    let response = begin(&server, &function, "chunk some; zeros 40000000; finish").await;
    drop(response);
    until_idle(&server).await;
    until_logged(&server, "answered 202\n").await;
    server.stop().await;
}

#[tokio::test]
async fn a_stream_has_a_limit() {
    let server = Server::start();
    let function = function(&server);
    let limit = limits::STREAMED_RESPONSE_BYTES_MAX;
    for (size, status) in [(limit, 202), (limit + 1, 413)] {
        let mut response = begin(&server, &function, &format!("zeros {size}; finish")).await;
        let mut read = 0;
        let completion = loop {
            match response.next().await.unwrap().unwrap() {
                Part::Piece(piece) => read += piece.len() as u64,
                Part::End(completion) => break completion,
            }
        };
        assert_eq!(read, limit);
        until_logged(&server, &format!("answered {status}\n")).await;
        match completion.outcome {
            Outcome::Returned { .. } => assert_eq!(size, limit),
            Outcome::Failed { failure, payload } => {
                assert_eq!((failure, size), (Failure::ResponseTooLarge, limit + 1));
                assert!(String::from_utf8_lossy(&payload).contains("(209715201 bytes)"), "{payload:?}");
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_refusal_is_told_before_anything_is_streamed() {
    let server = Server::with(Settings { environments_max: 1, ..Settings::default() });
    let (one, other) = (function(&server), function(&server));
    let response = begin(&server, &one, "chunk some; sleep 0.2; finish").await;
    let refused = server.environments.invoke_streaming(&other, invocation(&other, "finish")).await;
    assert_eq!(refused.err(), Some(Refusal::TooManyEnvironments));
    assert_eq!(rest(response).await.pieces, b"some");
    server.stop().await;
}
