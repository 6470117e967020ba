"""SQS with real clients: boto3 (JSON), the query protocol by hand, and through crashes."""

import json
import random
import threading
import urllib.error
import urllib.parse
import urllib.request
import uuid
import xml.etree.ElementTree as ElementTree

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from hearth import Server

NAMESPACE = "{http://queue.amazonaws.com/doc/2012-11-05/}"
GONE = "AWS.SimpleQueueService.NonExistentQueue"


@pytest.fixture(scope="module")
def sqs(server):
    return server.client("sqs")


@pytest.fixture
def queue(sqs):
    """Makes queues, and deletes them after the test."""
    made = []

    def queue(suffix="", **attributes):
        name = f"suite-{uuid.uuid4().hex[:12]}{suffix}"
        if suffix == ".fifo":
            attributes["FifoQueue"] = "true"
        made.append(sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])
        return made[-1]

    yield queue
    for url in made:
        try:
            sqs.delete_queue(QueueUrl=url)
        except sqs.exceptions.QueueDoesNotExist:
            pass  # the test deleted it


def arn_of(sqs, url):
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def counts(sqs, url):
    kinds = ["", "NotVisible", "Delayed"]
    names = [f"ApproximateNumberOfMessages{kind}" for kind in kinds]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return [int(attributes[name]) for name in names]


def drain(sqs, url, wait=0):
    """Receives and deletes until there is nothing more to receive."""
    bodies = []
    while messages := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=wait, AttributeNames=["All"]
    ).get("Messages"):
        bodies += [message["Body"] for message in messages]
        entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
        assert "Failed" not in sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    return bodies


def test_the_life_of_a_message(sqs, server, queue):
    url = queue(VisibilityTimeout="60")
    assert url.startswith(f"{server.endpoint}/000000000000/suite-")
    assert sqs.get_queue_url(QueueName=url.rsplit("/", 1)[1])["QueueUrl"] == url
    # The client checks the digests of what it sends and receives by itself.
    attributes = {
        "text": {"DataType": "String", "StringValue": "grün"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\0\xff"},
        "number": {"DataType": "Number.float", "StringValue": "1.5"},
    }
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
    body = 'tab\t newline\n <xml> & "quotes" \U0001f525'
    sent = sqs.send_message(
        QueueUrl=url, MessageBody=body, MessageAttributes=attributes, MessageSystemAttributes=trace
    )
    assert sent["MD5OfMessageAttributes"] and sent["MD5OfMessageSystemAttributes"]
    [message] = sqs.receive_message(
        QueueUrl=url, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"]
    )["Messages"]
    assert (message["Body"], message["MessageId"]) == (body, sent["MessageId"])
    assert message["MessageAttributes"] == attributes
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert message["Attributes"]["AWSTraceHeader"] == trace["AWSTraceHeader"]["StringValue"]
    assert message["Attributes"]["SenderId"] == "000000000000"
    assert counts(sqs, url) == [0, 1, 0]
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    [again] = sqs.receive_message(QueueUrl=url, AttributeNames=["ApproximateReceiveCount"])["Messages"]
    assert again["Attributes"] == {"ApproximateReceiveCount": "2"}
    sqs.delete_message(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"])
    assert counts(sqs, url) == [0, 0, 0]


def test_errors_have_the_codes_that_clients_know(sqs, queue):
    url = queue()
    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as raised:
        sqs.send_message(QueueUrl=url + "x", MessageBody="a")
    assert raised.value.response["Error"]["Code"] == GONE
    assert raised.value.response["Error"]["QueryErrorCode"] == "QueueDoesNotExist"
    cases = [
        (lambda: sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=11), "InvalidParameterValue"),
        (lambda: sqs.send_message(QueueUrl=url, MessageBody=""), "MissingParameter"),
        (lambda: sqs.send_message(QueueUrl=url, MessageBody="\x01"), "InvalidMessageContents"),
        (lambda: sqs.send_message_batch(QueueUrl=url, Entries=[]), "AWS.SimpleQueueService.EmptyBatchRequest"),
        (lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle="x"), "ReceiptHandleIsInvalid"),
        (lambda: sqs.set_queue_attributes(QueueUrl=url, Attributes={"Colour": "red"}), "InvalidAttributeName"),
        (lambda: sqs.delete_queue(QueueUrl=url + "x"), GONE),
        (lambda: sqs.change_message_visibility(QueueUrl=url, ReceiptHandle="x", VisibilityTimeout=1), "ReceiptHandleIsInvalid"),
        (lambda: sqs.create_queue(QueueName=url.rsplit("/", 1)[1], Attributes={"DelaySeconds": "3"}), "QueueAlreadyExists"),
    ]
    for call, code in cases:
        with pytest.raises(ClientError) as raised:
            call()
        assert raised.value.response["Error"]["Code"] == code
        assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_attributes_are_set(sqs, queue):
    url = queue()
    attributes = {"DelaySeconds": "1", "VisibilityTimeout": "2", "MessageRetentionPeriod": "60", "SqsManagedSseEnabled": "false"}
    sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
    shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes.items() <= shown.items()
    sqs.send_message(QueueUrl=url, MessageBody="late")
    assert counts(sqs, url) == [0, 0, 1]
    assert sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"][0]["Body"] == "late"


def test_a_large_message_and_a_large_batch(sqs, queue):
    url = queue()
    # Characters that JSON escapes make the request several times as large as the message.
    large = '"\\\n' * 349_000
    sqs.send_message(QueueUrl=url, MessageBody=large)
    assert drain(sqs, url) == [large]
    with pytest.raises(ClientError, match="Message must be shorter than 1048576 bytes"):
        sqs.send_message(QueueUrl=url, MessageBody="x" * 1_048_577)
    entries = [{"Id": str(n), "MessageBody": "x" * 104_857} for n in range(10)]
    assert len(sqs.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == 10
    assert len(drain(sqs, url)) == 10


def test_long_polling_is_woken(sqs, queue):
    url = queue()
    received = []
    waiting = threading.Thread(
        target=lambda: received.extend(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20).get("Messages", []))
    )
    waiting.start()
    sqs.send_message(QueueUrl=url, MessageBody="wake")
    waiting.join(10)
    assert [message["Body"] for message in received] == ["wake"]
    assert "Messages" not in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)


def test_dead_letters_and_their_way_back(sqs, queue):
    dead, policy = queue(), {}
    policy = {"deadLetterTargetArn": arn_of(sqs, dead), "maxReceiveCount": "1"}
    url = queue(RedrivePolicy=json.dumps(policy), VisibilityTimeout="0")
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    assert sqs.receive_message(QueueUrl=url)["Messages"]
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    assert (counts(sqs, url), counts(sqs, dead)) == ([0, 0, 0], [1, 0, 0])
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]
    sqs.start_message_move_task(SourceArn=arn_of(sqs, dead))
    [message] = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"]
    assert message["Body"] == "poison"
    [task] = sqs.list_message_move_tasks(SourceArn=arn_of(sqs, dead))["Results"]
    assert task["ApproximateNumberOfMessagesMoved"] == 1


def test_fifo(sqs, queue):
    url = queue(".fifo", ContentBasedDeduplication="true")
    for number in range(20):
        for _ in range(2):
            sqs.send_message(QueueUrl=url, MessageBody=str(number), MessageGroupId=str(number % 2))
    assert counts(sqs, url) == [20, 0, 0]
    bodies = drain(sqs, url)
    assert [body for body in bodies if int(body) % 2] == [str(n) for n in range(1, 20, 2)]
    assert [body for body in bodies if not int(body) % 2] == [str(n) for n in range(0, 20, 2)]


def test_tags_policies_purges_and_lists(sqs, queue):
    url = queue()
    sqs.tag_queue(QueueUrl=url, Tags={"team": "a", "cost": "b"})
    sqs.untag_queue(QueueUrl=url, TagKeys=["cost"])
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "a"}
    sqs.add_permission(QueueUrl=url, Label="l", AWSAccountIds=["123456789012"], Actions=["SendMessage"])
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
    assert json.loads(policy)["Statement"][0]["Sid"] == "l"
    sqs.remove_permission(QueueUrl=url, Label="l")
    sqs.send_message(QueueUrl=url, MessageBody="a")
    sqs.purge_queue(QueueUrl=url)
    assert counts(sqs, url) == [0, 0, 0]
    with pytest.raises(sqs.exceptions.PurgeQueueInProgress):
        sqs.purge_queue(QueueUrl=url)
    prefix = url.rsplit("/", 1)[1]
    assert sqs.list_queues(QueueNamePrefix=prefix)["QueueUrls"] == [url]
    sqs.delete_queue(QueueUrl=url)
    assert "QueueUrls" not in sqs.list_queues(QueueNamePrefix=prefix)
    with pytest.raises(sqs.exceptions.QueueDeletedRecently):
        sqs.create_queue(QueueName=prefix)


def test_another_account_needs_a_permission(sqs, server, queue):
    url = queue()
    stranger = server.client("sqs", account="111111111111")
    assert "QueueUrls" not in stranger.list_queues()
    with pytest.raises(ClientError) as raised:
        stranger.send_message(QueueUrl=url, MessageBody="a")
    assert raised.value.response["Error"]["Code"] == "AccessDenied"
    sqs.add_permission(QueueUrl=url, Label="l", AWSAccountIds=["111111111111"], Actions=["SendMessage"])
    stranger.send_message(QueueUrl=url, MessageBody="a")
    assert drain(sqs, url) == ["a"]
    for refused in [
        lambda: stranger.receive_message(QueueUrl=url),
        lambda: stranger.purge_queue(QueueUrl=url),
        lambda: stranger.delete_queue(QueueUrl=url),
        # The end of a URL names the queue, for the authoriser as for the service.
        lambda: stranger.receive_message(QueueUrl=url + "/"),
        lambda: stranger.receive_message(QueueUrl=f"http://h/111111111111/{url.rsplit('/', 1)[1]}"),
    ]:
        with pytest.raises(ClientError):
            refused()
    # A policy may also deny what the account itself could do.
    deny = {"Effect": "Deny", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn_of(sqs, url)}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    with pytest.raises(ClientError, match="explicit deny"):
        sqs.send_message(QueueUrl=url, MessageBody="a")


def test_time_is_that_of_the_server_s_clock(nothing_left, tmp_path):
    with Server("--data-dir", tmp_path / "hearth", "--clock", "virtual") as server:
        client = server.client("sqs")

        def advance(duration):
            body = json.dumps({"advance": duration}).encode()
            headers = {"Content-Type": "application/json"}
            urllib.request.urlopen(urllib.request.Request(server.endpoint + "/_hearth/clock", body, headers)).close()

        url = client.create_queue(QueueName="timed", Attributes={"VisibilityTimeout": "3600"})["QueueUrl"]
        client.send_message(QueueUrl=url, MessageBody="late", DelaySeconds=900)
        assert "Messages" not in client.receive_message(QueueUrl=url)
        advance("PT15M")
        assert client.receive_message(QueueUrl=url)["Messages"]
        received = []
        waiting = threading.Thread(
            target=lambda: received.extend(client.receive_message(QueueUrl=url, WaitTimeSeconds=20).get("Messages", []))
        )
        waiting.start()
        advance("PT1H")
        waiting.join(10)
        # It waited for the message, or came when its time to wait was over.
        received += client.receive_message(QueueUrl=url).get("Messages", [])
        assert [message["Body"] for message in received] == ["late"]


class Query:
    """A client of the query protocol, as old SDKs speak it."""

    def __init__(self, server):
        self.server = server

    def __call__(self, action, path="/", **parameters):
        form = urllib.parse.urlencode({"Action": action, "Version": "2012-11-05"} | parameters)
        request = AWSRequest("POST", self.server.endpoint + path, data=form)
        request.headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
        SigV4Auth(Credentials("test", "test"), "sqs", "us-east-1").add_auth(request)
        plain = urllib.request.Request(request.url, form.encode(), dict(request.headers))
        try:
            with urllib.request.urlopen(plain) as answer:
                return answer.status, ElementTree.fromstring(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, ElementTree.fromstring(error.read())


def texts(root, path):
    found = root.findall("/".join(NAMESPACE + name for name in path.split("/")))
    return [element.text for element in found]


def test_the_query_protocol(server, sqs):
    query = Query(server)
    name = f"query-{uuid.uuid4().hex[:12]}"
    status, made = query(
        "CreateQueue",
        QueueName=name,
        **{"Attribute.1.Name": "VisibilityTimeout", "Attribute.1.Value": "7", "Tag.1.Key": "k", "Tag.1.Value": "v"},
    )
    assert (status, made.tag) == (200, NAMESPACE + "CreateQueueResponse")
    [url] = texts(made, "CreateQueueResult/QueueUrl")
    assert texts(made, "ResponseMetadata/RequestId")
    _, tags = query("ListQueueTags", QueueUrl=url)
    assert texts(tags, "ListQueueTagsResult/Tag/Key") == ["k"]
    _, shown = query("GetQueueAttributes", QueueUrl=url, **{"AttributeName.1": "VisibilityTimeout"})
    assert texts(shown, "GetQueueAttributesResult/Attribute/Value") == ["7"]
    # Old clients post to the queue's own URL and do not name it again.
    path = urllib.parse.urlsplit(url).path
    _, sent = query(
        "SendMessage",
        path,
        MessageBody="<a & b>\r\n",
        **{
            "MessageAttribute.1.Name": "colour",
            "MessageAttribute.1.Value.DataType": "String",
            "MessageAttribute.1.Value.StringValue": "blue",
        },
    )
    [digest] = texts(sent, "SendMessageResult/MD5OfMessageAttributes")
    _, batch = query(
        "SendMessageBatch",
        path,
        **{
            "SendMessageBatchRequestEntry.1.Id": "good",
            "SendMessageBatchRequestEntry.1.MessageBody": "second",
            "SendMessageBatchRequestEntry.2.Id": "bad",
            "SendMessageBatchRequestEntry.2.MessageBody": "\x01",
        },
    )
    assert texts(batch, "SendMessageBatchResult/SendMessageBatchResultEntry/Id") == ["good"]
    assert texts(batch, "SendMessageBatchResult/BatchResultErrorEntry/Code") == ["InvalidMessageContents"]
    _, received = query(
        "ReceiveMessage",
        path,
        MaxNumberOfMessages="10",
        **{"AttributeName.1": "All", "MessageAttributeName.1": "All"},
    )
    assert texts(received, "ReceiveMessageResult/Message/Body") == ["<a & b>\r\n", "second"]
    assert texts(received, "ReceiveMessageResult/Message/MessageAttribute/Value/StringValue") == ["blue"]
    assert texts(received, "ReceiveMessageResult/Message/MD5OfMessageAttributes") == [digest]
    assert "SentTimestamp" in texts(received, "ReceiveMessageResult/Message/Attribute/Name")
    handles = texts(received, "ReceiveMessageResult/Message/ReceiptHandle")
    entries = {}
    for number, handle in enumerate(handles, 1):
        entries[f"DeleteMessageBatchRequestEntry.{number}.Id"] = str(number)
        entries[f"DeleteMessageBatchRequestEntry.{number}.ReceiptHandle"] = handle
    _, deleted = query("DeleteMessageBatch", path, **entries)
    assert texts(deleted, "DeleteMessageBatchResult/DeleteMessageBatchResultEntry/Id") == ["1", "2"]
    _, empty = query("ReceiveMessage", path)
    assert texts(empty, "ReceiveMessageResult/Message") == []
    status, gone = query("DeleteQueue", path)
    assert (status, gone.tag) == (200, NAMESPACE + "DeleteQueueResponse")
    status, failure = query("SendMessage", path, MessageBody="a")
    assert (status, texts(failure, "Error/Code"), texts(failure, "Error/Type")) == (400, [GONE], ["Sender"])
    assert texts(failure, "Error/Message") == ["The specified queue does not exist."]


class Producer(threading.Thread):
    """Sends numbered messages until the server goes; remembers what was acknowledged."""

    def __init__(self, client, url, group=None):
        super().__init__()
        self.client, self.url, self.group = client, url, group
        self.acknowledged = []

    def run(self):
        number = 0
        while True:
            body = f"{self.group}-{number}-{uuid.uuid4().hex[:8]}"
            fifo = {"MessageGroupId": self.group, "MessageDeduplicationId": body} if self.group else {}
            try:
                self.client.send_message(QueueUrl=self.url, MessageBody=body, **fifo)
            except Exception:  # noqa: BLE001 - however the client puts it, the server has gone
                return
            self.acknowledged.append(body)
            number += 1


class Consumer(threading.Thread):
    """Receives and deletes until the server goes; remembers what was deleted."""

    def __init__(self, client, url):
        super().__init__()
        self.client, self.url = client, url
        self.received, self.deleted = [], []

    def run(self):
        try:
            while True:
                answer = self.client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
                for message in answer.get("Messages", []):
                    self.received.append(message["Body"])
                    self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
                    self.deleted.append(message["Body"])
        except Exception:  # noqa: BLE001 - however the client puts it, the server has gone
            return


@pytest.mark.parametrize("suffix", ["", ".fifo"])
def test_nothing_acknowledged_is_lost_by_a_crash(nothing_left, tmp_path, crash_rounds, suffix):
    attributes = {"VisibilityTimeout": "1"} | ({"FifoQueue": "true"} if suffix else {})
    acknowledged, received, deleted = [], [], []
    for round_ in range(crash_rounds):
        with Server("--data-dir", tmp_path / "hearth") as server:
            client = server.client("sqs")
            url = client.create_queue(QueueName=f"crash{suffix}", Attributes=attributes)["QueueUrl"]
            groups = [f"g{round_}-{n}" for n in range(4)]
            producers = [Producer(client, url, group if suffix else None) for group in groups]
            consumers = [Consumer(client, url) for _ in range(2)]
            for thread in producers + consumers:
                thread.start()
            threading.Event().wait(random.uniform(0.3, 1.2))
            server.kill()
            for thread in producers + consumers:
                thread.join()
            acknowledged += [body for producer in producers for body in producer.acknowledged]
            received += [body for consumer in consumers for body in consumer.received]
            deleted += [body for consumer in consumers for body in consumer.deleted]
    with Server("--data-dir", tmp_path / "hearth") as server:
        client = server.client("sqs")
        url = client.get_queue_url(QueueName=f"crash{suffix}")["QueueUrl"]
        left = drain(client, url, wait=3)
        assert counts(client, url) == [0, 0, 0]
    assert len(acknowledged) > 100
    assert set(acknowledged) <= set(received) | set(left)
    # What was deleted did not come back.
    assert not set(deleted) & set(left)
    if suffix:
        assert len(left) == len(set(left))
        # In each group, what is left is in the order in which it was sent.
        for group in {body.rsplit("-", 2)[0] for body in left}:
            numbers = [int(body.rsplit("-", 2)[1]) for body in left if body.startswith(group + "-")]
            assert numbers == sorted(numbers), group
