"""Extensions from layers that subscribe to the Telemetry API and the Logs API, and what reaches them."""

import json
import os
import re
import time

import pytest
import residue
from functions import NODE, PYTHON, name_of
from hearth import eventually
from package import Executable, zip_of

# Keeps what it receives in /tmp/events, an event a line, with the batch and the time at which it came.
EXTENSION = r"""#!/usr/bin/env python3
import http.client, http.server, json, os, socketserver, threading, time
SETTINGS = json.loads(os.environ["SUBSCRIPTION"])
batches = 0
def keep(events):
    global batches
    batches += 1
    with open("/tmp/events", "a") as file:
        for event in events:
            file.write(json.dumps(event | {"came": time.time(), "batch": batches}) + "\n")
def since_last_start():
    if not os.path.exists("/tmp/events"):
        return ""
    with open("/tmp/events") as file:
        return file.read().rsplit("platform.start", 1)[-1]
class Requests(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if SETTINGS.get("hangs"):
            time.sleep(SETTINGS["hangs"])
        keep(json.loads(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    do_PUT = do_POST
    def log_message(self, *_):
        pass
class Lines(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            keep([json.loads(line)])
def call(method, path, headers, body=None):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, path, body and json.dumps(body), headers)
    answer = connection.getresponse()
    return answer.status, answer.headers, json.loads(answer.read())
_, headers, _ = call("POST", "/2020-01-01/extension/register", {"Lambda-Extension-Name": os.path.basename(__file__)},
                     {"events": ["INVOKE", "SHUTDOWN"]})
me = {"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]}
kind = socketserver.ThreadingTCPServer if SETTINGS.get("tcp") else http.server.ThreadingHTTPServer
# By this name subscribers bind on AWS, too.
server = kind(("sandbox.localdomain", 8080), Lines if SETTINGS.get("tcp") else Requests)
threading.Thread(target=server.serve_forever, daemon=True).start()
status, _, answer = call("PUT", SETTINGS["path"], me, SETTINGS["body"])
print("subscribed:", status, json.dumps(answer), flush=True)
while True:
    _, _, event = call("GET", "/2020-01-01/extension/event/next", me)
    if event["eventType"] == "SHUTDOWN":
        # The last batch is on its way.
        deadline = event["deadlineMs"] / 1000 - 0.5
        while time.time() < deadline and "platform.report" not in since_last_start():
            time.sleep(0.02)
        print("at the end:", "platform.report" in since_last_start(), event["shutdownReason"], flush=True)
        break
"""

# Prints what it is told to, and returns the events that have come once there is one of the kind that it waits for.
TELLER = r"""
import json, logging, os, time
logging.getLogger().setLevel("INFO")
def events():
    try:
        return [json.loads(line) for line in open("/tmp/events")]
    except FileNotFoundError:
        return []
def handler(event, context):
    for line in event.get("print", []):
        print(line)
    for line in event.get("log", []):
        logging.getLogger().info(line)
    if "flood" in event:
        block = (b"x" * 999 + b"\n") * 50
        for _ in range(event["flood"] // 50):
            os.write(1, block)
    if event.get("exit"):
        os._exit(event["exit"])
    deadline = time.time() + event.get("patience", 10)
    while "wait" in event and time.time() < deadline:
        if any(told["type"] == event["wait"] for told in events()):
            break
        time.sleep(0.01)
    time.sleep(event.get("sleep", 0))
    return events() if event.get("tell", True) else None
"""

TELEMETRY, LOGS = "/2022-07-01/telemetry", "/2020-08-15/logs"
HTTP = {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/telemetry"}
TCP = {"protocol": "TCP", "port": 8080}


@pytest.fixture(scope="module")
def layer(lambda_client):
    package = zip_of({"extensions/subscriber": Executable(EXTENSION)})
    answer = lambda_client.publish_layer_version(LayerName=name_of("telemetry"), Content={"ZipFile": package})
    yield answer["LayerVersionArn"]
    lambda_client.delete_layer_version(LayerName=answer["LayerArn"], VersionNumber=answer["Version"])


@pytest.fixture
def subscribed(deploy, layer):
    """Deploys a function with an extension that subscribes."""

    def subscribed(path=TELEMETRY, body=None, settings=None, runtime=PYTHON, source=TELLER, **changes):
        body = {
            "schemaVersion": "2022-12-13" if path == TELEMETRY else "2021-03-18",
            "types": ["platform", "function"],
            "buffering": {"timeoutMs": 25},
            "destination": TCP if (settings or {}).get("tcp") else HTTP,
        } | (body or {})
        subscription = json.dumps({"path": path, "body": body} | (settings or {}))
        environment = {"Variables": {"SUBSCRIPTION": subscription}}
        return deploy(runtime, source, Layers=[layer], Environment=environment, Timeout=30, **changes)

    return subscribed


def records(events, kind):
    return [event["record"] for event in events if event["type"] == kind]


def logged(logs_client, function, text):
    """The messages of a function's log, once one of them has this text."""

    def messages():
        try:
            found = logs_client.filter_log_events(logGroupName=f"/aws/lambda/{function.name}")
        except logs_client.exceptions.ResourceNotFoundException:
            return []
        messages = [event["message"] for event in found["events"]]
        return messages if any(text in message for message in messages) else []

    return eventually(messages, 15, lambda: f"no {text!r} in the log")


@pytest.mark.parametrize("settings", [{}, {"tcp": True}], ids=["http", "tcp"])
def test_telemetry_tells_the_whole_life(subscribed, settings):
    function = subscribed(settings=settings)
    first = function.invoke({"print": ["one", "two"], "tell": False})
    assert 'subscribed: 200 "OK"' in first.log
    assert "TELEMETRY\tName: subscriber\tState: Subscribed\tTypes: [Platform, Function]\n" in first.log
    events = function.invoke({"wait": "platform.report"}).value
    kinds = [event["type"] for event in events]
    for kind in ("initStart", "telemetrySubscription", "initRuntimeDone", "extension", "initReport"):
        assert kinds.index(f"platform.{kind}") < kinds.index("platform.start"), kinds
    of_first = [event["type"] for event in events[kinds.index("platform.start") :][:5]]
    assert of_first == ["platform.start", "function", "function", "platform.runtimeDone", "platform.report"]
    assert records(events, "function")[:2] == ["one\n", "two\n"]
    start, done, report = (records(events, f"platform.{kind}")[0] for kind in ("start", "runtimeDone", "report"))
    assert start["requestId"] == done["requestId"] == report["requestId"] == first.request_id
    assert (start["version"], done["status"], report["status"]) == ("$LATEST", "success", "success")
    assert done["metrics"]["producedBytes"] == len(b"null")
    assert [span["name"] for span in done["spans"]][:2] == ["responseLatency", "responseDuration"]
    # The log has two decimals, the event three.
    numbers = {name: float(value) for name, value in re.findall(r"\t([A-Z][A-Za-z ]+): ([\d.]+) ms", first.log)}
    assert abs(report["metrics"]["durationMs"] - numbers["Duration"]) < 0.011
    assert abs(report["metrics"]["initDurationMs"] - numbers["Init Duration"]) < 0.011


def test_the_logs_api_tells_its_own_events(subscribed, logs_client):
    function = subscribed(path=LOGS, body={"types": ["platform", "function", "extension"]})
    function.invoke({"print": ["one"], "tell": False})
    events = function.invoke({"wait": "platform.report"}).value
    kinds = [event["type"] for event in events]
    assert "platform.initStart" not in kinds and "platform.logsSubscription" in kinds
    begin = kinds.index("platform.start")
    of_first = ["platform.start", "function", "platform.runtimeDone", "platform.end", "platform.report"]
    assert [kind for kind in kinds[begin:] if kind != "extension"][:5] == of_first
    assert records(events, "extension") == ['subscribed: 200 "OK"\n']
    assert set(records(events, "platform.report")[0]) == {"requestId", "metrics"}
    crash = function.invoke({"exit": 7})
    assert crash.value["errorType"] == "Runtime.ExitError"
    logged(logs_client, function, "at the end: True failure")


def test_what_waits_for_more_comes_with_the_shutdown(subscribed, logs_client):
    function = subscribed(body={"buffering": {"timeoutMs": 30_000}})
    assert function.invoke({"wait": "platform.start", "patience": 0.5}).value == []
    function.configure(Description="ends the environments of before")
    logged(logs_client, function, "at the end: True spindown")


def test_a_frozen_environment_is_told_when_it_thaws(subscribed):
    function = subscribed(body={"buffering": {"timeoutMs": 500}})
    function.invoke({"tell": False})
    time.sleep(1.5)
    before = time.time()
    events = function.invoke({"wait": "platform.report"}).value
    report = next(event for event in events if event["type"] == "platform.report")
    assert report["came"] >= before


def test_no_socket_outlives_its_environment(server, subscribed):
    """A socket of the server keeps the network of the environment that it is of, for as long as it is open."""
    if os.geteuid() != 0:
        pytest.skip("only root sees whose a socket is")
    function = subscribed(body={"types": ["function"]})
    held = residue.networks_of_sockets(server.process.pid)
    assert function.invoke({"print": ["one"], "wait": "function"}).value
    assert residue.networks_of_sockets(server.process.pid) - held
    function.client.delete_function(FunctionName=function.name)
    eventually(lambda: residue.networks_of_sockets(server.process.pid) <= held, 10, "a network is left")


def test_batches_have_the_size_that_was_asked_for(subscribed):
    buffering = {"timeoutMs": 30_000, "maxItems": 1000, "maxBytes": 262_144}
    function = subscribed(body={"buffering": buffering, "types": ["function"]})
    events = function.invoke({"flood": 1000, "print": ["last"], "wait": "function", "sleep": 1}).value
    sizes = {}
    for event in events:
        sizes.setdefault(event["batch"], []).append(len(json.dumps(event)))
    assert len(sizes) >= 3
    assert all(sum(size) < 1.3 * 262_144 and len(size) <= 1000 for size in sizes.values()), sizes


def test_a_flood_is_counted_and_a_subscriber_that_hangs_holds_nobody_up(subscribed):
    function = subscribed(body={"types": ["function"]}, settings={"hangs": 1})
    began = time.monotonic()
    function.invoke({"flood": 6000, "tell": False})
    assert time.monotonic() - began < 8
    events = function.invoke({"wait": "platform.logsDropped", "patience": 20}).value
    dropped = records(events, "platform.logsDropped")[0]
    assert dropped["droppedRecords"] > 0 and dropped["droppedBytes"] > 1000 * dropped["droppedRecords"]
    assert "slower than the logs production rate" in dropped["reason"]
    stuck = subscribed(settings={"hangs": 1000})
    for turn in range(3):
        began = time.monotonic()
        assert stuck.invoke({"flood": 500}).error is None
        assert turn == 0 or time.monotonic() - began < 3


def test_a_wrong_subscription_is_refused_in_words(subscribed):
    for path, body, status, kind, reason in [
        (TELEMETRY, {"types": []}, 400, "ValidationError", "types should not be empty"),
        (TELEMETRY, {"destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain/"}}, 400,
         "ValidationError", "URI port is not provided"),
        (LOGS, {"schemaVersion": "2022-07-01"}, 400, "Logs.ValidationError", "is not supported"),
        (TELEMETRY, {"buffering": {"timeoutMs": 1}}, 400, "ValidationError", "buffering.timeoutMs"),
    ]:  # fmt: skip
        log = subscribed(path=path, body=body).invoke().log
        line = next(line for line in log.splitlines() if line.startswith("subscribed: "))
        assert line.startswith(f"subscribed: {status} ") and f'"{kind}"' in line and reason in line, line


@pytest.mark.parametrize("runtime", [PYTHON, NODE])
def test_a_message_of_several_lines_is_one_event(subscribed, logs_client, runtime):
    source = TELLER
    if runtime == NODE:
        source = """
            import { readFileSync, existsSync } from "node:fs";
            const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
            export const handler = async (event) => {
              for (const line of event.log ?? []) console.info(line);
              for (let turn = 0; event.wait && turn < 500; turn++) {
                if (existsSync("/tmp/events") && readFileSync("/tmp/events", "utf8").includes(event.wait)) break;
                await pause(20);
              }
              if (!existsSync("/tmp/events")) return [];
              return readFileSync("/tmp/events", "utf8").trim().split("\\n").map((line) => JSON.parse(line));
            };"""
    for logging, version in [({"LogFormat": "Text"}, "2022-12-13"), ({"LogFormat": "JSON"}, "2022-12-13")]:
        function = subscribed(runtime=runtime, source=source, body={"schemaVersion": version}, LoggingConfig=logging)
        log = function.invoke({"log": ["of two\nlines", "of one"], "tell": False}).log
        events = function.invoke({"wait": "platform.report"}).value
        two, one = records(events, "function")[:2]
        if logging["LogFormat"] == "JSON":
            assert (two["message"], one["message"]) == ("of two\nlines", "of one")
            assert two["level"] == "INFO"
        else:
            assert two.rstrip("\n").endswith("of two\nlines") and one.rstrip("\n").endswith("of one")
            assert "of two\nlines" in log, "no carriage returns"
        messages = logged(logs_client, function, "of one")
        assert len([message for message in messages if "of two" in message and "lines" in message]) == 1
