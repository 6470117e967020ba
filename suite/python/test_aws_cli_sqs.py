"""Each operation of SQS with the AWS CLI: its shorthand, its queries and its pages, and what it says when SQS refuses."""

import hashlib
import json

import pytest
from aws_cli import aws, forked, second  # noqa: F401 - fixtures
from functions import name_of
from test_asynchronous import advance

ACCOUNT = "000000000000"
QUEUES = f"arn:aws:sqs:us-east-1:{ACCOUNT}"
GONE = ("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")


@pytest.fixture
def sqs(aws):  # noqa: F811
    return aws("sqs")


def create(sqs, *more, suffix=""):
    """A queue: its URL and its name."""
    name = name_of("cli-queue") + suffix
    return sqs("create-queue", "--queue-name", name, *more)["QueueUrl"], name


def counts(sqs, url):
    """How many messages are there, and how many of them are in flight or delayed."""
    names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
    shown = sqs("get-queue-attributes", "--queue-url", url, "--attribute-names", *names)["Attributes"]
    return [int(shown[name]) for name in names]


def receive(sqs, url, *more):
    """At most ten messages, as soon as there are any."""
    return (sqs("receive-message", "--queue-url", url, "--max-number-of-messages", "10", *more) or {}).get("Messages", [])


def test_the_main_commands(second, aws):  # noqa: F811
    sqs, (url, _) = second("sqs"), create(aws("sqs"))
    attributes = ("--message-attributes", 'who={DataType=String,StringValue="Ada, B"}')
    sqs("send-message", "--queue-url", url, "--message-body", '{"n": 1}', *attributes)
    [message] = receive(sqs, url, "--message-attribute-names", "All")
    assert (message["Body"], message["MessageAttributes"]) == ('{"n": 1}', {"who": {"StringValue": "Ada, B", "DataType": "String"}})
    assert sqs.refused("delete-queue", "--queue-url", url + "x") == GONE


def test_the_life_of_a_queue(sqs):
    url, name = create(sqs, "--attributes", "VisibilityTimeout=45,MessageRetentionPeriod=120", "--tags", "team=blue,cost=a")
    assert url == f"{sqs.cli.server.endpoint}/{ACCOUNT}/{name}"
    assert sqs("get-queue-url", "--queue-name", name, "--query", "QueueUrl", "--output", "text") == url
    of = ("--queue-url", url)
    read = lambda *names: sqs("get-queue-attributes", *of, "--attribute-names", *names)["Attributes"]  # noqa: E731
    assert read("VisibilityTimeout", "MessageRetentionPeriod", "QueueArn") == {
        "VisibilityTimeout": "45", "MessageRetentionPeriod": "120", "QueueArn": f"{QUEUES}:{name}"
    }
    changes = sqs.file("changes.json", {"DelaySeconds": "7", "VisibilityTimeout": "1"})
    assert sqs("set-queue-attributes", *of, "--attributes", changes) is None
    assert read("DelaySeconds", "VisibilityTimeout") == {"DelaySeconds": "7", "VisibilityTimeout": "1"}
    assert sqs("tag-queue", *of, "--tags", "team=red,owner=Ada") is None
    assert sqs("untag-queue", *of, "--tag-keys", "cost", "absent") is None
    assert sqs("list-queue-tags", *of) == {"Tags": {"team": "red", "owner": "Ada"}}
    friends = ("--aws-account-ids", "111122223333", "444455556666", "--actions", "SendMessage", "ReceiveMessage")
    assert sqs("add-permission", *of, "--label", "friends", *friends) is None
    [statement] = json.loads(read("Policy")["Policy"])["Statement"]
    assert (statement["Sid"], statement["Effect"], statement["Resource"]) == ("friends", "Allow", f"{QUEUES}:{name}")
    assert sorted(statement["Principal"]["AWS"]) == ["arn:aws:iam::111122223333:root", "arn:aws:iam::444455556666:root"]
    assert sorted(statement["Action"]) == ["SQS:ReceiveMessage", "SQS:SendMessage"]
    assert sqs("remove-permission", *of, "--label", "friends") is None
    assert "friends" not in str(sqs("get-queue-attributes", *of, "--attribute-names", "Policy"))
    assert sqs("delete-queue", *of) is None
    assert sqs.refused("get-queue-url", "--queue-name", name) == GONE


def test_messages_with_attributes_go_out_and_come_back(sqs):
    url, _ = create(sqs)
    body = 'tab\t <xml> & "quotes", {braces} grün \U0001f525'
    attributes = (
        'number={DataType=Number.cents,StringValue="1.50"},text={DataType=String,StringValue="a, b=c"},'
        "bytes={DataType=Binary,BinaryValue=hi}"
    )
    trace = 'AWSTraceHeader={DataType=String,StringValue="Root=1-5759e988-bd862e3fe1be46a994272793"}'
    sent = sqs(
        "send-message", "--queue-url", url, "--message-body", body,
        "--message-attributes", attributes, "--message-system-attributes", trace,
    )
    assert sent["MD5OfMessageBody"] == hashlib.md5(body.encode()).hexdigest()
    [message] = receive(sqs, url, "--attribute-names", "All", "--message-attribute-names", "All")
    assert (message["Body"], message["MessageId"]) == (body, sent["MessageId"])
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert message["MessageAttributes"] == {
        "number": {"StringValue": "1.50", "DataType": "Number.cents"},
        "text": {"StringValue": "a, b=c", "DataType": "String"},
        "bytes": {"BinaryValue": "aGk=", "DataType": "Binary"},
    }
    told = message["Attributes"]
    assert told["AWSTraceHeader"] == "Root=1-5759e988-bd862e3fe1be46a994272793"
    assert (told["SenderId"], told["ApproximateReceiveCount"]) == (ACCOUNT, "1")
    of = ("--queue-url", url, "--receipt-handle", message["ReceiptHandle"])
    assert counts(sqs, url) == [0, 1, 0]
    assert sqs("change-message-visibility", *of, "--visibility-timeout", "90") is None
    advance(sqs.cli.server, "PT40S")
    assert receive(sqs, url) == [], "hidden for longer than the queue says"
    advance(sqs.cli.server, "PT51S")
    again = sqs(
        "receive-message", "--queue-url", url, "--attribute-names", "ApproximateReceiveCount",
        "--query", "Messages[0].[Attributes.ApproximateReceiveCount, ReceiptHandle]", "--output", "text",
    )
    count, handle = again.split("\t")
    assert count == "2"
    assert sqs("delete-message", "--queue-url", url, "--receipt-handle", handle) is None
    assert counts(sqs, url) == [0, 0, 0]


def test_batches(sqs):
    url, _ = create(sqs, "--attributes", "VisibilityTimeout=600")
    entries = ("Id=a,MessageBody=one", 'Id=b,MessageBody="two, three",DelaySeconds=300', "Id=c,MessageBody=four")
    sent = sqs("send-message-batch", "--queue-url", url, "--entries", *entries)
    assert [each["Id"] for each in sent["Successful"]] == ["a", "b", "c"] and "Failed" not in sent
    assert counts(sqs, url) == [2, 0, 1]
    advance(sqs.cli.server, "PT301S")
    handles = {message["Body"]: message["ReceiptHandle"] for message in receive(sqs, url)}
    assert handles.keys() == {"one", "two, three", "four"}
    asked = {"again": handles["one"], "never": "no handle"}
    asked = [{"Id": name, "ReceiptHandle": handle, "VisibilityTimeout": 0} for name, handle in asked.items()]
    changed = sqs("change-message-visibility-batch", "--queue-url", url, "--entries", json.dumps(asked))
    assert changed["Successful"] == [{"Id": "again"}]
    [failed] = changed["Failed"]
    assert (failed["Id"], failed["Code"], failed["SenderFault"]) == ("never", "ReceiptHandleIsInvalid", True)
    [again] = receive(sqs, url)
    assert again["Body"] == "one"
    asked = [{"Id": str(number), "ReceiptHandle": handle} for number, handle in enumerate([again["ReceiptHandle"], handles["four"]])]
    deleted = sqs("delete-message-batch", "--queue-url", url, "--entries", sqs.file("entries.json", asked))
    assert deleted["Successful"] == [{"Id": "0"}, {"Id": "1"}] and "Failed" not in deleted
    assert counts(sqs, url) == [0, 1, 0]


def test_a_fifo_queue(sqs):
    url, _ = create(sqs, "--attributes", "FifoQueue=true,ContentBasedDeduplication=true", suffix=".fifo")
    asked = ("--queue-url", url, "--message-group-id", "g", "--query", "SequenceNumber", "--output", "text")
    numbers = [sqs("send-message", *asked, "--message-body", body) for body in ("first", "second", "first")]
    assert int(numbers[0]) < int(numbers[1]) and numbers[2] == numbers[0]
    assert [message["Body"] for message in receive(sqs, url)] == ["first", "second"]
    assert sqs.refused("send-message", "--queue-url", url, "--message-body", "third") == (
        "MissingParameter", "The request must contain the parameter MessageGroupId."
    )


def test_a_queue_is_purged_once_a_minute(sqs):
    url, name = create(sqs)
    sqs("send-message", "--queue-url", url, "--message-body", "gone")
    assert sqs("purge-queue", "--queue-url", url) is None
    code, message = sqs.refused("purge-queue", "--queue-url", url)
    assert code == "AWS.SimpleQueueService.PurgeQueueInProgress"
    assert message == f"Only one PurgeQueue operation on {name} is allowed every 60 seconds."
    advance(sqs.cli.server, "PT61S")
    assert counts(sqs, url) == [0, 0, 0]
    sqs("purge-queue", "--queue-url", url)


def test_queues_are_listed_in_pages(sqs):
    prefix = name_of("cli-pages")
    made = [sqs("create-queue", "--queue-name", f"{prefix}-{number}")["QueueUrl"] for number in range(3)]
    of = ("list-queues", "--queue-name-prefix", prefix)
    assert sqs("list-queues", "--queue-name-prefix", prefix)["QueueUrls"] == made
    assert sqs(*of, "--page-size", "1", "--query", "QueueUrls[]", "--output", "text").split() == made, "all pages"
    page = sqs(*of, "--max-items", "2", "--page-size", "2")
    assert page["QueueUrls"] == made[:2]
    assert sqs(*of, "--max-items", "2", "--starting-token", page["NextToken"])["QueueUrls"] == made[2:]
    assert sqs("list-queues", "--queue-name-prefix", prefix + "-absent") is None


def test_dead_letters_are_moved_back_until_that_is_cancelled(sqs):
    (dead, name), sources = create(sqs), []
    policy = json.dumps({"deadLetterTargetArn": f"{QUEUES}:{name}", "maxReceiveCount": 1})
    for _ in range(2):
        attributes = {"RedrivePolicy": policy, "VisibilityTimeout": "0"}
        sources.append(create(sqs, "--attributes", sqs.file("attributes.json", attributes))[0])
    listed = sqs("list-dead-letter-source-queues", "--queue-url", dead, "--page-size", "1")
    assert sorted(listed["queueUrls"]) == sorted(sources)
    page = sqs("list-dead-letter-source-queues", "--queue-url", dead, "--max-items", "1")
    assert len(page["queueUrls"]) == 1 and page["NextToken"]
    source = sources[0]
    # At one message a second it takes longer to move them than a busy machine needs for the commands.
    for _ in range(3):
        entries = [f"Id={number},MessageBody=poison-{number}" for number in range(10)]
        sqs("send-message-batch", "--queue-url", source, "--entries", *entries)
    while receive(sqs, source):
        pass
    assert (counts(sqs, source), counts(sqs, dead)) == ([0, 0, 0], [30, 0, 0])
    of = ("--source-arn", f"{QUEUES}:{name}")
    handle = sqs("start-message-move-task", *of, "--max-number-of-messages-per-second", "1")["TaskHandle"]
    code, message = sqs.refused("start-message-move-task", *of)
    assert code == "InvalidParameterValue" and "already a task running" in message
    [task] = sqs("list-message-move-tasks", *of)["Results"]
    assert (task["Status"], task["TaskHandle"], task["ApproximateNumberOfMessagesToMove"]) == ("RUNNING", handle, 30)
    assert task["MaxNumberOfMessagesPerSecond"] == 1 and task["SourceArn"] == of[1] and "DestinationArn" not in task
    moved = sqs("cancel-message-move-task", "--task-handle", handle)["ApproximateNumberOfMessagesMoved"]
    [task] = sqs("list-message-move-tasks", *of)["Results"]
    assert task["Status"] == "CANCELLED" and task["ApproximateNumberOfMessagesMoved"] == moved < 30
    assert (counts(sqs, source), counts(sqs, dead)) == ([moved, 0, 0], [30 - moved, 0, 0])
    assert sqs.refused("cancel-message-move-task", "--task-handle", handle)[0] == "ResourceNotFoundException"


def test_refusals_are_told_as_aws_tells_them(sqs):
    url, name = create(sqs, "--attributes", "DelaySeconds=1")
    of = ("--queue-url", url)
    sqs.refuses([
        ("create-queue", ("--queue-name", name, "--attributes", "DelaySeconds=2"), ("QueueAlreadyExists", "DelaySeconds")),
        ("create-queue", ("--queue-name", "no.name"),
         ("InvalidParameterValue", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")),
        ("set-queue-attributes", (*of, "--attributes", "Colour=red"), ("InvalidAttributeName", "Unknown Attribute Colour.")),
        ("set-queue-attributes", (*of, "--attributes", "DelaySeconds=901"),
         ("InvalidAttributeValue", "Invalid value for the parameter DelaySeconds.")),
        ("receive-message", (*of, "--max-number-of-messages", "11"), ("InvalidParameterValue", "MaxNumberOfMessages")),
        ("delete-message", (*of, "--receipt-handle", "no handle"), ("ReceiptHandleIsInvalid", "The input receipt handle")),
        ("send-message-batch", (*of, "--entries", "Id=a,MessageBody=b", "Id=a,MessageBody=c"),
         ("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "Id a repeated.")),
        ("remove-permission", (*of, "--label", "nobody"), ("InvalidParameterValue", "nobody")),
        ("list-dead-letter-source-queues", ("--queue-url", url + "x"), GONE),
        ("start-message-move-task", ("--source-arn", f"{QUEUES}:absent"),
         ("ResourceNotFoundException", "SourceArn parameter doesn't exist.")),
        ("cancel-message-move-task", ("--task-handle", "no handle"), ("InvalidParameterValue", "The task handle is invalid.")),
    ])
