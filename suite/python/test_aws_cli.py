"""The AWS CLI, both versions, unmodified: the commands of the README as they are printed there, and its log tail."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from aws_cli import CLIS, VERSIONS, Cli, environment, needs_2
from functions import PYTHON, ROLE, code, name_of
from hearth import REPOSITORY, Server, eventually

# The account in which the commands of the documents are run.
READER = "999900005555"


@pytest.fixture(params=VERSIONS, ids=lambda version: f"version {version}")
def cli(request, server, tmp_path):
    (tmp_path / "app.zip").write_bytes(code(PYTHON, "def handler(event, context):\n    print('asked by', event['name'])\n    return 'Hello, ' + event['name']\n"))
    return Cli(request.param, server, tmp_path)


def test_the_whole_life_of_a_function(cli):
    name = name_of("cli")
    created = cli.json("lambda", "create-function", "--function-name", name, "--runtime", PYTHON, "--handler", "app.handler",
                       "--role", ROLE, "--zip-file", "fileb://app.zip", "--environment", "Variables={GREETING=hello}", "--tags", "team=blue")
    assert created["State"] == "Pending"
    cli.run("lambda", "wait", "function-active-v2", "--function-name", name)
    answer, value = cli.invoke(name, '{"name": "Ada"}', "--log-type", "Tail")
    assert (answer["StatusCode"], answer["ExecutedVersion"], value) == (200, "$LATEST", "Hello, Ada")
    answer, value = cli.invoke(name, "{}")
    assert (answer["FunctionError"], value["errorType"]) == ("Unhandled", "KeyError")
    cli.run("lambda", "update-function-configuration", "--function-name", name, "--timeout", "9")
    cli.run("lambda", "wait", "function-updated-v2", "--function-name", name)
    cli.run("lambda", "update-function-code", "--function-name", name, "--zip-file", "fileb://app.zip")
    cli.run("lambda", "wait", "function-updated", "--function-name", name)
    got = cli.json("lambda", "get-function", "--function-name", name)
    assert got["Configuration"]["Timeout"] == 9 and got["Tags"] == {"team": "blue"}
    assert name in [each["FunctionName"] for each in cli.json("lambda", "list-functions")["Functions"]]
    group = f"/aws/lambda/{name}"
    find = ("logs", "filter-log-events", "--log-group-name", group, "--filter-pattern", "asked")
    eventually(lambda: cli.run(*find, check=False).returncode == 0 and cli.json(*find)["events"])
    cli.run("lambda", "delete-function", "--function-name", name)
    missing = cli.run("lambda", "get-function", "--function-name", name, check=False)
    assert missing.returncode != 0 and "ResourceNotFoundException" in missing.stderr


def test_errors_are_those_of_aws(cli):
    for arguments, told in [
        (("lambda", "get-function", "--function-name", "nobody"), "(ResourceNotFoundException) when calling the GetFunction operation"),
        (("lambda", "update-function-configuration", "--function-name", "nobody", "--handler", "a b"), "(ValidationException)"),
        (("logs", "delete-log-group", "--log-group-name", "nobody"), "(ResourceNotFoundException)"),
    ]:
        done = cli.run(*arguments, check=False)
        assert done.returncode != 0 and told in done.stderr, done.stderr


def test_who_am_i(cli):
    assert cli.json("sts", "get-caller-identity")["Account"] == "000000000000"


@pytest.fixture
def tailed(server, deploy, tmp_path):
    """A function, its log group filled by one invocation, and the CLI that can tail it."""
    function = deploy(PYTHON, "def handler(event, context):\n    print('heard', event)\n")
    function.invoke("first")
    cli = Cli(2, server, tmp_path)
    return function, cli, f"/aws/lambda/{function.name}"


@needs_2
@pytest.mark.parametrize("form", ["detailed", "short", "json"])
def test_logs_are_tailed(tailed, form):
    _, cli, group = tailed
    tail = ("logs", "tail", group, "--format", form)
    shown = eventually(lambda: (found := cli.run(*tail, check=False).stdout) and "REPORT" in found and found)
    assert "heard first" in shown and "START RequestId: " in shown


@needs_2
def test_logs_are_followed(tailed, server):
    function, cli, group = tailed
    eventually(lambda: "REPORT" in cli.run("logs", "tail", group, check=False).stdout)
    follow = subprocess.Popen(
        [CLIS[2], "--endpoint-url", server.endpoint, "logs", "tail", group, "--follow"],
        env=environment(server), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    try:
        seen = iter(follow.stdout.readline, "")
        assert any("heard first" in line for line in seen)
        function.invoke("second")
        assert any("heard second" in line for line in seen), "followed until the new line"
    finally:
        follow.kill()
        follow.communicate()


def printed_commands(text):
    """The shell blocks of a document, without those that build, start or install Hearth itself."""
    blocks = re.findall(r"(?:^    .*\n(?:\n(?=    ))?)+", text, re.MULTILINE)
    commands = [textwrap.dedent(block) for block in blocks]
    return [block for block in commands if not re.match(r"cargo |\./target/|hearth ", block)]


def readme_walk():
    return (REPOSITORY / "README.md").read_text().split("## Ten minutes with it\n")[1].split("\n## ")[0]


def run_as_printed(server, place, commands, seconds=120):
    """Runs the commands of documents one after another; gives what they printed, and the CLI that they used."""
    # In its own account, so that the names are free. The shim stands for a CLI of 2.13 or later.
    shim = place / "bin/aws"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{CLIS[2]}" --endpoint-url "$AWS_ENDPOINT_URL" "$@"\n')
    shim.chmod(0o755)
    path = f"{shim.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    script = "".join(commands).replace("http://127.0.0.1:4566", server.endpoint)
    script = script.replace("AWS_ACCESS_KEY_ID=test", f"AWS_ACCESS_KEY_ID={READER}").replace("000000000000", READER)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=place, env=environment(server) | {"PATH": path},
                          capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, shim


@needs_2
def test_the_readme_works_as_printed(server, tmp_path):
    commands = printed_commands(readme_walk())
    assert any("create-function" in block for block in commands) and any("logs tail" in block for block in commands)
    printed, shim = run_as_printed(server, tmp_path, commands)
    assert "Hello, Ada!" in printed
    own = environment(server) | {"AWS_ACCESS_KEY_ID": READER}
    eventually(lambda: "asked by Ada" in subprocess.run(
        [shim, "logs", "tail", "/aws/lambda/hello"], env=own, capture_output=True, text=True, timeout=60, check=False).stdout)


@needs_2
def test_the_page_on_asynchronous_invocation_works_as_printed(tmp_path):
    prepared = [block for block in printed_commands(readme_walk()) if "export " in block or "create-role" in block]
    page = printed_commands((REPOSITORY / "docs/asynchronous.md").read_text())
    with Server("--data-dir", tmp_path / "data", "--clock", "virtual") as server:
        printed, _ = run_as_printed(server, tmp_path, prepared + page)
    assert '"StringValue": "not today"' in printed and '{\\"order\\": 7}' in printed


@needs_2
@pytest.mark.parametrize("page, expected", [
    ("concurrency", ["not now", '"UnreservedConcurrentExecutions": 999', "READY", '"provisioned-concurrency"']),
    ("urls", ["Hello, Ada!Hello, Ada!", "Hello, whoever you are!"]),
])
def test_a_page_works_as_printed(tmp_path, page, expected):
    prepared = [block for block in printed_commands(readme_walk()) if "export " in block or "create-role" in block]
    commands = printed_commands((REPOSITORY / f"docs/{page}.md").read_text())
    with Server("--ephemeral") as server:
        printed, _ = run_as_printed(server, tmp_path, prepared + commands)
    for text in expected:
        assert text in printed, printed
