"""The Runtime API's client: asks for events and posts outcomes, over one kept connection.

It refuses to interpret what it carries: bodies are bytes, headers are text.
"""

import sys
import time

# The bare C module: the `socket` module around it would add a tenth to the start of a small function.
import _socket

from .lambda_runtime_marshaller import LambdaMarshaller, to_json

# X-Ray takes documents of up to 64 KB, so a longer cause, as of endless recursion, would only weigh on the request.
XRAY_CAUSE_LIMIT_BYTES = 32 * 1024
# Up to here head and body are sent in one piece, and no outcome is too large.
PIECE_BYTES = 64 * 1024


class LambdaRuntimeClient:
    """The Runtime API over one kept connection.

    It speaks just the HTTP/1.1 that this needs, because `http.client` would take longer to import than
    everything else here together.
    """

    marshaller = LambdaMarshaller()
    _USER_AGENT = f"hearth-python/{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"

    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self._address = address
        self._endpoint = (host.strip("[]"), int(port))
        self._family = _socket.AF_INET6 if ":" in host else _socket.AF_INET
        self._connection = None
        # What has come of the next answer already.
        self._received = b""
        # Set when nothing happens between an outcome and the next event: then one answer can be both.
        self.goes_on = False
        # What an outcome that has no answer yet is.
        self._outcome = None
        # The same in every request.
        self._head = f" HTTP/1.1\r\nHost: {address}\r\nUser-Agent: {self._USER_AGENT}\r\n"
        self._next = f"GET /2018-06-01/runtime/invocation/next{self._head}\r\n".encode("utf-8")

    def next_invocation(self):
        """Waits for an event; returns its headers, with names in lower case, and its body."""
        if self._outcome:
            outcome, self._outcome = self._outcome, None
            status, headers, body = self._receive()
            if status == 200:
                return headers, body
            self._expect_taken(outcome, status, body)
        status, headers, body = self._converse(self._next, b"")
        if status != 200:
            raise RuntimeError("Failed to get next")
        return headers, body

    def post_invocation_result(self, invoke_id, result_data, content_type="application/json", invocation_id=None):
        body = result_data if isinstance(result_data, bytes) else result_data.encode("utf-8")
        self._post_outcome(invoke_id, "response", body, {"Content-Type": content_type}, invocation_id)

    def post_invocation_error(self, invoke_id, error_response_data, xray_fault, invocation_id=None):
        headers = {"Content-Type": "application/json"}
        cause = xray_fault.replace("\x7f", "\\u007f")  # DEL must not stand in a header.
        if len(cause.encode("utf-8", "replace")) <= XRAY_CAUSE_LIMIT_BYTES:
            headers["Lambda-Runtime-Function-XRay-Error-Cause"] = cause
        self._post_outcome(invoke_id, "error", error_response_data.encode("utf-8"), headers, invocation_id)

    def post_init_error(self, error_response_data, error_type_override=None):
        error_type = error_type_override or error_response_data["errorType"]
        self._call("POST", "/2018-06-01/runtime/init/error", 202, error_response_data, error_type)

    def restore_next(self):
        """Tells that the environment may be snapshot; returns once it has been restored."""
        self._call("GET", "/2018-06-01/runtime/restore/next", 200)

    def report_restore_error(self, error_response_data):
        self._call("POST", "/2018-06-01/runtime/restore/error", 202, error_response_data, "Runtime.AfterRestoreError")

    def _call(self, method, path, expected_status, payload=None, error_type=None):
        body = b"" if payload is None else to_json(payload).encode("utf-8")
        headers = {"Lambda-Runtime-Function-Error-Type": error_type} if error_type else {}
        status, _, answer = self._exchange(method, path, body, headers)
        if status != expected_status:
            raise RuntimeError(
                f"Request to Lambda Runtime '{path}' endpoint failed. Reason: '{status}'. Response body: '{answer}'"
            )

    def _post_outcome(self, invoke_id, outcome, body, headers, invocation_id):
        if invocation_id:
            headers["Lambda-Runtime-Invocation-Id"] = invocation_id
        path = f"/2018-06-01/runtime/invocation/{invoke_id}/{outcome}"
        if self.goes_on and len(body) < PIECE_BYTES and self._connection is not None:
            # Of our Runtime API alone; another answers as if it were not there.
            self._send(self._head_of("POST", path, body, {**headers, "Hearth-Runtime-Next": "true"}), body)
            self._outcome = outcome
            return
        status, _, answer = self._exchange("POST", path, body, headers)
        self._expect_taken(outcome, status, answer)

    def _expect_taken(self, outcome, status, answer):
        if not 200 <= status < 300:
            # AWS: an outcome that was not taken, such as a response that is too large, ends the runtime, with these
            # words, which say "success" of errors too. https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
            sys.stdout.write(
                f"[ERROR] [{int(time.time() * 1000)}] LAMBDA_RUNTIME Failed to post handler success response. "
                f"Http response code: {status}. {answer.decode('utf-8', 'replace')}\n"
            )
            raise RuntimeError(f"Failed to post invocation {outcome}")

    def _exchange(self, method, path, body=b"", headers=None):
        return self._converse(self._head_of(method, path, body, headers), body)

    def _head_of(self, method, path, body, headers):
        head = f"{method} {path}{self._head}"
        for name, value in (headers or {}).items():
            head += f"{name}: {value}\r\n"
        if method == "POST":
            head += f"Content-Length: {len(body)}\r\n"
        return (head + "\r\n").encode("utf-8")

    def _converse(self, head, body):
        while True:
            fresh = self._connection is None
            try:
                self._send(head, body)
                return self._receive()
            except (BrokenPipeError, ConnectionResetError):
                # A kept connection may have been closed since; whoever closed it did not answer on it.
                self._connection = None
                self._received = b""
                if fresh:
                    raise

    def _send(self, head, body):
        if self._connection is None:
            self._connection = _socket.socket(self._family, _socket.SOCK_STREAM)
            self._connection.connect(self._endpoint)
            self._connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        if len(body) < PIECE_BYTES:
            self._connection.sendall(head + body)
        else:
            self._connection.sendall(head)
            self._connection.sendall(body)

    def _receive(self):
        received = self._received
        while True:
            end = received.find(b"\r\n\r\n")
            if end >= 0:
                break
            received += self._fill(16384)
        status_line, *lines = received[:end].decode("utf-8", "surrogateescape").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if "transfer-encoding" in headers:
            raise RuntimeError(f"The Runtime API at {self._address} answered without Content-Length")
        begin = end + 4
        end = begin + int(headers.get("content-length", 0))
        if len(received) < end:
            received = self._fill_up(received, end)
        body = received[begin:end]
        self._received = received[end:]
        if headers.get("connection", "").lower() == "close":
            self._connection = None
        return int(status_line.split(" ", 2)[1]), headers, body

    def _fill_up(self, received, size):
        pieces, missing = [received], size - len(received)
        while missing > 0:
            # Python allocates as much as it asks for: a large piece, mapped and unmapped each time, only for a large body.
            piece = self._fill(min(max(missing, 16384), 262144))
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def _fill(self, size):
        received = self._connection.recv(size)
        if not received:
            raise ConnectionResetError(f"The Runtime API at {self._address} closed the connection")
        return received
