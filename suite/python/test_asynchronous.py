"""Asynchronous invocation: accepted before it runs, run at least once, tried again, given up, told of, and never lost."""

import json
import random
import signal
import threading
import urllib.error
import urllib.request

import pytest
import roles
from functions import PYTHON, code, create
from hearth import Server, eventually
from test_functions import refused
from test_logs import messages

MINUTE = "PT1M"
RECORDER = """
import json
def handler(event, context):
    print(json.dumps({"seen": event, "id": context.aws_request_id}))
"""
# Fails until the attempt that the event names.
FAILING = """
import json, os
def handler(event, context):
    print(json.dumps({"seen": event}))
    raise ValueError("not " + str(event.get("text", "now")))
"""


def post(server, path, body):
    """Status and JSON of a POST to a route of the server's own."""
    request = urllib.request.Request(server.endpoint + path, data=json.dumps(body).encode(), method="POST")
    try:
        with urllib.request.urlopen(request, timeout=600) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def advance(server, by):
    status, answer = post(server, "/_hearth/clock", {"advance": by})
    assert status == 200, answer
    return answer["now"]


def metrics(server, name, function):
    """The value of a metric of a function."""
    with urllib.request.urlopen(server.endpoint + "/_hearth/metrics", timeout=30) as answer:
        text = answer.read().decode()
    for line in text.splitlines():
        if line.startswith(name + "{") and f'function_name="{function.name}"' in line:
            return float(line.rsplit(" ", 1)[1])
    return 0.0


def send(function, payload, **options):
    answer = function.client.invoke(
        FunctionName=function.name, InvocationType="Event", Payload=json.dumps(payload).encode(), **options
    )
    assert answer["StatusCode"] == 202 and answer["Payload"].read() == b""
    return answer["ResponseMetadata"]["RequestId"]


def told(server, function, count):
    """What the handler printed as JSON, in order, once there are so many lines of it."""
    lines = messages(server.client("logs"), f"/aws/lambda/{function.name}", count, filterPattern='"seen"')
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def timed(nothing_left, tmp_path_factory):
    """A server whose clock can be put forward."""
    with Server("--data-dir", tmp_path_factory.mktemp("timed") / "hearth", "--clock", "virtual") as server:
        yield server


def make(server, source, **settings):
    return create(server.client("lambda"), PYTHON, code(PYTHON, source), **settings)


def telling(server, source, **settings):
    """A function that may invoke others: its destinations are told in the name of its role."""
    return make(server, source, Role=roles.allowing(server, "lambda:InvokeFunction"), **settings)


def test_an_event_is_accepted_and_runs_with_its_own_request_id(server):
    function = make(server, RECORDER)
    identifier = send(function, {"n": 1})
    assert told(server, function, 1) == [{"seen": {"n": 1}, "id": identifier}]
    assert metrics(server, "lambda_async_events_received_total", function) == 1


def test_the_older_invoke_async_sends_an_event_too(server):
    function = make(server, RECORDER)
    answer = server.client("lambda").invoke_async(FunctionName=function.name, InvokeArgs=b'{"old": true}')
    assert answer["Status"] == 202
    assert told(server, function, 1)[0]["seen"] == {"old": True}


def test_what_cannot_be_an_event_is_refused(server):
    function = make(server, RECORDER)
    client = server.client("lambda")
    invoke = lambda **options: refused(client.invoke, **{"InvocationType": "Event"} | options)  # noqa: E731
    assert invoke(FunctionName="absent")[::2] == ("ResourceNotFoundException", 404)
    assert invoke(FunctionName=function.name, Payload=b"no json")[0] == "InvalidRequestContentException"
    large = json.dumps("x" * 1_048_576).encode()
    assert invoke(FunctionName=function.name, Payload=large)[0] == "RequestTooLargeException"
    assert refused(client.invoke_async, FunctionName="absent", InvokeArgs=b"{}")[0] == "ResourceNotFoundException"
    largest = json.dumps("x" * (1_048_576 - 2)).encode()
    assert client.invoke(FunctionName=function.name, InvocationType="Event", Payload=largest)["StatusCode"] == 202


def test_three_tries_in_three_minutes_and_then_the_destination(timed):
    recorder = make(timed, RECORDER)
    function = telling(timed, FAILING)
    arn = function.client.get_function_configuration(FunctionName=function.name)["FunctionArn"]
    target = recorder.client.get_function_configuration(FunctionName=recorder.name)["FunctionArn"]
    function.client.put_function_event_invoke_config(
        FunctionName=function.name, DestinationConfig={"OnFailure": {"Destination": target}}
    )
    identifier = send(function, {"text": "ever"})
    told(timed, function, 1)
    advance(timed, "PT59S")
    assert len(told(timed, function, 1)) == 1, "the second try is a minute after the first"
    advance(timed, "PT2S")
    told(timed, function, 2)
    advance(timed, "PT1M58S")
    assert len(told(timed, function, 2)) == 2, "and the third two minutes after that"
    advance(timed, "PT3S")
    told(timed, function, 3)
    record = told(timed, recorder, 1)[0]["seen"]
    assert record["requestContext"] == {
        "requestId": identifier,
        "functionArn": f"{arn}:$LATEST",
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 3,
    }
    assert record["version"] == "1.0" and record["requestPayload"] == {"text": "ever"}
    assert record["responseContext"] == {
        "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"
    }
    assert record["responsePayload"]["errorType"] == "ValueError"
    assert metrics(timed, "lambda_errors_total", function) == 3
    assert metrics(timed, "lambda_async_events_dropped_total", function) == 1


def test_success_is_told_of_too_and_by_qualifier(timed):
    recorder = make(timed, RECORDER)
    function = telling(timed, "def handler(event, context):\n    return {'sum': event['a'] + 1}\n", Publish=True)
    function.client.create_alias(FunctionName=function.name, Name="live", FunctionVersion="1")
    target = recorder.client.get_function_configuration(FunctionName=recorder.name)["FunctionArn"]
    function.client.put_function_event_invoke_config(
        FunctionName=function.name, Qualifier="live", DestinationConfig={"OnSuccess": {"Destination": target}}
    )
    send(function, {"a": 40})
    send(function, {"a": 41}, Qualifier="live")
    record = told(timed, recorder, 1)[0]["seen"]
    assert record["requestContext"]["condition"] == "Success"
    assert record["requestContext"]["functionArn"].endswith(":live")
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "1"}
    assert record["responsePayload"] == {"sum": 42}


@pytest.mark.parametrize("retries", [0, 1])
def test_as_many_tries_as_are_configured(timed, retries):
    function = make(timed, FAILING)
    function.client.put_function_event_invoke_config(FunctionName=function.name, MaximumRetryAttempts=retries)
    send(function, {})
    told(timed, function, 1)
    advance(timed, "PT1H")
    assert len(told(timed, function, 1 + retries)) == 1 + retries
    eventually(lambda: metrics(timed, "lambda_async_events_dropped_total", function) == 1)


def test_six_hours_of_age_pass_in_a_moment(timed):
    recorder = make(timed, RECORDER)
    function = telling(timed, FAILING)
    target = recorder.client.get_function_configuration(FunctionName=recorder.name)["FunctionArn"]
    function.client.put_function_event_invoke_config(
        FunctionName=function.name,
        MaximumEventAgeInSeconds=60,
        DestinationConfig={"OnFailure": {"Destination": target}},
    )
    send(function, {"n": 1})
    told(timed, function, 1)
    advance(timed, "PT6H")
    context = told(timed, recorder, 1)[0]["seen"]["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("EventAgeExceeded", 1)


def test_a_loop_of_functions_is_broken_off(timed):
    looping = """
import json, os, boto3
client = boto3.client("lambda")
def handler(event, context):
    print(json.dumps({"seen": event}))
    client.invoke(FunctionName=context.function_name, InvocationType="Event",
                  Payload=json.dumps({"turn": event["turn"] + 1}))
"""
    function = telling(timed, looping, Timeout=60, MemorySize=512)
    send(function, {"turn": 1})
    eventually(lambda: metrics(timed, "lambda_recursive_invocations_dropped_total", function) == 1, 90)
    assert [line["seen"]["turn"] for line in told(timed, function, 16)] == list(range(1, 17))


def test_one_that_always_fails_holds_up_no_other(server):
    failing = make(server, "import time\ndef handler(event, context):\n    time.sleep(30)\n", Timeout=60)
    quick = make(server, RECORDER)
    for number in range(40):
        send(failing, {"n": number})
    send(quick, {"n": "quick"})
    assert told(server, quick, 1)[0]["seen"] == {"n": "quick"}
    failing.client.delete_function(FunctionName=failing.name)


def test_the_clock_is_shown_and_moves_only_if_it_may(server, timed):
    status, answer = post(server, "/_hearth/clock", {"advance": "PT1S"})
    assert status == 409 and "--clock virtual" in answer["error"]
    before = advance(timed, "PT0S")
    after = advance(timed, "P1D")
    assert after[:10] > before[:10]
    for wrong in ({"advance": "3 minutes"}, {"advance": "P500D"}, {}, {"advance": "PT1S", "by": 1}):
        assert post(timed, "/_hearth/clock", wrong)[0] == 400
    # Signatures go by the time of those who make them.
    assert timed.client("sts").get_caller_identity()["Account"] == "000000000000"


# What it has done is durable when it returns: a log stream for each event.
# It signs by itself: events that were waiting run in a hundred environments at once, and in each the SDK alone would take a
# second of a processor, of which a busy machine has so few that the functions would run into their timeouts.
KEEPER = """
import datetime, hashlib, hmac, http.client, json, os
SIGNING, DIGEST = "AWS4-HMAC-SHA256", lambda text: hashlib.sha256(text.encode()).hexdigest()
def handler(event, context):
    body = json.dumps({"logGroupName": "kept", "logStreamName": event["n"]})
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    headers = {"content-type": "application/x-amz-json-1.1", "host": os.environ["AWS_ENDPOINT_URL"].split("/")[2], "x-amz-date": now,
               "x-amz-security-token": os.environ["AWS_SESSION_TOKEN"], "x-amz-target": "Logs_20140328.CreateLogStream"}
    lines = ["POST", "/", "", *[f"{name}:{value}" for name, value in headers.items()], "", ";".join(headers), DIGEST(body)]
    scope = f"{now[:8]}/{os.environ['AWS_REGION']}/logs/aws4_request"
    key = b"AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"].encode()
    for part in [*scope.split("/"), "\\n".join([SIGNING, now, scope, DIGEST("\\n".join(lines))])]:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    credential = os.environ["AWS_ACCESS_KEY_ID"] + "/" + scope
    headers["authorization"] = f"{SIGNING} Credential={credential}, SignedHeaders={';'.join(headers)}, Signature={key.hex()}"
    connection = http.client.HTTPConnection(headers["host"], timeout=20)
    connection.request("POST", "/", body, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status != 200 and "ResourceAlreadyExistsException" not in text:
        raise RuntimeError(text)
"""


def test_what_was_accepted_survives_sigkill(tmp_path, crash_rounds):
    """Rounds of kills at random moments while clients send and functions run: every accepted event runs at least once."""
    accepted = []
    for turn in range(crash_rounds):
        server = Server("--data-dir", tmp_path / "data")
        try:
            if turn == 0:
                server.client("logs").create_log_group(logGroupName="kept")
                make(server, KEEPER, name="keeper", MemorySize=512, Timeout=30)
            stop = threading.Event()
            senders = [
                threading.Thread(target=send_until, args=(server, f"{turn}.{number}", stop, accepted))
                for number in range(4)
            ]
            for sender in senders:
                sender.start()
            stop.wait(0.3 + random.random())
            server.signal(signal.SIGKILL)
            stop.set()
            for sender in senders:
                sender.join()
        finally:
            server.kill()
    assert len(accepted) > 20, "something was sent at all"
    # What failed for want of time on a busy machine is tried again minutes later.
    with Server("--data-dir", tmp_path / "data", "--clock", "virtual") as server:
        for _ in range(20 * crash_rounds):
            if not (missing := set(accepted) - kept(server)):
                break
            advance(server, "PT1M")
        assert not missing, f"accepted and lost: {sorted(missing)}"


def kept(server):
    """The events that have run."""
    pages = server.client("logs").get_paginator("describe_log_streams").paginate(logGroupName="kept")
    return {stream["logStreamName"] for page in pages for stream in page["logStreams"]}


def send_until(server, name, stop, accepted):
    client = server.client("lambda")
    for number in range(10_000):
        if stop.is_set():
            return
        event = f"{name}.{number}"
        try:
            client.invoke(FunctionName="keeper", InvocationType="Event", Payload=json.dumps({"n": event}).encode())
        except Exception:  # noqa: BLE001 - the server was killed: this one was not accepted, or nobody knows
            return
        accepted.append(event)
