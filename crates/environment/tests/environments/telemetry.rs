//! Extensions that subscribe to telemetry in real environments.

use crate::fixture::{Server, Settings, failed, returned, tail};
use hearth_environment::{Definition, LogFormat};
use hearth_sandbox::Isolation;
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Keeps what it receives in `/tmp/events`, an event a line, each with the time at which it came and its batch.
const SUBSCRIBER: &str = "
import http.server, socketserver, threading
TEMPORARY = os.environ.get('TMPDIR', '/tmp')
batches = []
heard = threading.Condition()
def keep(events):
    with heard:
        batches.append(events)
        with open(TEMPORARY + '/events', 'a') as file:
            for event in events:
                file.write(json.dumps(event | {'came': time.time(), 'batch': len(batches)}) + '\\n')
        heard.notify_all()
def wait_for(kind, seconds=5):
    def has():
        return any(event['type'] == kind for batch in batches for event in batch)
    with heard:
        return heard.wait_for(has, seconds)
class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_POST(self):
        assert self.headers['content-type'] == 'application/json'
        body = self.rfile.read(int(self.headers['content-length']))
        self.before(body)
        keep(json.loads(body))
        self.send_response(200)
        self.send_header('content-length', '0')
        self.end_headers()
    do_PUT = do_POST
    def before(self, body): pass
    def log_message(self, *_): pass
class Lines(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            keep([json.loads(line)])
def serve(kind=http.server.ThreadingHTTPServer, receiver=Receiver):
    server = kind(('127.0.0.1', 0), receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]
def ask(path, **body):
    connection = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
    connection.request('PUT', path, json.dumps(body), me)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())
def subscribe(port, version='2022-12-13', **changes):
    return ask('/2022-07-01/telemetry', **{
        'schemaVersion': version, 'types': ['platform', 'function'], 'buffering': {'timeoutMs': 25},
        'destination': {'protocol': 'HTTP', 'URI': f'http://sandbox.localdomain:{port}/x'}} | changes)
def attend():
    while await_event()['eventType'] != 'SHUTDOWN':
        pass
";

/// Returns what the subscriber has kept, once that has what the event names.
const TELLER: &str = "
import json, os, time
print('initialised')
TEMPORARY = os.environ.get('TMPDIR', '/tmp')
def handler(event, context):
    began = time.time()
    print('called', event)
    while True:
        try:
            lines = open(TEMPORARY + '/events').readlines()
        except FileNotFoundError:
            lines = []
        if not event or any(event in line for line in lines) or time.time() > began + 10:
            return [began, [json.loads(line) for line in lines]]
        time.sleep(0.005)
";

fn with(server: &Server, source: &str, extension: &str) -> Definition {
    let mut function = server.python(source);
    function.timeout = Duration::from_secs(15);
    server.extend(&mut function, &[("subscriber", &format!("{SUBSCRIBER}{extension}"))]);
    function
}

/// The second invocation's answer: when it began, and the events of the first and before.
async fn events_before(server: &Server, function: &Arc<Definition>, what: &str) -> (f64, Vec<Value>) {
    server.invoke(function, "null").await;
    let answer: Value =
        serde_json::from_str(returned(&server.invoke(function, &format!("{what:?}")).await)).unwrap();
    (answer[0].as_f64().unwrap(), answer[1].as_array().unwrap().clone())
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

async fn everything_reaches_a_subscriber(isolation: Isolation) {
    let server = Server::with(Settings { isolation, ..Settings::default() });
    let extension = "register('INVOKE', 'SHUTDOWN')\nassert subscribe(serve()) == (200, 'OK')\nattend()\n";
    let function = Arc::new(with(&server, TELLER, extension));
    let (_, events) = events_before(&server, &function, "platform.report").await;
    let end = kinds(&events).iter().position(|kind| *kind == "platform.report").unwrap();
    let mut told = kinds(&events)[..=end].to_vec();
    // The function may print before or after the extension subscribes.
    assert_eq!(told.iter().filter(|kind| **kind == "function").count(), 2, "{events:?}");
    let printed = told.iter().position(|kind| *kind == "function").unwrap();
    assert_eq!(events[printed]["record"], "initialised\n");
    told.remove(printed);
    // The same holds for the end of the runtime's part.
    let done = told.iter().position(|kind| *kind == "platform.initRuntimeDone").unwrap();
    assert!((1..4).contains(&done), "{told:?}");
    told.remove(done);
    let expected = [
        "platform.initStart",
        "platform.telemetrySubscription",
        "platform.extension",
        "platform.initReport",
        "platform.start",
        "function",
        "platform.runtimeDone",
        "platform.report",
    ];
    assert_eq!(told, expected);
    let of = |kind: &str| &events.iter().find(|event| event["type"] == kind).unwrap()["record"];
    assert_eq!(of("platform.initStart")["functionName"], function.key.name);
    let subscription = of("platform.telemetrySubscription");
    assert_eq!(
        subscription.to_string(),
        r#"{"name":"subscriber","state":"Subscribed","types":["platform","function"]}"#
    );
    let done = of("platform.runtimeDone");
    assert_eq!(
        (&done["status"], &done["requestId"]),
        (&"success".into(), &of("platform.start")["requestId"])
    );
    assert_eq!(done["spans"][0]["name"], "responseLatency");
    assert_eq!(of("platform.report")["spans"][0]["name"], "extensionOverhead");
    assert!(of("platform.start")["tracing"]["value"].as_str().unwrap().starts_with("Root=1-"));
    let messages = server.messages().await;
    let line = "TELEMETRY\tName: subscriber\tState: Subscribed\tTypes: [Platform, Function]\n";
    assert!(messages.contains(&line.to_owned()), "{messages:?}");
    server.stop().await;
}

#[tokio::test]
async fn everything_reaches_a_subscriber_in_a_cage() {
    everything_reaches_a_subscriber(Isolation::Sandbox).await;
}

#[tokio::test]
async fn everything_reaches_a_subscriber_without_a_cage() {
    everything_reaches_a_subscriber(Isolation::Process).await;
}

#[tokio::test]
async fn an_extension_may_wait_for_the_end_of_the_runtime_before_its_own() {
    let server = Server::start();
    let extension = "
register('INVOKE')
subscribe(serve(), types=['platform'])
while True:
    await_event()
    assert wait_for('platform.runtimeDone')
    batches.clear()
";
    let function = Arc::new(with(&server, "def handler(event, context):\n    return event\n", extension));
    let began = Instant::now();
    for turn in ["1", "2", "3"] {
        assert_eq!(returned(&server.invoke(&function, turn).await), turn);
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    server.stop().await;
}

#[tokio::test]
async fn the_logs_api_tells_lines_over_tcp() {
    let server = Server::start();
    let extension = "
register('INVOKE')
port = serve(socketserver.ThreadingTCPServer, Lines)
say(ask('/2020-08-15/logs', schemaVersion='2021-03-18', types=['function', 'platform', 'extension'],
        buffering={'timeoutMs': 25}, destination={'protocol': 'TCP', 'port': port}))
attend()
";
    let function = Arc::new(with(&server, TELLER, extension));
    let (_, events) = events_before(&server, &function, "platform.report").await;
    let platform: Vec<&str> =
        kinds(&events).into_iter().filter_map(|kind| kind.strip_prefix("platform.")).take(6).collect();
    assert_eq!(platform, ["logsSubscription", "extension", "start", "runtimeDone", "end", "report"]);
    let said = events.iter().find(|event| event["type"] == "extension").unwrap();
    assert_eq!(said["record"], "(200, 'OK')\n", "what extensions print is not the function's");
    let messages = server.messages().await;
    let line = "LOGS\tName: subscriber\tState: Subscribed\tTypes: [Function, Platform, Extension]\n";
    assert!(messages.contains(&line.to_owned()), "{messages:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_fault_is_told_before_the_environment_is_reset() {
    let server = Server::start();
    let extension = "
register('INVOKE', 'SHUTDOWN')
ask('/2020-08-15/logs', types=['platform'], destination={
    'protocol': 'HTTP', 'URI': f'http://sandbox.localdomain:{serve()}', 'method': 'PUT'},
    buffering={'timeoutMs': 30000})
attend()
assert wait_for('platform.report', 1)
say([event['record'] for batch in batches for event in batch if event['type'] == 'platform.fault'])
";
    let function = Arc::new(with(&server, "import os\ndef handler(*_):\n    os._exit(3)\n", extension));
    let error = failed(&server.invoke(&function, "1").await);
    let messages = server.messages_with("['RequestId").await;
    let fault = messages.iter().find(|message| message.starts_with("['RequestId")).unwrap();
    let message = error["errorMessage"].as_str().unwrap();
    assert_eq!(*fault, format!("['{message}\\nRuntime.ExitError']\n"));
    server.stop().await;
}

#[tokio::test]
async fn who_may_subscribe_when() {
    let server = Server::start();
    let extension = "
register('INVOKE')
first, second = serve(), serve()
for path in ['/2022-07-01/telemetry', '/2020-08-15/logs']:
    say(path, ask(path, types=[], schemaVersion='2022-07-01'))
say('first', subscribe(first, types=['function']))
say('again', subscribe(second, types=['platform']))
say('other', ask('/2020-08-15/logs', types=['platform'], destination={'protocol': 'TCP', 'port': first}))
mine, me = me, {'Lambda-Extension-Identifier': 'x'}
say('unknown', subscribe(first))
me = {}
say('nobody', subscribe(first))
me = mine
await_event()
say('late', subscribe(first))
attend()
";
    let function = Arc::new(with(&server, TELLER, extension));
    let log = tail(&server.invoke(&function, "null").await);
    for expected in [
        "/2022-07-01/telemetry (400, {'errorMessage': 'destination is not provided; types should not be empty', 'errorType': 'ValidationError'})",
        "'errorType': 'Logs.ValidationError'})",
        "first (200, 'OK')\n",
        "again (200, 'OK')\n",
        "other (403, {'errorMessage': 'The extension has subscribed to the Telemetry API already', 'errorType': 'Logs.AlreadySubscribed'})",
        "unknown (403, {'errorMessage': 'Unknown extension identifier'",
        "nobody (403, {'errorMessage': 'Missing Lambda-Extension-Identifier header'",
        "late (403, {'errorMessage': 'Telemetry API subscription is closed already', 'errorType': 'Telemetry.SubscriptionClosed'})",
    ] {
        assert!(log.contains(expected), "{expected} in {log}");
    }
    let (_, events) = events_before(&server, &function, "platform.report").await;
    let calls =
        events.iter().filter(|event| event["record"].as_str().is_some_and(|line| line.starts_with("called")));
    assert_eq!(calls.count(), 0, "the second subscription replaced the first: {events:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_frozen_environment_hears_of_it_when_it_thaws() {
    let server = Server::start();
    let extension = "register('INVOKE')\nsubscribe(serve(), buffering={'timeoutMs': 400})\nattend()\n";
    let function = Arc::new(with(&server, TELLER, extension));
    server.invoke(&function, "null").await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let (_, first) = events_before(&server, &function, "platform.report").await;
    let report = first.iter().find(|event| event["type"] == "platform.report").unwrap();
    let called: Vec<f64> = first
        .iter()
        .filter(|event| event["type"] == "platform.start")
        .map(|event| {
            hearth_base::Timestamp::parse_date_time(event["time"].as_str().unwrap()).unwrap().millis()
        })
        .map(|millis| millis as f64 / 1000.0)
        .collect();
    let came = report["came"].as_f64().unwrap();
    assert!(called.len() >= 2 && came >= called[1] - 0.002, "{came} is before {called:?}");
    server.stop().await;
}

#[tokio::test]
async fn json_lines_are_objects_for_those_who_know_them() {
    let server = Server::start();
    let source = "
import logging
def handler(event, context):
    logging.getLogger().warning('of two\\nlines')
    return open('/tmp/events').read() if event else ''
";
    for (version, is_object) in [("2022-07-01", false), ("2022-12-13", true), ("2025-01-29", true)] {
        let extension = format!(
            "register('INVOKE')\nsubscribe(serve(), '{version}', types=['function'])\nwhile True:\n    await_event()\n    wait_for('function')\n"
        );
        let mut function = with(&server, source, &extension);
        function.logging.format = LogFormat::Json;
        let function = Arc::new(function);
        server.invoke(&function, "null").await;
        let text: String = serde_json::from_str(returned(&server.invoke(&function, "1").await)).unwrap();
        let event: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let record = &event["record"];
        assert_eq!(record.is_object(), is_object, "{version}: {event}");
        let parsed =
            if is_object { record.clone() } else { serde_json::from_str(record.as_str().unwrap()).unwrap() };
        assert_eq!((&parsed["message"], &parsed["level"]), (&"of two\nlines".into(), &"WARNING".into()));
    }
    server.stop().await;
}

#[tokio::test]
async fn the_last_events_come_before_the_end() {
    let server = Server::start();
    let extension = "
register('INVOKE', 'SHUTDOWN')
subscribe(serve(), buffering={'timeoutMs': 30000})
await_event()
event = await_event()
assert wait_for('platform.report', 1.5)
say('the report came', event['shutdownReason'], event['deadlineMs'] / 1000 > time.time())
";
    let function = Arc::new(with(&server, TELLER, extension));
    server.invoke(&function, "null").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.environments.retire(&function.key);
    let messages = server.messages_with("the report came").await;
    assert!(messages.contains(&"the report came spindown True\n".to_owned()), "{messages:?}");
    server.stop().await;
}

const FLOOD: &str = "
import os, time
def handler(event, context):
    line = b'x' * 999 + b'\\n'
    for _ in range(event['lines'] // 50):
        os.write(1, line * 50)
    time.sleep(event.get('pause', 0))
    try:
        return open('/tmp/events').read()
    except FileNotFoundError:
        return ''
";

#[tokio::test]
async fn a_slow_subscriber_loses_and_is_told_how_much() {
    let server = Server::start();
    let extension = "
class Slow(Receiver):
    def before(self, body):
        if not os.path.exists('/tmp/slept') and len(body) > 100000:
            open('/tmp/slept', 'w')
            time.sleep(1)
register('INVOKE')
subscribe(serve(receiver=Slow), types=['function'])
attend()
";
    let function = Arc::new(with(&server, FLOOD, extension));
    let completion = server.invoke(&function, r#"{"lines": 6000, "pause": 2}"#).await;
    let events: String = serde_json::from_str(returned(&completion)).unwrap();
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let dropped: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"] == "platform.logsDropped")
        .map(|event| &event["record"])
        .collect();
    let lost: u64 = dropped.iter().map(|record| record["droppedRecords"].as_u64().unwrap()).sum();
    assert!(lost > 0, "{dropped:?}");
    assert_eq!(lost + events.iter().filter(|event| event["type"] == "function").count() as u64, 6000);
    assert!(
        dropped[0]["droppedBytes"].as_u64().unwrap() > 1000 * dropped[0]["droppedRecords"].as_u64().unwrap()
    );
    assert!(dropped[0]["reason"].as_str().unwrap().contains("slower than the logs production rate"));
    server.stop().await;
}

#[tokio::test]
async fn a_dead_subscriber_holds_nobody_up() {
    let server = Server::start();
    let hangs = "
class Hangs(Receiver):
    def before(self, body): time.sleep(1000)
register('INVOKE', 'SHUTDOWN')
subscribe(serve(receiver=Hangs))
attend()
";
    let nobody = "
import socket
listener = socket.create_server(('127.0.0.1', 0))
port = listener.getsockname()[1]
listener.close()
register('INVOKE', 'SHUTDOWN')
subscribe(port)
attend()
";
    let nonsense = "
class Nonsense(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b'what?' * 1000)
register('INVOKE', 'SHUTDOWN')
subscribe(serve(socketserver.ThreadingTCPServer, Nonsense))
attend()
";
    for extension in [hangs, nobody, nonsense] {
        let function = Arc::new(with(&server, FLOOD, extension));
        for _ in 0..3 {
            let began = Instant::now();
            server.invoke(&function, r#"{"lines": 1000}"#).await;
            assert!(began.elapsed() < Duration::from_secs(4), "{:?} with {extension}", began.elapsed());
        }
    }
    let began = Instant::now();
    server.stop().await;
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}
