"""What a user would pick in place of Hearth, beside it, in one run: the same function, first and later invocations, the same messages
through a queue, and the ratios.

    HEARTH_BINARY=target/release/hearth HEARTH_BENCH=target/release/hearth-bench python bench/peers/peers.py [PEER ...]

Each peer is installed with its language's own client, once, into `target/tools/peers`, and measured alone, one after the other. A
peer that cannot be installed or run here is named with the reason. It refuses to judge: times belong to this machine, and what is
measured differs in what it does (isolation, signatures, durability), as the table says. Needs boto3.
"""

import contextlib
import http.client
import io
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "target/tools/peers"
HEARTH = Path(os.environ.get("HEARTH_BINARY", ROOT / "target/release/hearth"))
BENCH = Path(os.environ.get("HEARTH_BENCH", HEARTH.with_name("hearth-bench")))
PYTHON = "def handler(event, context):\n    return event\n"
NODE = "exports.handler = async (event) => event;\n"
EVENT = json.dumps({"name": "Ada", "numbers": list(range(20))}).encode()
MESSAGES = int(os.environ.get("PEERS_MESSAGES", "19200"))
# Ten for each of the client's connections: the least of which there are batches of ten.
MESSAGES_LEAST = 640
WARM, COLD = int(os.environ.get("PEERS_WARM", "500")), int(os.environ.get("PEERS_COLD", "5"))
# Pinned, so that a run can be compared with an earlier one.
NPM = {"serverless-offline": ["serverless@3.40.0", "serverless-offline@13.9.0"], "workerd": ["workerd"]}
PIP = {"moto_server": ["moto[server]"], "emulator": ["awslambdaric==4.2.2"]}
GO = {
    "emulator": "github.com/aws/aws-lambda-runtime-interface-emulator/cmd/aws-lambda-rie@latest",
    "of-watchdog": "github.com/openfaas/of-watchdog@latest",
}
MAVEN = {"elasticmq": ("org.elasticmq", "elasticmq-server_2.13", "1.7.1")}


class Unavailable(Exception):
    """The peer cannot be measured here, and why."""


def run(*command, cwd=None, **variables):
    """Runs an installer to its end."""
    try:
        done = subprocess.run([str(part) for part in command], cwd=cwd, env=os.environ | variables, capture_output=True, text=True, timeout=600)
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise Unavailable(str(error)) from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        # Maven's reason comes first and its advice last; of the others the last line is the reason.
        reason = next((line for line in said if line.startswith("[ERROR]")), *said[-1:])
        raise Unavailable(f"{command[0]} failed: {reason}")


def installed(name, install):
    """The folder that `install(folder)` has filled, now or in an earlier run."""
    folder = TOOLS / name
    if not (folder / ".installed").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        install(folder)
        (folder / ".installed").touch()
    return folder


def npm(name):
    def install(folder):
        (folder / "package.json").write_text('{"private": true}')
        run("npm", "install", "--no-audit", "--no-fund", "--loglevel", "error", *NPM[name], cwd=folder)
    return installed(name, install)


def pip(name):
    def install(folder):
        run(sys.executable, "-m", "venv", folder / "venv")
        run(folder / "venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PIP[name])
    return installed(f"{name}-pip", install) / "venv/bin"


def go(name):
    def install(folder):
        run("go", "install", GO[name], GOBIN=str(folder))
    return installed(f"{name}-go", install)


POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>peers</groupId><artifactId>{name}</artifactId><version>1</version>
  <dependencies><dependency><groupId>{0}</groupId><artifactId>{1}</artifactId><version>{2}</version></dependency></dependencies>
</project>
"""


def maven(name):
    """The class path of a program in Java and of all that it depends on."""
    def install(folder):
        (folder / "pom.xml").write_text(POM.format(*MAVEN[name], name=name))
        run("mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={folder / 'jars'}", cwd=folder)
    return installed(f"{name}-maven", install) / "jars/*"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def process(*command, cwd=None, **variables):
    """A peer that runs while it is measured. Only what was started here is ended."""
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            [str(part) for part in command], cwd=cwd, env=os.environ | variables, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True)
        try:
            yield child
        except Unavailable as error:
            output.seek(0)
            said = output.read().decode(errors="replace").strip().splitlines()[-3:]
            raise Unavailable(f"{error}; it said {said}") from error
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, 15)
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, 9)
                child.wait()


def listening(port, child, seconds=60):
    """Waits until somebody listens there."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if child.poll() is not None:
            raise Unavailable(f"it ended with {child.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.01)
    raise Unavailable(f"it did not listen within {seconds} s")


class Caller:
    """One kept connection that posts the same event."""

    def __init__(self, port, path, headers=()):
        self.port, self.path, self.headers = port, path, dict(headers)
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def once(self):
        """The milliseconds of one invocation."""
        began = time.perf_counter()
        self.connection.request("POST", self.path, EVENT, self.headers)
        answer = self.connection.getresponse()
        body = answer.read()
        took = (time.perf_counter() - began) * 1000
        if answer.status != 200 or not same(body):
            raise Unavailable(f"it answered {answer.status} {body[:200]!r}")
        return took


def same(body):
    """Whether it is the event again, however it is written."""
    try:
        return json.loads(body) == json.loads(EVENT)
    except ValueError:
        return False


def warm(caller):
    """The median and the 99th percentile of later invocations."""
    for _ in range(20):
        caller.once()
    times = sorted(caller.once() for _ in range(WARM))
    return {"warm p50": statistics.median(times), "warm p99": times[int(len(times) * 0.99) - 1]}


def package(name, source):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = 0o100644 << 16
        archive.writestr(entry, source)
    return buffer.getvalue()


def client(port, service="lambda"):
    import boto3
    return boto3.client(service, endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")


def execution_role(port):
    """Makes a role that Lambda may assume and that may write logs: its ARN."""
    allow = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust, iam = {"Version": "2012-10-17", "Statement": [allow]}, client(port, "iam")
    role = iam.create_role(RoleName="peers", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.attach_role_policy(RoleName="peers", PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
    return role


def signed(port, path):
    """Headers that hold for this request for some minutes, so that the client's own signing is not measured."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    request = AWSRequest("POST", f"http://127.0.0.1:{port}{path}", data=EVENT, headers={"Host": f"127.0.0.1:{port}"})
    SigV4Auth(Credentials("test", "test"), "lambda", "us-east-1").add_auth(request)
    return dict(request.headers.items())


def hearth(runtime, file, source, handler):
    """Hearth with its defaults: durable, signed, in a sandbox. A cold start is the first invocation of a new function."""
    if not HEARTH.exists():
        raise Unavailable(f"{HEARTH} is missing: cargo build --release -p hearth")
    port = free_port()
    with tempfile.TemporaryDirectory() as data, process(HEARTH, "serve", "--data-dir", f"{data}/hearth", "--listen", f"127.0.0.1:{port}") as child:
        listening(port, child)
        aws, colds, role = client(port), [], execution_role(port)
        for number in range(COLD):
            name = f"peer-{number}"
            aws.create_function(FunctionName=name, Runtime=runtime, Role=role, Handler=handler, MemorySize=2048,
                                Timeout=30, Code={"ZipFile": package(file, source)})
            aws.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 600})
            path = f"/2015-03-31/functions/{name}/invocations"
            caller = Caller(port, path, signed(port, path))
            colds.append(caller.once())
        return {"cold": statistics.median(colds)} | warm(caller)


def emulator():
    """AWS's client for Python under AWS's runtime interface emulator: one function, no isolation, no signatures."""
    python, rie = pip("emulator") / "python", go("emulator") / "aws-lambda-rie"
    with tempfile.TemporaryDirectory() as task:
        Path(task, "app.py").write_text(PYTHON)
        colds = []
        for last in [False] * (COLD - 1) + [True]:
            port, api = free_port(), free_port()
            command = [rie, "--runtime-interface-emulator-address", f"127.0.0.1:{port}", "--runtime-api-address", f"127.0.0.1:{api}",
                       python, "-m", "awslambdaric", "app.handler"]
            with process(*command, cwd=task, AWS_LAMBDA_FUNCTION_TIMEOUT="60") as child:
                listening(port, child)
                caller = Caller(port, "/2015-03-31/functions/function/invocations")
                colds.append(caller.once())
                if last:
                    return {"cold": statistics.median(colds)} | warm(caller)


SERVERLESS = """
service: peers
frameworkVersion: '3'
provider: {{ name: aws, region: us-east-1, runtime: {runtime} }}
functions: {{ f: {{ handler: {handler}, timeout: 30 }} }}
plugins: [serverless-offline]
"""


def serverless_offline(runtime, file, source, handler):
    """serverless-offline's endpoint for the Lambda API: functions in threads or child processes, no signatures."""
    folder = npm("serverless-offline")
    with tempfile.TemporaryDirectory(dir=folder) as service:
        Path(service, file).write_text(source)
        Path(service, "serverless.yml").write_text(SERVERLESS.format(runtime=runtime, handler=handler))
        colds = []
        for last in [False] * (COLD - 1) + [True]:
            port, http_port, web_port = free_port(), free_port(), free_port()
            command = ["node", folder / "node_modules/serverless/bin/serverless.js", "offline", "--lambdaPort", port, "--httpPort", http_port,
                       "--websocketPort", web_port]
            quiet = {"SLS_TRACKING_DISABLED": "1", "SLS_NOTIFICATIONS_MODE": "off", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
            with process(*command, cwd=service, **quiet) as child:
                listening(port, child, 120)
                caller = Caller(port, "/2015-03-31/functions/peers-dev-f/invocations")
                colds.append(caller.once())
                if last:
                    return {"cold": statistics.median(colds)} | warm(caller)


WORKER = "export default { async fetch(request) { return new Response(JSON.stringify(await request.json())); } };\n"
WORKERD = """using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (modules = [(name = "worker.mjs", esModule = embed "worker.mjs")], compatibilityDate = "2024-01-01"))],
  sockets = [(name = "http", address = "127.0.0.1:{port}", http = (), service = "main")]
);
"""


def workerd():
    """workerd: an isolate of V8 behind plain HTTP. It has no Lambda API; a cold start is that of the whole server."""
    binary = npm("workerd") / "node_modules/.bin/workerd"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "worker.mjs").write_text(WORKER)
        colds = []
        for last in [False] * (COLD - 1) + [True]:
            port = free_port()
            Path(folder, "config.capnp").write_text(WORKERD.format(port=port))
            began = time.perf_counter()
            with process(binary, "serve", "config.capnp", cwd=folder) as child:
                listening(port, child)
                caller = Caller(port, "/")
                caller.once()
                colds.append((time.perf_counter() - began) * 1000)
                if last:
                    return {"cold": statistics.median(colds)} | warm(caller)


def moto_server():
    """moto_server: runs functions in Docker only."""
    program, port = pip("moto_server") / "moto_server", free_port()
    with process(program, "--port", port) as child:
        listening(port, child)
        role = client(port, "iam").create_role(RoleName="peers", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        client(port).create_function(FunctionName="f", Runtime="python3.12", Role=role, Handler="app.handler", Code={"ZipFile": package("app.py", PYTHON)})
        path = "/2015-03-31/functions/f/invocations"
        caller = Caller(port, path, signed(port, path))
        return {"cold": caller.once()} | warm(caller)


def of_watchdog():
    """OpenFaaS's of-watchdog before a plain HTTP server in Python."""
    binary = go("of-watchdog") / "of-watchdog"
    port, upstream = free_port(), free_port()
    program = f"{sys.executable} {ROOT / 'bench/floors/echo.py'} {upstream}"
    with process(binary, mode="http", fprocess=program, http_upstream_url=f"http://127.0.0.1:{upstream}", port=str(port)) as child:
        listening(port, child)
        caller = Caller(port, "/")
        return {"cold": caller.once()} | warm(caller)


def queue(port, messages=MESSAGES, warming=("--warming",)):
    """Messages a second through a queue of the server there. The client is the same for all, and signs as AWS's clients do."""
    if not BENCH.exists():
        raise Unavailable(f"{BENCH} is missing: cargo build --release -p hearth-bench")
    command = [BENCH, "queue", "--address", f"127.0.0.1:{port}", "--messages", str(messages), *warming]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Unavailable(" ".join(done.stderr.split()))
    return json.loads(done.stdout)


def hearth_queue():
    """Hearth with its defaults: every message is on disk before it is acknowledged."""
    port = free_port()
    with tempfile.TemporaryDirectory() as data, process(HEARTH, "serve", "--data-dir", f"{data}/hearth", "--listen", f"127.0.0.1:{port}") as child:
        listening(port, child)
        return queue(port)


ELASTICMQ = """include classpath("application.conf")
node-address {{ protocol = http, host = "127.0.0.1", port = {port}, context-path = "" }}
rest-sqs {{ enabled = true, bind-hostname = "127.0.0.1", bind-port = {port} }}
rest-stats {{ enabled = false }}
"""


def elasticmq():
    """ElasticMQ with its defaults: messages are in memory, and signatures are not looked at."""
    classes, port = maven("elasticmq"), free_port()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "elasticmq.conf").write_text(ELASTICMQ.format(port=port))
        command = ["java", f"-Dconfig.file={folder}/elasticmq.conf", "-cp", classes, "org.elasticmq.server.Main"]
        with process(*command, cwd=folder) as child:
            listening(port, child)
            return queue(port)


def moto_queue():
    """moto_server: messages are in memory, and signatures are not looked at. It is so slow that it has the fewest messages that will do,
    and no others before them, which would not make it faster.
    """
    program, port = pip("moto_server") / "moto_server", free_port()
    with process(program, "--port", port) as child:
        listening(port, child)
        return queue(port, MESSAGES_LEAST, ())


# What is measured, and what its ratio is taken to.
PEERS = {
    "hearth python": (lambda: hearth("python3.12", "app.py", PYTHON, "app.handler"), None),
    "hearth nodejs": (lambda: hearth("nodejs22.x", "index.js", NODE, "index.handler"), None),
    "emulator python": (emulator, "hearth python"),
    # The last that serverless 3 knows; the interpreter is the machine's in any case.
    "serverless-offline python": (lambda: serverless_offline("python3.11", "app.py", PYTHON, "app.handler"), "hearth python"),
    "serverless-offline nodejs": (lambda: serverless_offline("nodejs20.x", "index.js", NODE, "index.handler"), "hearth nodejs"),
    "workerd": (workerd, "hearth nodejs"),
    "moto_server python": (moto_server, "hearth python"),
    "of-watchdog python": (of_watchdog, "hearth python"),
}
QUEUES = {
    "hearth sqs": (hearth_queue, None),
    "elasticmq sqs": (elasticmq, "hearth sqs"),
    "moto_server sqs": (moto_queue, "hearth sqs"),
}
# The tables: what the figures are, in what order, and of whom.
TABLES = [
    ("milliseconds", ["cold", "warm p50", "warm p99"], PEERS),
    ("messages a second", ["sent by 1", "received by 1", "sent by 10", "received by 10"], QUEUES),
]


def show(name, columns, figures, own):
    """A line: the figures, and how many times Hearth's they are."""
    cells = []
    for column in columns:
        ratio = f"{figures[column] / own[column]:7.2f}x" if own else " " * 8
        cells.append(f"{figures[column]:14.2f} {ratio}")
    print(f"{name:<28}{'  '.join(cells)}", flush=True)


def measured(unit, columns, peers):
    """One table: its results, and why others are not in it."""
    heads = "  ".join(f"{column:>14} {'':8}" for column in columns)
    print(f"{unit + '; times Hearth':<33}{heads[5:]}")
    results, absent = {}, {}
    for name, (measure, against) in peers.items():
        try:
            results[name] = measure()
            show(name, columns, results[name], results.get(against))
        except (Unavailable, OSError, http.client.HTTPException) as reason:
            absent[name] = str(reason)
            print(f"{name:<28}not measured: {reason}", flush=True)
    return results, absent


def main(wanted):
    every = [name for _, _, peers in TABLES for name in peers]
    unknown = [name for name in wanted if not any(known.startswith(name) for known in every)]
    if unknown:
        sys.exit(f"there is no peer {', '.join(unknown)}: {', '.join(every)}")
    written, absent = {}, {}
    for unit, columns, peers in TABLES:
        # Hearth is measured wherever a peer is.
        chosen = {name: peer for name, peer in peers.items() if not wanted or name.startswith(tuple(wanted))}
        if chosen:
            own = {name: peer for name, peer in peers.items() if name.startswith("hearth")}
            written[unit], missing = measured(unit, columns, own | chosen)
            absent |= missing
    folder = ROOT / "target/bench"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"peers-{time.strftime('%Y-%m-%d-%H%M%S')}.json"
    path.write_text(json.dumps(written | {"not measured": absent}, indent=2) + "\n")
    print(f"written to {path}")


if __name__ == "__main__":
    main(sys.argv[1:])
