"""Function URLs: configured with boto3, and used as any HTTP client uses them."""

import base64
import http.client
import json
import re
import time
from urllib.parse import urlsplit

import functions
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from functions import CUSTOM, NODE, PYTHON
from hearth import Server
from test_asynchronous import metrics
from test_denied import User, allow

# Answers with what it is told to return, or with its event.
ANSWERS = """
import json
def handler(event, context):
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        import base64
        body = base64.b64decode(body).decode("utf-8", "replace")
    if event["rawPath"] == "/raise": raise ValueError("no")
    if event["rawPath"] == "/exit": import os; os._exit(1)
    if event["rawPath"] == "/return": return json.loads(body)
    if event["rawPath"] == "/version":
        return {"version": context.function_version, "arn": context.invoked_function_arn}
    return event
"""
STREAMS = """
export const handler = awslambda.streamifyResponse(async (event, stream) => {
  if (event.rawPath === '/throw') throw new Error('before anything');
  if (event.rawPath === '/plain') {
    stream.setContentType('text/plain');
    stream.write('no prelude');
    stream.end();
    return;
  }
  stream = awslambda.HttpResponseStream.from(stream, {
    statusCode: 418, headers: {'X-Kind': 'tea', 'Content-Type': 'text/event-stream'}, cookies: ['a=1', 'b=2'],
  });
  stream.write('first');
  await new Promise((resolve) => setTimeout(resolve, event.rawPath === '/slow' ? 2000 : 0));
  if (event.rawPath === '/cut') process.exit(3);
  stream.write('last');
  stream.end();
});
"""


def make(function, auth="NONE", public=True, **options):
    """A URL; with `public`, everyone has leave to use it."""
    url = function.client.create_function_url_config(FunctionName=function.name, AuthType=auth, **options)
    if auth == "NONE" and public:
        qualifier = {"Qualifier": options["Qualifier"]} if "Qualifier" in options else {}
        function.client.add_permission(
            FunctionName=function.name,
            StatementId="url",
            Action="lambda:InvokeFunctionUrl",
            Principal="*",
            FunctionUrlAuthType="NONE",
            **qualifier,
        )
    return url["FunctionUrl"]


def connection(url):
    """A connection to where the host of a URL leads: this machine, whatever resolves names here."""
    return http.client.HTTPConnection("127.0.0.1", urlsplit(url).port, timeout=60)


def ask(url, path="/", method="GET", body=None, headers=None):
    """One request; gives status, headers and body."""
    line = connection(url)
    line.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    line.putheader("Host", urlsplit(url).netloc)
    for name, value in headers or []:
        line.putheader(name, value)
    if body is not None:
        line.putheader("Content-Length", str(len(body)))
    line.endheaders(body)
    answer = line.getresponse()
    got = answer.status, answer.headers, answer.read()
    line.close()
    return got


def returning(url, value):
    """What comes of a function that returns this."""
    return ask(url, "/return", "POST", json.dumps(value).encode(), [("Content-Type", "application/json")])


@pytest.fixture(scope="module")
def answering(server):
    """A URL of a function that does as it is told."""
    client = server.client("lambda")
    function = functions.create(client, PYTHON, functions.code(PYTHON, ANSWERS))
    yield make(function)
    client.delete_function(FunctionName=function.name)


@pytest.fixture(scope="module")
def streaming(server):
    """A URL of a function that streams."""
    client = server.client("lambda")
    function = functions.create(client, NODE, functions.code(NODE, STREAMS))
    yield make(function, InvokeMode="RESPONSE_STREAM")
    client.delete_function(FunctionName=function.name)


def test_a_url_is_made_read_updated_listed_and_deleted(deploy, lambda_client, server):
    function = deploy(PYTHON, ANSWERS)
    cors = {"AllowOrigins": ["*"], "AllowMethods": ["GET"], "AllowHeaders": ["x-a"], "MaxAge": 60}
    made = lambda_client.create_function_url_config(FunctionName=function.name, AuthType="AWS_IAM", Cors=cors)
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert re.fullmatch(rf"http://[a-z0-9]{{32}}\.lambda-url\.us-east-1\.localhost:{server.port}/", made["FunctionUrl"])
    arn = lambda_client.get_function(FunctionName=function.name)["Configuration"]["FunctionArn"]
    assert (made["FunctionArn"], made["AuthType"], made["Cors"]) == (arn, "AWS_IAM", cors)
    assert made["InvokeMode"] == "BUFFERED" and made["CreationTime"]
    got = lambda_client.get_function_url_config(FunctionName=function.name)
    for member in ("FunctionUrl", "FunctionArn", "AuthType", "Cors", "CreationTime", "InvokeMode"):
        assert got[member] == made[member]
    updated = lambda_client.update_function_url_config(
        FunctionName=function.name, AuthType="NONE", InvokeMode="RESPONSE_STREAM"
    )
    assert (updated["AuthType"], updated["InvokeMode"]) == ("NONE", "RESPONSE_STREAM")
    assert (updated["Cors"], updated["FunctionUrl"]) == (cors, made["FunctionUrl"])
    assert updated["LastModifiedTime"] >= updated["CreationTime"]
    cleared = lambda_client.update_function_url_config(FunctionName=function.name, Cors={})
    assert "Cors" not in cleared
    version = lambda_client.publish_version(FunctionName=function.name)["Version"]
    lambda_client.create_alias(FunctionName=function.name, Name="live", FunctionVersion=version)
    other = lambda_client.create_function_url_config(FunctionName=function.name, AuthType="NONE", Qualifier="live")
    assert other["FunctionArn"] == f"{arn}:live"
    pages = lambda_client.get_paginator("list_function_url_configs").paginate(
        FunctionName=function.name, PaginationConfig={"PageSize": 1}
    )
    listed = [config["FunctionUrl"] for page in pages for config in page["FunctionUrlConfigs"]]
    assert listed == [made["FunctionUrl"], other["FunctionUrl"]]
    deleted = lambda_client.delete_function_url_config(FunctionName=function.name)
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert ask(made["FunctionUrl"])[0] == 404
    again = lambda_client.create_function_url_config(FunctionName=function.name, AuthType="NONE")
    assert again["FunctionUrl"] == made["FunctionUrl"], "it is the function's for its life"
    lambda_client.delete_alias(FunctionName=function.name, Name="live")
    assert len(lambda_client.list_function_url_configs(FunctionName=function.name)["FunctionUrlConfigs"]) == 1


def test_what_has_no_url_is_told_so(deploy, lambda_client):
    function = deploy(PYTHON, ANSWERS)
    missing = lambda_client.exceptions.ResourceNotFoundException
    for call in (
        lambda_client.get_function_url_config,
        lambda_client.delete_function_url_config,
        lambda_client.update_function_url_config,
    ):
        with pytest.raises(missing, match="The resource you requested does not exist."):
            call(FunctionName=function.name)
    with pytest.raises(missing, match="Function not found: .*:none"):
        lambda_client.create_function_url_config(FunctionName=function.name, AuthType="NONE", Qualifier="none")
    with pytest.raises(missing, match="Function not found: "):
        lambda_client.create_function_url_config(FunctionName="nowhere", AuthType="NONE")
    with pytest.raises(missing):
        lambda_client.list_function_url_configs(FunctionName="nowhere")
    lambda_client.create_function_url_config(FunctionName=function.name, AuthType="NONE")
    with pytest.raises(lambda_client.exceptions.ResourceConflictException) as conflict:
        lambda_client.create_function_url_config(FunctionName=function.name, AuthType="NONE")
    arn = lambda_client.get_function(FunctionName=function.name)["Configuration"]["FunctionArn"]
    assert conflict.value.response["Error"]["Message"] == (
        f"Failed to create function url config for [functionArn = {arn}]. Error message:  FunctionUrlConfig exists for "
        "this Lambda function"
    )


@pytest.mark.parametrize("qualifier", ["1", "$LATEST"])
def test_a_version_has_no_url(deploy, lambda_client, qualifier):
    function = deploy(PYTHON, ANSWERS)
    lambda_client.publish_version(FunctionName=function.name)
    with pytest.raises(ClientError) as refused:
        lambda_client.create_function_url_config(FunctionName=function.name, AuthType="NONE", Qualifier=qualifier)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert "at 'qualifier' failed to satisfy constraint" in refused.value.response["Error"]["Message"]


def test_a_request_becomes_an_event_of_format_2_0(answering):
    status, headers, body = ask(
        answering,
        "/some/p%20ath?a=1&a=2&b=x+y%2Cz",
        "POST",
        b'{"k": "v"}',
        [
            ("Content-Type", "application/json"),
            ("X-Many", "1"),
            ("x-many", "2"),
            ("Cookie", "c=1; d=2"),
            ("User-Agent", "suite"),
        ],
    )
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert headers["x-amzn-requestid"]
    event = json.loads(body)
    host = urlsplit(answering).hostname
    assert event["version"] == "2.0" and event["routeKey"] == "$default"
    assert (event["rawPath"], event["rawQueryString"]) == ("/some/p%20ath", "a=1&a=2&b=x+y%2Cz")
    assert event["queryStringParameters"] == {"a": "1,2", "b": "x y,z"}
    assert event["cookies"] == ["c=1", "d=2"]
    assert event["headers"]["x-many"] == "1,2" and event["headers"]["host"] == urlsplit(answering).netloc
    assert "cookie" not in event["headers"]
    assert (event["body"], event["isBase64Encoded"]) == ('{"k": "v"}', False)
    context = event["requestContext"]
    assert (context["accountId"], context["apiId"], context["stage"]) == ("anonymous", host.split(".")[0], "$default")
    assert (context["domainName"], context["domainPrefix"]) == (host, host.split(".")[0])
    assert context["http"] == {
        "method": "POST",
        "path": "/some/p%20ath",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "suite",
    }
    assert context["requestId"] == headers["x-amzn-requestid"]
    assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", context["time"])
    assert context["timeEpoch"] > 1_600_000_000_000
    assert "authorizer" not in context


def test_bytes_go_in_and_out_in_base64(answering):
    raw = bytes(range(256))
    event = json.loads(ask(answering, "/", "POST", raw, [("Content-Type", "application/octet-stream")])[2])
    assert event["isBase64Encoded"] is True and base64.b64decode(event["body"]) == raw
    sent = {"statusCode": 200, "body": base64.b64encode(raw).decode(), "isBase64Encoded": True}
    assert returning(answering, sent)[2] == raw


def test_the_path_serves_clients_that_cannot_resolve_the_host(answering):
    host = urlsplit(answering).hostname
    line = connection(answering)
    line.request("GET", f"/_hearth/url/{host.split('.')[0]}/a/b?c=d")
    answer = line.getresponse()
    event = json.loads(answer.read())
    assert (event["rawPath"], event["rawQueryString"]) == ("/a/b", "c=d")
    # What is served there would have the origin of the API, and its scripts could use the key that everybody knows.
    policy = answer.headers["Content-Security-Policy"].split()
    assert policy[0] == "sandbox" and "allow-same-origin" not in policy
    assert "Content-Security-Policy" not in ask(answering)[1], "a name of its own is an origin of its own"
    line.request("GET", f"/_hearth/url/{'0' * 32}/")
    assert line.getresponse().status == 404


def test_responses_have_status_headers_and_cookies(answering):
    status, headers, body = returning(
        answering,
        {
            "statusCode": 201,
            "headers": {"Content-Type": "text/html", "X-Number": 3},
            "cookies": ["a=1; Secure", "b=2"],
            "body": "<b>made</b>",
        },
    )
    assert (status, body) == (201, b"<b>made</b>")
    assert (headers["Content-Type"], headers["X-Number"]) == ("text/html", "3")
    assert headers.get_all("Set-Cookie") == ["a=1; Secure", "b=2"]


@pytest.mark.parametrize(
    ("value", "body"),
    [({"hello": "you"}, b'{"hello": "you"}'), ("text", b'"text"'), ([1, 2], b"[1, 2]"), (None, b"null")],
)
def test_what_has_no_status_is_the_body(answering, value, body):
    status, headers, got = returning(answering, value)
    assert (status, headers["Content-Type"], got) == (200, "application/json", body)


@pytest.mark.parametrize(
    "value",
    [{"statusCode": "abc"}, {"statusCode": 200, "body": {}}, {"statusCode": 200, "headers": [1]}, {"statusCode": 42}],
)
def test_what_is_no_response_is_a_bad_gateway(answering, value):
    status, _, body = returning(answering, value)
    assert (status, body) == (502, b"Internal Server Error")


@pytest.mark.parametrize("path", ["/raise", "/exit"])
def test_a_function_that_fails_is_a_bad_gateway(answering, path):
    status, _, body = ask(answering, path)
    assert (status, body) == (502, b"Internal Server Error")


def test_a_body_over_six_megabytes_is_refused(answering):
    status, _, body = ask(answering, "/", "POST", b"x" * 6_291_457, [("Content-Type", "text/plain")])
    assert status == 413 and b"6291456" in body
    # As base64 in its event, this one is too large.
    status, _, body = ask(answering, "/", "POST", b"x" * 6_000_000, [("Content-Type", "image/png")])
    assert status == 413 and b"6291456" in body


def test_a_throttled_function_answers_429(deploy, server):
    function = deploy(PYTHON, ANSWERS)
    url = make(function)
    assert ask(url)[0] == 200
    function.client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=0)
    status, headers, body = ask(url)
    assert (status, headers["Retry-After"]) == (429, "1")
    assert json.loads(body) == {
        "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
        "Type": "User",
        "message": "Rate Exceeded.",
    }
    # They are counted like any other invocation.
    assert metrics(server, "lambda_throttles_total", function) == 1
    assert metrics(server, "lambda_invocations_total", function) == 1


def test_everyone_needs_a_statement_for_everyone(deploy, lambda_client):
    function = deploy(PYTHON, ANSWERS)
    url = make(function, public=False)
    assert (ask(url)[0], json.loads(ask(url)[2])) == (403, {"Message": "Forbidden"})
    add = {"FunctionName": function.name, "Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"}
    lambda_client.add_permission(StatementId="account", Principal="123456789012", **add)
    signed_only = add | {"FunctionUrlAuthType": "AWS_IAM"}
    lambda_client.add_permission(StatementId="signed", Principal="*", **signed_only)
    assert ask(url)[0] == 403, "neither is for everyone without a signature"
    lambda_client.add_permission(StatementId="everyone", Principal="*", **add)
    assert ask(url)[0] == 200
    lambda_client.remove_permission(FunctionName=function.name, StatementId="everyone")
    assert ask(url)[0] == 403


def signed(url, path="/", key="test", secret="test", service="lambda", body=b"", method="POST"):
    """The headers of a signed request."""
    request = AWSRequest(method, url.rstrip("/") + path, data=body, headers={"Content-Type": "text/plain"})
    SigV4Auth(Credentials(key, secret), service, "us-east-1").add_auth(request)
    return [(name, value) for name, value in request.headers.items() if name.lower() != "host"]


def test_aws_iam_asks_for_a_signature(deploy, server):
    function = deploy(PYTHON, ANSWERS)
    url = make(function, auth="AWS_IAM")
    assert (ask(url)[0], json.loads(ask(url)[2])) == (403, {"Message": "Forbidden"})
    headers = signed(url, "/a?b=c", body=b"hello")
    status, _, body = ask(url, "/a?b=c", "POST", b"hello", headers)
    assert status == 200, body
    event = json.loads(body)
    assert event["body"] == "hello" and "authorization" not in event["headers"]
    context = event["requestContext"]
    assert context["accountId"] == "000000000000"
    iam = context["authorizer"]["iam"]
    assert iam["accessKey"] == "test" and iam["userArn"] == "arn:aws:iam::000000000000:root"
    assert (iam["accountId"], iam["cognitoIdentity"], iam["principalOrgId"]) == ("000000000000", None, None)
    for wrong in (
        signed(url, "/a?b=c", body=b"other"),
        signed(url, "/other", body=b"hello"),
        signed(url, "/a?b=c", body=b"hello", secret="wrong"),
        signed(url, "/a?b=c", body=b"hello", key="111122223333"),
        signed(url, "/a?b=c", body=b"hello", service="execute-api"),
    ):
        status, _, body = ask(url, "/a?b=c", "POST", b"hello", wrong)
        assert status == 403 and set(json.loads(body)) == {"Message"}
    # A page of another site could sign with the key that everybody knows.
    status, _, _ = ask(url, "/a?b=c", "POST", b"hello", [*headers, ("Origin", "https://evil.test")])
    assert status == 403
    function.client.update_function_url_config(
        FunctionName=function.name, Cors={"AllowOrigins": ["https://good.test"]}
    )
    status, answered, _ = ask(url, "/a?b=c", "POST", b"hello", [*headers, ("Origin", "https://good.test")])
    assert (status, answered["Access-Control-Allow-Origin"]) == (200, "https://good.test")


def test_a_user_needs_leave_for_a_url_that_asks_for_a_signature(deploy, server):
    function = deploy(PYTHON, ANSWERS)
    url = make(function, auth="AWS_IAM")
    user = User(server, functions.name_of("signer"))
    keys = {"key": user.key["aws_access_key_id"], "secret": user.key["aws_secret_access_key"]}
    call = lambda: ask(url, "/", "POST", b"", signed(url, **keys))  # noqa: E731
    assert call()[0] == 403
    user.may(allow("lambda:InvokeFunction"))
    assert call()[0] == 403, "that is another action"
    with_a_signature = {"StringEquals": {"lambda:FunctionUrlAuthType": "AWS_IAM"}}
    user.may(allow("lambda:InvokeFunctionUrl", Condition=with_a_signature))
    status, _, body = call()
    assert status == 200, body
    assert json.loads(body)["requestContext"]["authorizer"]["iam"]["userArn"] == user.arn
    user.may(allow("lambda:InvokeFunctionUrl"), allow("lambda:InvokeFunctionUrl", effect="Deny"))
    assert call()[0] == 403


def test_browsers_are_answered_as_the_url_says(deploy):
    function = deploy(PYTHON, ANSWERS)
    cors = {
        "AllowOrigins": ["https://page.test"],
        "AllowMethods": ["GET", "PUT"],
        "AllowHeaders": ["x-a", "x-b"],
        "ExposeHeaders": ["x-c"],
        "MaxAge": 600,
        "AllowCredentials": True,
    }
    url = make(function, Cors=cors)
    preflight = [("Origin", "https://page.test"), ("Access-Control-Request-Method", "PUT")]
    status, headers, body = ask(url, "/raise", "OPTIONS", headers=preflight)
    assert (status, body) == (200, b""), "the function is not asked"
    assert headers["Access-Control-Allow-Origin"] == "https://page.test"
    assert headers["Access-Control-Allow-Methods"] == "GET,PUT"
    assert headers["Access-Control-Allow-Headers"] == "x-a,x-b"
    assert headers["Access-Control-Max-Age"] == "600"
    assert headers["Access-Control-Allow-Credentials"] == "true"
    told = {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "https://other.test"}, "body": "x"}
    page = [("Origin", "https://page.test"), ("Content-Type", "application/json"), ("Sec-Fetch-Site", "cross-site")]
    status, headers, _ = ask(url, "/return", "POST", json.dumps(told).encode(), page)
    assert (status, headers.get_all("Access-Control-Allow-Origin")) == (200, ["https://page.test"])
    assert headers["Access-Control-Expose-Headers"] == "x-c"
    status, headers, _ = ask(url, "/", headers=[("Origin", "https://other.test")])
    assert status == 200 and "Access-Control-Allow-Origin" not in headers
    # Without a configuration the function answers for itself, preflights too.
    function.client.update_function_url_config(FunctionName=function.name, Cors={})
    event = json.loads(ask(url, "/", "OPTIONS", headers=preflight)[2])
    assert event["requestContext"]["http"]["method"] == "OPTIONS"
    status, headers, _ = ask(url, "/return", "POST", json.dumps(told).encode(), page)
    assert headers["Access-Control-Allow-Origin"] == "https://other.test"


def test_a_url_of_an_alias_invokes_what_the_alias_points_to(deploy, lambda_client):
    function = deploy(PYTHON, ANSWERS)
    first = lambda_client.publish_version(FunctionName=function.name)["Version"]
    lambda_client.get_waiter("function_active_v2").wait(FunctionName=function.name, Qualifier=first)
    lambda_client.create_alias(FunctionName=function.name, Name="live", FunctionVersion=first)
    url = make(function, Qualifier="live")
    said = json.loads(ask(url, "/version")[2])
    assert said["version"] == first and said["arn"].endswith(f":{function.name}:live")
    lambda_client.update_alias(FunctionName=function.name, Name="live", FunctionVersion="$LATEST")
    assert json.loads(ask(url, "/version")[2])["version"] == "$LATEST"


def test_a_streamed_response_begins_before_it_ends(streaming):
    line = connection(streaming)
    line.request("GET", "/slow", headers={"Host": urlsplit(streaming).netloc})
    answer = line.getresponse()
    assert answer.status == 418
    assert (answer.headers["X-Kind"], answer.headers["Content-Type"]) == ("tea", "text/event-stream")
    assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert answer.read(5) == b"first"
    began = time.monotonic()
    assert answer.read() == b"last"
    assert time.monotonic() - began > 1, "the first piece was there two seconds before the last"


def test_streams_without_a_prelude_and_those_that_fail(streaming):
    status, headers, body = ask(streaming, "/plain")
    assert (status, headers["Content-Type"], body) == (200, "text/plain", b"no prelude")
    status, _, body = ask(streaming, "/throw")
    assert (status, body) == (502, b"Internal Server Error")
    with pytest.raises(http.client.IncompleteRead):
        ask(streaming, "/cut")


def test_streams_are_counted_to_their_end(deploy, server):
    function = deploy(NODE, STREAMS)
    url = make(function, InvokeMode="RESPONSE_STREAM")
    assert ask(url)[0] == 418 and ask(url, "/throw")[0] == 502
    names = ("invocations_total", "errors_total", "throttles_total", "concurrent_executions")
    assert [metrics(server, f"lambda_{name}", function) for name in names] == [2, 1, 0, 0]


def test_a_function_that_does_not_stream_answers_whole_behind_a_streaming_url(deploy):
    function = deploy(PYTHON, ANSWERS)
    url = make(function, InvokeMode="RESPONSE_STREAM")
    status, headers, body = returning(url, {"some": "json"})
    assert (status, headers["Content-Type"], json.loads(body)) == (200, "application/json", {"some": "json"})


def test_a_url_survives_a_power_cut(nothing_left, tmp_path):
    echo = 'while call GET invocation/next; do call POST "invocation/$id/response" "$body"; done'
    with Server("--data-dir", tmp_path / "hearth") as server:
        function = functions.create(server.client("lambda"), CUSTOM, functions.code(CUSTOM, echo))
        url = make(function)
        assert ask(url)[0] == 200
        server.kill()
    with Server("--data-dir", tmp_path / "hearth") as server:
        again = server.client("lambda").get_function_url_config(FunctionName=function.name)["FunctionUrl"]
        assert urlsplit(again).hostname == urlsplit(url).hostname
        assert ask(again)[0] == 200
        server.client("lambda").delete_function(FunctionName=function.name)
        assert ask(again)[0] == 404
