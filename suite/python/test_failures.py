"""Every way a function can fail, in every language: what the caller gets, and what the log says."""

import re
from dataclasses import dataclass, field

import pytest
from functions import CUSTOM, NODE, PYTHON
from package import zip_of

UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
EXITED = f"^RequestId: {UUID} Error: Runtime exited"


@dataclass
class Failure:
    """One function that fails, and how the failure is told."""

    what: str
    runtime: str
    source: str
    error_type: str
    message: str  # a pattern
    settings: dict = field(default_factory=dict)
    log: str = ""  # a pattern that the log tail has somewhere
    event: object = None


def python(body):
    return f"import os, sys, time\ndef handler(event, context):\n    {body}\n"


def node(body):
    return f"export const handler = async (event) => {{ {body} }};"


def bash(body):
    return f'while true; do call GET invocation/next ""; {body}\ndone\n'


ANSWER = 'call POST "invocation/$id/response" null'
ONE_SECOND = {"Timeout": 1}
SMALL = {"MemorySize": 128, "Timeout": 30}
OVERSIZE = r"^Response payload size \(\d+ bytes\) exceeded maximum allowed payload size \(6291556 bytes\)\.$"
TIMED_OUT = rf"^RequestId: {UUID} Error: Task timed out after 1\.00 seconds$"

FAILURES = [
    Failure("exception", PYTHON, python("raise ValueError('no good')"), "ValueError", "^no good$",
            log=r"\[ERROR\] ValueError: no good\s+Traceback"),
    Failure("exception", NODE, node("throw new RangeError('no good');"), "RangeError", "^no good$",
            log=r"ERROR\s+Invoke Error"),
    Failure("exception", CUSTOM,
            bash("""call POST "invocation/$id/error" '{"errorType": "Sorry", "errorMessage": "no good"}'"""),
            "Sorry", "^no good$"),
    # AWS: what is not an error has the type of its value; nothing at all is the text 'handled'.
    # https://github.com/aws/aws-lambda-nodejs-runtime-interface-client
    Failure("a thrown text", NODE, node("throw 'no good';"), "string", "^no good$"),
    Failure("a thrown nothing", NODE, node("throw undefined;"), "string", "^handled$"),

    Failure("timeout", PYTHON, python("time.sleep(60)"), "Sandbox.Timedout", TIMED_OUT, ONE_SECOND,
            r"Task timed out after 1\.00 seconds"),
    Failure("timeout", NODE, node("await new Promise((done) => setTimeout(done, 60000));"), "Sandbox.Timedout",
            TIMED_OUT, ONE_SECOND, r"Task timed out after 1\.00 seconds"),
    Failure("timeout", CUSTOM, bash("while :; do :; done"), "Sandbox.Timedout", TIMED_OUT, ONE_SECOND,
            r"Task timed out after 1\.00 seconds"),

    Failure("exit", PYTHON, python("os._exit(3)"), "Runtime.ExitError", f"{EXITED} with error: exit status 3$"),
    Failure("exit", NODE, node("process.exit(3);"), "Runtime.ExitError", f"{EXITED} with error: exit status 3$"),
    Failure("exit", CUSTOM, bash("exit 3"), "Runtime.ExitError", f"{EXITED} with error: exit status 3$"),
    Failure("exit with success", PYTHON, python("os._exit(0)"), "Runtime.ExitError", f"{EXITED} without providing a reason$"),
    Failure("a signal", PYTHON, python("os.kill(os.getpid(), 11)"), "Runtime.ExitError",
            f"{EXITED} with error: signal: segmentation fault$"),

    Failure("out of memory", PYTHON, python("return len(bytearray(os.urandom(1) * 400_000_000))"),
            "Runtime.OutOfMemory|Runtime.ExitError", f"{EXITED} with error: signal: killed$", SMALL,
            r"Max Memory Used: 128 MB"),
    Failure("out of memory", NODE,
            node("const kept = []; for (;;) kept.push(Buffer.alloc(10000000, 1));"),
            "Runtime.OutOfMemory|Runtime.ExitError", f"{EXITED} with error: signal: (killed|aborted)$", SMALL,
            r"Max Memory Used: 128 MB"),
    Failure("out of memory", CUSTOM, bash("""x=$(head -c 300000000 /dev/zero | tr '\\0' x); echo ${#x}; exit 9"""),
            # The shell reads byte by byte, with a fourteenth of a processor.
            "Runtime.OutOfMemory|Runtime.ExitError", EXITED, SMALL | {"Timeout": 110}),

    Failure("no JSON", PYTHON, python("return {1, 2}"), "Runtime.MarshalError",
            "^Unable to marshal response: Object of type set is not JSON serializable$"),
    Failure("no JSON", NODE, node("return 1n;"), "TypeError|Runtime.MarshalError|Error",
            "^(Unable to stringify response body|Do not know how to serialize a BigInt)"),

    Failure("an oversize answer", PYTHON, python("return 'x' * 7_000_000"), "Function.ResponseSizeTooLarge", OVERSIZE),
    Failure("an oversize answer", NODE, node("return 'x'.repeat(7000000);"), "Function.ResponseSizeTooLarge", OVERSIZE),
    Failure("an oversize answer", CUSTOM,
            bash("""big=$(head -c 7000000 /dev/zero | tr '\\0' 1); call POST "invocation/$id/response" "$big" """),
            "Function.ResponseSizeTooLarge", OVERSIZE, {"MemorySize": 512}),

    Failure("an import of nothing", PYTHON, "import nothing_such\n", "Runtime.ImportModuleError",
            "^Unable to import module 'app': No module named 'nothing_such'$",
            log=r"\[ERROR\] Runtime\.ImportModuleError"),
    Failure("an import of nothing", NODE, "import 'nothing-such';", "Runtime.ImportModuleError|Error",
            "Cannot find (package|module) 'nothing-such'"),
    Failure("no module", PYTHON, "", "Runtime.ImportModuleError", "^Unable to import module 'absent': No module named 'absent'$",
            {"Handler": "absent.handler"}),
    Failure("no module", NODE, "", "Runtime.ImportModuleError", "^Error: Cannot find module 'absent'",
            {"Handler": "absent.handler"}),
    Failure("no handler", PYTHON, "x = 1\n", "Runtime.HandlerNotFound", "^Handler 'handler' missing on module 'app'$"),
    Failure("no handler", NODE, "export const x = 1;", "Runtime.HandlerNotFound", "^index.handler is undefined or not exported$"),
    Failure("a handler without a dot", PYTHON, python("pass"), "Runtime.MalformedHandlerName", "^Bad handler 'nodot'",
            {"Handler": "nodot"}),
    Failure("a syntax error", PYTHON, "def handler(\n", "Runtime.UserCodeSyntaxError", "^Syntax error in module 'app': "),
    Failure("a syntax error", NODE, "export const = 1;", "Runtime.UserCodeSyntaxError", "^SyntaxError: "),
    Failure("an error at initialisation", PYTHON, "raise KeyError('early')\n", "KeyError", "early"),
    Failure("an error at initialisation", NODE, "throw new RangeError('early');", "RangeError", "^early$"),
    Failure("an exit at initialisation", PYTHON, "import os\nos._exit(1)\n", "Runtime.ExitError",
            f"{EXITED} with error: exit status 1$"),
    Failure("an exit at initialisation", CUSTOM, "exit 1\n", "Runtime.ExitError", f"{EXITED} with error: exit status 1$"),
    Failure("an initialisation over its time", PYTHON, "import time\ntime.sleep(60)\n", "Sandbox.Timedout", TIMED_OUT,
            ONE_SECOND, r"INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: init\tStatus: timeout"),
]


@pytest.mark.parametrize("case", FAILURES, ids=lambda case: f"{case.what} in {case.runtime}")
def test_is_told_as_aws_tells_it(deploy, case):
    function = deploy(case.runtime, case.source, **case.settings)
    outcome = function.invoke(case.event)
    assert (outcome.status, outcome.error) == (200, "Unhandled"), (outcome.body, outcome.log)
    error = outcome.value
    assert re.fullmatch(case.error_type, error["errorType"]), error
    assert re.search(case.message, error["errorMessage"]), error
    assert f"END RequestId: {outcome.request_id}\n" in outcome.log
    assert re.search(rf"REPORT RequestId: {outcome.request_id}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\t", outcome.log)
    assert re.search(case.log, outcome.log), outcome.log


def test_a_custom_runtime_without_a_bootstrap(deploy):
    outcome = deploy(CUSTOM, zip_of({"other": "x"})).invoke()
    assert outcome.error == "Unhandled"
    assert outcome.value["errorType"] == "Runtime.InvalidEntrypoint", outcome.value


FRAMES = {
    PYTHON: ("def inner():\n    raise ValueError('deep')\ndef handler(event, context):\n    inner()\n", "stackTrace"),
    NODE: ("const inner = () => { throw new RangeError('deep'); };\nexport const handler = async () => inner();", "trace"),
}


@pytest.mark.parametrize("runtime", FRAMES)
def test_the_stack_is_that_of_the_user(deploy, runtime):
    source, name = FRAMES[runtime]
    frames = deploy(runtime, source).invoke().value[name]
    text = "\n".join(frames)
    assert "inner" in text and "/var/task/" in text, frames
    assert "bootstrap" not in text, frames


@pytest.mark.parametrize("event, error", [("exit", "Runtime.ExitError"), ("sleep", "Sandbox.Timedout")])
def test_the_next_invocation_finds_a_fresh_runtime_and_the_same_tmp(deploy, event, error):
    source = """
import os, time
count = 0
def handler(event, context):
    global count
    count += 1
    open('/tmp/seen', 'a').write('x')
    if event == 'exit': os._exit(1)
    if event == 'sleep': time.sleep(60)
    return [count, len(open('/tmp/seen').read())]
"""
    function = deploy(PYTHON, source, Timeout=1)
    assert function.invoke(None).value == [1, 1]
    assert function.invoke(event).value["errorType"] == error
    assert function.invoke(None).value == [1, 3]
    assert function.invoke(None).value == [2, 4]


@pytest.mark.parametrize("runtime, source, command", [
    (PYTHON, "import boto3\n", "hearth runtimes install python"),
    (NODE, "import '@aws-sdk/client-lambda';", "hearth runtimes install nodejs"),
])
def test_who_misses_the_sdk_is_told_how_to_install_it(bare_server, runtime, source, command):
    from functions import code, create

    function = create(bare_server.client("lambda"), runtime, code(runtime, source))
    outcome = function.invoke()
    assert outcome.error == "Unhandled"
    assert command in outcome.log, outcome.log
