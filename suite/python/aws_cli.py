"""The AWS CLI, both versions, unmodified, pointed at a server, and how a story is told with its commands.

`Cli` starts a process for each command, which is what users do. `Forks` runs the commands of version 1 in forks of one
process that has loaded it (`aws_cli_forks.py`): each is still a process of its own, with its own arguments, output and
exit code. Measured in seconds of one core for one command: 0.65 as a process of version 1, 1.9 as one of version 2
(Debian 12's), 0.1 as a fork. So the stories that run every operation use forks of version 1, which is also the only one
that knows all operations everywhere: Debian's version 2 is older than UpdateEventBus and than message moves. A few
main commands of every service run as processes of version 2 besides (the fixture `second`).

It refuses to know what a particular command answers.
"""

import json
import os
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest
from hearth import Server, variables

CLIS = {1: os.environ.get("HEARTH_AWS_CLI_1", str(Path(sys.executable).with_name("aws"))), 2: os.environ.get("HEARTH_AWS_CLI_2")}
NO_CLI_2 = os.environ.get("HEARTH_NO_AWS_CLI_2", "the AWS CLI 2 is missing: run this with cargo xtask test")
needs_2 = pytest.mark.skipif(not CLIS[2], reason=NO_CLI_2)
VERSIONS = [1, pytest.param(2, marks=needs_2)]
# What a version exits with when the service refused.
REFUSED = {1: 255, 2: 254}
ERROR = re.compile(r"^(?:aws: \[ERROR\]: )?An error occurred \(([\w.]+)\) when calling the (\w+) operation: (.*)$", re.MULTILINE)
SECONDS = 120


def environment(server):
    """What a user's shell has: the endpoint, the region and the key, and no profile."""
    return variables(
        AWS_ENDPOINT_URL=server.endpoint,
        AWS_DEFAULT_REGION="us-east-1",
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_CONFIG_FILE="/dev/null",
        AWS_SHARED_CREDENTIALS_FILE="/dev/null",
        AWS_PAGER="",
    )


class Cli:
    """One version of the CLI in one directory, pointed at a server."""

    def __init__(self, version, server, directory):
        self.version, self.server, self.directory = version, server, directory

    def run(self, *arguments, check=True):
        # Versions before 2.13, Debian's among them, do not read AWS_ENDPOINT_URL, nor does version 1 for SQS.
        done = self._done(["--endpoint-url", self.server.endpoint, *map(str, arguments)])
        assert not check or done.returncode == 0, done.stderr
        return done

    def _done(self, arguments):
        return subprocess.run(
            [CLIS[self.version], *arguments],
            env=environment(self.server), cwd=self.directory, capture_output=True, text=True, timeout=SECONDS, check=False,
        )

    def json(self, *arguments):
        return json.loads(self.run(*arguments, "--output", "json").stdout)

    def invoke(self, name, payload, *arguments):
        answer = self.json("lambda", "invoke", "--function-name", name, "--payload", payload, *self.raw(), *arguments, "answer.json")
        return answer, json.loads((self.directory / "answer.json").read_text())

    def raw(self):
        """The option with which a binary parameter is given as it is: version 1 knows no other way."""
        return ["--cli-binary-format", "raw-in-base64-out"] if self.version == 2 else []


class Forks(Cli):
    """Version 1, loaded once. As a context it is ended at the end."""

    def __init__(self, server, directory):
        super().__init__(1, server, directory)
        # The interpreter beside the script is the one that has the CLI.
        python, program = Path(CLIS[1]).with_name("python3"), Path(__file__).with_name("aws_cli_forks.py")
        self.process = subprocess.Popen(
            [python, program, CLIS[1], str(SECONDS)],
            env=environment(server), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )

    def _done(self, arguments):
        self.process.stdin.write(json.dumps({"arguments": arguments, "directory": str(self.directory)}) + "\n")
        readable, _, _ = select.select([self.process.stdout], [], [], 2 * SECONDS)
        assert readable, f"no answer to {arguments}"
        outcome = json.loads(self.process.stdout.readline())
        return subprocess.CompletedProcess(arguments, outcome["code"], outcome["stdout"], outcome["stderr"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(SECONDS)
        self.process.stdout.close()


class Service:
    """The commands of one service: `sqs("create-queue", "--queue-name", "a")` succeeds and gives what was printed."""

    def __init__(self, cli, name):
        self.cli, self.name = cli, name

    def __call__(self, command, *arguments):
        """Runs a command that succeeds; gives its JSON, none when it prints nothing, or the text that was asked for."""
        done = self.cli.run(self.name, command, *arguments)
        if "--output" in arguments:
            return done.stdout.rstrip("\n")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def refused(self, command, *arguments):
        """Runs a command that the service refuses, as the CLI tells of it; gives the code and the message."""
        done = self.cli.run(self.name, command, *arguments, check=False)
        assert (done.returncode, done.stdout) == (REFUSED[self.cli.version], ""), done
        told = ERROR.search(done.stderr)
        assert told, done.stderr
        assert told[2] == "".join(word.capitalize() for word in command.split("-"))
        return told[1], told[3]

    def refuses(self, cases):
        """The same for many: each is a command, its parameters, and the code and a part of the message."""
        for command, arguments, (code, part) in cases:
            told = self.refused(command, *arguments)
            assert told[0] == code and part in told[1], (command, arguments, told)

    def file(self, name, value):
        """Writes JSON into a file beside the command; gives the parameter that stands for it."""
        (self.cli.directory / name).write_text(json.dumps(value))
        return f"file://{name}"


@pytest.fixture(scope="module")
def forked(nothing_left, tmp_path_factory):
    """A server of this file's own, whose clock can be put forward, and before it version 1 of the CLI."""
    with Server("--ephemeral", "--clock", "virtual") as server, Forks(server, tmp_path_factory.mktemp("cli")) as forks:
        yield forks


@pytest.fixture(params=["version 1 forked"])
def aws(request, forked, tmp_path):
    """The commands of a service, run as forks: `aws("sqs")`. The parameter is there for the names of the tests."""
    forked.directory = tmp_path
    return lambda service: Service(forked, service)


@pytest.fixture(params=[pytest.param("version 2", marks=needs_2)])
def second(request, forked, tmp_path):
    """The same as processes of version 2, for the few commands that are worth so much time."""
    return lambda service: Service(Cli(2, forked.server, tmp_path), service)
