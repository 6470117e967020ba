"""Destinations and dead letters that are queues: the records as AWS writes them, by the function's role, and what is counted."""

import json

import pytest
import roles
from functions import name_of
from hearth import eventually
from test_asynchronous import FAILING, advance, make, metrics, send, timed  # noqa: F401 - a fixture

ADDER = "def handler(event, context):\n    return {'sum': event['a'] + 1}\n"


@pytest.fixture
def queue(timed):  # noqa: F811
    """A queue that nobody else uses: its URL and its ARN."""
    sqs = timed.client("sqs")
    url = sqs.create_queue(QueueName=name_of("told"))["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def sender(server, queue):
    """A role that may send to the queue, beside writing logs."""
    statement = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue[1]}
    return roles.make(server.endpoint, roles.of(name=name_of("sender")), statements=[statement])


def received(server, queue):
    """The one message that comes."""
    sqs = server.client("sqs")
    asked = {"QueueUrl": queue[0], "WaitTimeSeconds": 20, "MessageAttributeNames": ["All"]}
    messages = sqs.receive_message(**asked).get("Messages", [])
    assert len(messages) == 1
    sqs.delete_message(QueueUrl=queue[0], ReceiptHandle=messages[0]["ReceiptHandle"])
    return messages[0]


def test_a_queue_is_told_of_success(timed, queue):  # noqa: F811
    function = make(timed, ADDER, Role=sender(timed, queue))
    function.client.put_function_event_invoke_config(
        FunctionName=function.name, DestinationConfig={"OnSuccess": {"Destination": queue[1]}}
    )
    identifier = send(function, {"a": 41})
    message = received(timed, queue)
    record = json.loads(message["Body"])
    assert record["requestContext"]["condition"] == "Success"
    assert record["requestContext"]["requestId"] == identifier
    assert (record["requestPayload"], record["responsePayload"]) == ({"a": 41}, {"sum": 42})
    assert "MessageAttributes" not in message, "a destination gets a record; attributes are of dead letters"


def test_a_queue_is_told_of_failure(timed, queue):  # noqa: F811
    function = make(timed, FAILING, Role=sender(timed, queue))
    function.client.put_function_event_invoke_config(
        FunctionName=function.name,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": queue[1]}},
    )
    send(function, {"text": "once"})
    record = json.loads(received(timed, queue)["Body"])
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 1
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert record["responsePayload"]["errorMessage"] == "not once"


def test_a_dead_letter_is_the_event_with_its_error_beside(timed, queue):  # noqa: F811
    function = make(
        timed, FAILING, Role=sender(timed, queue), DeadLetterConfig={"TargetArn": queue[1]}
    )
    shown = function.client.get_function_configuration(FunctionName=function.name)
    assert shown["DeadLetterConfig"] == {"TargetArn": queue[1]}
    identifier = send(function, {"text": "ever"})
    eventually(lambda: metrics(timed, "lambda_errors_total", function) == 1)
    advance(timed, "PT10M")
    message = received(timed, queue)
    assert json.loads(message["Body"]) == {"text": "ever"}
    attributes = {name: (it["DataType"], it["StringValue"]) for name, it in message["MessageAttributes"].items()}
    assert attributes == {
        "RequestID": ("String", identifier),
        "ErrorCode": ("Number", "200"),
        "ErrorMessage": ("String", "not ever"),
    }
    assert metrics(timed, "lambda_errors_total", function) == 3
    assert metrics(timed, "lambda_dead_letter_errors_total", function) == 0


@pytest.mark.parametrize("kind", ["destination", "dead letter"])
def test_what_a_queue_does_not_take_is_counted(timed, queue, kind):  # noqa: F811
    dead = {"DeadLetterConfig": {"TargetArn": queue[1]}} if kind == "dead letter" else {}
    function = make(timed, FAILING, Role=sender(timed, queue), **dead)
    more = {} if dead else {"DestinationConfig": {"OnFailure": {"Destination": queue[1]}}}
    function.client.put_function_event_invoke_config(FunctionName=function.name, MaximumRetryAttempts=0, **more)
    timed.client("sqs").delete_queue(QueueUrl=queue[0])
    send(function, {})
    name = "lambda_dead_letter_errors_total" if dead else "lambda_destination_delivery_failures_total"
    eventually(lambda: metrics(timed, name, function) == 1)
