"""The endpoint below the SDKs: host names, HTTP/1.1 and HTTP/2, health, bounds, and what is no AWS request at all."""

import http.client
import json
import socket
from concurrent.futures import ThreadPoolExecutor

import h2.config
import h2.connection
import h2.events
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from functions import PYTHON, code, create
from test_signatures import KEY, identity, list_functions, send

HOSTS = [
    "localhost",
    "lambda.localhost",
    "lambda.us-east-1.localhost",
    "anything.at.all.localhost",
    "localhost.localstack.cloud",
    "lambda.us-east-1.localhost.localstack.cloud",
    "lambda.us-east-1.amazonaws.com",
]


@pytest.mark.parametrize("name", HOSTS)
def test_hosts_that_scripts_use_are_understood(server, name):
    request = AWSRequest("GET", f"http://{name}:{server.port}/2015-03-31/functions/")
    SigV4Auth(KEY, "lambda", "us-east-1").add_auth(request)
    prepared = request.prepare()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/2015-03-31/functions/", headers=dict(prepared.headers) | {"Host": f"{name}:{server.port}"})
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, body
    assert "Functions" in json.loads(body)


def test_a_connection_is_kept_for_the_next_request(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.connect()
    kept = connection.sock
    for _ in range(3):
        connection.request("GET", "/_hearth/health")
        assert connection.getresponse().read()
        assert connection.sock is kept
    connection.close()


def test_http_2_without_tls(server):
    """Two calls on one connection at once, each on a stream of its own."""
    request = list_functions(server)
    SigV4Auth(KEY, "lambda", "us-east-1").add_auth(request)
    headers = [(":method", "GET"), (":path", "/2015-03-31/functions/"), (":scheme", "http"), (":authority", f"127.0.0.1:{server.port}")]
    headers += [(name.lower(), value) for name, value in request.prepare().headers.items()]
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
    connection.initiate_connection()
    for stream in (1, 3):
        connection.send_headers(stream, headers, end_stream=True)
    bodies, statuses, ended = {1: b"", 3: b""}, {}, set()
    with socket.create_connection(("127.0.0.1", server.port), 30) as wire:
        wire.sendall(connection.data_to_send())
        while ended != {1, 3}:
            received = wire.recv(65536)
            assert received, "the server closed the connection"
            for event in connection.receive_data(received):
                if isinstance(event, h2.events.ResponseReceived):
                    statuses[event.stream_id] = dict(event.headers)[":status"]
                elif isinstance(event, h2.events.DataReceived):
                    bodies[event.stream_id] += event.data
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    ended.add(event.stream_id)
            wire.sendall(connection.data_to_send())
    assert statuses == {1: "200", 3: "200"}
    assert all("Functions" in json.loads(body) for body in bodies.values())


def get(server, path, method="GET", headers=None, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def test_health(server):
    status, _, body = get(server, "/_hearth/health")
    told = json.loads(body)
    assert (status, told["status"], told["ephemeral"]) == (200, "ready", False)
    assert {"lambda", "logs", "sts"} <= set(told["services"])


def test_a_request_that_is_for_nobody(server):
    status, headers, body = get(server, "/no/such/thing")
    assert 400 <= status < 500, body
    assert headers["x-amzn-RequestId"]


def test_a_service_that_is_not_there_is_named(server):
    request = AWSRequest("POST", server.endpoint + "/", {"X-Amz-Target": "DynamoDB_20120810.ListTables",
                         "Content-Type": "application/x-amz-json-1.0"}, b"{}")
    SigV4Auth(KEY, "dynamodb", "us-east-1").add_auth(request)
    status, _, body = send(server, request)
    assert 400 <= status < 600 and b"dynamodb" in body.lower(), (status, body)


def test_a_body_over_the_bound_is_refused_before_it_is_read(server):
    """A client that asks first, as the SDKs do before large bodies, is told no before it has sent a byte of the body."""
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Logs_20140328.PutLogEvents"}
    request = AWSRequest("POST", server.endpoint + "/", headers, b"{}")
    SigV4Auth(KEY, "logs", "us-east-1").add_auth(request)
    signed = dict(request.prepare().headers) | {"Content-Length": str(1 << 40), "Expect": "100-continue"}
    head = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
    with socket.create_connection(("127.0.0.1", server.port), 30) as wire:
        wire.sendall(f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n{head}\r\n".encode())
        answer = wire.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 "), answer


@pytest.mark.parametrize("garbage", [b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"A" * 100_000 + b"\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrubbish!!"])
def test_garbage_ends_its_own_connection_only(server, garbage):
    with socket.create_connection(("127.0.0.1", server.port), 30) as wire:
        wire.settimeout(30)
        try:
            wire.sendall(garbage)
            wire.shutdown(socket.SHUT_WR)
            while wire.recv(65536):
                pass
        except OSError:
            pass  # it was closed before all was said
    assert get(server, "/_hearth/health")[0] == 200


def test_a_page_of_another_site_is_refused(server):
    request = identity(server, Origin="https://evil.example")
    SigV4Auth(KEY, "sts", "us-east-1").add_auth(request)
    assert send(server, request)[0] == 403


def test_concurrent_callers_do_not_mix_answers(server, deploy):
    function = deploy(PYTHON, "def handler(event, context):\n    return event\n")
    with ThreadPoolExecutor(16) as pool:
        values = list(pool.map(lambda number: function.invoke({"number": number}).value["number"], range(300)))
    assert values == list(range(300))


def test_the_virtual_host_of_a_code_location_is_the_one_that_was_asked(server):
    """A location names the host that the client used, so that it can be reached from where the client is."""
    client = server.client("lambda", account="999900004444", endpoint_url=f"http://localhost:{server.port}")
    function = create(client, PYTHON, code(PYTHON, "x = 1\n"))
    location = client.get_function(FunctionName=function.name)["Code"]["Location"]
    assert location.startswith(f"http://localhost:{server.port}/"), location
    client.delete_function(FunctionName=function.name)
