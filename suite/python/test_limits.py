"""The limits of an environment, each shown by code that breaks it: the one who does is stopped, and nobody else is."""

import re
import subprocess
import sys
import time

import functions
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from functions import PYTHON, ROLE, name_of
from ground import ATTACKER
from hearth import ONCE
from package import zip_of

MEBIBYTE = 1 << 20
CPU_PERIOD_S = 0.1


def run(function, code, **options):
    return function.invoke({"code": code}, **options)


def value(function, code):
    outcome = run(function, code)
    assert outcome.error is None, (outcome.body, outcome.log)
    return outcome.value


@pytest.fixture
def attacker(ground):
    """Makes functions that do what their events say, and deletes them after the test."""
    made = []

    def make(**settings):
        made.append(ground.attacker(**settings))
        return made[-1]

    yield make
    for function in made:
        function.client.delete_function(FunctionName=function.name)


def needs(ground, *subjects):
    missing = [subject for subject in subjects if not ground.enforces(subject)]
    if missing:
        pytest.skip(f"not enforced in full here, as `hearth doctor` says: {', '.join(missing)}")


def test_tmp_does_not_count_as_memory(ground, attacker):
    needs(ground, "/tmp", "memory limit")
    function = attacker(MemorySize=128)
    code = """
with open('/tmp/big', 'wb') as file:
    for _ in range(500): file.write(bytes(MEBIBYTE))
    file.flush(); os.fsync(file.fileno())
result = os.path.getsize('/tmp/big')
"""
    assert value(function, code) == 500 * MEBIBYTE
    # And it can be read back, through a page cache that has no room for it.
    assert value(function, "result = sum(len(p) for p in iter(lambda f=open('/tmp/big', 'rb'): f.read(MEBIBYTE), b''))") == 500 * MEBIBYTE


@pytest.mark.parametrize("size", [512, 1024])
def test_tmp_ends_after_its_last_byte(ground, attacker, size):
    function = attacker(MemorySize=1769, EphemeralStorage={"Size": size})
    neighbour = attacker()
    if not ground.enforces("/tmp"):
        # There it counts as memory, and the memory is enough.
        assert ground.findings["/tmp"] == "partly"
    error, written = value(function, "result = fill('/tmp/all')")
    assert error == "ENOSPC"
    assert size * MEBIBYTE <= written <= size * MEBIBYTE * 1.03, written / MEBIBYTE
    # The environment lives on, and so does its neighbour, whose /tmp is its own.
    assert value(neighbour, "result = [read('/tmp'), write('/tmp/x', 'x' * 1000)]") == [[], 1000]
    assert value(function, "os.unlink('/tmp/all'); result = write('/tmp/x', 'x' * 1000)") == 1000


def test_out_of_memory_ends_the_environment_alone(ground, attacker):
    needs(ground, "memory limit")
    function, neighbour = attacker(MemorySize=128), attacker(MemorySize=128)
    assert value(neighbour, "write('/tmp/here'); result = os.getpid()") > 0
    before = value(neighbour, "result = [os.getpid(), read('/proc/self/stat').split()[21]]")
    outcome = run(function, "x = bytearray(os.urandom(1)) * (400 * MEBIBYTE); result = len(x)")
    assert outcome.error == "Unhandled"
    assert outcome.value["errorType"] in ("Runtime.OutOfMemory", "Runtime.ExitError"), outcome.value
    assert re.search(r"Error: Runtime exited with error: signal: killed$", outcome.value["errorMessage"]), outcome.value
    assert "Memory Size: 128 MB\tMax Memory Used: 128 MB" in outcome.log
    assert value(neighbour, "result = [os.getpid(), read('/proc/self/stat').split()[21]]") == before
    assert value(function, "result = 1") == 1


@pytest.mark.parametrize("what, code", {
    "in many processes": "for _ in range(8):\n    if os.fork() == 0: x = bytearray(os.urandom(1)) * (60 * MEBIBYTE); time.sleep(60)\ntime.sleep(3)",
    "in shared memory": "import mmap\nm = mmap.mmap(-1, 400 * MEBIBYTE)\nfor i in range(0, len(m), 4096): m[i] = 1",
    "in a file of memory": "fd = os.memfd_create('x')\nfor _ in range(400): os.write(fd, bytes(MEBIBYTE))",
    "in pipes": "held = []\nwhile True:\n    r, w = os.pipe(); held.append((r, w)); os.set_blocking(w, False)\n"
                "    try: fcntl.fcntl(w, 1031, MEBIBYTE)\n    except OSError: pass\n"
                "    try: os.write(w, bytes(MEBIBYTE))\n    except OSError: pass",
    "in System V shared memory": "for _ in range(8):\n    i = call(29, 0, 60 * MEBIBYTE, 0o1666)\n    LIBC.shmat.restype = ctypes.c_void_p\n"
                                 "    ctypes.memset(LIBC.shmat(i, None, 0), 1, 60 * MEBIBYTE)",
}.items(), ids=lambda value: value if value.startswith("in ") else "")
def test_memory_counts_wherever_it_is(ground, attacker, what, code):
    """256 MB are not exceeded, however it is tried; and the next invocation starts with none of it."""
    needs(ground, "memory limit")
    function = attacker(MemorySize=256, Timeout=30)
    outcome = run(function, code)
    used = int(re.search(r"Max Memory Used: (\d+) MB", outcome.log)[1])
    assert used <= 256
    # Something was killed, or refused; what was not the runtime lets that live on.
    assert outcome.error == "Unhandled" or used > 200 or outcome.value in ("EMFILE", "ENOMEM", "OSError"), (outcome, used)
    run(function, "os._exit(1)")
    assert value(function, "result = 1") == 1


def test_descriptors(attacker):
    function = attacker()
    code = """
held = []
try:
    while True: held.append(os.dup(1))
except OSError as error: name = errno.errorcode[error.errno]
result = [name, max(held) + 1]
for fd in held: os.close(fd)
"""
    assert value(function, code) == ["EMFILE", 1024]
    assert value(function, "result = resource.getrlimit(resource.RLIMIT_NOFILE)") == [1024, 1024]
    assert value(function, "resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))") in ("ValueError", "EPERM")


@pytest.mark.parametrize("kind, code", {
    "processes": """
count, children = 0, []
try:
    while count < 2000:
        pid = os.fork()
        if pid == 0:
            signal.pause(); os._exit(0)
        children.append(pid); count += 1
except BlockingIOError: pass
for pid in children: os.kill(pid, 9)
for pid in children: os.waitpid(pid, 0)
result = count
""",
    "threads": """
threading.stack_size(65536)
gate, threads = threading.Event(), []
try:
    while len(threads) < 2000:
        thread = threading.Thread(target=gate.wait); thread.start(); threads.append(thread)
except RuntimeError: pass
gate.set()
for thread in threads: thread.join()
result = len(threads)
""",
}.items(), ids=["processes", "threads"])
def test_processes_and_threads(attacker, kind, code):
    """1,024 in all, the runtime's own among them; and when they are gone there can be as many again."""
    function = attacker(MemorySize=3008)
    for _ in range(2):
        assert 1000 <= value(function, code) <= 1023


def test_processor_time_follows_memory(ground, attacker):
    """A loop that does nothing else gets the share of one processor that its memory is of 1,769 MB."""
    needs(ground, "processor limit")
    loop = """
end, began = time.monotonic() + 3, time.process_time()
while time.monotonic() < end: pass
result = (time.process_time() - began) / 3
"""
    # The same loop beside it, outside: what a loop can have at all while the machine does other things too.
    beside = [sys.executable, "-c", f"import time\n{loop}\nprint(result)"]
    for memory in (128, 886, 1769):
        function, most = attacker(MemorySize=memory), memory / 1769
        value(function, "result = 1")  # the initialisation has more
        with subprocess.Popen(beside, stdout=subprocess.PIPE, text=True) as process:
            share = value(function, loop)
            possible = float(process.communicate()[0])
        print(f"{memory} MB: {share:.3f} of a processor, where {most:.3f} is its own and {possible:.3f} is to be had")
        assert 0.6 * min(most, possible) < share < most + CPU_PERIOD_S / 3


def test_one_processor_is_one_however_many_processes_share_it(ground, attacker):
    needs(ground, "processor limit")
    code = """
def spin():
    end = time.monotonic() + 2
    while time.monotonic() < end: pass
children = []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        spin(); os._exit(0)
    children.append(pid)
result = sum(os.wait4(pid, 0)[2].ru_utime for pid in children) / 2
"""
    function = attacker(MemorySize=886)
    value(function, "result = 1")
    assert value(function, code) < 886 / 1769 + 0.1


@pytest.mark.parametrize("seconds", [1, 2])
def test_a_timeout_is_kept_to_some_milliseconds(attacker, seconds):
    function = attacker(Timeout=seconds)
    # What is left is told to the function itself.
    left = value(function, "result = context.get_remaining_time_in_millis()")
    assert seconds * 1000 - 500 < left <= seconds * 1000
    began = time.monotonic()
    outcome = run(function, "print(time.time(), flush=True); time.sleep(60)")
    took = time.monotonic() - began
    assert outcome.value["errorType"] == "Sandbox.Timedout"
    assert seconds <= took < seconds + 0.3, took
    assert f"Duration: {seconds}000.00 ms\tBilled Duration: {seconds}000 ms" in outcome.log, outcome.log
    # What ends just before is not touched, once the runtime has been started again, which takes of the next one's time.
    run(function, "result = 1")
    assert value(function, f"time.sleep({seconds} - .15); result = 'in time'") == "in time"


def test_payloads(ground, attacker):
    """6 MiB into a function; 100 bytes more out of it."""
    function = attacker(MemorySize=1769, Timeout=60)
    code = b'{"code": "result = len(event[\'text\'])", "text": "%s"}'
    room = 6_291_456 - len(code % b"")
    assert function.invoke(code % (b"x" * room)).value == room
    with pytest.raises(ClientError) as caught:
        function.invoke(code % (b"x" * (room + 1)))
    assert caught.value.response["Error"]["Code"] in ("RequestEntityTooLargeException", "RequestTooLargeException")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert len(value(function, "result = 'x' * (6_291_556 - 2)")) == 6_291_554
    outcome = run(function, "result = 'x' * (6_291_556 - 1)")
    assert outcome.value["errorType"] == "Function.ResponseSizeTooLarge", outcome.body[:200]
    assert "(6291557 bytes)" in outcome.value["errorMessage"]


def test_environment_variables(ground, attacker):
    """4 KB of names and values together."""
    def settings(length):
        return {"Variables": {"KEY": "x" * length}}

    most = 4096 - len("KEY")
    assert [length for length in (most, most + 1) if _accepts(ground, settings(length))] == [most]
    function = attacker(Environment=settings(most))
    assert value(function, "result = len(os.environ['KEY'])") == most


def _accepts(ground, environment):
    client = ground.server.client("lambda")
    name = name_of("variables")
    try:
        client.create_function(FunctionName=name, Runtime=PYTHON, Handler="app.handler", Role=ROLE,
                               Code={"ZipFile": ATTACKER}, Environment=environment)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidParameterValueException", error
        return False
    functions.Function(client, name).wait()
    client.delete_function(FunctionName=name)
    return True


OUTSIDE = {
    "MemorySize": [127, 10_241],
    "Timeout": [0, 901],
    "EphemeralStorage": [{"Size": 511}, {"Size": 10_241}],
}


@pytest.mark.parametrize("field, wrong", [(field, value) for field, values in OUTSIDE.items() for value in values])
def test_what_is_outside_the_limits_is_refused(ground, attacker, field, wrong):
    function = attacker()
    # The SDK's own validation would not even send it.
    client = ground.server.client("lambda", config=ONCE.merge(Config(parameter_validation=False)))
    with pytest.raises(ClientError) as caught:
        client.update_function_configuration(FunctionName=function.name, **{field: wrong})
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert caught.value.response["Error"]["Code"] in ("ValidationException", "InvalidParameterValueException")


INSIDE = {"MemorySize": [128, 10_240], "Timeout": [1, 900], "EphemeralStorage": [{"Size": 512}, {"Size": 10_240}]}


@pytest.mark.parametrize("field, right", [(field, value) for field, values in INSIDE.items() for value in values])
def test_what_is_at_the_limits_works(attacker, field, right):
    function = attacker(**{field: right})
    assert value(function, "result = 1") == 1


def test_a_package_with_its_layers_has_250_megabytes(ground):
    """The zeros pack well: what counts is their size unpacked."""
    client = ground.server.client("lambda")
    name = name_of("wide")
    layer = client.publish_layer_version(
        LayerName=name, Content={"ZipFile": zip_of({"zeros": bytes(200 * MEBIBYTE)})})["LayerVersionArn"]
    files = {"app.py": "def handler(event, context):\n    return 1\n"}
    request = {"Runtime": PYTHON, "Handler": "app.handler", "Role": ROLE, "Layers": [layer]}
    fits = zip_of(files | {"more": bytes(49 * MEBIBYTE)})
    function = functions.create(client, PYTHON, fits, name=name, Layers=[layer])
    assert function.invoke().value == 1
    client.delete_function(FunctionName=name)
    try:
        client.create_function(FunctionName=name, Code={"ZipFile": zip_of(files | {"more": bytes(51 * MEBIBYTE)})}, **request)
        with pytest.raises(Exception, match="Failed"):
            functions.Function(client, name).wait()
        client.delete_function(FunctionName=name)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidParameterValueException", error
    client.delete_layer_version(LayerName=name, VersionNumber=1)
