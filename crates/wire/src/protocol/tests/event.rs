//! Streams of events.

use crate::event_stream::{Events, HeaderValue, Message};
use crate::failure::Failure;
use crate::fixture::*;
use crate::message::Body;
use crate::schema::{EventRole, Location, Member, Protocol, Service};
use crate::value::Value;
use bytes::BytesMut;
use futures_util::{FutureExt as _, StreamExt as _, stream};

/// An output after the one of Lambda's InvokeWithResponseStream.
fn streaming(protocol: Protocol) -> &'static Service {
    let role = |event, member: Member| Member { event, ..member };
    let chunk = structure(
        "Chunk",
        vec![
            role(EventRole::Header, member("Number", &INTEGER)),
            role(EventRole::Payload, member("Payload", &BLOB)),
        ],
    );
    let complete = structure("Complete", vec![member("ErrorCode", &STRING), member("LogResult", &STRING)]);
    let throttled = structure("Throttled", vec![member("message", &STRING)]).error(429);
    let events = structure(
        "Events",
        vec![
            member("PayloadChunk", chunk.leak()),
            member("InvokeComplete", complete.leak()),
            member("Throttled", throttled.leak()),
        ],
    )
    .with(|structure| structure.event_stream = true);
    let output = structure(
        "Out",
        vec![member("Version", &STRING).at(Location::Header, "X-Version"), member("Stream", events.leak())],
    )
    .payload(1);
    one(protocol, structure("In", vec![]), output)
}

fn messages(protocol: Protocol, events: Vec<Result<Value, Failure>>) -> (http::HeaderMap, Vec<Message>) {
    let service = streaming(protocol);
    let events = Value::Events(Events::new(stream::iter(events).boxed()));
    let output = Value::Structure(vec![Some(Value::String("1".into())), Some(events)]);
    let response = protocol.encode(service, &service.operations[0], output, request_id());
    assert_eq!(response.headers["content-type"], "application/vnd.amazon.eventstream");
    assert_eq!(response.headers["x-amzn-requestid"], request_id().to_string().as_str());
    let Body::Stream(body) = response.body else { panic!("the body is no stream") };
    let frames: Vec<_> = body.collect().now_or_never().expect("the stream is there already");
    let mut buffer = BytesMut::new();
    for frame in frames {
        buffer.extend_from_slice(&frame.unwrap());
    }
    let mut messages = Vec::new();
    while let Some(message) = Message::decode(&mut buffer).unwrap() {
        messages.push(message);
    }
    assert!(buffer.is_empty());
    (response.headers, messages)
}

fn event(protocol: Protocol, json: &str) -> Result<Value, Failure> {
    let output = streaming(protocol).operations[0].output.structure().unwrap();
    Ok(value(json, output.members[1].shape))
}

#[test]
fn each_event_is_a_message() {
    let p = Protocol::RestJson1;
    let events = vec![
        event(p, r#"{"PayloadChunk":{"Number":7,"Payload":"aGVsbG8="}}"#),
        event(p, r#"{"PayloadChunk":{}}"#),
        event(p, r#"{"InvokeComplete":{"ErrorCode":"E","LogResult":"l"}}"#),
    ];
    let (headers, messages) = messages(p, events);
    assert_eq!(headers["x-version"], "1");
    let kinds: Vec<_> = messages
        .iter()
        .map(|message| (message.text(":event-type"), message.text(":content-type"), &message.payload[..]))
        .collect();
    assert_eq!(
        kinds,
        [
            (Some("PayloadChunk"), Some("application/octet-stream"), &b"hello"[..]),
            (Some("PayloadChunk"), None, b""),
            (Some("InvokeComplete"), Some("application/json"), br#"{"ErrorCode":"E","LogResult":"l"}"#),
        ]
    );
    assert!(messages.iter().all(|message| message.text(":message-type") == Some("event")));
    assert!(messages[0].headers.contains(&("Number".into(), HeaderValue::Integer(7))));
}

#[test]
fn a_failure_ends_the_stream_and_is_told() {
    let p = Protocol::RestJson1;
    let chunk = || event(p, r#"{"PayloadChunk":{"Payload":"aGVsbG8="}}"#);
    let (_, known) = messages(p, vec![chunk(), Err(Failure::sender("Throttled", 429, "slow")), chunk()]);
    assert_eq!(known.len(), 2);
    assert_eq!(known[1].text(":message-type"), Some("exception"));
    assert_eq!(known[1].text(":exception-type"), Some("Throttled"));
    assert_eq!(&known[1].payload[..], br#"{"message":"slow"}"#);
    let (_, unknown) = messages(p, vec![Err(Failure::internal("oh")), chunk()]);
    assert_eq!(unknown.len(), 1);
    assert_eq!(unknown[0].text(":message-type"), Some("error"));
    assert_eq!(unknown[0].text(":error-code"), Some("InternalFailure"));
    assert_eq!(unknown[0].text(":error-message"), Some("oh"));
}

#[test]
fn protocols_without_headers_begin_with_the_other_members() {
    for (protocol, content_type, initial) in [
        (Protocol::AwsJson1_1, "application/x-amz-json-1.1", &br#"{"Version":"1"}"#[..]),
        (Protocol::RpcV2Cbor, "application/cbor", b"\xa1\x67Version\x611"),
    ] {
        let (_, messages) = messages(protocol, vec![event(protocol, r#"{"InvokeComplete":{}}"#)]);
        assert_eq!(messages[0].text(":event-type"), Some("initial-response"));
        assert_eq!(messages[0].text(":content-type"), Some(content_type));
        assert_eq!(&messages[0].payload[..], initial);
        assert_eq!(messages[1].text(":event-type"), Some("InvokeComplete"));
        assert_eq!(messages[1].text(":content-type"), Some(content_type));
    }
}
