"""EventBridge: buses and rules, events on their way to targets of every kind, schedules, archives and replays."""

import json
import signal

import pytest
import roles
from functions import PYTHON, code, create, name_of
from hearth import Server, eventually
from test_asynchronous import FAILING, advance, make, metrics, send, timed  # noqa: F401 - a fixture
from test_functions import refused
from test_sns import TELLER, queue, received

ACCOUNT = "000000000000"
EVENTS = f"arn:aws:events:us-east-1:{ACCOUNT}"


@pytest.fixture
def events(server):
    return server.client("events")


@pytest.fixture
def bus(events):
    name = name_of("bus")
    yield events.create_event_bus(Name=name)["EventBusArn"]
    for rule in events.list_rules(EventBusName=name)["Rules"]:
        remove(events, rule["Name"], name)
    events.delete_event_bus(Name=name)


def remove(events, rule, bus="default"):
    targets = [target["Id"] for target in events.list_targets_by_rule(Rule=rule, EventBusName=bus)["Targets"]]
    if targets:
        events.remove_targets(Rule=rule, EventBusName=bus, Ids=targets)
    events.delete_rule(Name=rule, EventBusName=bus)


def rule(events, pattern=None, bus="default", **asked):
    """A rule: its name and its ARN."""
    name = name_of("rule")
    if pattern is not None:
        asked["EventPattern"] = json.dumps(pattern)
    return name, events.put_rule(Name=name, EventBusName=bus, **asked)["RuleArn"]


def let_in(server, target, source, principal="events.amazonaws.com"):
    """A queue lets a rule in."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": principal},
        "Action": "sqs:SendMessage",
        "Resource": target[1],
        "Condition": {"ArnEquals": {"aws:SourceArn": source}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    server.client("sqs").set_queue_attributes(QueueUrl=target[0], Attributes={"Policy": policy})


def wired(server, pattern, bus="default", **target):
    """A queue that gets the events of a rule: the rule's name and ARN, and the queue."""
    events, to = server.client("events"), queue(server)
    name, arn = rule(events, pattern, bus)
    let_in(server, to, arn)
    events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "1", "Arn": to[1], **target}])
    return name, arn, to


def entry(detail=None, **fields):
    return {"Source": "shop", "DetailType": "order", "Detail": json.dumps(detail or {}), **fields}


def bodies(server, target, wait=10):
    return [json.loads(message["Body"]) for message in received(server, target, wait)]


def test_the_life_of_a_bus(events):
    name = name_of("bus")
    arn = events.create_event_bus(Name=name, Description="d", Tags=[{"Key": "a", "Value": "1"}])["EventBusArn"]
    assert arn == f"{EVENTS}:event-bus/{name}"
    assert refused(events.create_event_bus, Name=name) == (
        "ResourceAlreadyExistsException",
        f"Event bus {name} already exists.",
        400,
    )
    shown = events.describe_event_bus(Name=name)
    assert (shown["Arn"], shown["Description"]) == (arn, "d") and "Policy" not in shown
    assert events.update_event_bus(Name=name, Description="e")["Description"] == "e"
    names = [bus["Name"] for bus in events.list_event_buses()["EventBuses"]]
    assert name in names and "default" in names
    assert [bus["Name"] for bus in events.list_event_buses(NamePrefix=name)["EventBuses"]] == [name]
    events.tag_resource(ResourceARN=arn, Tags=[{"Key": "b", "Value": "2"}])
    events.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    assert refused(events.delete_event_bus, Name="default")[1] == "Cannot delete event bus default."
    made, _ = rule(events, {"source": ["a"]}, name)
    assert "since it has rules" in refused(events.delete_event_bus, Name=name)[1]
    events.delete_rule(Name=made, EventBusName=name)
    events.delete_event_bus(Name=name)
    gone = ("ResourceNotFoundException", f"Event bus {name} does not exist.", 400)
    assert refused(events.describe_event_bus, Name=name) == gone
    assert events.describe_event_bus()["Arn"] == f"{EVENTS}:event-bus/default"


def test_the_life_of_a_rule(server, events, bus):
    name, arn = rule(events, {"source": ["shop"]}, bus, Description="d", Tags=[{"Key": "a", "Value": "1"}])
    assert arn == f"{EVENTS}:rule/{bus.split('/')[1]}/{name}"
    shown = events.describe_rule(Name=name, EventBusName=bus)
    assert (shown["State"], shown["Description"], shown["CreatedBy"]) == ("ENABLED", "d", ACCOUNT)
    assert json.loads(shown["EventPattern"]) == {"source": ["shop"]}
    events.disable_rule(Name=name, EventBusName=bus)
    assert events.describe_rule(Name=name, EventBusName=bus)["State"] == "DISABLED"
    events.enable_rule(Name=name, EventBusName=bus)
    assert [it["State"] for it in events.list_rules(EventBusName=bus, NamePrefix=name)["Rules"]] == ["ENABLED"]
    events.tag_resource(ResourceARN=arn, Tags=[{"Key": "b", "Value": "2"}])
    events.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    to = queue(server)
    target = {
        "Id": "1",
        "Arn": to[1],
        "InputTransformer": {"InputPathsMap": {"s": "$.source"}, "InputTemplate": '"from <s>"'},
        "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 60},
        "DeadLetterConfig": {"Arn": to[1]},
    }
    assert events.put_targets(Rule=name, EventBusName=bus, Targets=[target])["FailedEntryCount"] == 0
    assert events.list_targets_by_rule(Rule=name, EventBusName=bus)["Targets"] == [target]
    assert events.list_rule_names_by_target(TargetArn=to[1], EventBusName=bus)["RuleNames"] == [name]
    in_use = ("ValidationException", "Rule can't be deleted since it has targets.", 400)
    assert refused(events.delete_rule, Name=name, EventBusName=bus) == in_use
    events.remove_targets(Rule=name, EventBusName=bus, Ids=["1"])
    events.delete_rule(Name=name, EventBusName=bus)
    gone = f"Rule {name} does not exist on EventBus {bus.split('/')[1]}."
    assert refused(events.describe_rule, Name=name, EventBusName=bus) == ("ResourceNotFoundException", gone, 400)


def test_what_is_not_there_is_not_found(events):
    gone = {"Name": "gone", "EventBusName": "gone"}
    for call, asked in [
        (events.describe_rule, gone),
        (events.enable_rule, gone),
        (events.disable_rule, gone),
        (events.delete_rule, gone),
        (events.put_rule, {**gone, "EventPattern": '{"source": ["a"]}'}),
        (events.list_rules, {"EventBusName": "gone"}),
        (events.list_targets_by_rule, {"Rule": "gone"}),
        (events.list_rule_names_by_target, {"TargetArn": "arn", "EventBusName": "gone"}),
        (events.put_targets, {"Rule": "gone", "Targets": [{"Id": "1", "Arn": "arn"}]}),
        (events.remove_targets, {"Rule": "gone", "Ids": ["1"]}),
        (events.put_permission, {"EventBusName": "gone", "Policy": "{}"}),
        (events.remove_permission, {"EventBusName": "gone", "StatementId": "1"}),
        (events.update_event_bus, {"Name": "gone"}),
        (events.tag_resource, {"ResourceARN": f"{EVENTS}:rule/gone", "Tags": []}),
        (events.untag_resource, {"ResourceARN": f"{EVENTS}:rule/gone", "TagKeys": []}),
        (events.list_tags_for_resource, {"ResourceARN": f"{EVENTS}:rule/gone"}),
        (events.create_archive, {"ArchiveName": "a", "EventSourceArn": f"{EVENTS}:event-bus/gone"}),
        (events.describe_archive, {"ArchiveName": "gone"}),
        (events.update_archive, {"ArchiveName": "gone"}),
        (events.delete_archive, {"ArchiveName": "gone"}),
        (events.describe_replay, {"ReplayName": "gone"}),
        (events.cancel_replay, {"ReplayName": "gone"}),
    ]:
        code, _, status = refused(call, **asked)
        assert (code, status) == ("ResourceNotFoundException", 400), call


def test_what_is_wrong_is_refused(server, events):
    name, _ = rule(events, {"source": ["a"]})
    to = queue(server)[1]
    for call, asked, expected in [
        (events.put_rule, {"Name": "r"}, "EventPattern or ScheduleExpression must be specified."),
        (events.put_rule, {"Name": "r", "ScheduleExpression": "rate(1 minutes)"}, "ScheduleExpression is not valid."),
        (events.put_rule, {"Name": "r", "ScheduleExpression": "at(2025-01-01T00:00:00)"}, "is not valid."),
        (events.put_targets, {"Rule": name, "Targets": [{"Id": "1", "Arn": "x"}]}, "not in correct format"),
        (events.put_targets, {"Rule": name, "Targets": [{"Id": "1", "Arn": to, "Input": "{"}]}, "JSON syntax error"),
        (
            events.put_targets,
            {"Rule": name, "Targets": [{"Id": "1", "Arn": to, "Input": "{}", "InputPath": "$.detail"}]},
            "Only one of Input, InputPath, or InputTransformer",
        ),
        (events.put_targets, {"Rule": name, "Targets": [{"Id": "1", "Arn": to, "InputPath": "x"}]}, "InputPath"),
        (
            events.put_targets,
            {"Rule": name, "Targets": [{"Id": "1", "Arn": to, "InputTransformer": {"InputTemplate": '"<x>"'}}]},
            "x is not in InputPathsMap",
        ),
        (
            events.put_targets,
            {"Rule": name, "Targets": [{"Id": "1", "Arn": to + ".fifo"}]},
            "Parameter(s) SqsParameters must be specified for target: 1.",
        ),
        (
            events.put_targets,
            {"Rule": name, "Targets": [{"Id": "1", "Arn": "arn:aws:states:us-east-1:000000000000:stateMachine:s"}]},
            "Hearth does not support targets of the service states",
        ),
        (events.list_event_buses, {"NextToken": "x"}, "NextToken"),
        (events.list_archives, {"NextToken": "x"}, "NextToken"),
        (events.list_replays, {"NextToken": "x"}, "NextToken"),
        (events.create_event_bus, {"Name": "a/b"}, "must not contain '/'"),
        (events.create_event_bus, {"Name": "b", "KmsKeyIdentifier": "k"}, "KmsKeyIdentifier"),
        (events.create_event_bus, {"Name": "b", "LogConfig": {"Level": "INFO"}}, "LogConfig"),
        (events.test_event_pattern, {"EventPattern": '{"source": ["a"]}', "Event": "{}"}, "Event"),
    ]:
        code, message, status = refused(call, **asked)
        assert (code, status) == ("ValidationException", 400) and expected in message, (call, message)
    many = [{"Id": str(number), "Arn": to} for number in range(6)]
    assert refused(events.put_targets, Rule=name, Targets=many)[0] == "LimitExceededException"
    assert events.list_targets_by_rule(Rule=name)["Targets"] == []
    code, message, _ = refused(events.put_rule, Name="r", EventPattern='{"source": "a"}')
    assert code == "InvalidEventPatternException" and message.startswith("Event pattern is not valid. Reason: ")
    events.delete_rule(Name=name)


def test_entries_fail_each_by_itself(events):
    answer = events.put_events(
        Entries=[
            entry(),
            entry(Source=""),
            entry(DetailType=""),
            {"Source": "shop", "DetailType": "order"},
            entry(Detail="{"),
            entry(Detail="[1]"),
            entry(Source="aws.ec2"),
        ]
    )
    assert answer["FailedEntryCount"] == 6 and "EventId" in answer["Entries"][0]
    assert [it.get("ErrorCode") for it in answer["Entries"][1:]] == [
        *["InvalidArgument"] * 3,
        *["MalformedDetail"] * 2,
        "NotAuthorizedForSourceException",
    ]
    large = entry({"a": "x" * (1 << 20)})
    assert "Total size of the entries" in refused(events.put_events, Entries=[large])[1]


@pytest.mark.parametrize(
    ("pattern", "event", "expected"),
    [
        ({"source": ["shop"]}, {}, True),
        ({"source": ["other"]}, {}, False),
        ({"source": [{"prefix": "sh"}], "detail": {"n": [{"numeric": [">", 1, "<=", 5]}]}}, {"detail": {"n": 5}}, True),
        ({"detail": {"n": [{"numeric": [">", 1]}]}}, {"detail": {"n": 1}}, False),
        ({"detail": {"s": [{"anything-but": ["a", "b"]}]}}, {"detail": {"s": "c"}}, True),
        ({"detail": {"s": [{"anything-but": {"suffix": "x"}}]}}, {"detail": {"s": "ax"}}, False),
        ({"detail": {"s": [{"wildcard": "a*z"}]}}, {"detail": {"s": "a-to-z"}}, True),
        ({"detail": {"s": [{"exists": False}]}}, {"detail": {"t": 1}}, True),
        ({"detail": {"ip": [{"cidr": "10.0.0.0/24"}]}}, {"detail": {"ip": "10.0.0.7"}}, True),
        ({"detail": {"s": [{"equals-ignore-case": "AbC"}]}}, {"detail": {"s": "aBc"}}, True),
        ({"$or": [{"source": ["x"]}, {"detail": {"s": ["y"]}}]}, {"detail": {"s": "y"}}, True),
        ({"detail": {"list": ["b"]}}, {"detail": {"list": ["a", "b"]}}, True),
    ],
)
def test_patterns_are_tried(events, pattern, event, expected):
    whole = {
        "id": "1",
        "account": ACCOUNT,
        "source": "shop",
        "time": "2025-01-01T00:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail-type": "order",
        **event,
    }
    answer = events.test_event_pattern(EventPattern=json.dumps(pattern), Event=json.dumps(whole))
    assert answer["Result"] is expected


def test_an_event_reaches_the_rules_that_want_it(server, events, bus):
    _, _, wanting = wired(server, {"source": ["shop"], "detail": {"total": [{"numeric": [">=", 10]}]}}, bus)
    _, _, other = wired(server, {"source": ["other"]}, bus)
    answer = events.put_events(
        Entries=[
            entry({"total": 12, "name": "é"}, EventBusName=bus, Resources=["arn:r"], Time=1_700_000_000),
            entry({"total": 9}, EventBusName=bus.split("/")[1]),
            entry({"total": 99}),
        ]
    )
    assert answer["FailedEntryCount"] == 0
    assert bodies(server, wanting) == [
        {
            "version": "0",
            "id": answer["Entries"][0]["EventId"],
            "detail-type": "order",
            "source": "shop",
            "account": ACCOUNT,
            "time": "2023-11-14T22:13:20Z",
            "region": "us-east-1",
            "resources": ["arn:r"],
            "detail": {"total": 12, "name": "é"},
        }
    ]
    assert bodies(server, other, wait=1) == []


def test_a_disabled_rule_gets_nothing(server, events, bus):
    name, _, off = wired(server, {"source": ["shop"]}, bus)
    _, _, on = wired(server, {"source": ["shop"]}, bus)
    events.disable_rule(Name=name, EventBusName=bus)
    events.put_events(Entries=[entry(EventBusName=bus)])
    assert len(bodies(server, on)) == 1 and bodies(server, off, wait=1) == []


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({"Input": '{"fixed": true}'}, {"fixed": True}),
        ({"InputPath": "$.detail"}, {"id": 7, "state": "on"}),
        (
            {
                "InputTransformer": {
                    "InputPathsMap": {"id": "$.detail.id", "state": "$.detail.state"},
                    "InputTemplate": '{"id": <id>, "text": "<id> is <state>", "rule": <aws.events.rule-name>}',
                }
            },
            {"id": 7, "text": "7 is on"},
        ),
    ],
)
def test_a_target_gets_what_it_asks_for(server, events, bus, target, expected):
    name, _, to = wired(server, {"source": ["shop"]}, bus, **target)
    events.put_events(Entries=[entry({"id": 7, "state": "on"}, EventBusName=bus)])
    if "InputTransformer" in target:
        expected = {**expected, "rule": name}
    assert bodies(server, to) == [expected]


def test_a_fifo_queue_gets_a_group(server, events, bus):
    to = queue(server, FifoQueue="true")
    name, arn = rule(events, {"source": ["shop"]}, bus)
    let_in(server, to, arn)
    target = {"Id": "1", "Arn": to[1], "SqsParameters": {"MessageGroupId": "g"}}
    events.put_targets(Rule=name, EventBusName=bus, Targets=[target])
    events.put_events(Entries=[entry({"n": 1}, EventBusName=bus)])
    assert [it["Attributes"]["MessageGroupId"] for it in received(server, to)] == ["g"]


def test_a_function_is_invoked(server, events, bus):
    to = queue(server)
    role = roles.allowing(server, "sqs:*")
    source = TELLER % to[0].rsplit("/", 1)[1]
    client = server.client("lambda")
    function = create(client, PYTHON, code(PYTHON, source), Role=role, Timeout=30)
    name, arn = rule(events, {"source": ["shop"]}, bus)
    function_arn = client.get_function(FunctionName=function.name)["Configuration"]["FunctionArn"]
    client.add_permission(
        FunctionName=function.name,
        StatementId="s",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=arn,
    )
    events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "1", "Arn": function_arn}])
    events.put_events(Entries=[entry({"n": 1}, EventBusName=bus)])
    assert [it["detail"] for it in bodies(server, to, wait=20)] == [{"n": 1}]


def test_a_topic_is_published_to_in_the_name_of_a_role(server, events, bus):
    sns, to = server.client("sns"), queue(server)
    topic = sns.create_topic(Name=name_of("topic"))["TopicArn"]
    let_in(server, to, topic, "sns.amazonaws.com")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=to[1], Attributes={"RawMessageDelivery": "true"})
    name, _ = rule(events, {"source": ["shop"]}, bus)
    trust = json.loads(json.dumps(roles.TRUST).replace("lambda.", "events."))
    publish = [{"Effect": "Allow", "Action": "sns:Publish", "Resource": topic}]
    role = roles.make(server.endpoint, roles.of(name=name_of("publisher")), (), publish, trust)
    target = {"Id": "1", "Arn": topic, "RoleArn": role, "InputPath": "$.detail.n"}
    events.put_targets(Rule=name, EventBusName=bus, Targets=[target])
    events.put_events(Entries=[entry({"n": 5}, EventBusName=bus)])
    assert [it["Body"] for it in received(server, to)] == ["5"]
    sns.delete_topic(TopicArn=topic)


def test_a_bus_hands_on_to_another_and_that_one_to_none(server, events, bus):
    second, third = name_of("second"), name_of("third")
    for name in (second, third):
        arn = events.create_event_bus(Name=name)["EventBusArn"]
        policy = {
            "Version": "2012-10-17",
            "Statement": {
                "Sid": "s",
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "events:PutEvents",
                "Resource": arn,
            },
        }
        events.put_permission(EventBusName=name, Policy=json.dumps(policy))
    chained, dead = queue(server), queue(server)
    for source, target in ((bus, second), (second, third)):
        name, arn = rule(events, {"source": ["shop"]}, source)
        let_in(server, dead, arn)
        bus_arn = f"{EVENTS}:event-bus/{target}"
        events.put_targets(
            Rule=name,
            EventBusName=source,
            Targets=[{"Id": "1", "Arn": bus_arn, "DeadLetterConfig": {"Arn": dead[1]}}],
        )
    _, _, to = wired(server, {"source": ["shop"]}, second)
    name, arn = rule(events, {"source": ["shop"]}, third)
    let_in(server, chained, arn)
    events.put_targets(Rule=name, EventBusName=third, Targets=[{"Id": "1", "Arn": chained[1]}])
    put = events.put_events(Entries=[entry({"n": 1}, EventBusName=bus, Resources=["a"])])["Entries"][0]
    arrived = bodies(server, to)
    assert [(it["id"], it["source"], it["resources"]) for it in arrived] == [(put["EventId"], "shop", ["a"])]
    refused_event = received(server, dead)
    assert [it["MessageAttributes"]["ERROR_CODE"]["StringValue"] for it in refused_event] == [
        "THIRD_ACCOUNT_HOP_DETECTED"
    ]
    assert bodies(server, chained, wait=1) == []
    for name in (second, third):
        for it in events.list_rules(EventBusName=name)["Rules"]:
            remove(events, it["Name"], name)
        events.delete_event_bus(Name=name)


def test_a_log_group_is_written_to_by_its_policy(server, events, bus):
    logs, group = server.client("logs"), name_of("/aws/events/group")
    logs.create_log_group(logGroupName=group)
    group_arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{group}"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]},
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": f"{group_arn}:*",
    }
    name = name_of("policy")
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    logs.put_resource_policy(policyName=name, policyDocument=document)
    shown = [it for it in logs.describe_resource_policies()["resourcePolicies"] if it["policyName"] == name]
    assert [it["policyDocument"] for it in shown] == [document]
    assert refused(logs.put_resource_policy, policyName="p", policyDocument="{")[0] == "InvalidParameterException"
    made, _ = rule(events, {"source": ["shop"]}, bus)
    events.put_targets(Rule=made, EventBusName=bus, Targets=[{"Id": "1", "Arn": group_arn}])
    events.put_events(Entries=[entry({"n": 1}, EventBusName=bus)])
    found = eventually(lambda: logs.filter_log_events(logGroupName=group)["events"])
    assert [json.loads(it["message"])["detail"] for it in found] == [{"n": 1}]
    logs.delete_resource_policy(policyName=name)
    assert refused(logs.delete_resource_policy, policyName=name)[0] == "ResourceNotFoundException"
    logs.delete_log_group(logGroupName=group)


def test_without_leave_an_event_goes_to_the_dead_letter_queue(server, events, bus):
    closed, dead = queue(server), queue(server)
    name, arn = rule(events, {"source": ["shop"]}, bus)
    let_in(server, dead, arn)
    target = {"Id": "1", "Arn": closed[1], "DeadLetterConfig": {"Arn": dead[1]}}
    events.put_targets(Rule=name, EventBusName=bus, Targets=[target])
    events.put_events(Entries=[entry({"n": 1}, EventBusName=bus)])
    (message,) = received(server, dead)
    attributes = {name: it["StringValue"] for name, it in message["MessageAttributes"].items()}
    assert attributes.pop("ERROR_MESSAGE")
    assert attributes == {"RULE_ARN": arn, "TARGET_ARN": closed[1], "ERROR_CODE": "NO_PERMISSIONS"}
    assert json.loads(message["Body"])["detail"] == {"n": 1}


def test_another_account_puts_events_by_the_policy_of_a_bus(server, events, bus):
    name = bus.split("/")[1]
    friend = "131313131313"
    theirs = server.client("events", account=friend)
    denied = refused(theirs.put_events, Entries=[entry(EventBusName=bus)])
    assert denied[0] == "AccessDeniedException"
    events.put_permission(EventBusName=name, Action="events:PutEvents", Principal=friend, StatementId="friend")
    statement = json.loads(events.describe_event_bus(Name=name)["Policy"])["Statement"][0]
    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{friend}:root"}
    _, _, to = wired(server, {"account": [friend]}, bus)
    assert theirs.put_events(Entries=[entry(EventBusName=bus)])["FailedEntryCount"] == 0
    assert len(bodies(server, to)) == 1
    assert refused(events.remove_permission, EventBusName=name, StatementId="x")[0] == "ResourceNotFoundException"
    events.remove_permission(EventBusName=name, StatementId="friend")
    assert "Policy" not in events.describe_event_bus(Name=name)
    assert refused(theirs.put_events, Entries=[entry(EventBusName=bus)])[0] == "AccessDeniedException"


def test_a_destination_can_be_a_bus(timed):  # noqa: F811
    events = timed.client("events")
    _, _, to = wired(timed, {"source": ["lambda"]})
    bus = f"{EVENTS}:event-bus/default"
    statement = {"Effect": "Allow", "Action": "events:PutEvents", "Resource": bus}
    role = roles.make(timed.endpoint, roles.of(name=name_of("sender")), statements=[statement])
    function = make(timed, "def handler(event, context):\n    return 1\n", Role=role)
    function.client.put_function_event_invoke_config(
        FunctionName=function.name, DestinationConfig={"OnSuccess": {"Destination": bus}}
    )
    send(function, {"a": 1})
    (event,) = bodies(timed, to, wait=20)
    assert event["detail-type"] == "Lambda Function Invocation Result - Success"
    assert event["detail"]["requestPayload"] == {"a": 1} and event["resources"][0] == bus
    for it in events.list_rules()["Rules"]:
        remove(events, it["Name"])


def test_a_rate_and_a_cron_are_due(timed):  # noqa: F811
    events, counts = timed.client("events"), {}
    for expression in ("rate(5 minutes)", "cron(0/10 * * * ? *)"):
        to = queue(timed)
        name, arn = rule(events, ScheduleExpression=expression)
        let_in(timed, to, arn)
        events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": to[1]}])
        counts[expression] = (name, arn, to)
    advance(timed, "PT30M")
    for expression, expected in (("rate(5 minutes)", (6,)), ("cron(0/10 * * * ? *)", (3,))):
        name, arn, to = counts[expression]
        found = bodies(timed, to)
        assert len(found) in expected, expression
        assert all(
            (it["source"], it["detail-type"], it["resources"], it["detail"])
            == ("aws.events", "Scheduled Event", [arn], {})
            for it in found
        )
        assert len({it["time"] for it in found}) == len(found)
        if "cron" in expression:
            assert all(it["time"][15:] == "0:00Z" for it in found)
        events.disable_rule(Name=name)
    advance(timed, "PT30M")
    assert all(bodies(timed, to, wait=1) == [] for _, _, to in counts.values())
    for name, _, _ in counts.values():
        remove(events, name)
    events.create_event_bus(Name="scheduled")
    asked = {"Name": "r", "ScheduleExpression": "rate(1 day)", "EventBusName": "scheduled"}
    assert "only on the default event bus" in refused(events.put_rule, **asked)[1]
    events.delete_event_bus(Name="scheduled")


def test_a_target_that_is_throttled_is_tried_again_and_then_given_up(timed):  # noqa: F811
    events, dead = timed.client("events"), queue(timed)
    function = make(timed, FAILING)
    arn = timed.client("lambda").get_function(FunctionName=function.name)["Configuration"]["FunctionArn"]
    name, rule_arn = rule(events, {"source": ["retried"]})
    let_in(timed, dead, rule_arn)
    # A role that cannot be taken on yet is no reason to give up at once only where trying again may help: a queue
    # that is gone is given up at once, and tells of it.
    gone = f"arn:aws:sqs:us-east-1:{ACCOUNT}:gone"
    events.put_targets(
        Rule=name,
        Targets=[
            {"Id": "gone", "Arn": gone, "DeadLetterConfig": {"Arn": dead[1]}},
            {"Id": "closed", "Arn": arn, "DeadLetterConfig": {"Arn": dead[1]}},
        ],
    )
    events.put_events(Entries=[entry({"n": 1}, Source="retried")])
    messages = received(timed, dead)
    codes = {it["MessageAttributes"]["TARGET_ARN"]["StringValue"]: it["MessageAttributes"] for it in messages}
    assert set(codes) == {gone, arn}
    assert codes[arn]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
    remove(events, name)


def test_an_archive_keeps_events_and_replays_them(timed):  # noqa: F811
    events, bus = timed.client("events"), name_of("archived")
    bus_arn = events.create_event_bus(Name=bus)["EventBusArn"]
    archive, replay = name_of("archive"), name_of("replay")
    made = events.create_archive(
        ArchiveName=archive,
        EventSourceArn=bus_arn,
        EventPattern=json.dumps({"detail": {"kept": [True]}}),
        RetentionDays=2,
    )
    assert made["ArchiveArn"] == f"{EVENTS}:archive/{archive}" and made["State"] == "ENABLED"
    assert refused(events.create_archive, ArchiveName=archive, EventSourceArn=bus_arn)[0] == (
        "ResourceAlreadyExistsException"
    )
    name, arn, to = wired(timed, {"source": ["shop"]}, bus)
    _, _, other = wired(timed, {"source": ["shop"]}, bus)
    begun = events.describe_event_bus(Name=bus)["CreationTime"]
    events.put_events(
        Entries=[entry({"n": n, "kept": n != 2}, EventBusName=bus) for n in range(5)],
    )
    assert len(bodies(timed, to)) == 5 == len(bodies(timed, other))
    shown = eventually(
        lambda: (found := events.describe_archive(ArchiveName=archive))["EventCount"] == 4 and found,
    )
    assert (shown["EventSourceArn"], shown["RetentionDays"]) == (bus_arn, 2) and shown["SizeBytes"] > 0
    asked = {
        "ReplayName": replay,
        "EventSourceArn": made["ArchiveArn"],
        "EventStartTime": begun.timestamp() - 60,
        "EventEndTime": begun.timestamp() + 3_600,
        "Destination": {"Arn": bus_arn, "FilterArns": [arn]},
    }
    backwards = {**asked, "EventEndTime": asked["EventStartTime"] - 1}
    assert "EventStartTime must be before EventEndTime." in refused(events.start_replay, **backwards)[1]
    elsewhere = {**asked, "Destination": {"Arn": f"{EVENTS}:event-bus/default"}}
    assert "Cross event bus replay is not permitted." in refused(events.start_replay, **elsewhere)[1]
    assert events.start_replay(**asked)["State"] == "STARTING"
    assert refused(events.start_replay, **asked)[0] == "ResourceAlreadyExistsException"
    replayed = bodies(timed, to)
    assert sorted(it["detail"]["n"] for it in replayed) == [0, 1, 3, 4]
    assert {it["replay-name"] for it in replayed} == {replay}
    assert bodies(timed, other, wait=1) == [], "the replay was for one rule"
    done = eventually(
        lambda: (found := events.describe_replay(ReplayName=replay))["State"] == "COMPLETED" and found,
    )
    assert done["EventLastReplayedTime"] <= done["ReplayEndTime"]
    assert [it["ReplayName"] for it in events.list_replays(NamePrefix=replay)["Replays"]] == [replay]
    assert refused(events.cancel_replay, ReplayName=replay)[0] == "IllegalStatusException"
    # What was replayed is not archived again.
    assert events.describe_archive(ArchiveName=archive)["EventCount"] == 4
    assert events.update_archive(ArchiveName=archive, RetentionDays=1)["State"] == "ENABLED"
    advance(timed, "P2D")
    eventually(lambda: events.describe_archive(ArchiveName=archive)["EventCount"] == 0)
    assert [it["ArchiveName"] for it in events.list_archives(NamePrefix=archive)["Archives"]] == [archive]
    events.delete_archive(ArchiveName=archive)
    assert events.list_archives(NamePrefix=archive)["Archives"] == []


def test_a_replay_is_cancelled(events, bus):
    """So many events that the replay is under way when it is cancelled."""
    archive, replay = name_of("archive"), name_of("replay")
    arn = events.create_archive(ArchiveName=archive, EventSourceArn=bus)["ArchiveArn"]
    for batch in range(100):
        events.put_events(Entries=[entry({"n": f"{batch}/{n}"}, EventBusName=bus) for n in range(10)])
    eventually(lambda: events.describe_archive(ArchiveName=archive)["EventCount"] == 1_000)
    begun = events.describe_event_bus(Name=bus)["CreationTime"].timestamp()
    times = {"EventStartTime": begun - 60, "EventEndTime": begun + 3_600}
    events.start_replay(ReplayName=replay, EventSourceArn=arn, **times, Destination={"Arn": bus})
    assert events.cancel_replay(ReplayName=replay)["State"] == "CANCELLING"
    ended = eventually(
        lambda: (found := events.describe_replay(ReplayName=replay))["State"] == "CANCELLED" and found,
    )
    assert "ReplayEndTime" in ended
    events.delete_archive(ArchiveName=archive)


def test_lists_come_in_pages(events, bus):
    names = sorted(rule(events, {"source": ["p"]}, bus)[0] for _ in range(5))
    first = events.list_rules(EventBusName=bus, Limit=3)
    second = events.list_rules(EventBusName=bus, Limit=3, NextToken=first["NextToken"])
    assert [it["Name"] for it in first["Rules"] + second["Rules"]] == names and "NextToken" not in second


def test_killed_servers_lose_no_event(tmp_path, crash_rounds):
    directory, sent = tmp_path / "data", set()
    to = None
    for number in range(crash_rounds):
        with Server("--data-dir", directory) as server:
            events = server.client("events")
            if to is None:
                to = queue(server)
                name, arn = rule(events, {"source": ["shop"]})
                let_in(server, to, arn)
                events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": to[1]}])
            for batch in range(5):
                entries = [entry({"n": f"{number}/{batch}/{n}"}) for n in range(10)]
                assert events.put_events(Entries=entries)["FailedEntryCount"] == 0
                sent |= {json.loads(it["Detail"])["n"] for it in entries}
            server.signal(signal.SIGKILL)
            server.process.wait()
    # What was under way when the server was killed is taken up again at once: this clock stands still.
    with Server("--data-dir", directory, "--clock", "virtual") as server:
        to = (server.client("sqs").get_queue_url(QueueName=to[1].split(":")[-1])["QueueUrl"], to[1])
        arrived = set()

        def all_there():
            arrived.update(it["detail"]["n"] for it in bodies(server, to, wait=2))
            return arrived >= sent

        eventually(all_there, seconds=60, what=lambda: f"missing {sorted(sent - arrived)[:20]} of {len(sent)}")
        assert arrived == sent
