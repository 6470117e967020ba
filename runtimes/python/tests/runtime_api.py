"""A Runtime API for tests: hands out a list of events, records what is posted, and runs one runtime process against it.

It refuses to judge: it returns what it saw.
"""

import http.server
import os
import subprocess
import sys
import threading

DEADLINE_MS = 4102444800000
REQUEST_ID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
FUNCTION_ARN = "arn:aws:lambda:us-east-1:000000000000:function:example"
ENVIRONMENT = {
    "AWS_LAMBDA_FUNCTION_NAME": "example",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/example",
    "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/23/[$LATEST]0123456789abcdef0123456789abcdef",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "LANG": "en_US.UTF-8",
    "TZ": ":UTC",
    "PATH": os.environ["PATH"],
}


class Event:
    """One invocation to hand out: its body, and headers that add to or (when None) take from the usual ones."""

    def __init__(self, body=b"{}", headers=None, answer_status=202):
        self.body = body if isinstance(body, bytes) else body.encode()
        self.headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": REQUEST_ID,
            "Lambda-Runtime-Deadline-Ms": str(DEADLINE_MS),
            "Lambda-Runtime-Invoked-Function-Arn": FUNCTION_ARN,
            "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1",
        }
        for name, value in (headers or {}).items():
            self.headers[name] = value
            if value is None:
                del self.headers[name]
        self.answer_status = answer_status


class Post:
    """One request that the runtime posted, or the one that it waited for its restore with."""

    def __init__(self, path, headers, body):
        self.path = path.rpartition("/runtime/")[2]
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        exchange = self.server.exchange
        if self.path.endswith("/restore/next"):
            exchange.posts.append(Post(self.path, self.headers, b""))
            self._answer(200, {}, b"")
            return
        self._hand_out()

    def _hand_out(self):
        exchange = self.server.exchange
        if exchange.served == len(exchange.events):
            # The runtime is idle: all it had to say has been said.
            exchange.idle.set()
            exchange.finished.wait()
            self.close_connection = True
            return
        event = exchange.events[exchange.served]
        exchange.served += 1
        self._answer(200, event.headers, event.body)

    def do_POST(self):
        exchange = self.server.exchange
        exchange.posts.append(Post(self.path, self.headers, self.rfile.read(int(self.headers["Content-Length"]))))
        status = exchange.events[exchange.served - 1].answer_status if exchange.served else 202
        if status == 202 and exchange.joins and "Hearth-Runtime-Next" in self.headers:
            self._hand_out()
        else:
            self._answer(status, {}, b'{"status":"OK"}')

    def _answer(self, status, headers, body):
        # In one piece, so that no packet of it waits for the acknowledgement of the one before.
        lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}"]
        lines.extend(f"{name}: {value}" for name, value in headers.items())
        self.wfile.write(("\r\n".join(lines) + "\r\n\r\n").encode() + body)

    def log_message(self, *_):
        pass


class Exchange:
    """What one runtime process did with a list of events: `posts`, `stdout`, `stderr`, and `status`, its exit status,
    or None for one that was waiting for a further event when all of them had been answered. `joins` is False for a Runtime
    API that, as AWS's does, answers an outcome with nothing but that it was accepted, and `kills` for a process that ends by itself."""

    def __init__(self, command, events, environment, directory, timeout=20, joins=True, kills=True):
        self.events, self.served, self.posts, self.joins = events, 0, [], joins
        self.idle, self.finished = threading.Event(), threading.Event()
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        server.daemon_threads = True
        server.exchange = self
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        address = "127.0.0.1:%d" % server.server_address[1]
        process = subprocess.Popen(
            command,
            env={**ENVIRONMENT, "AWS_LAMBDA_RUNTIME_API": address, "LAMBDA_TASK_ROOT": directory, **environment},
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        if kills:
            threading.Thread(target=self._stop_when_idle, args=(process,), daemon=True).start()
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        finally:
            process.kill()
            self.finished.set()
            self.idle.set()
            server.shutdown()
            server.server_close()
        self.raw_stdout = stdout
        self.stdout, self.stderr = stdout.decode(errors="backslashreplace"), stderr.decode()
        self.status = None if process.returncode == -9 else process.returncode

    def _stop_when_idle(self, process):
        self.idle.wait()
        process.kill()


if __name__ == "__main__":
    sys.exit("This module is imported by the tests beside it.")
