"""SNS: topics and subscriptions, and what is published to functions and queues, by whose leave, through filters and crashes."""

import json
import signal

import pytest
import roles
from functions import PYTHON, code, create, name_of
from hearth import Server, eventually
from test_asynchronous import FAILING, advance, make, metrics, send, timed  # noqa: F401 - a fixture
from test_functions import refused

ACCOUNT = "000000000000"
TOPICS = f"arn:aws:sns:us-east-1:{ACCOUNT}"
TELLER = """
import boto3, json
def handler(event, context):
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName="%s")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event))
"""


@pytest.fixture
def sns(server):
    return server.client("sns")


@pytest.fixture
def topic(sns):
    arn = sns.create_topic(Name=name_of("topic"))["TopicArn"]
    yield arn
    sns.delete_topic(TopicArn=arn)


def queue(server, topic=None, **attributes):
    """A queue: its URL and its ARN. With a topic, one that lets it in."""
    sqs = server.client("sqs")
    name = name_of("queue") + (".fifo" if "FifoQueue" in attributes else "")
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    if topic:
        let_in(server, (url, arn), topic)
    return url, arn


def let_in(server, target, topic):
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": target[1],
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    server.client("sqs").set_queue_attributes(QueueUrl=target[0], Attributes={"Policy": policy})


def received(server, target, wait=10):
    """All messages that come, until none does for a second."""
    sqs, all_of_them = server.client("sqs"), []
    while True:
        asked = {"WaitTimeSeconds": 1 if all_of_them else wait, "MaxNumberOfMessages": 10}
        names = {"MessageAttributeNames": ["All"], "AttributeNames": ["All"]}
        messages = sqs.receive_message(QueueUrl=target[0], **asked, **names).get("Messages", [])
        if not messages:
            return all_of_them
        for message in messages:
            sqs.delete_message(QueueUrl=target[0], ReceiptHandle=message["ReceiptHandle"])
        all_of_them += messages


def subscribe(sns, topic, target, **attributes):
    asked = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": target[1], "ReturnSubscriptionArn": True}
    return sns.subscribe(**asked, Attributes=attributes)["SubscriptionArn"]


def test_the_life_of_a_topic(sns):
    name = name_of("topic")
    arn = sns.create_topic(Name=name, Attributes={"DisplayName": "One"}, Tags=[{"Key": "a", "Value": "1"}])["TopicArn"]
    assert arn == f"{TOPICS}:{name}" == sns.create_topic(Name=name)["TopicArn"]
    code, message, status = refused(sns.create_topic, Name=name, Attributes={"DisplayName": "Two"})
    assert (code, status) == ("InvalidParameter", 400) and "different attributes" in message
    assert arn in [it["TopicArn"] for page in sns.get_paginator("list_topics").paginate() for it in page["Topics"]]
    sns.set_topic_attributes(TopicArn=arn, AttributeName="DisplayName", AttributeValue="Three")
    shown = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    assert (shown["DisplayName"], shown["Owner"], shown["SubscriptionsConfirmed"]) == ("Three", ACCOUNT, "0")
    assert json.loads(shown["Policy"])["Id"] == "__default_policy_ID"
    sns.tag_resource(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])
    sns.untag_resource(ResourceArn=arn, TagKeys=["a"])
    assert sns.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    sns.add_permission(TopicArn=arn, Label="friend", AWSAccountId=["121212121212"], ActionName=["Publish"])
    statements = json.loads(sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"])["Statement"]
    assert statements[-1]["Sid"] == "friend" and statements[-1]["Action"] == "SNS:Publish"
    sns.remove_permission(TopicArn=arn, Label="friend")
    assert len(json.loads(sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"])["Statement"]) == 1
    sns.delete_topic(TopicArn=arn)
    assert refused(sns.get_topic_attributes, TopicArn=arn) == ("NotFound", "Topic does not exist", 404)


def test_what_is_not_there_is_not_found(sns):
    gone = f"{TOPICS}:gone"
    for call, asked in [
        (sns.add_permission, {"TopicArn": gone, "Label": "l", "AWSAccountId": [ACCOUNT], "ActionName": ["Publish"]}),
        (sns.confirm_subscription, {"TopicArn": gone, "Token": "t"}),
        (sns.get_subscription_attributes, {"SubscriptionArn": f"{gone}:1"}),
        (sns.get_topic_attributes, {"TopicArn": gone}),
        (sns.list_subscriptions_by_topic, {"TopicArn": gone}),
        (sns.list_tags_for_resource, {"ResourceArn": gone}),
        (sns.publish, {"TopicArn": gone, "Message": "m"}),
        (sns.publish_batch, {"TopicArn": gone, "PublishBatchRequestEntries": [{"Id": "a", "Message": "m"}]}),
        (sns.remove_permission, {"TopicArn": gone, "Label": "l"}),
        (sns.set_subscription_attributes, {"SubscriptionArn": f"{gone}:1", "AttributeName": "FilterPolicy"}),
        (sns.set_topic_attributes, {"TopicArn": gone, "AttributeName": "DisplayName", "AttributeValue": "d"}),
        (sns.subscribe, {"TopicArn": gone, "Protocol": "sqs", "Endpoint": "arn:aws:sqs:us-east-1:000000000000:q"}),
        (sns.tag_resource, {"ResourceArn": gone, "Tags": [{"Key": "k", "Value": "v"}]}),
        (sns.untag_resource, {"ResourceArn": gone, "TagKeys": ["k"]}),
    ]:
        code, message, status = refused(call, **asked)
        assert (code in ("NotFound", "ResourceNotFound"), status) == (True, 404), (call, code, message)


def test_what_is_malformed_is_refused(sns, topic):
    for call, asked in [
        (sns.create_topic, {"Name": "a b"}),
        (sns.delete_topic, {"TopicArn": "topic"}),
        (sns.unsubscribe, {"SubscriptionArn": "none"}),
        (sns.list_topics, {"NextToken": "!"}),
        (sns.list_subscriptions, {"NextToken": "!"}),
        (sns.confirm_subscription, {"TopicArn": topic, "Token": "t"}),
        (sns.publish, {"TopicArn": topic, "Message": ""}),
        (sns.publish, {"PhoneNumber": "+41000000000", "Message": "m"}),
        (sns.set_topic_attributes, {"TopicArn": topic, "AttributeName": "Policy", "AttributeValue": "{"}),
        (sns.set_topic_attributes, {"TopicArn": topic, "AttributeName": "KmsMasterKeyId", "AttributeValue": "k"}),
    ]:
        code, message, status = refused(call, **asked)
        assert (code, status) == ("InvalidParameter", 400), (call, code, message)


@pytest.mark.parametrize("protocol", ["email", "email-json", "sms", "application", "firehose"])
def test_protocols_that_are_not_there_are_refused_by_name(sns, topic, protocol):
    code, message, _ = refused(sns.subscribe, TopicArn=topic, Protocol=protocol, Endpoint=f"{protocol}://x")
    assert code == "InvalidParameter" and f"Hearth does not support the protocol {protocol} yet." in message


@pytest.mark.parametrize(("attribute", "value"), [
    ("TracingConfig", "Active"), ("KmsMasterKeyId", "alias/aws/sns"),
    ("ArchivePolicy", '{"MessageRetentionPeriod": 1}'), ("LambdaSuccessFeedbackSampleRate", "100"),
])
def test_attributes_that_would_do_nothing_are_refused(sns, topic, attribute, value):
    told = refused(sns.set_topic_attributes, TopicArn=topic, AttributeName=attribute, AttributeValue=value)
    assert told[0] == "InvalidParameter" and "Hearth does not support" in told[1] and attribute in told[1]


def test_the_life_of_a_subscription(server, sns, topic):
    target = queue(server, topic)
    arn = subscribe(sns, topic, target, RawMessageDelivery="true")
    assert arn == subscribe(sns, topic, target) and arn.startswith(f"{topic}:")
    for page in (sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"],):
        assert page == [
            {"SubscriptionArn": arn, "Owner": ACCOUNT, "Protocol": "sqs", "Endpoint": target[1], "TopicArn": topic}
        ]
    pages = sns.get_paginator("list_subscriptions").paginate()
    assert arn in [it["SubscriptionArn"] for page in pages for it in page["Subscriptions"]]
    policy = '{"kind": ["order"]}'
    sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="FilterPolicy", AttributeValue=policy)
    shown = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert shown["FilterPolicy"] == policy and shown["FilterPolicyScope"] == "MessageAttributes"
    assert (shown["RawMessageDelivery"], shown["PendingConfirmation"]) == ("true", "false")
    wrong = {"SubscriptionArn": arn, "AttributeName": "FilterPolicy", "AttributeValue": '{"kind": "order"}'}
    assert "must be an object or an array" in refused(sns.set_subscription_attributes, **wrong)[1]
    sns.unsubscribe(SubscriptionArn=arn)
    assert refused(sns.get_subscription_attributes, SubscriptionArn=arn)[0] == "NotFound"
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["SubscriptionsDeleted"] == "1"


def test_a_queue_gets_the_envelope_or_the_message(server, sns, topic):
    enveloped, raw = queue(server, topic), queue(server, topic)
    subscribe(sns, topic, enveloped)
    subscribe(sns, topic, raw, RawMessageDelivery="true")
    attributes = {
        "kind": {"DataType": "String", "StringValue": "order"},
        "count": {"DataType": "Number", "StringValue": "3"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
    }
    sent = sns.publish(TopicArn=topic, Message="héllo", Subject="About", MessageAttributes=attributes)["MessageId"]
    [message] = received(server, enveloped)
    body = json.loads(message["Body"])
    assert list(body)[:5] == ["Type", "MessageId", "TopicArn", "Subject", "Message"]
    assert (body["Type"], body["MessageId"], body["Message"]) == ("Notification", sent, "héllo")
    assert body["MessageAttributes"]["bytes"] == {"Type": "Binary", "Value": "AAE="}
    [message] = received(server, raw)
    assert message["Body"] == "héllo"
    assert message["MessageAttributes"]["count"]["StringValue"] == "3"
    assert message["MessageAttributes"]["bytes"]["BinaryValue"] == b"\x00\x01"


def test_filters_choose_by_attributes_and_by_body(server, sns, topic):
    by_attribute, by_body = queue(server, topic), queue(server, topic)
    raw = {"RawMessageDelivery": "true"}
    subscribe(sns, topic, by_attribute, FilterPolicy='{"price": [{"numeric": [">=", 100]}]}', **raw)
    subscribe(sns, topic, by_body, FilterPolicy='{"a": {"b": ["x"]}}', FilterPolicyScope="MessageBody", **raw)
    price = {"price": {"DataType": "Number", "StringValue": "100"}}
    for message, attributes in [('{"a": {"b": "x"}}', {}), ('{"a": {"b": "y"}}', price), ("text", {})]:
        sns.publish(TopicArn=topic, Message=message, MessageAttributes=attributes)
    assert [it["Body"] for it in received(server, by_attribute)] == ['{"a": {"b": "y"}}']
    assert [it["Body"] for it in received(server, by_body)] == ['{"a": {"b": "x"}}']


def test_a_batch_fails_in_part(server, sns, topic):
    target = queue(server, topic)
    subscribe(sns, topic, target, RawMessageDelivery="true")
    entries = [{"Id": "good", "Message": "m"}, {"Id": "bad", "Message": "m", "Subject": "x" * 101}]
    answer = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert [it["Id"] for it in answer["Successful"]] == ["good"]
    assert [(it["Id"], it["Code"], it["SenderFault"]) for it in answer["Failed"]] == [("bad", "InvalidParameter", True)]
    assert len(received(server, target)) == 1
    many = [{"Id": str(number), "Message": "m"} for number in range(11)]
    for wrong, code in [
        (many, "TooManyEntriesInBatchRequest"),
        ([many[0], many[0]], "BatchEntryIdsNotDistinct"),
        ([{"Id": "a b", "Message": "m"}], "InvalidBatchEntryId"),
        ([{"Id": it["Id"], "Message": "x" * 140_000} for it in many[:2]], "BatchRequestTooLong"),
    ]:
        assert refused(sns.publish_batch, TopicArn=topic, PublishBatchRequestEntries=wrong)[0] == code


def test_a_fifo_topic_keeps_order_and_drops_duplicates(server, sns):
    settings = {"FifoTopic": "true", "ContentBasedDeduplication": "true"}
    arn = sns.create_topic(Name=f"{name_of('topic')}.fifo", Attributes=settings)["TopicArn"]
    target = queue(server, arn, FifoQueue="true")
    subscribe(sns, arn, target, RawMessageDelivery="true")
    numbers = [
        sns.publish(TopicArn=arn, Message=it, MessageGroupId="g")["SequenceNumber"] for it in ["1", "2", "1", "3"]
    ]
    assert numbers[0] == numbers[2] and sorted(numbers) == [numbers[0], *sorted(numbers[:2] + numbers[3:])]
    messages = received(server, target)
    assert [it["Body"] for it in messages] == ["1", "2", "3"]
    assert {it["Attributes"]["MessageGroupId"] for it in messages} == {"g"}


def test_a_queue_that_lets_nobody_in_gets_nothing_and_the_dead_letter_queue_all(server, sns, topic):
    closed, dead = queue(server), queue(server, topic)
    subscribe(sns, topic, closed, RedrivePolicy=json.dumps({"deadLetterTargetArn": dead[1]}))
    sns.publish(TopicArn=topic, Message="m")
    [letter] = received(server, dead)
    assert json.loads(letter["Body"])["Message"] == "m"
    assert received(server, closed, wait=0) == []


def test_a_function_needs_permission_and_gets_the_event(server, sns, topic):
    target, dead = queue(server), queue(server, topic)
    name = target[1].split(":")[-1]
    role = roles.allowing(server, "sqs:SendMessage", "sqs:GetQueueUrl")
    function = create(server.client("lambda"), PYTHON, code(PYTHON, TELLER % name), Role=role, Timeout=30)
    arn = function.client.get_function(FunctionName=function.name)["Configuration"]["FunctionArn"]
    settings = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead[1]})}
    asked = {"Protocol": "lambda", "Endpoint": arn, "ReturnSubscriptionArn": True, "Attributes": settings}
    subscription = sns.subscribe(TopicArn=topic, **asked)["SubscriptionArn"]
    sns.publish(TopicArn=topic, Message="denied")
    assert len(received(server, dead)) == 1
    function.client.add_permission(
        FunctionName=function.name, StatementId="sns", Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com", SourceArn=topic,
    )
    attributes = {"kind": {"DataType": "String", "StringValue": "order"}}
    identifier = sns.publish(TopicArn=topic, Message="m", MessageAttributes=attributes)["MessageId"]
    [told] = received(server, target, wait=20)
    [record] = json.loads(told["Body"])["Records"]
    assert (record["EventSource"], record["EventVersion"]) == ("aws:sns", "1.0")
    assert record["EventSubscriptionArn"] == subscription
    sns_part = record["Sns"]
    assert (sns_part["Type"], sns_part["MessageId"], sns_part["Message"]) == ("Notification", identifier, "m")
    assert (sns_part["Subject"], sns_part["TopicArn"]) == (None, topic)
    assert sns_part["MessageAttributes"] == {"kind": {"Type": "String", "Value": "order"}}


def test_another_account_publishes_once_the_topic_lets_it(server, sns, topic):
    target = queue(server, topic)
    subscribe(sns, topic, target, RawMessageDelivery="true")
    friend = server.client("sns", "121212121212")
    code, message, status = refused(friend.publish, TopicArn=topic, Message="m")
    assert (code, status) == ("AuthorizationError", 403) and "SNS:Publish" in message
    sns.add_permission(TopicArn=topic, Label="friend", AWSAccountId=["121212121212"], ActionName=["Publish"])
    friend.publish(TopicArn=topic, Message="m")
    assert [it["Body"] for it in received(server, target)] == ["m"]
    assert refused(friend.get_topic_attributes, TopicArn=topic)[0] == "AuthorizationError", "that was not given"
    sns.remove_permission(TopicArn=topic, Label="friend")
    assert refused(friend.publish, TopicArn=topic, Message="m")[0] == "AuthorizationError"


def told_through_a_topic(server):
    """A topic, and the queue that has subscribed to it."""
    sns = server.client("sns")
    topic = sns.create_topic(Name=name_of("topic"))["TopicArn"]
    target = queue(server, topic)
    subscribe(sns, topic, target, RawMessageDelivery="true")
    return topic, target


def test_a_topic_is_a_destination(timed):  # noqa: F811
    topic, target = told_through_a_topic(timed)
    role = roles.allowing(timed, "sns:Publish", resource=topic)
    function = make(timed, "def handler(event, context):\n    return {'sum': event['a'] + 1}\n", Role=role)
    function.client.put_function_event_invoke_config(
        FunctionName=function.name, DestinationConfig={"OnSuccess": {"Destination": topic}}
    )
    send(function, {"a": 41})
    [message] = received(timed, target, wait=20)
    record = json.loads(message["Body"])
    assert (record["requestContext"]["condition"], record["responsePayload"]) == ("Success", {"sum": 42})


def test_a_topic_takes_dead_letters(timed):  # noqa: F811
    topic, target = told_through_a_topic(timed)
    role = roles.allowing(timed, "sns:Publish", resource=topic)
    function = make(timed, FAILING, Role=role, DeadLetterConfig={"TargetArn": topic})
    identifier = send(function, {"text": "ever"})
    eventually(lambda: metrics(timed, "lambda_errors_total", function) == 1)
    advance(timed, "PT10M")
    [message] = received(timed, target, wait=20)
    assert json.loads(message["Body"]) == {"text": "ever"}
    assert message["MessageAttributes"]["RequestID"]["StringValue"] == identifier


def test_what_was_accepted_survives_sigkill(tmp_path, crash_rounds):
    """Every message that was accepted arrives, whenever the server is killed."""
    accepted, topic, target = [], None, None
    for turn in range(crash_rounds):
        server = Server("--data-dir", tmp_path / "data")
        try:
            if turn == 0:
                topic, target = told_through_a_topic(server)
            sns = server.client("sns")
            for number in range(10 * turn + 5):
                body = f"{turn}.{number}"
                sns.publish(TopicArn=topic, Message=body)
                accepted.append(body)
            server.signal(signal.SIGKILL)
        finally:
            server.kill()
    # What was under way when the server was killed is taken up again at once: this clock stands still.
    with Server("--data-dir", tmp_path / "data", "--clock", "virtual") as server:
        # The host of the URL is that of a server that has gone.
        url = server.client("sqs").get_queue_url(QueueName=target[1].split(":")[-1])["QueueUrl"]
        missing = set(accepted)
        for _ in range(10):
            missing -= {it["Body"] for it in received(server, (url,), wait=2)}
            if not missing:
                return
        pytest.fail(f"accepted and lost: {sorted(missing)}")
