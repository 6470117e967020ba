"""Each operation of SNS with the AWS CLI: topics, whom they tell, what is published, and what it says when SNS refuses."""

import json

import pytest
from aws_cli import aws, forked, second  # noqa: F401 - fixtures
from functions import name_of
from test_sns_http import Endpoint

ACCOUNT = "000000000000"
TOPICS = f"arn:aws:sns:us-east-1:{ACCOUNT}"
GONE = ("NotFound", "Topic does not exist")


@pytest.fixture
def sns(aws):  # noqa: F811
    return aws("sns")


@pytest.fixture
def topic(sns):
    return sns("create-topic", "--name", name_of("cli-topic"), "--query", "TopicArn", "--output", "text")


def queue(sqs, topic, suffix="", **attributes):
    """A queue that lets a topic in: its URL and its ARN."""
    condition = {"Condition": {"ArnEquals": {"aws:SourceArn": topic}}}
    return queue_for(sqs, {"Principal": {"Service": "sns.amazonaws.com"}} | condition, suffix, **attributes)


def queue_for(sqs, admitted, suffix="", **attributes):
    """A queue that lets in whom this part of a statement names: its URL and its ARN."""
    name = name_of("cli-queue") + suffix
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"
    statement = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": arn} | admitted
    attributes["Policy"] = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    url = sqs("create-queue", "--queue-name", name, "--attributes", sqs.file("queue.json", attributes))["QueueUrl"]
    return url, arn


def received(sqs, url, count):
    """So many messages of a queue; there must be no more when the last has come."""
    found = []
    while len(found) < count:
        options = ("--wait-time-seconds", "20", "--max-number-of-messages", "10", "--message-attribute-names", "All")
        answer = sqs("receive-message", "--queue-url", url, *options)
        assert answer, f"{found} and nothing more"
        found += answer["Messages"]
    assert len(found) == count, found
    return found


def subscribe(sns, topic, arn, *more):
    asked = ("--topic-arn", topic, "--protocol", "sqs", "--notification-endpoint", arn, *more)
    return sns("subscribe", *asked, "--query", "SubscriptionArn", "--output", "text")


def test_the_main_commands(second, sns, aws, topic):  # noqa: F811
    sqs = aws("sqs")
    url, arn = queue(sqs, topic)
    subscribe(sns, topic, arn, "--attributes", "RawMessageDelivery=true")
    sns = second("sns")
    sns("publish", "--topic-arn", topic, "--message", "Grüße, A & B")
    assert [message["Body"] for message in received(sqs, url, 1)] == ["Grüße, A & B"]
    assert sns.refused("publish", "--topic-arn", topic + "x", "--message", "m") == GONE


def test_the_life_of_a_topic(sns):
    name = name_of("cli-topic")
    tags = ("--tags", "Key=team,Value=blue", 'Key=cost,Value="a, b"')
    arn = sns("create-topic", "--name", name, "--attributes", "DisplayName=One", *tags)["TopicArn"]
    assert arn == f"{TOPICS}:{name}"
    of = ("--topic-arn", arn)
    assert sns("set-topic-attributes", *of, "--attribute-name", "DisplayName", "--attribute-value", "Two, three") is None
    shown = sns("get-topic-attributes", *of)["Attributes"]
    assert (shown["TopicArn"], shown["DisplayName"], shown["Owner"]) == (arn, "Two, three", ACCOUNT)
    assert (shown["SubscriptionsConfirmed"], shown["SubscriptionsPending"]) == ("0", "0")
    tagged = ("--resource-arn", arn)
    assert sns("tag-resource", *tagged, "--tags", "Key=team,Value=red", "Key=owner,Value=Ada") is None
    assert sns("untag-resource", *tagged, "--tag-keys", "cost", "absent") is None
    tags = sns("list-tags-for-resource", *tagged)["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"team": "red", "owner": "Ada"}
    friends = ("--aws-account-id", "111122223333", "444455556666", "--action-name", "Publish", "Subscribe")
    assert sns("add-permission", *of, "--label", "friends", *friends) is None
    read = lambda: json.loads(sns("get-topic-attributes", *of, "--query", "Attributes.Policy", "--output", "text"))  # noqa: E731
    [statement] = [each for each in read()["Statement"] if each["Sid"] == "friends"]
    assert sorted(statement["Principal"]["AWS"]) == ["arn:aws:iam::111122223333:root", "arn:aws:iam::444455556666:root"]
    assert sorted(statement["Action"]) == ["SNS:Publish", "SNS:Subscribe"] and statement["Resource"] == arn
    assert sns("remove-permission", *of, "--label", "friends") is None
    assert [each["Sid"] for each in read()["Statement"]] == ["__default_statement_ID"]
    assert sns("delete-topic", *of) is None
    assert sns.refused("get-topic-attributes", *of) == GONE


def test_topics_are_listed_in_pages(sns):
    made = {sns("create-topic", "--name", name_of("cli-page"))["TopicArn"] for _ in range(3)}
    ours = "Topics[?contains(TopicArn, `:cli-page-`)].TopicArn"
    assert set(sns("list-topics", "--query", ours, "--output", "text").split()) == made
    first = sns("list-topics", "--max-items", "2")
    assert len(first["Topics"]) == 2
    rest = sns("list-topics", "--starting-token", first["NextToken"])
    arns = [topic["TopicArn"] for topic in first["Topics"] + rest["Topics"]]
    assert made <= set(arns) and len(arns) == len(set(arns)) and "NextToken" not in rest


def test_a_subscription_filters_what_is_published(sns, aws, topic):  # noqa: F811
    sqs = aws("sqs")
    url, queue_arn = queue(sqs, topic)
    arn = subscribe(sns, topic, queue_arn)
    assert arn.startswith(f"{topic}:")
    of = ("--subscription-arn", arn)
    policy = {"kind": ["order"], "total": [{"numeric": [">=", 100]}]}
    value = ("--attribute-name", "FilterPolicy", "--attribute-value", json.dumps(policy))
    assert sns("set-subscription-attributes", *of, *value) is None
    shown = sns("get-subscription-attributes", *of)["Attributes"]
    assert (shown["SubscriptionArn"], shown["TopicArn"], shown["Endpoint"], shown["Protocol"]) == (arn, topic, queue_arn, "sqs")
    assert json.loads(shown["FilterPolicy"]) == policy
    assert (shown["RawMessageDelivery"], shown["PendingConfirmation"]) == ("false", "false")
    send = ("publish", "--topic-arn", topic, "--subject", "An order", "--message-attributes")
    attributes = 'kind={DataType=String,StringValue=order},total={DataType=Number,StringValue="%s"}'
    sns("publish", *send[1:], attributes % 99, "--message", "small")
    sent = sns("publish", *send[1:], attributes % 100, "--message", 'large: "quoted"\nlines')
    [message] = received(sqs, url, 1)
    told = json.loads(message["Body"])
    assert (told["Type"], told["MessageId"], told["TopicArn"]) == ("Notification", sent["MessageId"], topic)
    assert (told["Subject"], told["Message"]) == ("An order", 'large: "quoted"\nlines')
    assert told["MessageAttributes"] == {"kind": {"Type": "String", "Value": "order"}, "total": {"Type": "Number", "Value": "100"}}
    [listed] = sns("list-subscriptions-by-topic", "--topic-arn", topic)["Subscriptions"]
    assert listed == {"SubscriptionArn": arn, "Owner": ACCOUNT, "Protocol": "sqs", "Endpoint": queue_arn, "TopicArn": topic}
    other = subscribe(sns, topic, queue(sqs, topic)[1])
    page = sns("list-subscriptions-by-topic", "--topic-arn", topic, "--max-items", "1")
    rest = sns("list-subscriptions-by-topic", "--topic-arn", topic, "--starting-token", page["NextToken"])
    assert {each["SubscriptionArn"] for each in page["Subscriptions"] + rest["Subscriptions"]} == {arn, other}
    every = sns("list-subscriptions", "--query", "Subscriptions[].SubscriptionArn", "--output", "text").split()
    assert {arn, other} <= set(every)
    assert sns("unsubscribe", *of) is None
    assert sns.refused("get-subscription-attributes", *of) == ("NotFound", "Subscription does not exist")


def test_a_message_may_say_something_else_to_each_protocol(sns, aws, topic):  # noqa: F811
    sqs = aws("sqs")
    url, arn = queue(sqs, topic)
    subscribe(sns, topic, arn, "--attributes", "RawMessageDelivery=true")
    structured = sns.file("message.json", {"default": "for all", "sqs": "for queues"})
    sns("publish", "--target-arn", topic, "--message-structure", "json", "--message", structured)
    assert [message["Body"] for message in received(sqs, url, 1)] == ["for queues"]


def test_a_batch_is_published_in_the_order_of_its_group(sns, aws):  # noqa: F811
    sqs, name = aws("sqs"), name_of("cli-topic") + ".fifo"
    topic = sns("create-topic", "--name", name, "--attributes", "FifoTopic=true,ContentBasedDeduplication=true")["TopicArn"]
    url, arn = queue(sqs, topic, ".fifo", FifoQueue="true")
    subscribe(sns, topic, arn, "--attributes", "RawMessageDelivery=true")
    entries = [
        "Id=a,Message=first,MessageGroupId=g",
        'Id=b,Message="second, last",MessageGroupId=g,MessageAttributes={who={DataType=String,StringValue=Ada}}',
        "Id=c,Message=first,MessageGroupId=g",
    ]
    answer = sns("publish-batch", "--topic-arn", topic, "--publish-batch-request-entries", *entries)
    assert answer["Failed"] == [] and [each["Id"] for each in answer["Successful"]] == ["a", "b", "c"]
    numbers = [int(each["SequenceNumber"]) for each in answer["Successful"]]
    assert numbers[0] == numbers[2] < numbers[1]
    first, second = received(sqs, url, 2)
    assert (first["Body"], second["Body"]) == ("first", "second, last")
    assert second["MessageAttributes"] == {"who": {"StringValue": "Ada", "DataType": "String"}}


def test_an_endpoint_confirms_with_the_token_that_it_was_sent(sns, topic):
    with Endpoint() as endpoint:
        asked = ("--topic-arn", topic, "--protocol", "http", "--notification-endpoint", endpoint.url)
        assert sns("subscribe", *asked)["SubscriptionArn"] == "pending confirmation"
        token = json.loads(endpoint.next(1)[1])["Token"]
        of = ("--topic-arn", topic, "--token")
        assert sns.refused("confirm-subscription", *of, "x") == ("InvalidParameter", "Invalid parameter: Token")
        arn = sns("confirm-subscription", *of, token, "--authenticate-on-unsubscribe", "true")["SubscriptionArn"]
        assert arn.startswith(f"{topic}:")
        shown = sns("get-subscription-attributes", "--subscription-arn", arn)["Attributes"]
        assert (shown["PendingConfirmation"], shown["ConfirmationWasAuthenticated"]) == ("false", "true")
        sns("publish", "--topic-arn", topic, "--message", "confirmed")
        assert json.loads(endpoint.next(2)[1])["Message"] == "confirmed"


def test_refusals_are_told_as_aws_tells_them(sns, topic):
    name, of, gone = topic.split(":")[-1], ("--topic-arn", topic), ("--topic-arn", f"{topic}x")
    sns.refuses([
        ("create-topic", ("--name", name, "--attributes", "DisplayName=Other"),
         ("InvalidParameter", "Topic already exists with different attributes")),
        ("create-topic", ("--name", "no name"), ("InvalidParameter", "Invalid parameter: Topic Name")),
        ("set-topic-attributes", (*of, "--attribute-name", "Colour", "--attribute-value", "red"),
         ("InvalidParameter", "Invalid parameter: AttributeName")),
        ("subscribe", (*of, "--protocol", "pigeon", "--notification-endpoint", "loft"), ("InvalidParameter", "pigeon")),
        ("publish", (*of, "--message", ""), ("InvalidParameter", "Invalid parameter: Empty message")),
        ("publish", (*of, "--message", "{}", "--message-structure", "json"), ("InvalidParameter", "default")),
        ("publish-batch", (*of, "--publish-batch-request-entries", "Id=a,Message=b", "Id=a,Message=c"),
         ("BatchEntryIdsNotDistinct", "the same Id")),
        ("list-subscriptions-by-topic", gone, GONE),
        ("add-permission", (*gone, "--label", "l", "--aws-account-id", ACCOUNT, "--action-name", "Publish"), GONE),
        ("remove-permission", (*gone, "--label", "l"), GONE),
        ("tag-resource", ("--resource-arn", f"{topic}x", "--tags", "Key=a,Value=b"), ("ResourceNotFound", "Resource does not exist")),
        ("unsubscribe", ("--subscription-arn", "no arn"), ("InvalidParameter", "SubscriptionArn")),
    ])
