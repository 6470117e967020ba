"""Invocations that succeed: how a function is named, what it is given, what it may touch, and how many run at once."""

import pathlib
import base64
import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from functions import CUSTOM, NODE, PYTHON, code, create
from test_functions import refused

ECHO = {
    PYTHON: "def handler(event, context):\n    return event\n",
    NODE: "export const handler = async (event) => event;",
    CUSTOM: 'while true; do call GET invocation/next ""; call POST "invocation/$id/response" "$body"; done\n',
}
EVENTS = [
    {"text": "Grüße, 世界 🌍", "deep": {"list": [1, 2.5, -3e10, None, True]}},
    [],
    "text",
    0,
    None,
    False,
    {"quotes": "\"'\\ \n\t\u0001"},
]


@pytest.mark.parametrize("runtime", ECHO)
def test_events_go_there_and_back_unchanged(deploy, runtime):
    function = deploy(runtime, ECHO[runtime])
    for event in EVENTS:
        outcome = function.invoke(json.dumps(event).encode())
        assert outcome.error is None, (event, outcome.body)
        assert outcome.value == event


@pytest.mark.parametrize("runtime", ECHO)
def test_the_largest_event_and_answer(deploy, runtime):
    function = deploy(runtime, ECHO[runtime], MemorySize=512, Timeout=60)
    event = '"' + "x" * (6 * 1024 * 1024 - 2) + '"'
    outcome = function.invoke(event.encode(), LogType="None")
    assert outcome.error is None, outcome.body[:500]
    assert len(outcome.value) == len(event) - 2


def test_an_event_over_the_limit_is_refused(lambda_client, deploy):
    function = deploy(PYTHON, ECHO[PYTHON])
    error, message, status = refused(lambda_client.invoke, FunctionName=function.name, Payload=b'"' + b"x" * 6291456 + b'"')
    assert (error, status) == ("RequestEntityTooLargeException", 413), message


def test_an_event_that_is_no_json_is_refused(lambda_client, deploy):
    function = deploy(PYTHON, ECHO[PYTHON])
    error, message, status = refused(lambda_client.invoke, FunctionName=function.name, Payload=b"{no json")
    assert (error, status) == ("InvalidRequestContentException", 400)
    assert message.startswith("Could not parse request body into json")


def test_no_event_is_an_empty_one(lambda_client, deploy):
    function = deploy(PYTHON, ECHO[PYTHON])
    assert json.loads(lambda_client.invoke(FunctionName=function.name)["Payload"].read()) == {}


NAMES = [
    ("{name}", None),
    ("{name}:$LATEST", None),
    ("{name}", "$LATEST"),
    ("000000000000:function:{name}", None),
    ("000000000000:function:{name}:$LATEST", None),
    ("function:{name}", None),
    ("arn:aws:lambda:us-east-1:000000000000:function:{name}", None),
    ("arn:aws:lambda:us-east-1:000000000000:function:{name}:$LATEST", "$LATEST"),
]


@pytest.mark.parametrize("form, qualifier", NAMES)
def test_each_form_of_a_name_finds_the_function(lambda_client, deploy, form, qualifier):
    function = deploy(PYTHON, "def handler(event, context):\n    return context.invoked_function_arn\n")
    options = {"Qualifier": qualifier} if qualifier else {}
    answer = lambda_client.invoke(FunctionName=form.format(name=function.name), **options)
    assert answer["ExecutedVersion"] == "$LATEST"
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{function.name}"
    qualified = "$LATEST" in form or qualifier
    assert json.loads(answer["Payload"].read()) == (f"{arn}:$LATEST" if qualified else arn)


def test_names_that_mean_nothing(lambda_client, deploy):
    function = deploy(PYTHON, ECHO[PYTHON])
    for name, error in [
        (f"{function.name}:7", "ResourceNotFoundException"),
        (f"{function.name}:nobody", "ResourceNotFoundException"),
        (f"arn:aws:lambda:eu-west-1:000000000000:function:{function.name}", "ResourceNotFoundException"),
        (f"111122223333:function:{function.name}", "(ResourceNotFound|AccessDenied)Exception"),
        ("nobody", "ResourceNotFoundException"),
        ("a:b:c:d", "ValidationException"),
    ]:
        told = refused(lambda_client.invoke, FunctionName=name)
        assert re.fullmatch(error, told[0]), (name, told)


def test_a_dry_run_runs_nothing(lambda_client, deploy):
    function = deploy(PYTHON, "raise SystemExit\n")
    answer = lambda_client.invoke(FunctionName=function.name, InvocationType="DryRun")
    assert answer["StatusCode"] == 204
    assert answer["Payload"].read() == b""
    assert refused(lambda_client.invoke, FunctionName="nobody", InvocationType="DryRun")[0] == "ResourceNotFoundException"


CONTEXT = {
    PYTHON: """
def handler(event, context):
    client = context.client_context
    return {
        'custom': client and client.custom, 'env': client and client.env, 'name': context.function_name,
        'version': context.function_version, 'memory': int(context.memory_limit_in_mb), 'group': context.log_group_name,
        'stream': context.log_stream_name, 'left': context.get_remaining_time_in_millis(), 'id': context.aws_request_id,
    }
""",
    NODE: """
export const handler = async (event, context) => ({
  custom: context.clientContext?.custom, env: context.clientContext?.env, name: context.functionName,
  version: context.functionVersion, memory: Number(context.memoryLimitInMB), group: context.logGroupName,
  stream: context.logStreamName, left: context.getRemainingTimeInMillis(), id: context.awsRequestId,
});
""",
}


@pytest.mark.parametrize("runtime", CONTEXT)
def test_the_context_is_the_invocation(deploy, runtime):
    function = deploy(runtime, CONTEXT[runtime], Timeout=9, MemorySize=192)
    client = {"custom": {"colour": "blue"}, "env": {"locale": "de"}, "client": {"app_title": "suite"}}
    outcome = function.invoke(ClientContext=base64.b64encode(json.dumps(client).encode()).decode())
    value = outcome.value
    assert 5000 < value.pop("left") <= 9000
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", value.pop("stream"))
    assert value == {
        "custom": client["custom"],
        "env": client["env"],
        "name": function.name,
        "version": "$LATEST",
        "memory": 192,
        "group": f"/aws/lambda/{function.name}",
        "id": outcome.request_id,
    }


@pytest.mark.parametrize("context", ["no base64!", base64.b64encode(b"no json").decode(), "A" * 3584])
def test_a_client_context_that_is_none_is_refused(lambda_client, deploy, context):
    function = deploy(PYTHON, ECHO[PYTHON])
    error, _, status = refused(lambda_client.invoke, FunctionName=function.name, ClientContext=context)
    assert status in (400, 413) and error in (
        "InvalidRequestContentException",
        "RequestTooLargeException",
        "ValidationException",
    )


def test_the_tail_is_the_end_of_the_log_and_at_most_4_kilobytes(lambda_client, deploy):
    function = deploy(PYTHON, "def handler(event, context):\n    for n in range(event): print('line', n)\n")
    short = function.invoke(3)
    lines = short.log.splitlines()
    starts = [n for n, line in enumerate(lines) if line == f"START RequestId: {short.request_id} Version: $LATEST"]
    assert len(starts) == 1, short.log
    assert lines[starts[0] + 1 : starts[0] + 5] == ["line 0", "line 1", "line 2", f"END RequestId: {short.request_id}"]
    report = (
        rf"REPORT RequestId: {short.request_id}\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\t"
        r"Max Memory Used: \d+ MB\tInit Duration: \d+\.\d\d ms\t?"
    )
    assert re.fullmatch(report, lines[starts[0] + 5]), short.log
    long = function.invoke(2000)
    assert 3000 < len(long.log) <= 4096
    assert "line 1999\n" in long.log and "START" not in long.log and "Init Duration" not in long.log
    without = lambda_client.invoke(FunctionName=function.name, LogType="None", Payload=b"1")
    assert "LogResult" not in without


ENVIRONMENT = """
import os
def handler(event, context):
    return dict(os.environ)
"""


def test_variables_are_the_users_and_those_of_lambda(deploy):
    function = deploy(PYTHON, ENVIRONMENT, Environment={"Variables": {"GREETING": "Grüße", "PATH_TO": "/x y"}}, MemorySize=256)
    found = function.invoke().value
    expected = {
        "GREETING": "Grüße",
        "PATH_TO": "/x y",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{PYTHON}",
        "LAMBDA_TASK_ROOT": "/var/task",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "_HANDLER": "app.handler",
        "TZ": ":UTC",
    }
    assert {name: found.get(name) for name in expected} == expected
    assert found["AWS_ENDPOINT_URL"].startswith("http://")
    assert all(found[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"))
    assert not [name for name in found if name.startswith("HEARTH_")], found


def test_changed_variables_reach_the_next_invocation(deploy):
    function = deploy(PYTHON, ENVIRONMENT, Environment={"Variables": {"GREETING": "one"}})
    assert function.invoke().value["GREETING"] == "one"
    function.configure(Environment={"Variables": {"GREETING": "two"}})
    assert function.invoke().value["GREETING"] == "two"


def test_tmp_is_writable_and_bounded(deploy):
    source = """
import os
def handler(event, context):
    written = 0
    try:
        with open('/tmp/big', 'wb') as file:
            while written < 700:
                file.write(bytes(1 << 20))
                written += 1
    except OSError as error:
        return [written, error.strerror]
    finally:
        os.remove('/tmp/big')
"""
    function = deploy(PYTHON, source, MemorySize=1024, Timeout=60)
    written, error = function.invoke().value
    assert error == "No space left on device"
    assert 500 <= written <= 530
    assert function.invoke().value[0] == written, "the space is there again"


def test_the_host_cannot_be_read(deploy, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("of the host")
    secret.chmod(0o644)
    source = """
import os, socket
def attempt(path):
    try:
        return open(path).read()[:100]
    except OSError as error:
        return error.errno
def handler(event, context):
    processes = [name for name in os.listdir('/proc') if name.isdigit()]
    return {
        'files': {path: attempt(path) for path in event},
        'processes': len(processes), 'uid': os.getuid(), 'host': socket.gethostname(),
        'capabilities': [line.split()[1] for line in open('/proc/self/status') if line.startswith('Cap')],
        'interfaces': sorted(name for _, name in socket.if_nameindex()),
    }
"""
    paths = [str(secret), "/etc/shadow", str(pathlib.Path.home() / ".bashrc"), "/proc/1/environ", "/proc/1/root/etc/shadow", "/proc/kcore",
             "/sys/kernel/notes", "/proc/1/mem", "/dev/mem", "/.host/etc/shadow"]
    found = deploy(PYTHON, source).invoke(paths).value
    assert all(isinstance(value, int) for value in found["files"].values()), found["files"]
    assert found["uid"] != 0
    assert set(found["capabilities"]) == {"0000000000000000"}, found["capabilities"]
    assert found["interfaces"] == ["lo"]
    assert found["processes"] <= 3


@pytest.mark.parametrize("what, call", [
    ("another host", "socket.create_connection(('192.0.2.1', 80), 1)"),
    ("a name", "socket.getaddrinfo('example.com', 80)"),
    ("mount", "ctypes.CDLL(None, use_errno=True).mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0 or fail()"),
    ("unshare", "ctypes.CDLL(None, use_errno=True).unshare(0x10000000) == 0 or fail()"),
    ("ptrace", "ctypes.CDLL(None, use_errno=True).ptrace(16, 1, 0, 0) == 0 or fail()"),
    ("setuid", "os.setuid(0)"),
    ("chroot", "os.chroot('/tmp')"),
    ("a device", "os.mknod('/tmp/null', 0o20666, os.makedev(1, 3))"),
    ("a raw socket", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)"),
])
def test_the_way_out_is_closed(deploy, what, call):
    source = f"""
import ctypes, os, socket
def fail():
    raise OSError(ctypes.get_errno(), 'refused')
def handler(event, context):
    try:
        {call}
    except OSError as error:
        return 'refused'
    return 'allowed'
"""
    assert deploy(PYTHON, source, Timeout=10).invoke().value == "refused"


def test_a_fork_bomb_meets_the_limit_of_processes(deploy):
    source = """
import os, signal
def handler(event, context):
    children = []
    try:
        while len(children) < 3000:
            child = os.fork()
            if child == 0:
                signal.pause()
            children.append(child)
    except OSError as error:
        return [len(children), error.strerror]
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
"""
    outcome = deploy(PYTHON, source, MemorySize=2048, Timeout=120).invoke()
    count, error = outcome.value
    assert error == "Resource temporarily unavailable" and count <= 1024


def test_environments_are_reused_one_after_the_other(deploy):
    function = deploy(PYTHON, "count = 0\ndef handler(event, context):\n    global count\n    count += 1\n    return count\n")
    assert [function.invoke().value for _ in range(5)] == [1, 2, 3, 4, 5]


def test_200_at_once_have_environments_of_their_own(server):
    source = """
import time, uuid
own = str(uuid.uuid4())
def handler(event, context):
    time.sleep(1)
    return own
"""
    count = 200
    client = server.client("lambda", account="999900003333")
    function = create(client, PYTHON, code(PYTHON, source), Timeout=60)
    with ThreadPoolExecutor(count) as pool:
        outcomes = list(pool.map(lambda _: function.invoke(), range(count)))
    assert [outcome.body for outcome in outcomes if outcome.error] == []
    assert len({outcome.value for outcome in outcomes}) == count
    client.delete_function(FunctionName=function.name)
