"""CloudWatch Logs: what functions write arrives there, and what clients put there is found again."""

import json
import time

import pytest
import roles
from functions import CUSTOM, NODE, PYTHON, name_of
from hearth import eventually
from test_functions import refused

TALKERS = {
    PYTHON: "import sys\ndef handler(event, context):\n    print('to stdout', event)\n    print('to stderr', event, file=sys.stderr)\n",
    NODE: "export const handler = async (event) => { console.log('to stdout', event); console.error('to stderr', event); };",
    CUSTOM: 'while true; do call GET invocation/next ""; echo "to stdout $body"; echo "to stderr $body" >&2; call POST "invocation/$id/response" null; done\n',
}


def messages(logs_client, group, count=1, **filters):
    """The messages of a group, once there are at least so many."""

    def enough():
        try:
            found = [event["message"] for page in logs_client.get_paginator("filter_log_events").paginate(
                logGroupName=group, **filters) for event in page["events"]]
        except logs_client.exceptions.ResourceNotFoundException:
            return None
        return found if len(found) >= count else None

    return eventually(enough, what=f"{count} messages in {group}")


@pytest.mark.parametrize("runtime", TALKERS)
def test_what_a_function_writes_arrives_in_order(logs_client, deploy, runtime):
    function = deploy(runtime, TALKERS[runtime])
    outcome = function.invoke(7)
    group = f"/aws/lambda/{function.name}"
    # A stand-in for a runtime that is not on this machine is warned of first.
    before = ("INIT_START", "[WARNING] Hearth")
    found = [line for line in messages(logs_client, group, 5) if not line.startswith(before)]
    assert found[0] == f"START RequestId: {outcome.request_id} Version: $LATEST\n"
    assert found[-2] == f"END RequestId: {outcome.request_id}\n"
    assert found[-1].startswith(f"REPORT RequestId: {outcome.request_id}\tDuration: ")
    written = "".join(found[1:-2])
    assert "to stdout 7" in written and "to stderr 7" in written


def test_one_stream_for_each_environment(logs_client, deploy):
    function = deploy(PYTHON, "def handler(event, context):\n    print('call', event)\n    return context.log_stream_name\n")
    streams = {function.invoke(number).value for number in range(3)}
    function.configure(Description="changed, so that the environment is a new one")
    streams.add(function.invoke(3).value)
    assert len(streams) == 2
    group = f"/aws/lambda/{function.name}"
    messages(logs_client, group, 4, filterPattern="call")
    described = logs_client.describe_log_streams(logGroupName=group)["logStreams"]
    assert {stream["logStreamName"] for stream in described} == streams
    assert all(stream["firstEventTimestamp"] <= stream["lastEventTimestamp"] for stream in described)


def test_lines_arrive_while_the_function_runs(server, deploy):
    """A function that waits for its own line to be in the log: it returns early only if that is there."""
    source = """
import boto3, time
def handler(event, context):
    print('here I am')
    logs = boto3.client('logs')
    while context.get_remaining_time_in_millis() > 5000:
        try:
            if logs.filter_log_events(logGroupName=context.log_group_name, filterPattern='"here I am"')['events']:
                return 'seen'
        except logs.exceptions.ResourceNotFoundException:
            pass
        time.sleep(0.05)
    return 'not seen'
"""
    role = roles.allowing(server, "logs:FilterLogEvents")
    assert deploy(PYTHON, source, Timeout=30, MemorySize=512, Role=role).invoke().value == "seen"


def test_another_group_and_json(logs_client, deploy):
    group = name_of("elsewhere")
    source = "import logging\ndef handler(event, context):\n    logging.getLogger().warning('careful')\n    logging.getLogger().info('quiet')\n"
    config = {"LogFormat": "JSON", "LogGroup": group, "ApplicationLogLevel": "WARN"}
    outcome = deploy(PYTHON, source, LoggingConfig=config).invoke()
    found = [json.loads(line) for line in messages(logs_client, group, 3)]
    careful = [line for line in found if line.get("message") == "careful"]
    assert [line["level"] for line in careful] in (["WARN"], ["WARNING"]), found
    assert careful[0]["requestId"] == outcome.request_id
    assert not [line for line in found if line.get("message") == "quiet"]
    kinds = [line["type"] for line in found if "type" in line]
    assert "platform.start" in kinds and "platform.report" in kinds, kinds


def put(logs_client, group, texts, start=None):
    """A group of one stream with these messages, a second apart."""
    logs_client.create_log_group(logGroupName=group)
    logs_client.create_log_stream(logGroupName=group, logStreamName="one")
    start = start or int(time.time() * 1000) - 60_000
    events = [{"timestamp": start + 1000 * number, "message": text} for number, text in enumerate(texts)]
    logs_client.put_log_events(logGroupName=group, logStreamName="one", logEvents=events)
    return start


@pytest.fixture
def group(logs_client):
    """A name for a group, which is deleted after the test."""
    name = name_of("/suite/group")
    yield name
    try:
        logs_client.delete_log_group(logGroupName=name)
    except logs_client.exceptions.ResourceNotFoundException:
        pass


JSON_LINES = [
    '{"level": "ERROR", "status": 500, "user": {"name": "ada", "tags": ["a", "b"]}, "ok": false}',
    '{"level": "INFO", "status": 200, "user": {"name": "bob"}, "ok": true}',
    '{"level": "INFO", "status": 404, "user": null}',
]
TEXT_LINES = ["ERROR disk full", "WARN disk nearly full", "INFO all good", 'ERROR "quoted" thing', "127.0.0.1 GET /x 404 12"]
PATTERNS = [
    (TEXT_LINES, "", [0, 1, 2, 3, 4]),
    (TEXT_LINES, "ERROR", [0, 3]),
    (TEXT_LINES, "disk full", [0, 1]),
    (TEXT_LINES, '"disk full"', [0]),
    (TEXT_LINES, "?good ?WARN", [1, 2]),
    (TEXT_LINES, "ERROR -disk", [3]),
    (TEXT_LINES, "error", []),
    (TEXT_LINES, "%GET /[xyz]%", [4]),
    (TEXT_LINES, "[ip, method=GET, path, status=4*, bytes>10]", [4]),
    (JSON_LINES, '{ $.level = "ERROR" }', [0]),
    (JSON_LINES, '{ $.level = "E*" }', [0]),
    (JSON_LINES, "{ $.status >= 400 }", [0, 2]),
    (JSON_LINES, '{ $.status != 200 && $.user.name = "ada" }', [0]),
    (JSON_LINES, '{ ($.status = 200) || ($.user.tags[1] = "b") }', [0, 1]),
    (JSON_LINES, "{ $.user IS NULL }", [2]),
    (JSON_LINES, "{ $.ok IS FALSE }", [0]),
    (JSON_LINES, "{ $.ok NOT EXISTS }", [2]),
]


@pytest.mark.parametrize("lines, pattern, expected", PATTERNS, ids=lambda value: value if isinstance(value, str) else None)
def test_filters_find_what_aws_finds(logs_client, group, lines, pattern, expected):
    put(logs_client, group, lines)
    found = logs_client.filter_log_events(logGroupName=group, filterPattern=pattern)["events"]
    assert [event["message"] for event in found] == [lines[number] for number in expected]


def test_a_pattern_that_is_none_is_refused(logs_client, group):
    put(logs_client, group, ["x"])
    error, message, _ = refused(logs_client.filter_log_events, logGroupName=group, filterPattern="{ $.a = ")
    assert error == "InvalidParameterException" and "pattern" in message.lower()


def test_events_are_read_forwards_and_backwards_in_pages(logs_client, group):
    texts = [f"line {number}" for number in range(10)]
    start = put(logs_client, group, texts)
    stream = {"logGroupName": group, "logStreamName": "one"}
    first = logs_client.get_log_events(**stream, startFromHead=True, limit=4)
    second = logs_client.get_log_events(**stream, startFromHead=True, limit=4, nextToken=first["nextForwardToken"])
    third = logs_client.get_log_events(**stream, startFromHead=True, limit=4, nextToken=second["nextForwardToken"])
    last = logs_client.get_log_events(**stream, startFromHead=True, limit=4, nextToken=third["nextForwardToken"])
    pages = [[event["message"] for event in page["events"]] for page in (first, second, third, last)]
    assert pages == [texts[:4], texts[4:8], texts[8:], []]
    assert last["nextForwardToken"] == third["nextForwardToken"], "the end is where the token stays"
    back = logs_client.get_log_events(**stream, limit=4)
    assert [event["message"] for event in back["events"]] == texts[6:]
    before = logs_client.get_log_events(**stream, limit=4, nextToken=back["nextBackwardToken"])
    assert [event["message"] for event in before["events"]] == texts[2:6]
    window = logs_client.get_log_events(**stream, startFromHead=True, startTime=start + 3000, endTime=start + 6000)
    assert [event["message"] for event in window["events"]] == texts[3:6]


def test_groups_and_streams_are_listed_and_deleted(logs_client):
    prefix = name_of("/suite/listed")
    names = [f"{prefix}/{letter}" for letter in "abc"]
    for name in names:
        logs_client.create_log_group(logGroupName=name, tags={"made": "here"})
    pages = list(logs_client.get_paginator("describe_log_groups").paginate(
        logGroupNamePrefix=prefix, PaginationConfig={"PageSize": 2}))
    assert [len(page["logGroups"]) for page in pages] == [2, 1]
    groups = [group for page in pages for group in page["logGroups"]]
    assert [group["logGroupName"] for group in groups] == names
    assert groups[0]["arn"] == f"arn:aws:logs:us-east-1:000000000000:log-group:{names[0]}:*"
    assert refused(logs_client.create_log_group, logGroupName=names[0])[0] == "ResourceAlreadyExistsException"
    for letter in "xyz":
        logs_client.create_log_stream(logGroupName=names[0], logStreamName=letter)
    logs_client.delete_log_stream(logGroupName=names[0], logStreamName="y")
    streams = logs_client.describe_log_streams(logGroupName=names[0])["logStreams"]
    assert [stream["logStreamName"] for stream in streams] == ["x", "z"]
    arn = groups[0]["arn"].removesuffix(":*")
    logs_client.tag_resource(resourceArn=arn, tags={"team": "blue"})
    logs_client.untag_resource(resourceArn=arn, tagKeys=["made"])
    assert logs_client.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "blue"}
    for name in names:
        logs_client.delete_log_group(logGroupName=name)
    assert logs_client.describe_log_groups(logGroupNamePrefix=prefix)["logGroups"] == []
    for name, error in [(names[0], "ResourceNotFoundException"), ("not a name!", "InvalidParameterException")]:
        assert refused(logs_client.delete_log_group, logGroupName=name)[0] == error


def test_retention_is_kept_and_removed(logs_client, group):
    logs_client.create_log_group(logGroupName=group)

    def retention():
        described = logs_client.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        return described[0].get("retentionInDays")

    assert retention() is None
    logs_client.put_retention_policy(logGroupName=group, retentionInDays=14)
    assert retention() == 14
    assert refused(logs_client.put_retention_policy, logGroupName=group, retentionInDays=2)[0] == "InvalidParameterException"
    logs_client.delete_retention_policy(logGroupName=group)
    assert retention() is None


def test_events_out_of_the_window_are_rejected_and_the_rest_taken(logs_client, group):
    logs_client.create_log_group(logGroupName=group)
    logs_client.create_log_stream(logGroupName=group, logStreamName="one")
    now = int(time.time() * 1000)
    events = [
        {"timestamp": now - 15 * 86_400_000, "message": "too old"},
        {"timestamp": now, "message": "kept"},
        {"timestamp": now + 3 * 3_600_000, "message": "too new"},
    ]
    answer = logs_client.put_log_events(logGroupName=group, logStreamName="one", logEvents=events)
    assert answer["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 2, "tooOldLogEventEndIndex": 1}
    found = logs_client.get_log_events(logGroupName=group, logStreamName="one", startFromHead=True)["events"]
    assert [event["message"] for event in found] == ["kept"]
