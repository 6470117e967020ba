"""Running a server: it starts and refuses to start, drains and dies, comes back with everything, and leaves nothing."""

import json
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import residue
from botocore.exceptions import ClientError
from functions import CUSTOM, PYTHON, ROLE, Function, code, create, name_of
from hearth import Server, eventually, run, variables
from test_logs import messages

GREETER = "def handler(event, context):\n    print('greeting')\n    return 'hello'\n"
SLEEPER = "import time\ndef handler(event, context):\n    print('asleep')\n    time.sleep(event)\n    return 'awake'\n"


def health(server):
    with urllib.request.urlopen(server.endpoint + "/_hearth/health", timeout=30) as answer:
        return json.load(answer)


def post(url):
    """Status and body of a POST without a body."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def asleep(server, function, calls=1):
    """Waits until so many invocations of the sleeper have begun."""
    messages(server.client("logs"), f"/aws/lambda/{function.name}", calls, filterPattern="asleep")


def gone(before):
    """Nothing is left that was not there before the server."""
    eventually(lambda: not residue.left(before), 20, lambda: f"left on the machine: {residue.left(before)}")


def accepts(server):
    """Whether the server takes connections."""
    try:
        socket.create_connection(("127.0.0.1", server.port), 5).close()
    except (ConnectionRefusedError, ConnectionResetError):
        return False
    return True


# Starting


def test_ready_means_served(server):
    assert health(server)["status"] == "ready"


def test_the_version():
    done = run("--version")
    assert done.returncode == 0 and done.stdout.startswith("hearth 0.")


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"])
def test_only_loopback_is_listened_on(tmp_path, address):
    done = run("serve", "--listen", address, "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert "loopback" in done.stderr and address.rsplit(":", 1)[0] in done.stderr, done.stderr


def test_a_port_in_use_is_named(server, tmp_path):
    done = run("serve", "--listen", f"127.0.0.1:{server.port}", "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 1
    assert f"127.0.0.1:{server.port}" in done.stderr and "--listen" in done.stderr, done.stderr


def test_a_data_directory_in_use_is_named(tmp_path):
    with Server("--data-dir", tmp_path / "data"):
        done = run("serve", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 1
    assert str(tmp_path / "data") in done.stderr, done.stderr


WRONG = [
    (["--account", "12"], "twelve digits"),
    (["--region", "Not A Region"], "region"),
    (["--listen", "nowhere"], "--listen"),
    (["--environments-max", "0"], "--environments-max"),
    (["--account-concurrency", "0"], "--account-concurrency"),
    (["--ephemeral", "--data-dir", "/tmp/x"], "--ephemeral"),
    (["--runtime", "python3.12=python"], "python3.12"),
    (["--runtime", "cobol=/bin/true", "--ephemeral"], "cobol"),
    (["--isolation", "none"], "--isolation"),
    (["--config", "/nowhere/hearth.toml"], "/nowhere/hearth.toml"),
    (["--no-such-flag"], "--no-such-flag"),
]


@pytest.mark.parametrize("arguments, told", WRONG, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_a_wrong_setting_is_named(arguments, told):
    done = run("serve", *arguments)
    assert done.returncode != 0 and told in done.stderr, done.stderr
    assert "panicked" not in done.stderr


def test_a_setting_that_the_file_may_not_have_is_named(tmp_path):
    file = tmp_path / "hearth.toml"
    file.write_text("listne = '127.0.0.1:0'\n")
    done = run("serve", "--config", str(file))
    assert done.returncode == 1 and "listne" in done.stderr and str(file) in done.stderr


def account(server):
    return server.client("sts").get_caller_identity()["Account"]


def test_the_flag_wins_over_the_variable_over_the_file_over_the_default(tmp_path):
    file = tmp_path / "hearth.toml"
    file.write_text("account = '111111111111'\n")
    sources = [
        ((), {}, "000000000000"),
        ((), {"HEARTH_CONFIG": str(file)}, "111111111111"),
        ((), {"HEARTH_CONFIG": str(file), "HEARTH_ACCOUNT": "222222222222"}, "222222222222"),
        (("--account", "333333333333"), {"HEARTH_CONFIG": str(file), "HEARTH_ACCOUNT": "222222222222"}, "333333333333"),
    ]
    for arguments, settings, expected in sources:
        # A home without settings of whoever runs the tests.
        env = variables(HOME=str(tmp_path), XDG_CONFIG_HOME=str(tmp_path / "none"), **settings)
        with Server("--ephemeral", *arguments, env=env) as server:
            assert account(server) == expected


def test_the_default_data_directory_is_the_users(tmp_path):
    env = variables(HOME=str(tmp_path))
    env.pop("XDG_DATA_HOME", None)
    with Server(env=env) as server:
        create(server.client("lambda"), PYTHON, code(PYTHON, GREETER))
    assert (tmp_path / ".local/share/hearth").is_dir()


def test_doctor_says_what_is_enforced():
    done = run("doctor")
    assert done.returncode == 0, done.stderr
    for word in ("Isolation", "seccomp", "Landlock", "cgroup", "Runtimes", "python3."):
        assert word.lower() in done.stdout.lower(), done.stdout
    strict = run("doctor", "--strict")
    assert (strict.returncode == 0) == ("Not everything" not in done.stdout)


def test_strictness_takes_no_plain_processes():
    done = run("serve", "--ephemeral", "--strict", "--isolation", "process", "--listen", "127.0.0.1:0")
    assert (done.returncode, done.stdout) == (1, "")
    assert "hearth: will not start: --strict asks for full isolation" in done.stderr
    assert "isolation (programs are plain processes of Hearth's own user)" in done.stderr


def test_the_runtimes_are_listed():
    done = run("runtimes")
    assert done.returncode == 0
    rows = [line.split() for line in done.stdout.splitlines()]
    found = {row[0]: row[-1] for row in rows if row and row[0].startswith(("python", "nodejs"))}
    assert found and all(Path(program).exists() for program in found.values()), done.stdout


def test_an_interpreter_can_be_chosen(tmp_path):
    chosen = [row.split() for row in run("runtimes").stdout.splitlines() if row.strip().startswith("python3.")][-1]
    arguments = ("--ephemeral", "--runtime", f"python3.12={chosen[-1]}")
    with Server(*arguments) as server:
        source = "import platform\ndef handler(event, context):\n    return platform.python_version()\n"
        function = create(server.client("lambda"), PYTHON, code(PYTHON, source))
        assert function.invoke().value == chosen[1]


def test_strict_runtimes_take_no_stand_in():
    """No machine has Python 3.14 and all versions before it; where one has, another version is asked for."""
    listed = run("runtimes").stdout
    absent = next(name for name in ("python3.14", "python3.9", "nodejs24.x", "nodejs18.x") if name not in listed)
    with Server("--ephemeral", "--strict-runtimes") as server:
        client = server.client("lambda")
        handler = "index.handler" if absent.startswith("node") else "app.handler"
        client.create_function(FunctionName="strict", Runtime=absent, Handler=handler, Role=ROLE,
                               Code={"ZipFile": code(PYTHON, GREETER)})
        with pytest.raises(Exception, match="Failed"):
            Function(client, "strict").wait()
        told = client.get_function_configuration(FunctionName="strict")
        assert told["State"] == "Failed"
        assert "install" in told["StateReason"].lower(), told["StateReason"]
        with pytest.raises(ClientError) as caught:
            client.invoke(FunctionName="strict")
        assert caught.value.response["Error"]["Code"] == "ResourceConflictException"


# Running


def test_reset_empties_an_ephemeral_server():
    with Server("--ephemeral") as server:
        assert health(server)["ephemeral"] is True
        client, logs = server.client("lambda"), server.client("logs")
        function = create(client, PYTHON, code(PYTHON, GREETER), name="again")
        function.invoke()
        messages(logs, "/aws/lambda/again")
        assert post(server.endpoint + "/_hearth/reset")[0] == 200
        assert client.list_functions()["Functions"] == []
        assert logs.describe_log_groups()["logGroups"] == []
        function = create(client, PYTHON, code(PYTHON, GREETER), name="again")
        assert function.invoke().value == "hello"


def test_reset_is_refused_where_things_are_kept(server, deploy):
    function = deploy(PYTHON, GREETER)
    status, body = post(server.endpoint + "/_hearth/reset")
    assert status == 403 and "--ephemeral" in body
    assert function.invoke().value == "hello"


def test_reset_is_not_for_functions():
    """What runs in a function may be hostile: it can call AWS, and not empty the server."""
    source = """
import os, urllib.request, urllib.error
def handler(event, context):
    request = urllib.request.Request(os.environ['AWS_ENDPOINT_URL'] + '/_hearth/reset', method='POST')
    try:
        return urllib.request.urlopen(request).status
    except urllib.error.HTTPError as error:
        return error.code
"""
    with Server("--ephemeral") as server:
        function = create(server.client("lambda"), PYTHON, code(PYTHON, source))
        assert function.invoke().value in (403, 404)
        assert server.client("lambda").get_function(FunctionName=function.name)


def test_idle_environments_end(tmp_path):
    with Server("--data-dir", tmp_path / "data", "--idle-timeout", "1", "--stem-cell-memory", "0") as server:
        function = create(server.client("lambda"), PYTHON, code(PYTHON, "import os\ndef handler(event, context):\n    return os.listdir('/proc')\n"))
        function.invoke()
        stream = {"logGroupName": f"/aws/lambda/{function.name}"}
        messages(server.client("logs"), stream["logGroupName"])
        running = lambda: [name for name in residue.descendants(server.process.pid).values() if name.startswith("python")]
        eventually(lambda: not running(), what=lambda: running())
        function.invoke()
        logs = server.client("logs")
        eventually(lambda: len(logs.describe_log_streams(**stream)["logStreams"]) == 2)


def test_too_many_at_once_are_throttled(tmp_path):
    with Server("--data-dir", tmp_path / "data", "--environments-max", "2") as server:
        function = create(server.client("lambda"), PYTHON, code(PYTHON, SLEEPER), Timeout=60)
        with ThreadPoolExecutor(2) as pool:
            busy = [pool.submit(function.invoke, 4) for _ in range(2)]
            asleep(server, function, 2)
            with pytest.raises(ClientError) as caught:
                function.invoke(0)
            answer = caught.value.response
            assert answer["ResponseMetadata"]["HTTPStatusCode"] == 429
            assert answer["Error"]["Code"] == "TooManyRequestsException"
            assert answer["Error"]["Message"] == "Rate Exceeded."
            assert answer["Reason"] == "ConcurrentInvocationLimitExceeded"
            assert [call.result().value for call in busy] == ["awake", "awake"]


def test_plain_processes_are_an_explicit_choice_with_a_warning(tmp_path):
    with Server("--data-dir", tmp_path / "data", "--isolation", "process") as server:
        assert "--isolation process" in server.complaints()
        client = server.client("lambda")
        assert create(client, PYTHON, code(PYTHON, GREETER)).invoke().value == "hello"
        echo = 'while true; do call GET invocation/next ""; call POST "invocation/$id/response" "$body"; done\n'
        assert create(client, CUSTOM, code(CUSTOM, echo)).invoke({"a": 1}).value == {"a": 1}


# Ending


def test_sigterm_lets_invocations_finish_and_leaves_nothing(tmp_path):
    before = residue.snapshot()
    server = Server("--data-dir", tmp_path / "data")
    function = create(server.client("lambda"), PYTHON, code(PYTHON, SLEEPER), Timeout=60)
    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(function.invoke, 2) for _ in range(3)]
        asleep(server, function, 3)
        server.signal(signal.SIGTERM)
        assert [call.result().value for call in calls] == ["awake"] * 3
    assert server.wait() == 0
    gone(before)
    assert not accepts(server)


def test_what_outlasts_the_grace_period_is_ended(tmp_path):
    before = residue.snapshot()
    server = Server("--data-dir", tmp_path / "data", "--grace", "1")
    function = create(server.client("lambda"), PYTHON, code(PYTHON, SLEEPER), Timeout=60)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(function.invoke, 50)
        asleep(server, function)
        server.signal(signal.SIGTERM)
        started = time.monotonic()
        assert server.wait() == 0
        assert time.monotonic() - started < 20
        assert call.exception() or call.result().error
    gone(before)


def test_a_second_sigterm_ends_at_once(tmp_path):
    before = residue.snapshot()
    server = Server("--data-dir", tmp_path / "data")
    function = create(server.client("lambda"), PYTHON, code(PYTHON, SLEEPER), Timeout=60)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(function.invoke, 50)
        asleep(server, function)
        server.signal(signal.SIGTERM)
        eventually(lambda: not accepts(server), what="the first signal did not close the port")
        server.signal(signal.SIGTERM)
        assert server.wait(20) == 130
        assert call.exception()
    gone(before)


def test_an_ephemeral_server_leaves_nothing_even_when_killed():
    before = residue.snapshot()
    with Server("--ephemeral") as server:
        create(server.client("lambda"), PYTHON, code(PYTHON, GREETER)).invoke()
    gone(before)
    server = Server("--ephemeral")
    create(server.client("lambda"), PYTHON, code(PYTHON, GREETER)).invoke()
    server.kill()
    # A killed one cannot remove its directory: the next one does.
    Server("--ephemeral").stop()
    gone(before)


def described(server, name):
    """All that is known of a function, without what each answer has anew."""
    got = server.client("lambda").get_function(FunctionName=name)
    return got["Configuration"], got.get("Tags")


@pytest.mark.parametrize("end", [Server.stop, Server.kill], ids=["stopped", "killed"])
def test_everything_is_there_again_after_a_restart(tmp_path, end):
    before = residue.snapshot()
    server = Server("--data-dir", tmp_path / "data")
    function = create(server.client("lambda"), PYTHON, code(PYTHON, GREETER), Tags={"team": "blue"}, Description="kept")
    function.invoke()
    group = f"/aws/lambda/{function.name}"
    # The group is made with the first lines that are delivered, a moment after the answer.
    logged = messages(server.client("logs"), group, 4)
    server.client("logs").put_retention_policy(logGroupName=group, retentionInDays=7)
    then = described(server, function.name)
    end(server)
    with Server("--data-dir", tmp_path / "data") as server:
        assert described(server, function.name) == then
        logs = server.client("logs")
        assert messages(logs, group, 4)[: len(logged)] == logged
        assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["retentionInDays"] == 7
        location = server.client("lambda").get_function(FunctionName=function.name)["Code"]["Location"]
        with urllib.request.urlopen(location, timeout=30) as answer:
            assert len(answer.read()) == then[0]["CodeSize"]
        assert Function(server.client("lambda"), function.name).invoke().value == "hello"
    gone(before)


def test_kill_9_during_invocations_leaves_nothing_behind(tmp_path):
    before = residue.snapshot()
    server = Server("--data-dir", tmp_path / "data")
    client = server.client("lambda")
    forker = "import subprocess, time\ndef handler(event, context):\n    subprocess.Popen(['sleep', '1000'])\n    print('asleep')\n    time.sleep(event)\n"
    made = [create(client, PYTHON, code(PYTHON, source), Timeout=60) for source in (SLEEPER, forker)]
    finished = create(client, PYTHON, code(PYTHON, GREETER))
    for _ in range(5):
        finished.invoke()
    messages(server.client("logs"), f"/aws/lambda/{finished.name}", 5, filterPattern="greeting")
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(function.invoke, 50) for function in made for _ in range(4)]
        for function in made:
            asleep(server, function, 4)
        inside = residue.descendants(server.process.pid)
        assert sum(name.startswith("python") for name in inside.values()) >= 8, inside
        own = residue.networks(server.process.pid) - before["network namespaces"]
        assert len(own) >= 8, own
        server.kill()
        assert all(call.exception() for call in calls)
    eventually(lambda: not (set(residue.descendants()) & set(inside)), what=lambda: residue.descendants())
    with Server("--data-dir", tmp_path / "data") as server:
        names = {function["FunctionName"] for function in server.client("lambda").list_functions()["Functions"]}
        assert names == {function.name for function in [*made, finished]}
        kept = messages(server.client("logs"), f"/aws/lambda/{finished.name}", 5, filterPattern="greeting")
        assert len(kept) == 5
        assert Function(server.client("lambda"), finished.name).invoke().value == "hello"
        assert Function(server.client("lambda"), made[0].name).invoke(0).value == "awake"
    gone(before)
    eventually(lambda: not own & residue.namespaces(), what="the network namespaces of the killed server are still there")


def test_kill_9_while_functions_are_made_loses_none_that_was_acknowledged(tmp_path):
    """Killed at some moment of a stream of changes: what was answered with success is there afterwards."""
    package = code(PYTHON, GREETER)
    acknowledged = {}
    for _ in range(3):
        server = Server("--data-dir", tmp_path / "data")
        client = server.client("lambda")
        enough = threading.Event()

        def make(worker, client=client, enough=enough):
            while True:
                name = name_of(f"made-by-{worker}")
                try:
                    answer = client.create_function(FunctionName=name, Runtime=PYTHON, Handler="app.handler", Role=ROLE,
                                                    Code={"ZipFile": package}, Description=name)
                except Exception:  # the server is gone
                    return
                acknowledged[name] = answer["CodeSha256"]
                if len(acknowledged) % 40 == 0:
                    enough.set()

        with ThreadPoolExecutor(4) as pool:
            for worker in range(4):
                pool.submit(make, worker)
            assert enough.wait(60)
            server.kill()
    with Server("--data-dir", tmp_path / "data") as server:
        pages = server.client("lambda").get_paginator("list_functions").paginate()
        found = {each["FunctionName"]: each["CodeSha256"] for page in pages for each in page["Functions"]}
        assert {name: found.get(name) for name in acknowledged} == acknowledged
        name = next(reversed(acknowledged))
        assert Function(server.client("lambda"), name).wait().invoke().value == "hello"
