"""EventBridge Scheduler: schedules and their groups, when they are due, and what becomes of what they invoke."""

import contextlib
import datetime
import http.client
import itertools
import json
import random
import signal
import threading
import time

import pytest
import roles
from functions import PYTHON, code, create, name_of
from hearth import REPOSITORY, Server, eventually
from test_asynchronous import RECORDER, advance, timed, told  # noqa: F401 - a fixture
from test_aws_cli import needs_2, printed_commands, readme_walk, run_as_printed
from test_denied import User, allow
from test_functions import refused
from test_sns import queue, received

ACCOUNT = "000000000000"
SCHEDULES = f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule"
TRUST = json.loads(json.dumps(roles.TRUST).replace("lambda.amazonaws.com", "scheduler.amazonaws.com"))
OFF = {"Mode": "OFF"}
ABSENT = "ResourceNotFoundException"
_numbers = itertools.count(1)


def role(server, *actions, trust=TRUST):
    """A role that the scheduler may assume, and that may do these actions."""
    arn = roles.of(name=f"scheduler-{next(_numbers)}")
    statements = [{"Effect": "Allow", "Action": list(actions or ["sqs:SendMessage"]), "Resource": "*"}]
    return roles.make(server.endpoint, arn, policies=(), statements=statements, trust=trust)


def now(server):
    """What the server's clock shows, without a fraction."""
    return datetime.datetime.fromisoformat(advance(server, "PT0S")).replace(microsecond=0)


def at(moment):
    return f"at({moment:%Y-%m-%dT%H:%M:%S})"


def schedule(server, expression, target, name=None, **settings):
    """Makes a schedule that sends its name to a queue; gives the name."""
    name = name or name_of("schedule")
    described = {"Arn": target[1], "RoleArn": role(server), "Input": name} | settings.pop("Target", {})
    asked = {"FlexibleTimeWindow": OFF, "Target": described, "ScheduleExpression": expression} | settings
    server.client("scheduler").create_schedule(Name=name, **asked)
    return name


def bodies(server, target, wait=3):
    return [message["Body"] for message in received(server, target, wait=wait)]


def test_the_life_of_a_schedule(server):
    client, target = server.client("scheduler"), queue(server)
    name, arn = name_of("schedule"), role(server)
    asked = {
        "ScheduleExpression": "cron(0 9 ? * MON-FRI *)",
        "ScheduleExpressionTimezone": "Europe/Berlin",
        "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15},
        "Description": "every working day",
        "Target": {"Arn": target[1], "RoleArn": arn, "Input": "m"},
    }
    token = {"ClientToken": name}
    made = client.create_schedule(Name=name, **asked, **token)["ScheduleArn"]
    assert made == f"{SCHEDULES}/default/{name}"
    assert client.create_schedule(Name=name, **asked, **token)["ScheduleArn"] == made, "the same request once more"
    assert refused(client.create_schedule, Name=name, **asked) == (
        "ConflictException", f"Schedule {name} already exists.", 409
    )
    shown = client.get_schedule(Name=name)
    assert {key: shown[key] for key in asked if key != "Target"} == {key: asked[key] for key in asked if key != "Target"}
    assert shown["Target"] == asked["Target"] | {
        "RetryPolicy": {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}
    }
    assert (shown["State"], shown["GroupName"], shown["ActionAfterCompletion"]) == ("ENABLED", "default", "NONE")
    assert shown["CreationDate"] == shown["LastModificationDate"]
    end = shown["CreationDate"] + datetime.timedelta(days=30)
    changed = asked | {"ScheduleExpression": "rate(1 hour)", "State": "DISABLED", "FlexibleTimeWindow": OFF, "EndDate": end}
    del changed["Description"]
    assert client.update_schedule(Name=name, **changed)["ScheduleArn"] == made
    shown = client.get_schedule(Name=name)
    assert (shown["ScheduleExpression"], shown["State"], shown["FlexibleTimeWindow"]) == ("rate(1 hour)", "DISABLED", OFF)
    assert "Description" not in shown and shown["EndDate"] == end.replace(microsecond=end.microsecond // 1000 * 1000)
    pages = client.get_paginator("list_schedules").paginate(NamePrefix=name, State="DISABLED", PaginationConfig={"PageSize": 1})
    [listed] = [it for page in pages for it in page["Schedules"]]
    assert (listed["Arn"], listed["State"], listed["Target"]) == (made, "DISABLED", {"Arn": target[1]})
    client.delete_schedule(Name=name, **token)
    client.delete_schedule(Name=name, **token)
    assert refused(client.get_schedule, Name=name) == (ABSENT, f"Schedule {name} does not exist.", 404)


def test_the_life_of_a_group(server):
    client, target, name = server.client("scheduler"), queue(server), name_of("group")
    arn = client.create_schedule_group(Name=name, Tags=[{"Key": "a", "Value": "1"}])["ScheduleGroupArn"]
    assert arn == f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule-group/{name}"
    assert refused(client.create_schedule_group, Name=name)[::2] == ("ConflictException", 409)
    shown = client.get_schedule_group(Name=name)
    assert (shown["Arn"], shown["Name"], shown["State"]) == (arn, name, "ACTIVE")
    pages = client.get_paginator("list_schedule_groups").paginate(PaginationConfig={"PageSize": 1})
    assert {"default", name} <= {it["Name"] for page in pages for it in page["ScheduleGroups"]}
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])
    client.untag_resource(ResourceArn=arn, TagKeys=["a"])
    assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    within = schedule(server, "rate(1 day)", target, GroupName=name, State="DISABLED")
    assert client.get_schedule(Name=within, GroupName=name)["Arn"] == f"{SCHEDULES}/{name}/{within}"
    assert [it["Name"] for it in client.list_schedules(GroupName=name)["Schedules"]] == [within]
    client.delete_schedule_group(Name=name)
    eventually(lambda: refused_with(client.get_schedule_group, ABSENT, Name=name))
    assert refused(client.get_schedule, Name=within, GroupName=name)[0] == ABSENT
    assert refused(client.delete_schedule_group, Name="default")[0] == "ValidationException"


def refused_with(call, code, **asked):
    try:
        call(**asked)
    except call.__self__.exceptions.ClientError as error:
        return error.response["Error"]["Code"] == code
    return False


def test_what_is_not_there_is_not_found(server):
    client, group = server.client("scheduler"), f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule-group/nobody"
    asked = {"ScheduleExpression": "rate(1 hour)", "FlexibleTimeWindow": OFF}
    asked["Target"] = {"Arn": queue(server)[1], "RoleArn": role(server)}
    for call, named in [
        (client.get_schedule, {"Name": "nobody"}),
        (client.delete_schedule, {"Name": "nobody"}),
        (client.update_schedule, {"Name": "nobody"} | asked),
        (client.create_schedule, {"Name": "somebody", "GroupName": "nobody"} | asked),
        (client.list_schedules, {"GroupName": "nobody"}),
        (client.get_schedule_group, {"Name": "nobody"}),
        (client.delete_schedule_group, {"Name": "nobody"}),
        (client.list_tags_for_resource, {"ResourceArn": group}),
        (client.tag_resource, {"ResourceArn": group, "Tags": []}),
        (client.untag_resource, {"ResourceArn": group, "TagKeys": ["a"]}),
    ]:
        code, message, status = refused(call, **named)
        assert (code, status) == (ABSENT, 404) and message.endswith(" does not exist."), message


def test_what_cannot_be_is_refused_by_name(server):
    client, target = server.client("scheduler"), queue(server)
    good = {"Arn": target[1], "RoleArn": role(server)}
    lambdas = role(server, trust=roles.TRUST)
    untrusted = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
    for changed, expected in [
        ({"ScheduleExpression": "rate(1 hours)"}, "Invalid Schedule Expression rate(1 hours)."),
        ({"ScheduleExpression": "at(2030-02-30T00:00:00)"}, "Invalid Schedule Expression at(2030-02-30T00:00:00)."),
        ({"ScheduleExpressionTimezone": "Europe/Atlantis"}, "Invalid Schedule Expression Timezone Europe/Atlantis."),
        ({"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}}, "MaximumWindowInMinutes must be provided"),
        ({"FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 1441}}, "1440"),
        ({"KmsKeyArn": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/k"}, "KmsKeyArn"),
        ({"Target": good | {"RoleArn": lambdas}}, untrusted),
        ({"Target": good | {"RoleArn": roles.of(name="nobody")}}, untrusted),
        ({"Target": good | {"Arn": f"arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/c"}}, "the service ecs"),
        ({"Target": good | {"Arn": "arn:aws:scheduler:::aws-sdk:s3:listBuckets"}}, "aws-sdk:s3:listBuckets"),
        ({"Target": good | {"KinesisParameters": {"PartitionKey": "k"}}}, "KinesisParameters"),
        ({"Target": good | {"RetryPolicy": {"MaximumRetryAttempts": 186}}}, "185"),
        ({"Target": good | {"DeadLetterConfig": {"Arn": target[1] + ".fifo"}}}, "deadLetterConfig.arn"),
    ]:
        asked = {"Name": "s", "ScheduleExpression": "rate(1 hour)", "FlexibleTimeWindow": OFF, "Target": good} | changed
        code, message, status = refused(client.create_schedule, **asked)
        assert (code, status) == ("ValidationException", 400) and expected in message, (changed, message)
    assert refused(client.list_schedules, NextToken="?")[0] == "ValidationException"
    assert refused(client.list_schedule_groups, NextToken="?")[0] == "ValidationException"


def test_who_may_not_pass_the_role_makes_no_schedule(server):
    user, passed = User(server, name_of("planner")).may(allow("scheduler:*")), role(server)
    client, name = user.client("scheduler"), name_of("schedule")
    asked = {"Name": name, "ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": OFF, "State": "DISABLED"}
    asked["Target"] = {"Arn": queue(server)[1], "RoleArn": passed}
    code, message, _ = refused(client.create_schedule, **asked)
    assert code == "AccessDeniedException" and f"perform: iam:PassRole on resource: {passed} " in message
    here = {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}
    user.may(allow("scheduler:*"), allow("iam:PassRole", resource=passed, Condition=here))
    client.create_schedule(**asked)
    user.may(allow("scheduler:*"))
    assert refused(client.update_schedule, **asked)[0] == "AccessDeniedException"
    user.may(allow("scheduler:DeleteSchedule", resource=f"{SCHEDULES}/default/{name}"))
    assert refused(client.get_schedule, Name=name)[0] == "AccessDeniedException"
    client.delete_schedule(Name=name)


def test_a_role_may_trust_the_schedules_of_one_group(server):
    client, group, target = server.client("scheduler"), name_of("group"), queue(server)
    arn = client.create_schedule_group(Name=group)["ScheduleGroupArn"]
    [statement] = TRUST["Statement"]
    only = {"StringEquals": {"aws:SourceArn": arn, "aws:SourceAccount": ACCOUNT}}
    trusting = role(server, trust=TRUST | {"Statement": [statement | {"Condition": only}]})
    described = {"State": "DISABLED", "Target": {"RoleArn": trusting}}
    with pytest.raises(client.exceptions.ValidationException):
        schedule(server, "rate(1 day)", target, **described)
    schedule(server, "rate(1 day)", target, GroupName=group, **described | {"Target": {"RoleArn": trusting}})
    client.delete_schedule_group(Name=group)


def test_a_rate_is_due_again_and_again_until_its_end(timed):  # noqa: F811
    target, begun = queue(timed), now(timed)
    end = begun + datetime.timedelta(minutes=25)
    schedule(timed, "rate(10 minutes)", target, EndDate=end, Target={"Input": "<aws.scheduler.scheduled-time>"})
    times = bodies(timed, target)
    # The clock goes from one time to the next, and none is passed over.
    advance(timed, "PT1H")
    times += bodies(timed, target, wait=2)
    parsed = [datetime.datetime.fromisoformat(time) for time in times]
    assert len(parsed) == 3 and parsed[0] - begun < datetime.timedelta(seconds=10), times
    assert {later - earlier for earlier, later in itertools.pairwise(parsed)} == {datetime.timedelta(minutes=10)}


def test_cron_and_one_time_schedules_are_due_in_their_time_zone(timed):  # noqa: F811
    target = queue(timed)
    hence = (now(timed) + datetime.timedelta(minutes=10)).replace(second=0)
    tokyo = hence + datetime.timedelta(hours=9)
    for expression, zone in [
        (at(hence), "UTC"), (at(tokyo), "Asia/Tokyo"), (at(tokyo), "UTC"),
        (f"cron({hence.minute} {hence.hour} * * ? *)", "UTC"), (f"cron({tokyo.minute} {tokyo.hour} * * ? *)", "Asia/Tokyo"),
    ]:
        schedule(timed, expression, target, ScheduleExpressionTimezone=zone, Target={"Input": f"{expression} {zone}"})
    assert bodies(timed, target, wait=1) == []
    advance(timed, "PT10M")
    expected = {
        f"{at(hence)} UTC", f"{at(tokyo)} Asia/Tokyo",
        f"cron({hence.minute} {hence.hour} * * ? *) UTC", f"cron({tokyo.minute} {tokyo.hour} * * ? *) Asia/Tokyo",
    }
    assert set(bodies(timed, target)) == expected
    advance(timed, "PT9H")
    assert bodies(timed, target) == [f"{at(tokyo)} UTC"]


def test_a_flexible_window_spreads_invocations(timed):  # noqa: F811
    target, hence = queue(timed), now(timed) + datetime.timedelta(minutes=5)
    window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 60}
    names = {schedule(timed, at(hence), target, FlexibleTimeWindow=window) for _ in range(12)}
    advance(timed, "PT5M10S")
    found = bodies(timed, target, wait=1)
    advance(timed, "PT30M")
    found += bodies(timed, target)
    assert 0 < len(found) < 12
    advance(timed, "PT31M")
    found += bodies(timed, target)
    assert sorted(found) == sorted(names)


def test_a_function_is_invoked_with_the_input_or_a_notification(timed):  # noqa: F811
    function = create(timed.client("lambda"), PYTHON, code(PYTHON, RECORDER))
    arn = function.client.get_function_configuration(FunctionName=function.name)["FunctionArn"]
    invokes = role(timed, "lambda:InvokeFunction")
    hence = now(timed) + datetime.timedelta(minutes=1)
    given = json.dumps({"schedule": "<aws.scheduler.schedule-arn>", "attempt": "<aws.scheduler.attempt-number>"})
    name = schedule(timed, at(hence), (None, arn), Target={"RoleArn": invokes, "Input": given})
    advance(timed, "PT1M")
    assert told(timed, function, 1)[0]["seen"] == {"schedule": f"{SCHEDULES}/default/{name}", "attempt": "1"}
    name = name_of("schedule")
    timed.client("scheduler").create_schedule(
        Name=name, ScheduleExpression="rate(1 day)", FlexibleTimeWindow=OFF, Target={"Arn": arn, "RoleArn": invokes}
    )
    seen = told(timed, function, 2)[1]["seen"]
    assert (seen["source"], seen["detail-type"], seen["detail"]) == ("aws.scheduler", "Scheduled Event", "{}")
    assert seen["resources"] == [f"{SCHEDULES}/default/{name}"]


def test_topics_and_universal_targets(timed):  # noqa: F811
    sns, target = timed.client("sns"), queue(timed)
    topic = sns.create_topic(Name=name_of("topic"))["TopicArn"]
    policy = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*"}
    attributes = {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [policy]})}
    timed.client("sqs").set_queue_attributes(QueueUrl=target[0], Attributes=attributes)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=target[1], Attributes={"RawMessageDelivery": "true"})
    hence = at(now(timed) + datetime.timedelta(minutes=1))
    schedule(timed, hence, (None, topic), Target={"RoleArn": role(timed, "sns:Publish"), "Input": "templated"})
    for operation, action, asked in [
        ("sqs:sendMessage", "sqs:SendMessage", {"QueueUrl": target[0], "MessageBody": "universal message"}),
        ("sns:publish", "sns:Publish", {"TopicArn": topic, "Message": "universal notification"}),
    ]:
        described = {"Arn": f"arn:aws:scheduler:::aws-sdk:{operation}", "RoleArn": role(timed, action), "Input": json.dumps(asked)}
        schedule(timed, hence, target, Target=described)
    advance(timed, "PT1M")
    found = []
    eventually(lambda: found.extend(bodies(timed, target, wait=1)) or len(found) == 3)
    assert set(found) == {"templated", "universal message", "universal notification"}


def test_an_event_bus_gets_an_event(timed):  # noqa: F811
    events, target, name = timed.client("events"), queue(timed), name_of("rule")
    bus = events.create_event_bus(Name=name_of("bus"))["EventBusArn"]
    rule = events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps({"source": ["app.orders"]}))["RuleArn"]
    events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "q", "Arn": target[1]}])
    policy = {
        "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": target[1],
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
    }
    attributes = {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [policy]})}
    timed.client("sqs").set_queue_attributes(QueueUrl=target[0], Attributes=attributes)
    described = {
        "Arn": bus, "RoleArn": role(timed, "events:PutEvents"), "Input": json.dumps({"order": 7}),
        "EventBridgeParameters": {"DetailType": "OrderDue", "Source": "app.orders"},
    }
    made = schedule(timed, "rate(1 day)", target, Target=described)
    [message] = received(timed, target)
    event = json.loads(message["Body"])
    assert (event["source"], event["detail-type"], event["detail"]) == ("app.orders", "OrderDue", {"order": 7})
    assert event["resources"] == [f"{SCHEDULES}/default/{made}"]


def test_a_schedule_may_go_when_it_is_over(timed):  # noqa: F811
    client, target = timed.client("scheduler"), queue(timed)
    hence = at(now(timed) + datetime.timedelta(minutes=1))
    goes = schedule(timed, hence, target, ActionAfterCompletion="DELETE")
    stays = schedule(timed, hence, target)
    advance(timed, "PT1M")
    assert set(bodies(timed, target)) == {goes, stays}
    eventually(lambda: refused_with(client.get_schedule, ABSENT, Name=goes))
    assert client.get_schedule(Name=stays)["State"] == "ENABLED"


@pytest.mark.parametrize("case", ["no queue", "no leave", "no trust"])
def test_what_cannot_be_delivered_is_a_dead_letter(timed, case):  # noqa: F811
    client, dead = timed.client("scheduler"), queue(timed)
    target = (None, dead[1] + "-nobody") if case == "no queue" else queue(timed)
    may = role(timed)
    described = {
        "RoleArn": may, "Input": "sent at <aws.scheduler.scheduled-time>",
        "DeadLetterConfig": {"Arn": dead[1]}, "RetryPolicy": {"MaximumRetryAttempts": 0},
    }
    hence = now(timed) + datetime.timedelta(minutes=1)
    name = schedule(timed, at(hence), target, Target=described)
    iam = roles.iam(timed.endpoint)
    if case == "no leave":
        # The role may send to the queue of dead letters alone.
        statement = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": dead[1]}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_role_policy(RoleName=may.split("/")[-1], PolicyName="own", PolicyDocument=document)
    if case == "no trust":
        iam.update_assume_role_policy(RoleName=may.split("/")[-1], PolicyDocument=json.dumps(roles.TRUST))
    advance(timed, "PT1M")
    [message] = received(timed, dead)
    attributes = {key: value["StringValue"] for key, value in message["MessageAttributes"].items()}
    code, told_of = attributes.pop("ERROR_CODE"), attributes.pop("ERROR_MESSAGE")
    assert told_of and (code == "AccessDeniedException" if case == "no trust" else code)
    assert len(attributes.pop("EXECUTION_ID")) == 16
    assert attributes == {
        "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": "0",
        "SCHEDULE_ARN": f"{SCHEDULES}/default/{name}",
        "TARGET_ARN": target[1],
    }
    assert message["Body"] == f"sent at {hence:%Y-%m-%dT%H:%M:%SZ}"
    client.delete_schedule(Name=name)


def move(server, by):
    """Puts the clock of a server forward that may die of it."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        advance(server, by)


def test_what_is_due_survives_sigkill(tmp_path, crash_rounds):
    """Whenever the server is killed, every schedule invokes, and those that became due while it was down too."""
    names, target = set(), None
    for turn in range(crash_rounds):
        server = Server("--data-dir", tmp_path / "data", "--clock", "virtual")
        try:
            target = target or queue(server)
            # The clock of a new server shows the machine's time again: what was put ahead lies ahead once more.
            hence = now(server) + datetime.timedelta(minutes=1)
            window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5}
            for number in range(8):
                flexible = {"FlexibleTimeWindow": window} if number % 2 else {}
                names.add(schedule(server, at(hence), target, name=f"s-{turn}-{number}", **flexible))
            # In the midst of what is due.
            moving = threading.Thread(target=move, args=(server, "PT3M"))
            moving.start()
            time.sleep(random.random() / 5)
            server.signal(signal.SIGKILL)
            moving.join()
        finally:
            server.kill()
    with Server("--data-dir", tmp_path / "data", "--clock", "virtual") as server:
        url = server.client("sqs").get_queue_url(QueueName=target[1].split(":")[-1])["QueueUrl"]
        missing = set(names)
        for _ in range(12):
            advance(server, "PT1M")
            missing -= set(bodies(server, (url,), wait=2))
            if not missing:
                return
        pytest.fail(f"due and lost: {sorted(missing)}")


@needs_2
def test_the_page_works_as_printed(tmp_path):
    prepared = [block for block in printed_commands(readme_walk()) if "export " in block]
    page = printed_commands((REPOSITORY / "docs/scheduler.md").read_text())
    with Server("--data-dir", tmp_path / "data", "--clock", "virtual") as server:
        printed, _ = run_as_printed(server, tmp_path, prepared + page)
    assert "Good morning: it is 20" in printed
