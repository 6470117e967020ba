"""What of Lambda is asynchronous, with the AWS CLI: events that are sent, and what becomes of those that fail."""

import json

import pytest
import roles
from aws_cli import aws, forked, second  # noqa: F401 - fixtures
from functions import name_of
from hearth import eventually
from test_asynchronous import FAILING, RECORDER, advance, make, told
from test_aws_cli_sns import received

ACCOUNT = "000000000000"
FUNCTIONS = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function"
ABSENT = "ResourceNotFoundException"


@pytest.fixture
def functions(aws):  # noqa: F811
    return aws("lambda")


@pytest.fixture(scope="module")
def recorder(forked):  # noqa: F811
    """A function that prints what it is sent: with version 1 and the alias `live`."""
    function = make(forked.server, RECORDER, Publish=True)
    function.client.create_alias(FunctionName=function.name, Name="live", FunctionVersion="1")
    return function


def test_the_main_commands(second, recorder, tmp_path):  # noqa: F811
    functions, sent = second("lambda"), {"text": name_of("Grüße, ")}
    asked = ("--function-name", recorder.name, "--invocation-type", "Event", *functions.cli.raw())
    assert functions("invoke", *asked, "--payload", json.dumps(sent), "answer.json") == {"StatusCode": 202}
    assert (tmp_path / "answer.json").read_bytes() == b""
    # An event has no order: it is among what was sent by the other tests.
    heard(functions, recorder, sent)
    code, message = functions.refused("invoke", *asked, "--payload", "no json", "answer.json")
    assert code == "InvalidRequestContentException" and "JSON" in message, message


def heard(functions, function, sent):
    """Waits until a function has printed this."""
    seen = []

    def is_there():
        seen[:] = [each["seen"] for each in told(functions.cli.server, function, 1)]
        return sent in seen

    eventually(is_there, 60, what=lambda: f"not heard, but {[str(each)[:60] for each in seen]}")


def test_the_older_command_sends_an_event_too(functions, recorder):
    sent = {"text": name_of("old")}
    # It wants a path, and not the form of other parameters.
    path = functions.file("arguments.json", sent).removeprefix("file://")
    assert functions("invoke-async", "--function-name", recorder.name, "--invoke-args", path) == {"Status": 202}
    heard(functions, recorder, sent)


def test_a_version_is_sent_an_event_from_a_file(functions, recorder):
    sent = {"text": name_of("large"), "more": "x" * 100_000}
    payload = functions.file("payload.json", sent).replace("file:", "fileb:")
    asked = ("--function-name", f"{recorder.name}:live", "--invocation-type", "Event", "--payload", payload)
    status = functions("invoke", *asked, "answer.json", "--query", "[StatusCode, FunctionError]", "--output", "text")
    assert status == "202\tNone"
    heard(functions, recorder, sent)


def test_an_event_that_fails_is_tried_again_and_told_of(functions, aws):  # noqa: F811
    sqs, server = aws("sqs"), functions.cli.server
    queue = name_of("cli-queue")
    url, arn = sqs("create-queue", "--queue-name", queue)["QueueUrl"], f"arn:aws:sqs:us-east-1:{ACCOUNT}:{queue}"
    function = make(server, FAILING, Role=roles.allowing(server, "sqs:SendMessage"))
    of = ("--function-name", function.name)
    functions(
        "put-function-event-invoke-config", *of, "--maximum-retry-attempts", "1",
        "--destination-config", f"OnFailure={{Destination={arn}}}",
    )
    functions("invoke", *of, "--invocation-type", "Event", "--payload", '{"text": "ever"}', "answer.json")
    told(server, function, 1)
    advance(server, "PT1M1S")
    [message] = received(sqs, url, 1)
    record = json.loads(message["Body"])
    assert record["requestPayload"] == {"text": "ever"} and record["responsePayload"]["errorMessage"] == "not ever"
    context = record["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("RetriesExhausted", 2)
    assert context["functionArn"] == f"{FUNCTIONS}:{function.name}:$LATEST"


def test_the_life_of_a_configuration(functions, recorder):
    of, arn = ("--function-name", recorder.name, "--qualifier", "live"), f"{FUNCTIONS}:{recorder.name}:live"
    missing = (ABSENT, f"The function {arn} doesn't have an EventInvokeConfig")
    assert functions.refused("get-function-event-invoke-config", *of) == missing
    put = functions("put-function-event-invoke-config", *of, "--maximum-event-age-in-seconds", "3600")
    modified = put.pop("LastModified")
    assert put == {"FunctionArn": arn, "MaximumEventAgeInSeconds": 3600, "DestinationConfig": {"OnSuccess": {}, "OnFailure": {}}}
    queues = {kind: {"Destination": f"arn:aws:sqs:us-east-1:{ACCOUNT}:{kind}"} for kind in ("OnSuccess", "OnFailure")}
    changed = functions(
        "update-function-event-invoke-config", *of, "--maximum-retry-attempts", "0",
        "--destination-config", functions.file("destinations.json", queues),
    )
    assert (changed["MaximumRetryAttempts"], changed["MaximumEventAgeInSeconds"], changed["DestinationConfig"]) == (0, 3600, queues)
    assert changed["LastModified"] >= modified
    assert functions("get-function-event-invoke-config", *of) == changed
    replaced = functions("put-function-event-invoke-config", *of, "--maximum-retry-attempts", "2")
    assert "MaximumEventAgeInSeconds" not in replaced and replaced["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {}}
    assert functions("delete-function-event-invoke-config", *of) is None
    assert functions.refused("delete-function-event-invoke-config", *of) == missing


def test_configurations_are_listed_in_pages(functions, recorder):
    of, key = ("--function-name", recorder.name), "FunctionEventInvokeConfigs"
    for qualifier in ("$LATEST", "1", "live"):
        functions("put-function-event-invoke-config", *of, "--qualifier", qualifier, "--maximum-retry-attempts", "1")
    arns = [f"{FUNCTIONS}:{recorder.name}:{qualifier}" for qualifier in ("$LATEST", "1", "live")]
    listed = functions(
        "list-function-event-invoke-configs", *of, "--page-size", "1", "--query", f"{key}[].FunctionArn", "--output", "text"
    )
    assert sorted(listed.split()) == arns
    page = functions("list-function-event-invoke-configs", *of, "--max-items", "2")
    rest = functions("list-function-event-invoke-configs", *of, "--starting-token", page["NextToken"])
    assert len(page[key]) == 2 and sorted(each["FunctionArn"] for each in page[key] + rest[key]) == arns
    for qualifier in ("$LATEST", "1", "live"):
        functions("delete-function-event-invoke-config", *of, "--qualifier", qualifier)


def test_refusals_are_told_as_aws_tells_them(functions, recorder):
    of, event = ("--function-name", recorder.name), ("--invocation-type", "Event")
    no_function = (ABSENT, f"Function not found: {FUNCTIONS}:nobody")
    no_config = (ABSENT, "The function doesn't exist.")
    value, queue = "InvalidParameterValueException", f"arn:aws:sqs:us-east-1:{ACCOUNT}:q.fifo"
    put, path = "put-function-event-invoke-config", functions.file("arguments.json", {}).removeprefix("file://")
    functions.refuses([
        ("invoke", ("--function-name", "nobody", *event, "answer.json"), no_function),
        ("invoke", (*of, "--qualifier", "7", *event, "answer.json"), (ABSENT, f"Function not found: {FUNCTIONS}:{recorder.name}:7")),
        ("invoke", (*of, *event, "--payload", "no json", "answer.json"), ("InvalidRequestContentException", "JSON")),
        ("invoke-async", ("--function-name", "nobody", "--invoke-args", path), no_function),
        (put, of, (value, "You must specify at least one of error handling or destination setting.")),
        (put, ("--function-name", "nobody", "--maximum-retry-attempts", "1"), no_config),
        (put, (*of, "--maximum-retry-attempts", "3"), ("ValidationException", "Member must have value less than or equal to 2")),
        (put, (*of, "--destination-config", f"OnFailure={{Destination={queue}}}"), (value, "FIFO")),
        ("list-function-event-invoke-configs", ("--function-name", "nobody"), no_config),
    ])
