"""SNS over HTTP and HTTPS: consent by URL, signatures that `openssl` accepts, tries by a delivery policy, and crashes."""

import base64
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest
import roles
from botocore import UNSIGNED
from functions import PYTHON, code, create, name_of
from hearth import ONCE, REPOSITORY, Server, eventually, variables
from test_asynchronous import advance, timed  # noqa: F401 - a fixture
from test_aws_cli import needs_2, run_as_printed
from test_functions import refused
from test_sns import TELLER, queue, received

# What is signed of a message, as far as it has it.
SIGNED = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


class Endpoint:
    """A server that notes what it is sent and answers what it is told to. As a context it is closed at the end."""

    def __init__(self, context=None):
        self.posted, self.status, self.headers = [], 200, {}
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                endpoint.posted.append((dict(self.headers.items()), body, self.path))
                status = endpoint.status(self) if callable(endpoint.status) else endpoint.status
                self.send_response(status)
                for name, value in endpoint.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        scheme = "https" if context else "http"
        self.url = f"{scheme}://localhost:{self.server.server_address[1]}/in"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def next(self, count, seconds=20):
        """The headers and the body of what came as the so manieth."""
        eventually(lambda: len(self.posted) >= count, seconds, lambda: f"{self.posted}")
        headers, body, _ = self.posted[count - 1]
        return {name.lower(): value for name, value in headers.items()}, body

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def endpoint():
    with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def topic(server):
    sns = server.client("sns")
    arn = sns.create_topic(Name=name_of("topic"))["TopicArn"]
    yield arn
    sns.delete_topic(TopicArn=arn)


def get(url):
    """What a URL answers to a request without a signature."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def subscribe(server, topic, endpoint, url=None, **attributes):
    """A subscription that its endpoint has confirmed: its ARN."""
    before = len(endpoint.posted)
    url = url or endpoint.url
    asked = {"TopicArn": topic, "Protocol": url.split(":")[0], "Endpoint": url, "ReturnSubscriptionArn": True}
    arn = server.client("sns").subscribe(**asked, Attributes=attributes)["SubscriptionArn"]
    message = json.loads(endpoint.next(before + 1)[1])
    status, answer = get(message["SubscribeURL"])
    assert status == 200 and f"<SubscriptionArn>{arn}</SubscriptionArn>" in answer, answer
    return arn


def verify(message, directory, certificate=None):
    """Checks the signature of a message as AWS describes it, with nothing but `openssl`."""
    url = message.get("SigningCertURL") or message["SigningCertUrl"]
    pem = certificate or get(url)[1]
    (directory / "certificate.pem").write_text(pem)
    told = subprocess.run(
        ["openssl", "x509", "-in", directory / "certificate.pem", "-noout", "-subject", "-pubkey", "-checkend", "0"],
        capture_output=True, text=True, check=True,
    ).stdout
    assert "CN = sns.amazonaws.com" in told, told
    (directory / "key.pem").write_text(told[told.index("-----BEGIN"):told.index("Certificate will")])
    names = [name for name in SIGNED if message.get(name) is not None]
    text = "".join(f"{name}\n{message[name]}\n" for name in names)
    (directory / "text").write_text(text, newline="")
    (directory / "signature").write_bytes(base64.b64decode(message["Signature"]))
    digest = {"1": "-sha1", "2": "-sha256"}[message["SignatureVersion"]]
    command = ["openssl", "dgst", digest, "-verify", directory / "key.pem", "-signature", directory / "signature"]
    return subprocess.run([*command, directory / "text"], capture_output=True, check=False).returncode == 0


def test_an_endpoint_consents_is_told_and_leaves_by_url(server, topic, endpoint, tmp_path):
    sns = server.client("sns")
    asked = {"TopicArn": topic, "Protocol": "http", "Endpoint": endpoint.url}
    assert sns.subscribe(**asked)["SubscriptionArn"] == "pending confirmation"
    headers, body = endpoint.next(1)
    message = json.loads(body)
    assert list(message) == [
        "Type", "MessageId", "Token", "TopicArn", "Message", "SubscribeURL", "Timestamp", "SignatureVersion", "Signature",
        "SigningCertURL",
    ]
    assert headers["x-amz-sns-message-type"] == "SubscriptionConfirmation" == message["Type"]
    assert (headers["x-amz-sns-message-id"], headers["x-amz-sns-topic-arn"]) == (message["MessageId"], topic)
    assert headers["content-type"] == "text/plain; charset=UTF-8"
    assert headers["user-agent"] == "Amazon Simple Notification Service Agent"
    assert verify(message, tmp_path)
    assert not verify(message | {"Token": "x"}, tmp_path)
    [listed] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert listed["SubscriptionArn"] == "PendingConfirmation"
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["SubscriptionsPending"] == "1"
    wrong = message["SubscribeURL"].replace(message["Token"], "0" * 128)
    status, answer = get(wrong)
    assert status == 400 and "<Code>InvalidParameter</Code>" in answer and "Invalid parameter: Token" in answer
    status, answer = get(message["SubscribeURL"])
    [listed] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    arn = listed["SubscriptionArn"]
    assert status == 200 and f"<SubscriptionArn>{arn}</SubscriptionArn>" in answer
    attributes = {"kind": {"DataType": "String", "StringValue": "order"}}
    sent = sns.publish(TopicArn=topic, Subject="Abôut", Message='two\nlines, "ünïcode"', MessageAttributes=attributes)
    headers, body = endpoint.next(2)
    message = json.loads(body)
    assert (message["MessageId"], message["Message"]) == (sent["MessageId"], 'two\nlines, "ünïcode"')
    assert headers["x-amz-sns-subscription-arn"] == arn and "x-amz-sns-rawdelivery" not in headers
    assert message["MessageAttributes"] == {"kind": {"Type": "String", "Value": "order"}}
    assert verify(message, tmp_path)
    assert get(message["UnsubscribeURL"])[0] == 200
    headers, body = endpoint.next(3)
    message = json.loads(body)
    assert headers["x-amz-sns-message-type"] == "UnsubscribeConfirmation" == message["Type"]
    assert verify(message, tmp_path)
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []
    assert refused(sns.get_subscription_attributes, SubscriptionArn=arn)[0] == "NotFound"
    assert f"<SubscriptionArn>{arn}</SubscriptionArn>" in get(message["SubscribeURL"])[1], "it has come back"
    sns.unsubscribe(SubscriptionArn=arn)


def test_confirming_with_a_signature_closes_the_door(server, topic, endpoint):
    sns = server.client("sns")
    arn = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url, ReturnSubscriptionArn=True)
    arn = arn["SubscriptionArn"]
    assert sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["PendingConfirmation"] == "true"
    code, message, _ = refused(sns.unsubscribe, SubscriptionArn=arn)
    assert code == "InvalidParameter" and "Cannot unsubscribe a subscription that is pending confirmation" in message
    token = json.loads(endpoint.next(1)[1])["Token"]
    assert refused(sns.confirm_subscription, TopicArn=topic, Token="x")[:2] == (
        "InvalidParameter", "Invalid parameter: Token",
    )
    asked = {"TopicArn": topic, "Token": token, "AuthenticateOnUnsubscribe": "true"}
    assert sns.confirm_subscription(**asked)["SubscriptionArn"] == arn
    shown = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert (shown["ConfirmationWasAuthenticated"], shown["PendingConfirmation"]) == ("true", "false")
    status, answer = get(f"{server.endpoint}/?Action=Unsubscribe&SubscriptionArn={arn}")
    assert status == 403 and "<Code>AuthorizationError</Code>" in answer
    for closed in [f"Action=Publish&TopicArn={topic}&Message=m", f"Action=DeleteTopic&TopicArn={topic}"]:
        status, answer = get(f"{server.endpoint}/?{closed}&Version=2010-03-31")
        assert status == 403 and "MissingAuthenticationToken" in answer, "nothing else goes without a signature"
    sns.unsubscribe(SubscriptionArn=arn)


def test_what_queues_and_functions_get_is_signed_too(server, topic, tmp_path):
    sns = server.client("sns")
    sns.set_topic_attributes(TopicArn=topic, AttributeName="SignatureVersion", AttributeValue="2")
    enveloped, told = queue(server, topic), queue(server)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=enveloped[1])
    role = roles.allowing(server, "sqs:SendMessage", "sqs:GetQueueUrl")
    source = TELLER % told[1].split(":")[-1]
    function = create(server.client("lambda"), PYTHON, code(PYTHON, source), Role=role, Timeout=30)
    arn = function.client.get_function(FunctionName=function.name)["Configuration"]["FunctionArn"]
    function.client.add_permission(
        FunctionName=function.name, StatementId="sns", Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com", SourceArn=topic,
    )
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="m")
    message = json.loads(received(server, enveloped)[0]["Body"])
    assert message["SignatureVersion"] == "2" and verify(message, tmp_path)
    event = json.loads(received(server, told, wait=20)[0]["Body"])["Records"][0]["Sns"]
    assert event["SigningCertUrl"] == message["SigningCertURL"] and event["UnsubscribeUrl"]
    assert event["Signature"] == message["Signature"] and verify(event, tmp_path), "the same message"
    status, answer = get(f"{server.endpoint}/SimpleNotificationService-{'0' * 32}.pem")
    assert status == 404, answer


def test_a_public_url_is_in_what_is_sent_and_the_key_outlives_the_server(tmp_path, endpoint):
    public = "https://sns.us-east-1.amazonaws.com"
    certificates = set()
    for turn in range(2):
        with Server("--data-dir", tmp_path / "data", "--public-url", public) as server:
            sns = server.client("sns")
            topic = sns.create_topic(Name="t")["TopicArn"]
            sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url)
            message = json.loads(endpoint.next(turn + 1)[1])
            assert message["SubscribeURL"].startswith(f"{public}/?Action=ConfirmSubscription&TopicArn={topic}&Token=")
            path = message["SigningCertURL"].removeprefix(public)
            assert path.startswith("/SimpleNotificationService-") and path.endswith(".pem")
            # A proxy hands the request on under the name it came by.
            asked = urllib.request.Request(server.endpoint + path, headers={"Host": public.split("//")[1]})
            with urllib.request.urlopen(asked, timeout=30) as answer:
                pem = answer.read().decode()
            assert verify(message, tmp_path, pem)
            certificates.add(pem)
    assert len(certificates) == 1
    for path in (tmp_path / "data" / "store").iterdir():
        assert os.stat(path.parent).st_mode & 0o077 == 0 or os.stat(path).st_mode & 0o077 == 0, "nobody else reads it"


def test_a_raw_message_is_the_body_and_has_the_type_that_the_policy_says(server, topic, endpoint):
    policy = json.dumps({"requestPolicy": {"headerContentType": "application/xml"}})
    subscribe(server, topic, endpoint, RawMessageDelivery="true", DeliveryPolicy=policy)
    server.client("sns").publish(TopicArn=topic, Message="<m/>")
    headers, body = endpoint.next(2)
    assert (headers["x-amz-sns-rawdelivery"], headers["content-type"], body) == ("true", "application/xml", "<m/>")


def test_delivery_policies_are_checked_and_shown(server, topic, endpoint):
    sns = server.client("sns")
    arn = subscribe(server, topic, endpoint)
    shown = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert json.loads(shown["EffectiveDeliveryPolicy"]) == {
        "healthyRetryPolicy": {
            "minDelayTarget": 20, "maxDelayTarget": 20, "numRetries": 3, "numMaxDelayRetries": 0,
            "numNoDelayRetries": 0, "numMinDelayRetries": 0, "backoffFunction": "linear",
        },
        "sicklyRetryPolicy": None, "throttlePolicy": None,
        "requestPolicy": {"headerContentType": "text/plain; charset=UTF-8"}, "guaranteed": False,
    }
    default = {"http": {"defaultHealthyRetryPolicy": {"numRetries": 7}, "defaultThrottlePolicy": {"maxReceivesPerSecond": 5}}}
    sns.set_topic_attributes(TopicArn=topic, AttributeName="DeliveryPolicy", AttributeValue=json.dumps(default))
    effective = json.loads(sns.get_topic_attributes(TopicArn=topic)["Attributes"]["EffectiveDeliveryPolicy"])
    assert effective["http"]["defaultHealthyRetryPolicy"]["numRetries"] == 7
    own = {"healthyRetryPolicy": {"numRetries": 1}}
    set_own = {"SubscriptionArn": arn, "AttributeName": "DeliveryPolicy"}
    sns.set_subscription_attributes(**set_own, AttributeValue=json.dumps(own))
    shown = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    effective = json.loads(shown["EffectiveDeliveryPolicy"])
    assert json.loads(shown["DeliveryPolicy"]) == own and effective["healthyRetryPolicy"]["numRetries"] == 1
    assert effective["throttlePolicy"] == {"maxReceivesPerSecond": 5}
    for wrong, words in [
        ({"healthyRetryPolicy": {"minDelayTarget": 0}}, "minDelayTarget must be greater than or equal to 1"),
        ({"healthyRetryPolicy": {"minDelayTarget": 1500, "maxDelayTarget": 1500}}, "Total policy retry time cannot be greater"),
        ({"throttlePolicy": {"perHour": 1}}, "Unexpected JSON member: throttlePolicy.perHour"),
    ]:
        told = refused(sns.set_subscription_attributes, **set_own, AttributeValue=json.dumps(wrong))
        assert told[0] == "InvalidParameter" and words in told[1], told
    for url, words in [
        ("ftp://localhost/", "Endpoint must match the specified protocol"),
        ("http://", "Invalid parameter: Endpoint"),
    ]:
        assert words in refused(sns.subscribe, TopicArn=topic, Protocol="http", Endpoint=url)[1]
    metadata = {"TopicArn": topic, "Protocol": "http", "Endpoint": "http://169.254.169.254/latest/meta-data"}
    assert refused(sns.subscribe, **metadata)[:2] == (
        "AuthorizationError", "Not authorized to subscribe internal endpoints",
    )


def test_a_password_in_the_url_is_given_to_who_asks_and_shown_to_few(server, topic, endpoint):
    endpoint.status = lambda request: 200 if request.headers["authorization"] else 401
    endpoint.headers = {"www-authenticate": 'Basic realm="here"'}
    url = endpoint.url.replace("http://", "http://name:pass%20word@")
    sns = server.client("sns")
    arn = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=url, ReturnSubscriptionArn=True)["SubscriptionArn"]
    headers, _ = endpoint.next(2)
    assert base64.b64decode(headers["authorization"].removeprefix("Basic ")) == b"name:pass word"
    [listed] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert listed["Endpoint"] == endpoint.url.replace("http://", "http://name:****@")
    assert sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["Endpoint"] == url


def test_only_so_far_are_users_sent(tmp_path):
    with Server("--data-dir", tmp_path / "data", "--post-to", "public") as server:
        sns = server.client("sns")
        topic = sns.create_topic(Name="t")["TopicArn"]
        for url in ["http://127.0.0.1:1/", "http://[::1]/", "http://[fd12::1]/"]:
            told = refused(sns.subscribe, TopicArn=topic, Protocol="http", Endpoint=url)
            assert told[:2] == ("AuthorizationError", "Not authorized to subscribe internal endpoints")


def test_nobody_is_reset_by_a_subscription(nothing_left):
    """What the server posts for others comes from its own machine, and has no right to what only programs there may ask."""
    with Server("--ephemeral") as server:
        sns = server.client("sns")
        topic = sns.create_topic(Name="t")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=f"{server.endpoint}/_hearth/reset")
        target = queue(server, topic)
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=target[1])
        for number in range(3):
            sns.publish(TopicArn=topic, Message=str(number))
        assert len(received(server, target)) == 3, "everything is still there"


def trust(directory):
    """An authority, and what an endpoint shows that it vouches for: as `localhost`."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    new = ["-newkey", "rsa:2048", "-nodes"]
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", "-days", "2")
    openssl("req", *new, "-keyout", "own.key", "-out", "own.csr", "-subj", "/CN=localhost")
    (directory / "names").write_text("subjectAltName=DNS:localhost")
    signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"]
    openssl("x509", "-req", "-in", "own.csr", *signed, "-out", "own.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "own.pem", directory / "own.key")
    return directory / "ca.pem", context


def test_https_reaches_whom_the_machine_trusts_and_no_other(tmp_path):
    (tmp_path / "ca").mkdir()
    (tmp_path / "other").mkdir()
    authority, context = trust(tmp_path / "ca")
    _, unknown = trust(tmp_path / "other")
    with (
        Endpoint(context) as trusted,
        Endpoint(unknown) as stranger,
        Server("--data-dir", tmp_path / "data", env=variables(SSL_CERT_FILE=str(authority))) as server,
    ):
        sns = server.client("sns")
        topic = sns.create_topic(Name="t")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="https", Endpoint=stranger.url)
        subscribe(server, topic, trusted)
        sns.publish(TopicArn=topic, Message="m")
        assert json.loads(trusted.next(2)[1])["Message"] == "m"
        assert stranger.posted == []
        told = refused(sns.subscribe, TopicArn=topic, Protocol="http", Endpoint=trusted.url)
        assert "Endpoint must match the specified protocol" in told[1]


def test_a_dead_endpoint_is_tried_by_its_policy_and_holds_up_nobody(timed, endpoint):  # noqa: F811
    sns = timed.client("sns")
    topic, other = (sns.create_topic(Name=name_of("topic"))["TopicArn"] for _ in range(2))
    dead, target = queue(timed, topic), queue(timed, topic)
    policy = {"healthyRetryPolicy": {"minDelayTarget": 60, "maxDelayTarget": 300, "numRetries": 4, "numNoDelayRetries": 1}}
    redrive = json.dumps({"deadLetterTargetArn": dead[1]})
    subscribe(timed, topic, endpoint, DeliveryPolicy=json.dumps(policy), RedrivePolicy=redrive)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=target[1], Attributes={"RawMessageDelivery": "true"})
    with Endpoint() as good:
        subscribe(timed, other, good)
        endpoint.status = 503
        sns.publish(TopicArn=topic, Message="m")
        sns.publish(TopicArn=other, Message="n")
        assert [it["Body"] for it in received(timed, target)] == ["m"]
        assert json.loads(good.next(2)[1])["Message"] == "n"
    endpoint.next(3)
    for count, wait in [(4, "PT1M"), (5, "PT3M"), (6, "PT5M")]:
        assert len(endpoint.posted) == count - 1, "not before its time"
        advance(timed, wait)
        endpoint.next(count)
    [letter] = received(timed, dead, wait=20)
    assert json.loads(letter["Body"])["Message"] == "m"
    assert len(endpoint.posted) == 6
    endpoint.status = 404
    sns.publish(TopicArn=topic, Message="never")
    [letter] = received(timed, dead, wait=20)
    assert json.loads(letter["Body"])["Message"] == "never" and len(endpoint.posted) == 7


def test_who_does_not_confirm_within_two_days_is_forgotten(timed, endpoint):  # noqa: F811
    sns = timed.client("sns")
    topic = sns.create_topic(Name=name_of("topic"))["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url)
    url = json.loads(endpoint.next(1)[1])["SubscribeURL"]
    advance(timed, "P2DT2M")
    eventually(lambda: sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == [])
    assert "Invalid parameter: Token" in get(url)[1]


def test_an_endpoint_that_says_nothing_is_given_up_after_fifteen_seconds(server, topic):
    with socket.create_server(("127.0.0.1", 0)) as silent, Endpoint() as heard:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        server.client("sns").subscribe(TopicArn=topic, Protocol="http", Endpoint=url)
        connection, _ = silent.accept()
        subscribe(server, topic, heard)
        with connection:
            connection.settimeout(25)
            pieces = []
            while piece := connection.recv(65536):
                pieces.append(piece)
            assert b"SubscriptionConfirmation" in b"".join(pieces), "and then it hung up"


def test_what_was_accepted_survives_sigkill(tmp_path, endpoint, crash_rounds):
    """Every message that was accepted reaches the endpoint, whenever the server is killed."""
    accepted, topic = set(), None
    policy = json.dumps({"healthyRetryPolicy": {"minDelayTarget": 20, "maxDelayTarget": 20, "numRetries": 100}})
    for turn in range(crash_rounds):
        server = Server("--data-dir", tmp_path / "data")
        try:
            sns = server.client("sns")
            if turn == 0:
                topic = sns.create_topic(Name="t")["TopicArn"]
                subscribe(server, topic, endpoint, RawMessageDelivery="true", DeliveryPolicy=policy)
                endpoint.status = 503
            for number in range(10):
                sns.publish(TopicArn=topic, Message=f"{turn}.{number}")
                accepted.add(f"{turn}.{number}")
            server.signal(signal.SIGKILL)
        finally:
            server.kill()
    endpoint.status = 200
    before = len(endpoint.posted)
    with Server("--data-dir", tmp_path / "data", "--clock", "virtual") as server:
        for _ in range(20):
            advance(server, "PT1M")
            try:
                eventually(lambda: accepted <= {body for _, body, _ in endpoint.posted[before:]}, seconds=2)
                return
            except AssertionError:
                pass
    pytest.fail(f"accepted and lost: {sorted(accepted - {body for _, body, _ in endpoint.posted[before:]})}")


def test_an_unsigned_client_is_not_one_who_may_do_anything(server, topic):
    config = ONCE.merge(boto3.session.Config(signature_version=UNSIGNED))
    unsigned = boto3.client("sns", endpoint_url=server.endpoint, region_name="us-east-1", config=config)
    assert refused(unsigned.publish, TopicArn=topic, Message="m")[2] == 403


@needs_2
def test_the_page_works_as_printed(server, tmp_path):
    blocks = re.findall(r"^```sh\n(.*?)^```$", (REPOSITORY / "docs/sns-http.md").read_text(), re.M | re.S)
    assert len(blocks) == 2
    said, _ = run_as_printed(server, tmp_path, blocks, seconds=120)
    assert "pending confirmation" in said and "Hello, listener" in said and "Verified OK" in said, said
