"""Each operation of EventBridge with the AWS CLI: buses, rules and targets, archives and replays, and what it refuses."""

import datetime
import json

import pytest
from aws_cli import aws, forked, second  # noqa: F401 - fixtures
from functions import name_of
from hearth import eventually
from test_asynchronous import advance
from test_aws_cli_sns import queue_for, received

ACCOUNT = "000000000000"
EVENTS = f"arn:aws:events:us-east-1:{ACCOUNT}"
ABSENT = "ResourceNotFoundException"


@pytest.fixture
def events(aws):  # noqa: F811
    return aws("events")


@pytest.fixture
def bus(events):
    """A bus of the test's own: its name."""
    name = name_of("cli-bus")
    events("create-event-bus", "--name", name)
    return name


def queue(sqs):
    """A queue that lets every rule in: its URL and its ARN."""
    return queue_for(sqs, {"Principal": {"Service": "events.amazonaws.com"}})


def entry(detail, **more):
    return {"Source": "shop", "DetailType": "order", "Detail": json.dumps(detail)} | more


def test_the_main_commands(second, events, aws):  # noqa: F811
    sqs = aws("sqs")
    (url, arn), name = queue(sqs), name_of("cli-rule")
    pattern = json.dumps({"detail": {"for": [name]}})
    made = events("put-rule", "--name", name, "--event-pattern", pattern, "--query", "RuleArn", "--output", "text")
    assert made == f"{EVENTS}:rule/{name}"
    assert events("put-targets", "--rule", name, "--targets", f"Id=queue,Arn={arn},InputPath=$.detail.n")["FailedEntryCount"] == 0
    detail = '"{\\"for\\": \\"%s\\", \\"n\\": %d}"'
    entries = [f"Source=shop,DetailType=order,Detail={detail % each}" for each in (("other", 1), (name, 2))]
    events = second("events")
    answer = events("put-events", "--entries", *entries)
    assert answer["FailedEntryCount"] == 0 and len({each["EventId"] for each in answer["Entries"]}) == 2
    assert [message["Body"] for message in received(sqs, url, 1)] == ["2"]
    assert events.refused("describe-rule", "--name", "nobody") == (ABSENT, "Rule nobody does not exist on EventBus default.")


def test_the_life_of_a_bus(events):
    name = name_of("cli-bus")
    tags = ("--tags", "Key=team,Value=blue", "Key=cost,Value=a")
    arn = events("create-event-bus", "--name", name, "--description", "one", *tags)["EventBusArn"]
    assert arn == f"{EVENTS}:event-bus/{name}"
    assert events("update-event-bus", "--name", name, "--description", "two, three")["Description"] == "two, three"
    shown = events("describe-event-bus", "--name", name)
    assert (shown["Name"], shown["Arn"], shown["Description"]) == (name, arn, "two, three") and "Policy" not in shown
    assert events("list-event-buses", "--name-prefix", name, "--query", "EventBuses[].Arn", "--output", "text") == arn
    of = ("--resource-arn", arn)
    assert events("tag-resource", *of, "--tags", "Key=team,Value=red", "Key=owner,Value=Ada") is None
    assert events("untag-resource", *of, "--tag-keys", "cost", "absent") is None
    tags = events("list-tags-for-resource", *of)["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"team": "red", "owner": "Ada"}
    asked = ("--event-bus-name", name, "--statement-id", "friends")
    assert events("put-permission", *asked, "--action", "events:PutEvents", "--principal", "111122223333") is None
    [statement] = json.loads(events("describe-event-bus", "--name", name)["Policy"])["Statement"]
    assert statement == {
        "Sid": "friends", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
        "Action": "events:PutEvents", "Resource": arn,
    }
    assert events("remove-permission", *asked) is None
    assert "friends" not in str(events("describe-event-bus", "--name", name))
    assert events("delete-event-bus", "--name", name) is None
    assert events.refused("describe-event-bus", "--name", name) == (ABSENT, f"Event bus {name} does not exist.")


def test_the_life_of_a_rule(events, bus):
    name, on = name_of("cli-rule"), ("--event-bus-name", bus)
    of = ("--name", name, *on)
    pattern = {"source": ["shop"], "detail": {"total": [{"numeric": [">=", 100]}]}}
    arn = events("put-rule", *of, "--event-pattern", events.file("pattern.json", pattern), "--state", "DISABLED")["RuleArn"]
    assert arn == f"{EVENTS}:rule/{bus}/{name}"
    shown = events("describe-rule", *of)
    assert (shown["Arn"], shown["State"], json.loads(shown["EventPattern"])) == (arn, "DISABLED", pattern)
    state = lambda: events("describe-rule", *of, "--query", "State", "--output", "text")  # noqa: E731
    assert events("enable-rule", *of) is None
    assert state() == "ENABLED"
    assert events("disable-rule", *of) is None
    assert state() == "DISABLED"
    target = f"arn:aws:sqs:us-east-1:{ACCOUNT}:anywhere"
    simple = [f"Id={number},Arn={target},RetryPolicy={{MaximumRetryAttempts={number}}}" for number in (1, 2)]
    assert events("put-targets", "--rule", name, *on, "--targets", *simple) == {"FailedEntryCount": 0, "FailedEntries": []}
    transformer = {"InputPathsMap": {"id": "$.detail.id"}, "InputTemplate": '"order <id>"'}
    transformed = {"Id": "3", "Arn": target, "InputTransformer": transformer}
    events("put-targets", "--rule", name, *on, "--targets", events.file("targets.json", [transformed]))
    listed = events("list-targets-by-rule", "--rule", name, *on, "--page-size", "1")["Targets"]
    assert listed == [
        *({"Id": str(number), "Arn": target, "RetryPolicy": {"MaximumRetryAttempts": number}} for number in (1, 2)), transformed
    ]
    page = events("list-targets-by-rule", "--rule", name, *on, "--max-items", "2")
    assert len(page["Targets"]) == 2
    rest = events("list-targets-by-rule", "--rule", name, *on, "--starting-token", page["NextToken"])
    assert [each["Id"] for each in page["Targets"] + rest["Targets"]] == ["1", "2", "3"]
    other = name_of("cli-rule")
    events("put-rule", "--name", other, *on, "--event-pattern", '{"source": ["shop"]}')
    events("put-targets", "--rule", other, *on, "--targets", f"Id=1,Arn={target}")
    found = events("list-rule-names-by-target", "--target-arn", target, *on, "--page-size", "1")["RuleNames"]
    assert sorted(found) == sorted([name, other])
    assert len(events("list-rules", *on, "--max-items", "1")["Rules"]) == 1
    found = events("list-rules", *on, "--page-size", "1", "--query", "Rules[].[Name, State]", "--output", "text")
    assert sorted(found.splitlines()) == sorted([f"{name}\tDISABLED", f"{other}\tENABLED"])
    in_use = ("ValidationException", "Rule can't be deleted since it has targets.")
    assert events.refused("delete-rule", *of) == in_use
    assert events("remove-targets", "--rule", name, *on, "--ids", "1", "2", "3") == {"FailedEntryCount": 0, "FailedEntries": []}
    assert events("delete-rule", *of) is None
    assert events.refused("describe-rule", *of) == (ABSENT, f"Rule {name} does not exist on EventBus {bus}.")


def test_events_are_changed_on_their_way_to_a_queue(events, aws, bus):  # noqa: F811
    sqs, name, on = aws("sqs"), name_of("cli-rule"), ("--event-bus-name", bus)
    url, arn = queue(sqs)
    events("put-rule", "--name", name, *on, "--event-pattern", '{"source": ["shop"], "detail": {"total": [{"numeric": [">=", 100]}]}}')
    transformer = {"InputPathsMap": {"id": "$.detail.id", "of": "$.resources[0]"}, "InputTemplate": '"order <id> of <of>"'}
    targets = events.file("targets.json", [{"Id": "queue", "Arn": arn, "InputTransformer": transformer}])
    events("put-targets", "--rule", name, *on, "--targets", targets)
    entries = [
        entry({"id": 1, "total": 99}, EventBusName=bus),
        entry({"id": 2, "total": 100}, EventBusName=bus, Resources=["arn:aws:shop:::Ada"], Time="2026-01-02T03:04:05Z"),
        entry({}, EventBusName=bus) | {"Detail": "{"},
    ]
    answer = events("put-events", "--entries", events.file("entries.json", entries))
    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][2] == {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
    assert [message["Body"] for message in received(sqs, url, 1)] == ['"order 2 of arn:aws:shop:::Ada"']


def test_a_rule_with_a_schedule_is_due(events, aws):  # noqa: F811
    sqs, name = aws("sqs"), name_of("cli-rule")
    url, arn = queue(sqs)
    events("put-rule", "--name", name, "--schedule-expression", "rate(5 minutes)")
    events("put-targets", "--rule", name, "--targets", f"Id=queue,Arn={arn}")
    advance(sqs.cli.server, "PT5M1S")
    [message] = received(sqs, url, 1)
    told = json.loads(message["Body"])
    assert (told["source"], told["detail-type"]) == ("aws.events", "Scheduled Event")
    assert told["resources"] == [f"{EVENTS}:rule/{name}"]
    events("disable-rule", "--name", name)


def test_patterns_are_tried(events):
    event = {
        "id": "1", "account": ACCOUNT, "source": "shop", "time": "2026-01-01T00:00:00Z", "region": "us-east-1",
        "resources": [], "detail-type": "order", "detail": {"kind": "large"},
    }
    asked = ("--event", events.file("event.json", event), "--event-pattern")
    assert events("test-event-pattern", *asked, '{"detail": {"kind": [{"prefix": "la"}]}}') == {"Result": True}
    assert events("test-event-pattern", *asked, '{"detail": {"kind": ["small"]}}', "--query", "Result", "--output", "text") == "False"
    code, message = events.refused("test-event-pattern", *asked, '{"detail": "large"}')
    assert code == "InvalidEventPatternException" and message.startswith("Event pattern is not valid. Reason: ")


def times(events, bus):
    """The parameters of a replay of everything."""
    # Version 1 prints times as they are on the wire, and takes them in any form.
    made = events("describe-event-bus", "--name", bus)["CreationTime"]
    begin = datetime.datetime.fromtimestamp(made - 3600, datetime.timezone.utc).isoformat()
    return "--event-start-time", begin, "--event-end-time", str(made + 3600)


def test_an_archive_is_replayed(events, aws, bus):  # noqa: F811
    sqs, on, name = aws("sqs"), ("--event-bus-name", bus), name_of("cli-rule")
    url, queue_arn = queue(sqs)
    rule = events("put-rule", "--name", name, *on, "--event-pattern", '{"source": ["shop"]}')["RuleArn"]
    events("put-targets", "--rule", name, *on, "--targets", f"Id=queue,Arn={queue_arn}")
    archive, source = ("--archive-name", name_of("cli-archive")), f"{EVENTS}:event-bus/{bus}"
    pattern = '{"detail": {"kept": [true]}}'
    made = events("create-archive", *archive, "--event-source-arn", source, "--event-pattern", pattern, "--retention-days", "7")
    assert (made["ArchiveArn"], made["State"]) == (f"{EVENTS}:archive/{archive[1]}", "ENABLED")
    entries = [entry({"n": number, "kept": number != 1}, EventBusName=bus) for number in range(3)]
    events("put-events", "--entries", json.dumps(entries))
    received(sqs, url, 3)
    eventually(lambda: events("describe-archive", *archive)["EventCount"] == 2)
    shown = events("describe-archive", *archive)
    assert (shown["EventSourceArn"], shown["RetentionDays"], json.loads(shown["EventPattern"])) == (source, 7, json.loads(pattern))
    replay = name_of("cli-replay")
    asked = ("--replay-name", replay, "--event-source-arn", made["ArchiveArn"], *times(events, bus))
    started = events("start-replay", *asked, "--destination", f"Arn={source},FilterArns={rule}")
    assert (started["ReplayArn"], started["State"]) == (f"{EVENTS}:replay/{replay}", "STARTING")
    told = [json.loads(message["Body"]) for message in received(sqs, url, 2)]
    assert sorted(each["detail"]["n"] for each in told) == [0, 2] and {each["replay-name"] for each in told} == {replay}
    eventually(lambda: events("describe-replay", "--replay-name", replay)["State"] == "COMPLETED")
    shown = events("describe-replay", "--replay-name", replay)
    assert (shown["EventSourceArn"], shown["Destination"]) == (made["ArchiveArn"], {"Arn": source, "FilterArns": [rule]})
    assert shown["EventLastReplayedTime"] and shown["ReplayEndTime"] >= shown["ReplayStartTime"]
    assert events("list-replays", "--name-prefix", replay, "--query", "Replays[].State", "--output", "text") == "COMPLETED"
    assert events.refused("cancel-replay", "--replay-name", replay) == (
        "IllegalStatusException", f"Replay {replay} is not in a valid state for this operation."
    )
    assert events("update-archive", *archive, "--description", "for a day", "--retention-days", "1")["ArchiveArn"] == made["ArchiveArn"]
    [listed] = events("list-archives", "--event-source-arn", source)["Archives"]
    assert (listed["ArchiveName"], listed["RetentionDays"], listed["EventCount"]) == (archive[1], 1, 2)
    assert events("delete-archive", *archive) is None
    assert events.refused("describe-archive", *archive) == (ABSENT, f"Archive {archive[1]} does not exist.")


def test_a_replay_is_cancelled(events, bus):
    """The archive is so large that a replay takes longer than the CLI; most likely, so it is tried some times."""
    client, source = events.cli.server.client("events"), f"{EVENTS}:event-bus/{bus}"
    archive = events("create-archive", "--archive-name", name_of("cli-archive"), "--event-source-arn", source)["ArchiveArn"]
    for _ in range(60):
        client.put_events(Entries=[entry({"large": "x" * 20_000}, EventBusName=bus)] * 10)
    eventually(lambda: client.describe_archive(ArchiveName=archive.split("/")[1])["EventCount"] == 600)
    asked = ("--event-source-arn", archive, *times(events, bus), "--destination", f"Arn={source}")
    for _ in range(10):
        replay = ("--replay-name", name_of("cli-replay"))
        events("start-replay", *replay, *asked)
        try:
            assert events("cancel-replay", *replay)["State"] == "CANCELLING"
            break
        except AssertionError as late:
            assert "IllegalStatusException" in str(late)
    eventually(lambda: events("describe-replay", *replay)["State"] == "CANCELLED")
    assert "ReplayEndTime" in events("describe-replay", *replay)


def test_refusals_are_told_as_aws_tells_them(events, bus):
    target, absent = f"Id=1,Arn=arn:aws:sqs:us-east-1:{ACCOUNT}:q", f"{EVENTS}:rule/absent"
    invalid, no_rule = "ValidationException", (ABSENT, "Rule absent does not exist on EventBus default.")
    events.refuses([
        ("create-event-bus", ("--name", bus), ("ResourceAlreadyExistsException", f"Event bus {bus} already exists.")),
        ("delete-event-bus", ("--name", "default"), (invalid, "Cannot delete event bus default.")),
        ("put-rule", ("--name", "r"), (invalid, "EventPattern or ScheduleExpression must be specified.")),
        ("put-rule", ("--name", "r", "--schedule-expression", "rate(1 minutes)"), (invalid, "ScheduleExpression is not valid.")),
        ("put-rule", ("--name", "r", "--event-pattern", "{"), ("InvalidEventPatternException", "Event pattern is not valid. Reason: ")),
        ("enable-rule", ("--name", "absent"), no_rule),
        ("put-targets", ("--rule", "absent", "--targets", target), no_rule),
        ("remove-targets", ("--rule", "absent", "--ids", "1"), no_rule),
        ("list-rules", ("--event-bus-name", "absent"), (ABSENT, "Event bus absent does not exist.")),
        ("list-tags-for-resource", ("--resource-arn", absent), (ABSENT, "absent")),
        ("remove-permission", ("--event-bus-name", bus, "--statement-id", "nobody"), (ABSENT, "EventBus does not have a policy.")),
        ("create-archive", ("--archive-name", "a", "--event-source-arn", f"{EVENTS}:event-bus/absent"),
         (ABSENT, "Event bus absent does not exist.")),
        ("delete-archive", ("--archive-name", "absent"), (ABSENT, "Archive absent does not exist.")),
        ("describe-replay", ("--replay-name", "absent"), (ABSENT, "Replay absent does not exist.")),
    ])
