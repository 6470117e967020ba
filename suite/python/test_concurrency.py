"""Reserved concurrency, the account's pool, and rates: who is throttled, with which reason, and exactly how many are not."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import functions
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError
from functions import CUSTOM, NODE, PYTHON
from hearth import Server, eventually
from test_asynchronous import RECORDER, advance, make, metrics, send, timed, told  # noqa: F401 - a fixture
from test_destinations import queue, received, sender  # noqa: F401 - a fixture

# Says that it runs, and then runs for as long as it was told.
HOLDS = """
export const handler = awslambda.streamifyResponse(async (event, stream) => {
  stream.write('running');
  await new Promise((resolve) => setTimeout(resolve, event.ms ?? 0));
  stream.end();
});
"""
ECHO = """
while call GET invocation/next; do call POST "invocation/$id/response" "$body"; done
"""
# When it began and ended, by the clock that all functions of a machine share.
TIMES = """
import time
def handler(event, context):
    began = time.time()
    time.sleep(event["seconds"])
    return [began, time.time()]
"""
RESERVED = "ReservedFunctionConcurrentInvocationLimitExceeded"
UNRESERVED = "ConcurrentInvocationLimitExceeded"


@contextmanager
def held(function, ms, **options):
    """An invocation that runs for so long. At the end of the block it is waited for."""
    answer = function.client.invoke_with_response_stream(
        FunctionName=function.name, Payload=b'{"ms": %d}' % ms, **options
    )
    events = iter(answer["EventStream"])
    assert next(events)["PayloadChunk"]["Payload"] == b"running"
    yield
    assert "ErrorCode" not in list(events)[-1]["InvokeComplete"]


def throttled(function, **options):
    """The error of an invocation that has to be throttled."""
    with pytest.raises(ClientError) as refused:
        function.client.invoke(FunctionName=function.name, Payload=b"{}", **options)
    response = refused.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert response["Error"]["Code"] == "TooManyRequestsException"
    assert response["Error"]["Message"] == "Rate Exceeded."
    assert response["Type"] == "User"
    assert int(response["retryAfterSeconds"]) >= 1
    assert response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == response["retryAfterSeconds"]
    return response["Reason"]


def unreserved(client):
    return client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]


def test_a_reservation_is_put_read_and_deleted(deploy, lambda_client):
    function = deploy(CUSTOM, ECHO)
    before = unreserved(lambda_client)
    assert "ReservedConcurrentExecutions" not in lambda_client.get_function_concurrency(FunctionName=function.name)
    assert "Concurrency" not in lambda_client.get_function(FunctionName=function.name)
    for count in (7, 3):
        put = lambda_client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=count)
        assert put["ReservedConcurrentExecutions"] == count
        got = lambda_client.get_function_concurrency(FunctionName=function.name)
        assert got["ReservedConcurrentExecutions"] == count
        shown = lambda_client.get_function(FunctionName=function.name)["Concurrency"]
        assert shown == {"ReservedConcurrentExecutions": count}
        assert unreserved(lambda_client) == before - count
    for _ in range(2):
        deleted = lambda_client.delete_function_concurrency(FunctionName=function.name)
        assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert unreserved(lambda_client) == before
    lambda_client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=5)
    lambda_client.delete_function(FunctionName=function.name)
    assert unreserved(lambda_client) == before, "what goes takes its reservation with it"


@pytest.mark.parametrize("action", ["put", "get", "delete"])
def test_a_function_that_is_not_there_has_no_reservation(lambda_client, action):
    options = {"ReservedConcurrentExecutions": 1} if action == "put" else {}
    with pytest.raises(lambda_client.exceptions.ResourceNotFoundException):
        getattr(lambda_client, f"{action}_function_concurrency")(FunctionName="nowhere", **options)


def test_a_hundred_stay_unreserved(deploy, lambda_client):
    function = deploy(CUSTOM, ECHO)
    room = unreserved(lambda_client) - 100
    lambda_client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=room)
    assert unreserved(lambda_client) == 100
    for wrong in (room + 1, 5_000_000_000):
        with pytest.raises(lambda_client.exceptions.InvalidParameterValueException) as refused:
            lambda_client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=wrong)
        assert refused.value.response["Error"]["Message"] == (
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
            "below its minimum value of [100]."
        )
    got = lambda_client.get_function_concurrency(FunctionName=function.name)
    assert got["ReservedConcurrentExecutions"] == room, "what is refused changes nothing"


def test_two_reservations_at_once_do_not_share_the_same_room(deploy, lambda_client):
    made = [deploy(CUSTOM, ECHO) for _ in range(4)]
    half = (unreserved(lambda_client) - 100) // 2

    def put(function):
        try:
            lambda_client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=half)
        except lambda_client.exceptions.InvalidParameterValueException:
            return 0
        return 1

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(put, made)) == 2
    assert unreserved(lambda_client) >= 100


def test_a_reservation_of_zero_throttles_everything(deploy, lambda_client):
    function = deploy(CUSTOM, ECHO)
    lambda_client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=0)
    assert throttled(function) == RESERVED
    dry = lambda_client.invoke(FunctionName=function.name, InvocationType="DryRun")
    assert dry["StatusCode"] == 204, "a dry run takes no concurrency"
    with pytest.raises(lambda_client.exceptions.TooManyRequestsException):
        lambda_client.invoke_with_response_stream(FunctionName=function.name)
    lambda_client.delete_function_concurrency(FunctionName=function.name)
    assert function.invoke({"a": 1}).value == {"a": 1}


def test_a_reservation_counts_all_versions_and_aliases_together(deploy, lambda_client):
    function, other = deploy(NODE, HOLDS, Timeout=30), deploy(CUSTOM, ECHO)
    version = lambda_client.publish_version(FunctionName=function.name)["Version"]
    lambda_client.get_waiter("function_active_v2").wait(FunctionName=function.name, Qualifier=version)
    lambda_client.create_alias(FunctionName=function.name, Name="live", FunctionVersion=version)
    lambda_client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=2)
    with held(function, 4_000), held(function, 4_000, Qualifier="live"):
        for options in ({}, {"Qualifier": version}, {"Qualifier": "live"}):
            assert throttled(function, **options) == RESERVED
        assert other.invoke().error is None, "others have what they had"
    assert function.invoke(Qualifier="live").error is None


def test_an_account_has_so_much_and_no_more(nothing_left):
    with Server("--ephemeral", "--account-concurrency", "2") as server:
        client = server.client("lambda")
        limits = client.get_account_settings()["AccountLimit"]
        assert (limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]) == (2, 2)
        first, second = (functions.create(client, NODE, functions.code(NODE, HOLDS), Timeout=30) for _ in range(2))
        with held(first, 4_000), held(second, 4_000):
            assert throttled(first) == throttled(second) == UNRESERVED
            elsewhere = functions.create(
                server.client("lambda", region="eu-west-1"), CUSTOM, functions.code(CUSTOM, ECHO)
            )
            assert elsewhere.invoke().error is None, "each region counts for itself"
        assert first.invoke().error is None
        with pytest.raises(ClientError, match=r"below its minimum value of \[2\]"):
            client.put_function_concurrency(FunctionName=first.name, ReservedConcurrentExecutions=1)


def test_an_invocation_counts_to_its_end_when_its_client_has_gone(deploy, server):
    hasty = server.client("lambda", config=Config(retries={"total_max_attempts": 1}, read_timeout=1))
    function = deploy(PYTHON, TIMES, Timeout=30)
    function.invoke({"seconds": 0})
    function.client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=1)
    with pytest.raises(ReadTimeoutError):
        hasty.invoke(FunctionName=function.name, Payload=b'{"seconds": 3}')
    assert throttled(function) == RESERVED

    def is_free():
        try:
            return function.invoke({"seconds": 0}).error is None
        except function.client.exceptions.TooManyRequestsException:
            return False

    eventually(is_free)


def test_crashes_and_timeouts_give_back_what_they_took(deploy):
    source = """
import os, time
def handler(event, context):
    if event.get("exit"): os._exit(1)
    if event.get("sleep"): time.sleep(10)
    if event.get("raise"): raise ValueError("no")
    return "well"
"""
    function = deploy(PYTHON, source, Timeout=1)
    function.client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=1)
    for event in ({"exit": 1}, {"raise": 1}, {"exit": 1}, {"sleep": 1}):
        assert function.invoke(event).error == "Unhandled"
    assert function.invoke().value == "well"


def test_a_reserved_function_is_never_run_more_often_at_once_than_reserved(deploy):
    """The overlap of what ran is at most the reservation, and every invocation was either run or throttled."""
    reserved, callers, each = 3, 10, 12
    function = deploy(PYTHON, TIMES)
    function.client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=reserved)
    ran, reasons, lock = [], [], threading.Lock()

    def call(_):
        for _ in range(each):
            try:
                times = function.invoke({"seconds": 0.1}).value
                with lock:
                    ran.append(times)
            except ClientError as error:
                with lock:
                    reasons.append(error.response["Reason"])
                time.sleep(0.02)

    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(call, range(callers)))
    assert len(ran) + len(reasons) == callers * each
    edges = sorted([(began, 1) for began, _ in ran] + [(ended, -1) for _, ended in ran])
    running = highest = 0
    for _, change in edges:
        running += change
        highest = max(highest, running)
    assert 1 <= highest <= reserved
    assert len(ran) >= each, "one caller alone would have run as many"
    assert RESERVED in reasons


def test_a_rate_is_ten_times_the_reservation_a_second(deploy):
    function = deploy(CUSTOM, ECHO)
    function.invoke()
    function.client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=1)
    began = time.monotonic()
    ran, reasons = 0, set()
    for _ in range(100):
        try:
            function.invoke(LogType="None")
            ran += 1
        except ClientError as error:
            reasons.add(error.response["Reason"])
    seconds = time.monotonic() - began
    # A bucket of ten that fills by ten a second, and one for where the seconds are cut.
    assert ran <= 10 + 10 * seconds + 1
    assert ran >= min(100, 10)
    if ran < 100:
        assert reasons == {"ReservedFunctionInvocationRateLimitExceeded"}
    else:
        assert seconds > 8, "a machine this slow stays below the rate"


def counted(server, function):
    """How many invocations of a function were throttled, and how many ran to their end."""
    names = ("lambda_throttles_total", "lambda_invocations_total")
    return tuple(metrics(server, name, function) for name in names)


def test_an_event_for_a_busy_function_waits_until_it_can_run(timed):  # noqa: F811
    client = timed.client("lambda")
    function = functions.create(client, NODE, functions.code(NODE, HOLDS), Timeout=30)
    client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=1)
    with held(function, 4_000):
        send(function, {})
        eventually(lambda: counted(timed, function)[0] >= 1)
        # Seconds and then minutes pass between the tries, none of which counts as one of the function's.
        for _ in range(3):
            advance(timed, "PT1M")
        throttles, invocations = counted(timed, function)
        assert throttles >= 4 and invocations == 0
    advance(timed, "PT10M")
    eventually(lambda: counted(timed, function)[1] == 2)
    assert metrics(timed, "lambda_async_events_dropped_total", function) == 0
    assert metrics(timed, "lambda_errors_total", function) == 0


def test_many_events_take_turns_in_what_is_reserved(server):
    source = TIMES.replace("return [began, time.time()]", 'print(json.dumps({"seen": [began, time.time()]}))')
    function = make(server, "import json\n" + source)
    function.client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=1)
    for _ in range(8):
        send(function, {"seconds": 0.2})
    ran = sorted(line["seen"] for line in told(server, function, 8))
    assert all(ended <= began for (_, ended), (began, _) in zip(ran, ran[1:])), "one after the other"


def test_an_event_for_a_function_that_may_not_run_goes_to_the_destination(timed, queue):  # noqa: F811
    function = make(timed, RECORDER, Role=sender(timed, queue))
    function.client.put_function_event_invoke_config(
        FunctionName=function.name, DestinationConfig={"OnFailure": {"Destination": queue[1]}}
    )
    function.client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=0)
    identifier = send(function, {"n": 1})
    record = json.loads(received(timed, queue)["Body"])
    context = record["requestContext"]
    assert context["requestId"] == identifier
    assert (context["condition"], context["approximateInvokeCount"]) == ("ZeroReservedConcurrency", 0)
    assert record["requestPayload"] == {"n": 1}
    assert "responsePayload" not in record, "nothing ran"
    assert counted(timed, function) == (1, 0)


def test_an_event_for_a_function_that_may_not_run_is_dropped_without_a_destination(timed):  # noqa: F811
    function = make(timed, RECORDER)
    function.client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=0)
    send(function, {"n": "dropped"})
    eventually(lambda: metrics(timed, "lambda_async_events_dropped_total", function) == 1)
    function.client.delete_function_concurrency(FunctionName=function.name)
    send(function, {"n": "taken"})
    advance(timed, "PT6H")
    assert [line["seen"] for line in told(timed, function, 1)] == [{"n": "taken"}]
    assert counted(timed, function) == (1, 1)


def test_a_reservation_survives_a_power_cut(nothing_left, tmp_path):
    with Server("--data-dir", tmp_path / "hearth") as server:
        client = server.client("lambda")
        function = functions.create(client, CUSTOM, functions.code(CUSTOM, ECHO))
        client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=0)
        server.kill()
    with Server("--data-dir", tmp_path / "hearth") as server:
        again = functions.Function(server.client("lambda"), function.name)
        assert throttled(again) == RESERVED
        limits = again.client.get_account_settings()["AccountLimit"]
        assert limits["UnreservedConcurrentExecutions"] == limits["ConcurrentExecutions"]
