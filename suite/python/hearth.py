"""Starts the built `hearth`, waits until it is ready, and ends it.

It refuses to build anything and to find a server that somebody else started.
"""

import os
import select
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import boto3
import residue
import roles
from botocore.config import Config
from botocore.exceptions import ClientError

REPOSITORY = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("HEARTH_BINARY", REPOSITORY / "target/debug/hearth"))
START_SECONDS = 60

# One try and no waiting between tries: the suite is to see what the server answers, and not what it answers in the end.
ONCE = Config(retries={"total_max_attempts": 1}, read_timeout=120, max_pool_connections=256, tcp_keepalive=False)


def variables(**changes):
    """The environment of child processes: ours without settings of Hearth or of AWS that would lead them astray."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HEARTH_", "AWS_"))}
    if "HEARTH_SDK_DIR" in os.environ:
        kept["HEARTH_SDK_DIR"] = os.environ["HEARTH_SDK_DIR"]
    return kept | {"AWS_EC2_METADATA_DISABLED": "true"} | changes


def run(*arguments, env=None, timeout=60):
    """Runs `hearth` to its end; gives exit code, standard output and standard error."""
    return subprocess.run(
        [BINARY, *arguments], env=env or variables(), capture_output=True, text=True, timeout=timeout, check=False
    )


class Server:
    """One running server. As a context it is stopped at the end."""

    def __init__(self, *arguments, env=None, listen="127.0.0.1:0", command=(BINARY,)):
        self.log = tempfile.NamedTemporaryFile("w+", prefix="hearth-suite-", suffix=".log")
        command = [*command, "serve", *arguments]
        if listen:
            command += ["--listen", listen]
        self.process = subprocess.Popen(
            command, env=env or variables(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        residue.started(self.process.pid)
        self.endpoint = self._ready()
        self.port = int(self.endpoint.rsplit(":", 1)[1])
        self._make_role()

    def _ready(self):
        readable, _, _ = select.select([self.process.stdout], [], [], START_SECONDS)
        line = self.process.stdout.readline() if readable else ""
        if " listens on http://" not in line:
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"the server did not start; it said {line!r} and\n{self.complaints()}")
        return line.split(" listens on ")[1].strip()

    def _make_role(self):
        """Makes the execution role of the suite's functions, unless the key that everybody knows opens nothing here."""
        try:
            roles.ensure(self.endpoint, roles.of())
        except ClientError as error:
            if error.response["Error"]["Code"] != "InvalidClientTokenId":
                raise

    def complaints(self):
        """What the server wrote to its standard error so far."""
        return Path(self.log.name).read_text(errors="replace")

    def client(self, service, account=None, region="us-east-1", **changes):
        """A client of boto3; with an account, as its root."""
        settings = {
            "endpoint_url": self.endpoint,
            "region_name": region,
            "aws_access_key_id": account or "test",
            "aws_secret_access_key": "test",
            "config": ONCE,
        }
        return boto3.client(service, **settings | changes)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=60):
        """The exit code, once the process has ended."""
        return self.process.wait(seconds)

    def stop(self):
        """Ends the server as an operator would."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self):
        """Ends the server as a power cut would."""
        self.signal(signal.SIGKILL)
        return self.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.kill()
            raise


@contextmanager
def unwritable(directory):
    """Meanwhile nothing new is kept in a directory, however quickly it is made; what was kept before is there."""
    directory.mkdir(exist_ok=True)
    subprocess.run(["mount", "--bind", directory, directory], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", directory], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


def eventually(condition, seconds=20, what=None):
    """Waits until `condition()` is true and gives its value; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, (what() if callable(what) else what) or f"not within {seconds} s"
        time.sleep(0.02)
