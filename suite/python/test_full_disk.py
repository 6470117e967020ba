"""A disk without room: what was acknowledged before is there, what cannot be kept is refused, and room brings all back."""

import json
import os
import subprocess

import pytest
from botocore.exceptions import ClientError
from functions import PYTHON, code, create
from hearth import Server, eventually
from test_asynchronous import KEEPER, advance, kept

# Fails until it is configured otherwise, so that its events wait.
WAITS = "import os\nif 'GO' not in os.environ:\n    raise RuntimeError('not yet')\n" + KEEPER
SMALL, LARGE = "24m", "256m"


@pytest.fixture
def disk(nothing_left, tmp_path):
    """A file system of a few megabytes."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system to fill")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", place], check=True)
    yield place
    # The processes of a server that has ended end a moment after it.
    eventually(lambda: subprocess.run(["umount", place]).returncode == 0, what=f"{place} is still in use")


def enlarge(disk):
    subprocess.run(["mount", "-o", f"remount,size={LARGE}", disk], check=True)


def until_refused(send):
    """Calls it with number after number until an answer is an error; gives the numbers acknowledged and the error."""
    acknowledged = []
    for number in range(2000):
        try:
            send(str(number))
        except ClientError as error:
            return acknowledged, error.response
        acknowledged.append(str(number))
    raise AssertionError("the disk never filled")


def test_messages(disk):
    with Server("--data-dir", disk / "hearth") as server:
        sqs = server.client("sqs")
        url = sqs.create_queue(QueueName="full")["QueueUrl"]
        pad = "x" * 200_000
        send = lambda number: sqs.send_message(QueueUrl=url, MessageBody=f"{number} {pad}")  # noqa: E731
        acknowledged, refused = until_refused(send)
        assert len(acknowledged) > 10
        assert refused["ResponseMetadata"]["HTTPStatusCode"] >= 500, refused
        # Reading needs no room.
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]
        assert int(attributes["ApproximateNumberOfMessages"]) == len(acknowledged)
        enlarge(disk)
        send("after")
        server.kill()
    with Server("--data-dir", disk / "hearth") as server:
        sqs, found = server.client("sqs"), []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            found += [message["Body"].split()[0] for message in messages]
        assert sorted(found) == sorted([*acknowledged, "after"])


def test_events(disk):
    with Server("--data-dir", disk / "hearth") as server:
        client = server.client("lambda")
        server.client("logs").create_log_group(logGroupName="kept")
        create(client, PYTHON, code(PYTHON, WAITS), name="waits", MemorySize=512, Timeout=30)
        payload = lambda number: json.dumps({"n": number, "pad": "x" * 900_000})  # noqa: E731
        send = lambda number: client.invoke(  # noqa: E731
            FunctionName="waits", InvocationType="Event", Payload=payload(number)
        )
        acknowledged, refused = until_refused(send)
        assert len(acknowledged) > 10
        assert refused["ResponseMetadata"]["HTTPStatusCode"] >= 500, refused
        enlarge(disk)
        client.update_function_configuration(FunctionName="waits", Environment={"Variables": {"GO": "1"}})
        client.get_waiter("function_updated_v2").wait(FunctionName="waits", WaiterConfig={"Delay": 0.1})
        server.kill()
    with Server("--data-dir", disk / "hearth", "--clock", "virtual") as server:
        advance(server, "PT10M")
        missing = lambda: set(acknowledged) - kept(server)  # noqa: E731
        eventually(lambda: not missing(), 120, lambda: f"accepted and lost: {sorted(missing())}")
