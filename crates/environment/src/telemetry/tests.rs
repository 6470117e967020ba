//! Subscriptions that are right and wrong, what events look like, and the bounds of what waits.

use super::subscription::Destination;
use super::*;
use crate::extensions_api::Standing;
use crate::platform::{Done, Span};
use crate::{Logging, Report};
use hearth_base::{RequestId, SeededRng, VirtualClock};
use serde_json::{Value, json};
use std::time::Duration;

fn request(changes: Value) -> Vec<u8> {
    let mut request = json!({
        "schemaVersion": "2022-12-13",
        "types": ["platform", "function", "extension"],
        "destination": { "protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/path?a=b" },
    });
    for (name, value) in changes.as_object().unwrap() {
        request[name] = value.clone();
    }
    request.to_string().into_bytes()
}

fn read(api: Api, changes: Value) -> Result<Subscription, String> {
    Subscription::read(api, &request(changes)).map_err(|Invalid(reason)| reason)
}

#[test]
fn subscriptions_have_the_defaults_of_their_api() {
    let telemetry = read(Api::Telemetry, json!({})).unwrap();
    let limits = |given: &Subscription| (given.items_max, given.bytes_max, given.timeout.as_millis());
    assert_eq!(limits(&telemetry), (1000, 262_144, 1000));
    let Destination::Http { method, uri, port } = &telemetry.destination else { panic!("{telemetry:?}") };
    assert_eq!((method.as_str(), uri.path_and_query().unwrap().as_str(), *port), ("POST", "/path?a=b", 8080));
    let logs = read(Api::Logs, json!({ "schemaVersion": null, "buffering": null })).unwrap();
    assert_eq!((limits(&logs), logs.schema), ((10_000, 262_144, 1000), Schema::Logs2020August));
    let buffering = json!({ "maxItems": 10_000, "maxBytes": 1_048_576, "timeoutMs": 25 });
    let given = read(Api::Telemetry, json!({ "buffering": buffering })).unwrap();
    assert_eq!(limits(&given), (10_000, 1_048_576, 25));
    for destination in [
        json!({ "protocol": "TCP", "port": 8080 }),
        json!({ "protocol": "TCP", "URI": "tcp://sandbox.localdomain:8080" }),
    ] {
        let given = read(Api::Telemetry, json!({ "destination": destination })).unwrap();
        assert_eq!(given.destination, Destination::Tcp { port: 8080 });
    }
    let put = json!({ "protocol": "HTTP", "URI": "http://sandbox:1", "method": "PUT", "encoding": "JSON" });
    let given = read(Api::Logs, json!({ "schemaVersion": "2021-03-18", "destination": put })).unwrap();
    let Destination::Http { method, port: 1, .. } = given.destination else { panic!("{given:?}") };
    assert_eq!(method, "PUT");
}

#[test]
fn what_is_wrong_with_a_subscription_is_told_all_at_once() {
    let uri = |uri: &str| json!({ "destination": { "protocol": "HTTP", "URI": uri } });
    let buffering = |name: &str, value: Value| json!({ "buffering": { name: value } });
    let tcp = |port: Value| json!({ "destination": { "protocol": "TCP", "port": port } });
    for (changes, expected) in [
        (
            json!({ "types": [], "destination": { "protocol": "HTTP", "URI": "http://sandbox.localdomain" } }),
            "URI port is not provided; types should not be empty",
        ),
        (json!({ "types": null }), "types should not be empty"),
        (
            json!({ "types": ["function", "lunch"] }),
            r#"types has "lunch", which is none of platform, function, extension"#,
        ),
        (json!({ "schemaVersion": null }), "schemaVersion is not provided"),
        (json!({ "schemaVersion": "2020-08-15" }), r#"schemaVersion "2020-08-15" is not supported"#),
        (json!({ "destination": null }), "destination is not provided"),
        (
            json!({ "destination": { "protocol": "UDP" } }),
            r#"destination.protocol "UDP" is neither HTTP nor TCP"#,
        ),
        (json!({ "destination": { "protocol": "HTTP" } }), "URI is not provided"),
        (uri("https://sandbox.localdomain:1"), r#"URI "https://sandbox.localdomain:1" is not one of http"#),
        (uri("http://example.com:80"), "URI host should be sandbox.localdomain"),
        (uri("http://127.0.0.1:80"), "URI host should be sandbox.localdomain"),
        (uri("http://sandbox.localdomain:9001"), "URI port 9001 cannot be used"),
        (uri("http://sandbox.localdomain:0"), "URI port 0 cannot be used"),
        (tcp(json!(70_000)), "destination.port 70000 cannot be used"),
        (tcp(json!(null)), "destination.port is not provided"),
        (
            json!({ "destination": { "protocol": "HTTP", "URI": "http://sandbox:1", "method": "PUT" } }),
            r#"destination.method "PUT" is not supported"#,
        ),
        (json!({ "buffering": 3 }), "buffering should be an object"),
        (buffering("maxItems", json!(999)), "buffering.maxItems should be an integer from 1000 to 10000"),
        (
            buffering("maxBytes", json!(1_048_577)),
            "buffering.maxBytes should be an integer from 262144 to 1048576",
        ),
        (buffering("timeoutMs", json!(24)), "buffering.timeoutMs should be an integer from 25 to 30000"),
        (buffering("timeoutMs", json!("25")), "buffering.timeoutMs should be an integer from 25 to 30000"),
    ] {
        assert_eq!(read(Api::Telemetry, changes.clone()).unwrap_err(), expected, "{changes}");
    }
    for body in ["", "[]", "nonsense", "\u{0}"] {
        assert!(Subscription::read(Api::Logs, body.as_bytes()).is_err(), "{body:?}");
    }
}

fn telemetry(json: bool) -> Arc<Telemetry> {
    let format = if json { LogFormat::Json } else { LogFormat::Text };
    let definition = Definition { logging: Logging { format, ..Logging::default() }, ..Definition::sample() };
    let clock = Arc::new(VirtualClock::new(Timestamp::from_seconds(1)));
    Telemetry::new(Arc::new(definition), clock)
}

/// All that waits for a subscriber.
fn waiting(telemetry: &Telemetry, number: usize) -> Vec<Value> {
    let queue = &telemetry.lock().subscribers[number].queue;
    queue.take().lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn subscription(api: Api, version: &str) -> Subscription {
    read(api, json!({ "schemaVersion": version })).unwrap()
}

const AT: Timestamp = Timestamp::from_seconds(0);

#[test]
fn events_look_as_the_schema_has_them() {
    let id = RequestId::new(&SeededRng::new(1));
    let report = Report {
        duration: Duration::from_micros(693_920),
        billed: Duration::from_millis(694),
        init: Some(Duration::from_micros(397_680)),
        restore: None,
        memory_size_mb: 128,
        max_memory_used_mb: 84,
        log_stream: "s".into(),
    };
    let failed = Status::Error("Runtime.ExitError".to_owned());
    let span = Span { name: "responseLatency", start: AT, duration: Duration::from_micros(23_020) };
    let done = Done { request_id: id, status: &failed, trace: "Root=1", spans: &[span] };
    let standing = Standing { name: "x".to_owned(), state: "Ready", events: vec!["INVOKE"] };
    let events = [
        Event::InitStart { phase: Phase::Init, version: "v", version_arn: "arn" },
        Event::InitRuntimeDone { phase: Phase::Init, status: &Status::Success },
        Event::Extension { standing: &standing, error_type: None },
        Event::InitReport {
            phase: Phase::Init,
            duration: Duration::from_millis(5),
            status: &Status::Timeout,
        },
        Event::Start { request_id: id, trace: "Root=1" },
        Event::Fault { text: "died" },
        Event::RuntimeDone { done, duration: Duration::from_millis(140), produced_bytes: 16 },
        Event::Report { done, report: &report },
        Event::RestoreStart { version: "v", version_arn: "arn" },
        Event::RestoreRuntimeDone { status: &Status::Success },
        Event::RestoreReport { duration: Duration::from_micros(15_190), status: &Status::Success },
        Event::Warning { text: "Hearth's own" },
    ];
    let told = |api, version| {
        let telemetry = telemetry(false);
        telemetry.subscribe("x", subscription(api, version)).unwrap();
        events.iter().for_each(|event| telemetry.platform(AT, event));
        waiting(&telemetry, 0)
    };
    let line = |kind: &str, record: Value| json!({ "time": "1970-01-01T00:00:00.000Z", "type": kind, "record": record });
    let id = id.to_string();
    let metrics = json!({
        "durationMs": 693.92, "billedDurationMs": 694, "memorySizeMB": 128, "maxMemoryUsedMB": 84,
        "initDurationMs": 397.68,
    });
    let tracing = json!({ "type": "X-Amzn-Trace-Id", "value": "Root=1" });
    let spans =
        json!([{ "name": "responseLatency", "start": "1970-01-01T00:00:00.000Z", "durationMs": 23.02 }]);
    let instance = json!({
        "runtimeVersion": "v", "runtimeVersionArn": "arn", "functionName": "f", "functionVersion": "$LATEST",
        "instanceMaxMemory": 128,
    });
    let mut begun = instance.clone();
    begun["initializationType"] = "on-demand".into();
    begun["phase"] = "init".into();
    let init = |status: &str| json!({ "initializationType": "on-demand", "phase": "init", "status": status });
    let mut timed_out = init("timeout");
    timed_out["metrics"] = json!({ "durationMs": 5.0 });
    let extension =
        line("platform.extension", json!({ "name": "x", "state": "Ready", "events": ["INVOKE"] }));
    let ended = |metrics: &Value| {
        json!({
            "requestId": id, "status": "error", "errorType": "Runtime.ExitError", "metrics": metrics,
            "tracing": tracing, "spans": spans,
        })
    };
    assert_eq!(
        told(Api::Telemetry, "2022-07-01"),
        [
            line("platform.initStart", begun),
            line("platform.initRuntimeDone", init("success")),
            extension.clone(),
            line("platform.initReport", timed_out),
            line("platform.start", json!({ "requestId": id, "version": "$LATEST", "tracing": tracing })),
            line("platform.runtimeDone", ended(&json!({ "durationMs": 140.0, "producedBytes": 16 }))),
            line("platform.report", ended(&metrics)),
            line("platform.restoreStart", instance),
            line("platform.restoreRuntimeDone", json!({ "status": "success" })),
            line(
                "platform.restoreReport",
                json!({ "status": "success", "metrics": { "durationMs": 15.19 } })
            ),
        ]
    );
    let start = line("platform.start", json!({ "requestId": id, "version": "$LATEST" }));
    let fault = line("platform.fault", json!("died"));
    let end = line("platform.end", json!({ "requestId": id }));
    let report = line("platform.report", json!({ "requestId": id, "metrics": metrics }));
    let logs = [extension, start, fault, end, report];
    assert_eq!(told(Api::Logs, "2020-08-15"), logs);
    let mut logs = logs.to_vec();
    logs.insert(3, line("platform.runtimeDone", json!({ "requestId": id, "status": "failure" })));
    assert_eq!(told(Api::Logs, "2021-03-18"), logs);
}

#[test]
fn lines_are_objects_where_format_and_schema_have_such() {
    let lines = ["plain\n", "{\"b\": 1,\n \"a\": 1.50}\n", "{\"not\": \n", "[1]\n"];
    let text: Vec<Value> = lines.iter().map(|line| json!(line)).collect();
    let mut objects = text.clone();
    objects[1] = json!({ "b": 1, "a": 1.5 });
    for (json, version, expected) in [
        (true, "2022-07-01", &text),
        (true, "2022-12-13", &objects),
        (true, "2025-01-29", &objects),
        (false, "2025-01-29", &text),
    ] {
        let telemetry = telemetry(json);
        telemetry.subscribe("x", subscription(Api::Telemetry, version)).unwrap();
        lines.iter().for_each(|line| telemetry.line(AT, Origin::Function, line));
        let records: Vec<Value> =
            waiting(&telemetry, 0).iter_mut().map(|line| line["record"].take()).collect();
        assert_eq!(records, *expected, "{json} {version}");
    }
}

#[test]
fn a_subscriber_gets_what_it_asked_for_and_what_it_has_missed() {
    let telemetry = telemetry(false);
    telemetry.platform(AT, &Event::InitStart { phase: Phase::Init, version: "v", version_arn: "arn" });
    telemetry.line(AT, Origin::Function, "early");
    telemetry.line(AT, Origin::Extension, "said");
    let only = |kind: &str| read(Api::Telemetry, json!({ "types": [kind] })).unwrap();
    for (name, kind) in [("p", "platform"), ("f", "function"), ("e", "extension")] {
        telemetry.subscribe(name, only(kind)).unwrap();
    }
    telemetry.line(AT, Origin::Function, "late");
    let kinds = |number| -> Vec<String> {
        let lines = waiting(&telemetry, number);
        lines.iter().map(|line| format!("{} {}", line["type"].as_str().unwrap(), line["record"])).collect()
    };
    assert!(kinds(0)[0].starts_with("platform.initStart "));
    assert_eq!(kinds(1), [r#"function "early""#, r#"function "late""#]);
    assert_eq!(kinds(2), [r#"extension "said""#]);
    // Once more is instead, not besides.
    telemetry.subscribe("f", only("extension")).unwrap();
    telemetry.line(AT, Origin::Extension, "again");
    assert_eq!(kinds(1), [r#"extension "again""#]);
    assert_eq!(telemetry.subscribe("f", subscription(Api::Logs, "2020-08-15")), Err(Unsubscribed::OtherApi));
    assert!(telemetry.close());
    assert_eq!(telemetry.subscribe("g", only("platform")), Err(Unsubscribed::Closed));
    assert_eq!(telemetry.lock().subscribers.len(), 3);
}

#[test]
fn what_is_kept_for_late_subscribers_has_a_bound() {
    let telemetry = telemetry(false);
    for _ in 0..2 * HISTORY_LINES_MAX {
        telemetry.line(AT, Origin::Function, &"x".repeat(300));
    }
    let bytes = telemetry.lock().history.as_ref().unwrap().bytes;
    assert!(bytes <= HISTORY_BYTES_MAX && bytes + 300 > HISTORY_BYTES_MAX, "{bytes}");
    assert!(!telemetry.close(), "nobody has subscribed");
}

#[tokio::test]
async fn batches_are_bounded_due_in_time_and_what_is_too_much_is_counted() {
    let mut wanted = subscription(Api::Telemetry, "2022-12-13");
    (wanted.items_max, wanted.bytes_max, wanted.timeout) = (3, 100, Duration::from_secs(3600));
    let queue = Queue::new(wanted.clone());
    let is_due = async || tokio::time::timeout(Duration::from_millis(20), queue.due()).await.is_ok();
    assert!(!is_due().await);
    queue.push("1".into());
    queue.push("2".into());
    assert!(!is_due().await, "it waits for more");
    queue.push("3".into());
    assert!(is_due().await, "as many as fit");
    queue.push("4".into());
    assert_eq!(queue.take().lines, ["1", "2", "3"]);
    assert!(!is_due().await);
    queue.flush();
    assert!(is_due().await, "nothing waits for more at the end");
    assert_eq!(queue.take().lines, ["4"]);
    assert!(!is_due().await, "there is nothing");
    // More than fits: what came first stays.
    for number in 0..20 {
        queue.push(number.to_string());
    }
    let batch = queue.take();
    assert_eq!((batch.lines.concat().as_str(), batch.dropped.records, batch.dropped.bytes), ("012", 8, 16));
    assert_eq!(queue.take().dropped, queue::Dropped::default());
    // By bytes, but for one that is larger by itself.
    let queue = Queue::new(wanted);
    queue.push("x".repeat(500));
    queue.push("y".repeat(60));
    queue.push("z".repeat(60));
    assert_eq!(queue.take().dropped.records, 2);
    queue.push("y".repeat(60));
    queue.push("z".repeat(60));
    assert_eq!(queue.take().lines, ["y".repeat(60)]);
    assert_eq!(queue.take().lines, ["z".repeat(60)]);
}

#[tokio::test]
async fn a_batch_is_due_when_its_time_is_over() {
    let mut wanted = subscription(Api::Telemetry, "2022-12-13");
    wanted.timeout = Duration::from_millis(30);
    let queue = Queue::new(wanted);
    let began = std::time::Instant::now();
    queue.push("1".into());
    queue.due().await;
    assert!(began.elapsed() >= Duration::from_millis(30));
    assert_eq!(queue.take().lines, ["1"]);
}
