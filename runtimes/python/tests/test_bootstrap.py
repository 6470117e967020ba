"""Runs every case of `cases.py` through our Python runtime, on every Python found, and through AWS's own client.

AWS's client (`awslambdaric` on PyPI) is installed with pip into HEARTH_REFERENCE_DIR, or `.build/reference` in the
repository; where that fails, which is said on standard error, only the fixed expectations are checked. It refuses to
test the sandbox or the server: a list of events stands in for them.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from cases import CASES, Case  # noqa: E402
from runtime_api import Event, Exchange  # noqa: E402

BOOTSTRAP = os.path.join(os.path.dirname(HERE), "bootstrap.py")
REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
REFERENCE = os.environ.get("HEARTH_REFERENCE_DIR", os.path.join(REPOSITORY, ".build", "reference"))
REFERENCE_VERSION = "4.2.2"


def find_interpreters():
    """The path of each Python from 3.9 on, by its version; HEARTH_TEST_PYTHONS (paths, by colons) names others."""
    named = os.environ.get("HEARTH_TEST_PYTHONS")
    candidates = named.split(":") if named else []
    if not named:
        root = os.path.join(os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv")), "versions")
        installed = os.listdir(root) if os.path.isdir(root) else []
        candidates = [os.path.join(root, name, "bin", "python3") for name in installed]
        candidates += [shutil.which(f"python3.{minor}") for minor in range(9, 20)] + [sys.executable]
    found = {}
    for path in filter(None, candidates):
        show = [path, "-c", "import sys; print(*sys.version_info[:2], sep='.')"]
        answer = subprocess.run(show, capture_output=True, text=True) if os.path.exists(path) else None
        version = answer.stdout.strip() if answer is not None and answer.returncode == 0 else "0.0"
        if tuple(map(int, version.split("."))) >= (3, 9):
            found.setdefault(version, path)
    return found


def install_reference(interpreter, version):
    """Where AWS's client for this interpreter is, or None where it cannot be installed."""
    directory = os.path.join(REFERENCE, f"awslambdaric-{REFERENCE_VERSION}-python{version}")
    if not os.path.isdir(directory):
        unfinished = tempfile.mkdtemp(dir=os.makedirs(REFERENCE, exist_ok=True) or REFERENCE)
        wanted = [f"awslambdaric=={REFERENCE_VERSION}", "--only-binary", ":all:", "--quiet", "--target", unfinished]
        pip = subprocess.run([interpreter, "-m", "pip", "install", *wanted], capture_output=True, text=True)
        if pip.returncode != 0:
            shutil.rmtree(unfinished)
            sys.stderr.write(f"\nNOT COMPARED with AWS's client on Python {version}: {pip.stderr.strip()[-300:]}\n")
            return None
        os.rename(unfinished, directory)
    return directory


def normalised(text):
    """Without what differs from run to run: times, and the runtimes' own frames."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME", text)
    text = re.sub(r"\[\d{13}\]", "[MILLIS]", text)
    text = re.sub(r"0x[0-9a-f]{6,}", "ADDRESS", text)
    return re.sub(r'File \\?"[^"]*/awslambdaric/(\w+\.py)\\?", line \d+', r"File RUNTIME \1", text)


def seen(exchange):
    """What a user could see of an exchange, for comparison."""
    headers = ("content-type", "lambda-runtime-function-error-type")
    posts = [
        (post.path, {name: post.headers.get(name) for name in headers}, normalised(post.body.decode("latin-1")))
        for post in exchange.posts
    ]
    return {"posts": posts, "stdout": normalised(exchange.stdout), "status": exchange.status}


class RuntimeCases:
    """The tests of one interpreter; `interpreter` and `reference` are set by the class made for it."""

    interpreter = reference = None
    maxDiff = None

    def run_case(self, case, command, environment=None, joins=True):
        # Both runtimes see the function in the same place, so that their tracebacks are alike.
        directory = os.path.join(os.path.realpath(tempfile.gettempdir()), f"hearth-function-{os.getpid()}")
        os.mkdir(directory)
        try:
            for name, text in case.files.items():
                os.makedirs(os.path.dirname(os.path.join(directory, name)), exist_ok=True)
                with open(os.path.join(directory, name), "w") as file:
                    file.write(text)
            return Exchange(command, case.events, {**case.environment, **(environment or {})}, directory, joins=joins)
        finally:
            shutil.rmtree(directory)

    def ours(self, case, *flags, joins=True):
        return self.run_case(case, [self.interpreter, *(flags or ("-S",)), BOOTSTRAP], joins=joins)

    def check(self, case):
        ours = self.ours(case)
        said = f"\nstdout: {ours.stdout}\nstderr: {ours.stderr}"
        self.assertEqual([post.path for post in ours.posts], [path for path, _ in case.posts], said)
        for post, (_, body) in zip(ours.posts, case.posts):
            if isinstance(body, dict):
                answer = json.loads(post.body)
                self.assertEqual({name: answer.get(name) for name in body}, body)
            elif body is not None:
                self.assertEqual(post.body, body)
        for piece in case.stdout:
            self.assertIn(piece, normalised(ours.stdout))
        self.assertEqual(ours.status, case.status, said)
        if case.compared and self.reference is not None:
            command = [self.interpreter, "-m", "awslambdaric", case.handler]
            theirs = self.run_case(case, command, {"PYTHONPATH": self.reference})
            self.assertEqual(seen(ours), seen(theirs))

    def frames(self, exchange):
        """The messages of a log in frames, each with its type in hexadecimal."""
        rest, found = exchange.raw_stdout, []
        while rest:
            length = int.from_bytes(rest[4:8], "big")
            found.append((rest[:4].hex(), normalised(rest[16 : 16 + length].decode())))
            rest = rest[16 + length :]
        return found

    def check_frames(self, environment, expected_types):
        code = next(case.files["app.py"] for case in CASES if case.name == "logs")
        code = code.replace("return", "raise ValueError('two\\nlines')\n    return")
        case = Case("framed", code, [], environment={"_LAMBDA_TELEMETRY_LOG_FD": "1", **environment})
        ours = self.frames(self.ours(case))
        self.assertEqual([kind for kind, _ in ours], expected_types)
        if self.reference is not None:
            command = [self.interpreter, "-m", "awslambdaric", case.handler]
            self.assertEqual(ours, self.frames(self.run_case(case, command, {"PYTHONPATH": self.reference})))

    def test_frames_of_text(self):
        self.check_frames({}, ["a55a0003"] * 5 + ["a55a0017"])

    def test_frames_of_text_with_level(self):
        kinds = ["a55a000f", "a55a0013", "a55a0017", "a55a001b", "a55a0013", "a55a0017", "a55a0017"]
        self.check_frames({"AWS_LAMBDA_LOG_LEVEL": "INFO"}, kinds)

    def test_frames_of_json(self):
        kinds = ["a55a0012", "a55a0016", "a55a001a", "a55a0012", "a55a0016", "a55a0016"]
        self.check_frames({"AWS_LAMBDA_LOG_FORMAT": "JSON"}, kinds)

    def test_bash_example(self):
        bootstrap = os.path.join(REPOSITORY, "examples", "hello-custom", "bootstrap")
        case = Case("bash", "", [], [Event('{"name": "Zoë"}'), Event()])
        answers = [json.loads(post.body)["message"] for post in self.run_case(case, [bootstrap]).posts]
        self.assertEqual(answers, ["Hello, Zoë!", "Hello, world!"])

    def test_search_path(self):
        show = "import os, sys\ndef handler(event, context):\n    return [sys.path, os.environ['PYTHONPATH'], str(exit)[:8]]\n"
        for flags in (["-S"], ["-s"]):
            exchange = self.ours(Case("search_path", show, []), *flags)
            path, python_path, _ = json.loads(exchange.posts[0].body)
            runtime, layers = os.path.dirname(BOOTSTRAP), f"/opt/python/lib/python{self.version}/site-packages"
            self.assertRegex(path[0], "hearth-function")
            self.assertEqual(path[1:5], [layers, "/opt/python", "/var/lang-sdk/python", runtime])
            self.assertEqual([name for name in path if name.endswith(("site-packages", "dist-packages"))], [layers])
            self.assertEqual(python_path, f"{runtime}:/var/lang-sdk/python")

    def test_own_python_path(self):
        show = "import os, sys\ndef handler(event, context):\n    return [sys.path, os.environ['PYTHONPATH']]\n"
        case = Case("own_python_path", show, [], environment={"PYTHONPATH": "/somewhere"})
        path, python_path = json.loads(self.ours(case).posts[0].body)
        self.assertEqual(path[1:4], ["/var/lang-sdk/python", os.path.dirname(BOOTSTRAP), "/somewhere"])
        self.assertEqual(python_path, "/somewhere")

    def test_path_file(self):
        files = {"app.py": "import inner\ndef handler(event, context):\n    return inner.x\n", "all.pth": "lib\n",
                 "lib/inner.py": "x = 6\n"}
        self.assertEqual(self.ours(Case("path_file", "", [], files=files)).posts[0].body, b"6")

    @unittest.skipIf(os.path.isdir("/var/lang-sdk/python"), "the SDK is installed here")
    def test_missing_sdk(self):
        early = self.ours(Case("missing_sdk", "from boto3 import client\n", []))
        self.assertIn("[ERROR] The AWS SDK for Python is not installed on this server: run `hearth runtimes install python`",
                      early.stdout)
        late = Case("missing_sdk_later", "def handler(event, context):\n    import botocore.config\n", [],
                    environment={"AWS_LAMBDA_LOG_FORMAT": "JSON"})
        self.assertIn('"level": "ERROR", "message": "The AWS SDK for Python is not installed', self.ours(late).stdout)
        other = self.ours(Case("missing_other", "import boto33\n", []))
        self.assertNotIn("hearth", other.stdout)

    def test_connection_closed_between_events(self):
        closing = Event(headers={"Connection": "close"})
        exchange = self.ours(Case("closed", "def handler(event, context): return 1\n", [], [closing, closing, Event()]))
        self.assertEqual([post.body for post in exchange.posts], [b"1"] * 3)

    def test_outcomes_that_ask_for_the_next_event(self):
        asks = "hearth-runtime-next"
        events = [Event(str(number)) for number in range(3)]
        for joins in (True, False):
            posts = self.ours(Case("joined", "def handler(event, context): return event\n", [], events), joins=joins).posts
            self.assertEqual([(post.body, asks in post.headers) for post in posts], [(b"0", True), (b"1", True), (b"2", True)])
        large = self.ours(Case("large", "def handler(event, context): return 'x' * 70000\n", [], events[:2])).posts
        self.assertEqual([(len(post.body), asks in post.headers) for post in large], [(70002, False)] * 2)

    def test_what_watches_has_its_time_before_the_next_event(self):
        watching = (
            "from awslambdaric import bootstrap\n"
            "whole, seen = bootstrap.handle_event_request, []\n"
            "def watched(*arguments):\n    whole(*arguments)\n    seen.append(len(seen))\n"
            "bootstrap.handle_event_request = watched\n"
            "def handler(event, context): return seen\n"
        )
        posts = self.ours(Case("watched", watching, [], [Event()] * 3)).posts
        self.assertEqual([post.body for post in posts], [b"[]", b"[0]", b"[0, 1]"])
        self.assertFalse(any("hearth-runtime-next" in post.headers for post in posts))

    def test_invocation_id(self):
        case = Case("invocation_id", "def handler(event, context): return 1\n", [],
                    [Event(headers={"Lambda-Runtime-Invocation-Id": "i-1"})])
        self.assertEqual(self.ours(case).posts[0].headers["lambda-runtime-invocation-id"], "i-1")

    def test_endless_recursion_stays_within_a_header(self):
        code = "def f(n):\n    return f(n + 1)\n\ndef handler(event, context):\n    return f(0)\n"
        headers = self.ours(Case("recursion", code, [])).posts[0].headers
        self.assertLess(sum(map(len, headers.values())), 40000)


def _add_cases():
    for case in CASES:
        setattr(RuntimeCases, f"test_{case.name}", lambda self, case=case: self.check(case))
    for version, interpreter in find_interpreters().items():
        name = "TestPython" + version.replace(".", "_")

        def set_up(cls):
            cls.reference = install_reference(cls.interpreter, cls.version)

        members = {"interpreter": interpreter, "version": version, "setUpClass": classmethod(set_up), "__module__": __name__}
        globals()[name] = type(name, (RuntimeCases, unittest.TestCase), members)


_add_cases()

if __name__ == "__main__":
    unittest.main()
