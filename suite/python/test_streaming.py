"""InvokeWithResponseStream: responses that come while the function makes them."""

import base64
import json
import time
from dataclasses import dataclass

import pytest
from botocore.exceptions import ClientError
from functions import CUSTOM, NODE, PYTHON
from hearth import eventually

# Writes the event's words, and then does what the event says.
STREAM = """
export const handler = awslambda.streamifyResponse(async (event, stream) => {
  for (const word of event.words ?? []) {
    stream.write(word);
    await new Promise((resolve) => setTimeout(resolve, event.pause ?? 0));
  }
  const piece = Buffer.alloc(1 << 20);
  for (let count = 0; count < (event.megabytes ?? 0); count += 1) {
    if (!stream.write(piece)) await new Promise((resolve) => stream.once('drain', resolve));
  }
  if (event.throws) throw new RangeError('amid it');
  if (event.exit) process.exit(event.exit);
  if (event.sleep) await new Promise((resolve) => setTimeout(resolve, event.sleep));
  console.log('at the end');
  stream.end();
});
"""

RAW = r"""
while call GET invocation/next; do
  exec 3<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API%:*}/${AWS_LAMBDA_RUNTIME_API##*:}"
  printf 'POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: runtime\r\n' "$id" >&3
  printf 'Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n' >&3
  printf 'Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n3\r\nraw\r\n0\r\n' >&3
  if [[ $body == *fail* ]]; then
    printf 'Lambda-Runtime-Function-Error-Type: Raw.Error\r\n' >&3
    printf 'Lambda-Runtime-Function-Error-Body: %s\r\n' "$(printf '{"errorType":"Raw.Error","errorMessage":"m"}' | base64 -w0)" >&3
  fi
  printf '\r\n' >&3
  IFS= read -r _ <&3
  exec 3>&-
done
"""


@dataclass
class Streamed:
    """One whole stream, with the moment at which each of its chunks came."""

    chunks: list
    times: list
    complete: dict

    @property
    def body(self):
        return b"".join(self.chunks)

    @property
    def error(self):
        """The details of the error, as JSON."""
        return json.loads(self.complete["ErrorDetails"])

    @property
    def log(self):
        return base64.b64decode(self.complete["LogResult"]).decode()


def stream(function, event=None, **options):
    payload = json.dumps(event if event is not None else {})
    options = {"FunctionName": function.name, "Payload": payload, "LogType": "Tail"} | options
    answer = function.client.invoke_with_response_stream(**options)
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    assert answer["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"
    chunks, times, complete = [], [], None
    for event in answer["EventStream"]:
        assert complete is None, "nothing comes after InvokeComplete"
        if "PayloadChunk" in event:
            chunks.append(event["PayloadChunk"]["Payload"])
            times.append(time.monotonic())
        else:
            complete = event["InvokeComplete"]
    return Streamed(chunks, times, complete)


@pytest.fixture
def streaming(deploy):
    return deploy(NODE, STREAM, MemorySize=1769, Timeout=10)


def test_chunks_come_while_the_function_writes(streaming):
    streamed = stream(streaming, {"words": ["one", "two", "three"], "pause": 300})
    assert streamed.chunks == [b"one", b"two", b"three"]
    assert streamed.times[2] - streamed.times[0] > 0.5
    assert set(streamed.complete) == {"LogResult"}
    assert streamed.log.startswith("START RequestId: ")
    assert "at the end" in streamed.log
    assert "REPORT RequestId: " in streamed.log


def test_without_tail_there_is_no_log(streaming):
    assert stream(streaming, {"words": ["a"]}, LogType="None").complete == {}


def test_invoke_gathers_what_is_streamed(streaming):
    outcome = streaming.invoke({"words": ["one", "two"]})
    assert (outcome.error, outcome.body) == (None, b"onetwo")


def test_more_than_invoke_can_carry(streaming):
    streaming.configure(Timeout=100)
    assert len(stream(streaming, {"megabytes": 20}).body) == 20 << 20
    outcome = streaming.invoke({"megabytes": 20})
    assert outcome.value["errorType"] == "Function.ResponseSizeTooLarge"


@pytest.mark.parametrize("words", [["some"], []])
def test_an_error_of_the_handler_ends_the_stream(streaming, words):
    streamed = stream(streaming, {"words": words, "throws": True})
    assert streamed.body == "".join(words).encode()
    assert streamed.complete["ErrorCode"] == "RangeError"
    assert streamed.error["errorMessage"] == "amid it"
    assert "Invoke Error" in streamed.log
    assert stream(streaming, {"words": ["well"]}).body == b"well"


def test_an_exit_truncates_the_stream(streaming):
    streamed = stream(streaming, {"words": ["some"], "pause": 50, "exit": 3})
    assert streamed.body == b"some"
    assert streamed.complete["ErrorCode"] == "Runtime.TruncatedResponse"
    assert streamed.error["errorMessage"].endswith("Error: Runtime exited with error: exit status 3")
    assert "Runtime.ExitError" in streamed.log
    assert stream(streaming, {"words": ["well"]}).body == b"well"


def test_a_timeout_ends_the_stream(streaming):
    streaming.configure(Timeout=1)
    streamed = stream(streaming, {"words": ["some"], "sleep": 20_000})
    assert streamed.body == b"some"
    assert streamed.complete["ErrorCode"] == "Sandbox.Timedout"
    assert streamed.error["errorMessage"].endswith("Task timed out after 1.00 seconds")


def test_the_function_goes_on_without_its_caller(streaming, logs_client):
    event = json.dumps({"words": ["some"], "pause": 300, "megabytes": 20})
    answer = streaming.client.invoke_with_response_stream(FunctionName=streaming.name, Payload=event)
    next(iter(answer["EventStream"]))
    answer["EventStream"].close()

    def at_the_end():
        group = f"/aws/lambda/{streaming.name}"
        try:
            events = logs_client.filter_log_events(logGroupName=group, filterPattern='"at the end"')["events"]
        except logs_client.exceptions.ResourceNotFoundException:
            return False
        return len(events) == 1

    eventually(at_the_end)


def test_a_function_that_does_not_stream(deploy):
    function = deploy(PYTHON, "def handler(event, context):\n    return 'x' * event['size']\n", MemorySize=1769)
    assert stream(function, {"size": 3}).chunks == [b'"xxx"']
    assert len(stream(function, {"size": 6_000_000}).body) == 6_000_002
    streamed = stream(function, {"size": "none"})
    assert streamed.chunks == []
    assert streamed.complete["ErrorCode"] == streamed.error["errorType"] == "TypeError"


def test_a_runtime_of_ones_own(deploy):
    function = deploy(CUSTOM, RAW)
    streamed = stream(function)
    assert (streamed.chunks, set(streamed.complete)) == ([b"raw"], {"LogResult"})
    streamed = stream(function, {"fail": 1})
    assert (streamed.chunks, streamed.complete["ErrorCode"]) == ([b"raw"], "Raw.Error")
    assert streamed.error == {"errorType": "Raw.Error", "errorMessage": "m"}


def test_a_dry_run_streams_nothing(streaming):
    answer = streaming.client.invoke_with_response_stream(FunctionName=streaming.name, InvocationType="DryRun")
    assert (answer["StatusCode"], list(answer["EventStream"])) == (204, [])


def test_refusals_come_before_the_stream(lambda_client, streaming):
    for name, options, code in [
        ("nowhere", {}, "ResourceNotFoundException"),
        (streaming.name, {"Payload": b"no json"}, "InvalidRequestContentException"),
        (streaming.name, {"TenantId": "t"}, "InvalidParameterValueException"),
    ]:
        with pytest.raises(ClientError) as refused:
            lambda_client.invoke_with_response_stream(FunctionName=name, **options)
        assert refused.value.response["Error"]["Code"] == code


def test_the_example(deploy, examples):
    function = deploy(NODE, examples["stream-node"])
    streamed = stream(function, {"words": ["slow", "and", "steady"], "pauseMillis": 50})
    assert streamed.body == b"slow\nand\nsteady\n"
    assert "wrote 3 words" in streamed.log
