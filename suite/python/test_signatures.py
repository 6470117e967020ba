"""Signature Version 4 as the server checks it: what is signed well is served, and all else gets AWS's own error."""

import datetime
import http.client
import json
import urllib.request

import botocore.auth
import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from functions import PYTHON

KEY = Credentials("test", "test")


def send(server, request):
    """Sends a request as it is; gives status, headers and body."""
    prepared = request.prepare()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(prepared.method, prepared.url.removeprefix(server.endpoint), prepared.body, dict(prepared.headers))
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


def identity(server, **headers):
    """A request of STS that is not signed yet."""
    body = b"Action=GetCallerIdentity&Version=2011-06-15"
    return AWSRequest("POST", server.endpoint + "/", {"Content-Type": "application/x-www-form-urlencoded"} | headers, body)


def list_functions(server):
    return AWSRequest("GET", server.endpoint + "/2015-03-31/functions/")


def groups(server):
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Logs_20140328.DescribeLogGroups"}
    return AWSRequest("POST", server.endpoint + "/", headers, b"{}")


REQUESTS = {"sts": identity, "lambda": list_functions, "logs": groups}


@pytest.mark.parametrize("service", REQUESTS)
def test_a_good_signature_is_served(server, service):
    request = REQUESTS[service](server)
    SigV4Auth(KEY, service, "us-east-1").add_auth(request)
    status, headers, body = send(server, request)
    assert status == 200, body
    assert headers["x-amzn-RequestId"]


# service: (status, code) of a wrong secret, an unknown key, no signature at all
REFUSALS = {
    "sts": [(403, "SignatureDoesNotMatch"), (403, "InvalidClientTokenId"), (403, "MissingAuthenticationToken")],
    "lambda": [
        (403, "InvalidSignatureException"),
        (403, "UnrecognizedClientException"),
        (403, "MissingAuthenticationTokenException"),
    ],
    "logs": [
        (400, "InvalidSignatureException"),
        (400, "UnrecognizedClientException"),
        (400, "MissingAuthenticationTokenException"),
    ],
}


def told(service, headers, body):
    """The error code of an answer, where its protocol has it."""
    if service == "sts":
        assert headers["Content-Type"].startswith("text/xml")
        return body.decode().split("<Code>")[1].split("</Code>")[0]
    if service == "lambda":
        return headers["x-amzn-ErrorType"].split(":")[0]
    return json.loads(body)["__type"].split("#")[-1]


@pytest.mark.parametrize("service", REFUSALS)
@pytest.mark.parametrize("which", ["a wrong secret", "an unknown key", "no signature"])
def test_a_bad_signature_is_refused_in_the_words_of_the_protocol(server, service, which):
    request = REQUESTS[service](server)
    wrong = {"a wrong secret": Credentials("test", "wrong"), "an unknown key": Credentials("AKIDEXAMPLE", "test")}
    if which in wrong:
        SigV4Auth(wrong[which], service, "us-east-1").add_auth(request)
    status, headers, body = send(server, request)
    index = ["a wrong secret", "an unknown key", "no signature"].index(which)
    assert (status, told(service, headers, body)) == REFUSALS[service][index], body
    assert headers["x-amzn-RequestId"]


def test_a_changed_body_is_refused(server):
    request = identity(server)
    SigV4Auth(KEY, "sts", "us-east-1").add_auth(request)
    request.data = request.data.replace(b"2011", b"2012")
    status, headers, body = send(server, request)
    assert (status, told("sts", headers, body)) == (403, "SignatureDoesNotMatch")


def test_a_changed_header_that_was_signed_is_refused(server):
    request = groups(server)
    SigV4Auth(KEY, "logs", "us-east-1").add_auth(request)
    request.headers.replace_header("X-Amz-Target", "Logs_20140328.DescribeLogStreams")
    assert send(server, request)[0] == 400


@pytest.fixture
def at(monkeypatch):
    """Signs at another time."""

    def at(minutes):
        moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: moment.replace(tzinfo=None))

    return at


@pytest.mark.parametrize("minutes, served", [(-4, True), (4, True), (-6, False), (6, False)])
def test_clocks_may_differ_by_five_minutes(server, at, minutes, served):
    at(minutes)
    request = identity(server)
    SigV4Auth(KEY, "sts", "us-east-1").add_auth(request)
    status, headers, body = send(server, request)
    if served:
        assert status == 200, body
    else:
        assert (status, told("sts", headers, body)) == (403, "SignatureDoesNotMatch")
        assert b"Signature expired" in body or b"Signature not yet current" in body


def presigned(server, request, expires=60, credentials=KEY, service="sts"):
    SigV4QueryAuth(credentials, service, "us-east-1", expires=expires).add_auth(request)
    return request


def test_a_presigned_url_of_the_sdk_is_served(server):
    url = server.client("sts").generate_presigned_url("get_caller_identity", HttpMethod="GET")
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert b"<Account>000000000000</Account>" in answer.read()


def test_a_presigned_invocation(server, deploy):
    function = deploy(PYTHON, "def handler(event, context):\n    return 'presigned'\n")
    url = f"{server.endpoint}/2015-03-31/functions/{function.name}/invocations"
    request = presigned(server, AWSRequest("POST", url), service="lambda")
    status, _, body = send(server, request)
    assert (status, body) == (200, b'"presigned"')


@pytest.mark.parametrize("minutes, status", [(-1, 200), (-3, 403)])
def test_a_presigned_url_ends_when_it_says(server, at, minutes, status):
    at(minutes)
    url = server.endpoint + "/?Action=GetCallerIdentity&Version=2011-06-15"
    assert send(server, presigned(server, AWSRequest("GET", url), expires=120))[0] == status


def test_a_presigned_url_that_was_changed_is_refused(server):
    url = server.client("sts").generate_presigned_url("get_caller_identity", HttpMethod="GET")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url + "&More=1", timeout=30)
    assert caught.value.code == 403


class UnsignedPayload(SigV4Auth):
    """Signs everything but the body, as the SDKs may over TLS."""

    def payload(self, request):
        return "UNSIGNED-PAYLOAD"


def test_an_unsigned_payload_is_served(server):
    request = groups(server)
    request.headers["X-Amz-Content-SHA256"] = "UNSIGNED-PAYLOAD"
    UnsignedPayload(KEY, "logs", "us-east-1").add_auth(request)
    status, _, body = send(server, request)
    assert status == 200, body


def test_a_payload_hash_that_is_not_the_bodys_is_refused(server):
    request = groups(server)
    request.headers["X-Amz-Content-SHA256"] = "0" * 64
    SigV4Auth(KEY, "logs", "us-east-1").add_auth(request)
    assert send(server, request)[0] == 400


def test_the_region_of_the_scope_is_the_region_of_the_call(server):
    function = server.client("lambda", region="eu-north-1").get_account_settings()
    assert function["AccountUsage"]["FunctionCount"] == 0


def test_every_sdk_error_names_the_request(server):
    client = server.client("lambda", aws_secret_access_key="wrong")
    with pytest.raises(ClientError) as caught:
        client.list_functions()
    answer = caught.value.response
    assert answer["Error"]["Code"] == "InvalidSignatureException"
    assert answer["Error"]["Message"].startswith("The request signature we calculated does not match")
    assert answer["ResponseMetadata"]["RequestId"]
