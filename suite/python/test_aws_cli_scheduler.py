"""Each operation of EventBridge Scheduler with the AWS CLI: schedules, their groups, and what it says when it refuses."""

import datetime
import json

import pytest
from aws_cli import aws, forked, second  # noqa: F401 - fixtures
from functions import name_of
from hearth import eventually
from test_asynchronous import advance
from test_aws_cli_sns import received
from test_scheduler import ABSENT, ACCOUNT, SCHEDULES, at, now, role

GROUPS = f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule-group"
OFF = ("--flexible-time-window", "Mode=OFF")


@pytest.fixture
def scheduler(aws):  # noqa: F811
    return aws("scheduler")


@pytest.fixture
def queue(aws):  # noqa: F811
    """A queue: its URL, and the target with which a schedule sends to it."""
    name, sqs = name_of("cli-queue"), aws("sqs")
    url = sqs("create-queue", "--queue-name", name)["QueueUrl"]
    return url, f"Arn=arn:aws:sqs:us-east-1:{ACCOUNT}:{name},RoleArn={role(sqs.cli.server)}"


def test_the_main_commands(second, scheduler, queue):  # noqa: F811
    name, newer = name_of("cli-schedule"), second("scheduler")
    asked = ("--schedule-expression", "rate(1 hour)", "--state", "DISABLED", *OFF, "--target", f"{queue[1]},Input=m")
    assert newer("create-schedule", "--name", name, *asked)["ScheduleArn"] == f"{SCHEDULES}/default/{name}"
    listed = scheduler("list-schedules", "--name-prefix", name, "--query", "Schedules[].[Name, State]", "--output", "text")
    assert listed == f"{name}\tDISABLED"
    assert newer.refused("get-schedule", "--name", "nobody") == (ABSENT, "Schedule nobody does not exist.")


def test_the_life_of_a_schedule(scheduler, queue):
    name, (_, target) = name_of("cli-schedule"), queue
    of = ("--name", name)
    window = ("--flexible-time-window", "Mode=FLEXIBLE,MaximumWindowInMinutes=15")
    rule = ("--schedule-expression", "cron(0 9 ? * MON-FRI *)", "--schedule-expression-timezone", "Europe/Berlin")
    target += ',Input="good morning, all",RetryPolicy={MaximumEventAgeInSeconds=3600,MaximumRetryAttempts=5}'
    made = scheduler("create-schedule", *of, *rule, *window, "--target", target, "--description", "every working day")
    assert made == {"ScheduleArn": f"{SCHEDULES}/default/{name}"}
    shown = scheduler("get-schedule", *of)
    assert shown["ScheduleExpression"] == rule[1] and shown["ScheduleExpressionTimezone"] == rule[3]
    assert shown["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}
    assert (shown["State"], shown["GroupName"], shown["Description"]) == ("ENABLED", "default", "every working day")
    assert shown["Target"]["Input"] == "good morning, all"
    assert shown["Target"]["RetryPolicy"] == {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 5}
    end = now(scheduler.cli.server) + datetime.timedelta(days=2)
    changed = ("--schedule-expression", "rate(2 hours)", *OFF, "--state", "DISABLED", "--end-date", end.isoformat())
    assert scheduler("update-schedule", *of, *changed, "--target", target)["ScheduleArn"] == made["ScheduleArn"]
    shown = scheduler("get-schedule", *of, "--query", "[ScheduleExpression, State, Description, EndDate]", "--output", "json")
    assert json.loads(shown) == ["rate(2 hours)", "DISABLED", None, end.timestamp()]
    assert scheduler("delete-schedule", *of) is None
    assert scheduler.refused("get-schedule", *of) == (ABSENT, f"Schedule {name} does not exist.")


def test_a_schedule_is_due_and_goes(scheduler, queue, aws):  # noqa: F811
    (url, target), server = queue, scheduler.cli.server
    name, hence = name_of("cli-schedule"), now(server) + datetime.timedelta(hours=1)
    described = dict(each.split("=", 1) for each in target.split(",")) | {"Input": "<aws.scheduler.scheduled-time>"}
    asked = ("--schedule-expression", at(hence), *OFF, "--target", scheduler.file("target.json", described))
    scheduler("create-schedule", "--name", name, *asked, "--action-after-completion", "DELETE")
    advance(server, "PT1H1S")
    assert [message["Body"] for message in received(aws("sqs"), url, 1)] == [f"{hence:%Y-%m-%dT%H:%M:%SZ}"]
    eventually(lambda: scheduler("list-schedules", "--name-prefix", name)["Schedules"] == [])


def test_the_life_of_a_group(scheduler, queue):
    name = name_of("cli-group")
    arn = scheduler("create-schedule-group", "--name", name, "--tags", "Key=team,Value=blue", "Key=cost,Value=a")["ScheduleGroupArn"]
    assert arn == f"{GROUPS}/{name}"
    shown = scheduler("get-schedule-group", "--name", name)
    assert (shown["Arn"], shown["Name"], shown["State"]) == (arn, name, "ACTIVE")
    of = ("--resource-arn", arn)
    assert scheduler("tag-resource", *of, "--tags", "Key=team,Value=red", "Key=owner,Value=Ada") is None
    assert scheduler("untag-resource", *of, "--tag-keys", "cost", "absent") is None
    tags = scheduler("list-tags-for-resource", *of)["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"team": "red", "owner": "Ada"}
    within = name_of("cli-schedule")
    asked = ("--schedule-expression", "rate(1 day)", "--state", "DISABLED", *OFF, "--target", queue[1])
    scheduler("create-schedule", "--name", within, "--group-name", name, *asked)
    assert scheduler("get-schedule", "--name", within, "--group-name", name)["Arn"] == f"{SCHEDULES}/{name}/{within}"
    assert scheduler("delete-schedule-group", "--name", name) is None
    gone = (ABSENT, f"Schedule group {name} does not exist.")
    eventually(lambda: scheduler("list-schedule-groups", "--name-prefix", name)["ScheduleGroups"] == [])
    assert scheduler.refused("get-schedule-group", "--name", name) == gone
    assert scheduler.refused("list-schedules", "--group-name", name) == gone


def test_schedules_and_groups_are_listed_in_pages(scheduler, queue):
    group = name_of("cli-pages")
    for number in range(3):
        scheduler("create-schedule-group", "--name", f"{group}-{number}")
    in_pages = ("--page-size", "1", "--query", "ScheduleGroups[].Name", "--output", "text")
    names = scheduler("list-schedule-groups", "--name-prefix", group, *in_pages)
    assert names.split() == [f"{group}-{number}" for number in range(3)]
    within = ("--group-name", f"{group}-0")
    asked = ("--schedule-expression", "rate(1 day)", *OFF, "--target", queue[1], *within)
    for name, state in [("a", "DISABLED"), ("b", "ENABLED"), ("c", "DISABLED")]:
        scheduler("create-schedule", "--name", name, "--state", state, *asked)
    names = lambda answer: [each["Name"] for each in answer["Schedules"]]  # noqa: E731
    page = scheduler("list-schedules", *within, "--max-items", "2")
    rest = scheduler("list-schedules", *within, "--starting-token", page["NextToken"])
    assert names(page) == ["a", "b"] and names(rest) == ["c"]
    assert names(scheduler("list-schedules", *within, "--state", "DISABLED", "--page-size", "1")) == ["a", "c"]


def test_refusals_are_told_as_aws_tells_them(scheduler, queue):
    name, target = name_of("cli-schedule"), queue[1]
    asked = (*OFF, "--target", target)
    hourly = ("--schedule-expression", "rate(1 hour)", "--state", "DISABLED", *asked)
    scheduler("create-schedule", "--name", name, *hourly)
    invalid, arn = "ValidationException", f"{GROUPS}/absent"
    no_group = (ABSENT, "Schedule group absent does not exist.")
    untrusted = target.split(",")[0] + f",RoleArn=arn:aws:iam::{ACCOUNT}:role/nobody"
    scheduler.refuses([
        ("create-schedule", ("--name", name, *hourly), ("ConflictException", f"Schedule {name} already exists.")),
        ("create-schedule", ("--name", "s", "--group-name", "absent", *hourly), no_group),
        ("create-schedule", ("--name", "s", "--schedule-expression", "rate(1 hours)", *asked),
         (invalid, "Invalid Schedule Expression rate(1 hours).")),
        ("create-schedule", ("--name", "s", *hourly, "--schedule-expression-timezone", "Europe/Atlantis"),
         (invalid, "Invalid Schedule Expression Timezone Europe/Atlantis.")),
        ("create-schedule", ("--name", "s", "--schedule-expression", "rate(1 hour)", *OFF, "--target", untrusted),
         (invalid, "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.")),
        ("update-schedule", ("--name", "nobody", *hourly), (ABSENT, "Schedule nobody does not exist.")),
        ("delete-schedule", ("--name", "nobody"), (ABSENT, "Schedule nobody does not exist.")),
        ("create-schedule-group", ("--name", "default"), ("ConflictException", "Schedule group default already exists.")),
        ("delete-schedule-group", ("--name", "default"), (invalid, "default")),
        ("delete-schedule-group", ("--name", "absent"), no_group),
        ("tag-resource", ("--resource-arn", arn, "--tags", "Key=a,Value=b"), no_group),
        ("list-tags-for-resource", ("--resource-arn", arn), no_group),
    ])
