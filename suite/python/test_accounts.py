"""Accounts and regions are apart, and each caller is who its key says."""

import pytest
import roles
from functions import PYTHON, name_of
from test_functions import refused

SOURCE = "import os\ndef handler(event, context):\n    return [context.invoked_function_arn, os.environ['AWS_REGION']]\n"
PLACES = [("000000000000", "us-east-1"), ("111122223333", "us-east-1"), ("000000000000", "eu-west-1"), ("111122223333", "ap-southeast-2")]


def test_the_same_name_is_another_function_in_each_place(server, deploy):
    name = name_of("everywhere")
    made = [deploy(PYTHON, SOURCE, name=name, client=server.client("lambda", *place)) for place in PLACES]
    for function, (account, region) in zip(made, PLACES):
        assert function.invoke().value == [f"arn:aws:lambda:{region}:{account}:function:{name}", region]
    made[0].client.delete_function(FunctionName=name)
    assert refused(made[0].client.get_function, FunctionName=name)[0] == "ResourceNotFoundException"
    for function in made[1:]:
        assert function.client.get_function(FunctionName=name)["Configuration"]["State"] == "Active"


def test_lists_and_logs_of_one_place_do_not_show_another(server, deploy):
    here, there = "222233334444", "333344445555"
    function = deploy(PYTHON, SOURCE, client=server.client("lambda", here))
    function.invoke()
    server.client("logs", here).create_log_group(logGroupName="mine")
    assert server.client("lambda", there).list_functions()["Functions"] == []
    assert server.client("logs", there).describe_log_groups()["logGroups"] == []
    assert server.client("logs", here, "eu-west-1").describe_log_groups()["logGroups"] == []
    groups = server.client("logs", here).describe_log_groups()["logGroups"]
    assert "mine" in [group["logGroupName"] for group in groups]


@pytest.mark.parametrize("key, account", [("test", "000000000000"), ("000000000000", "000000000000"), ("987654321098", "987654321098")])
def test_the_caller_is_the_root_of_the_account_of_its_key(server, key, account):
    identity = server.client("sts", key).get_caller_identity()
    assert (identity["Account"], identity["Arn"]) == (account, f"arn:aws:iam::{account}:root")


def test_a_function_is_its_role(server, deploy):
    """Also shows that boto3 finds the server from inside, with no setting of the user's."""
    source = "import boto3\ndef handler(event, context):\n    return boto3.client('sts').get_caller_identity()['Arn']\n"
    role = "arn:aws:iam::444455556666:role/service-role/worker"
    function = deploy(PYTHON, source, client=server.client("lambda", "444455556666"), Role=role, Timeout=30, MemorySize=512)
    assert function.invoke().value == f"arn:aws:sts::444455556666:assumed-role/worker/{function.name}"


def test_a_function_invokes_another_if_its_role_may(server, deploy):
    inner = deploy(PYTHON, SOURCE)
    source = """
import boto3, json
def handler(event, context):
    answer = boto3.client('lambda').invoke(FunctionName=event, Payload=b'{}')
    return json.load(answer['Payload'])
"""
    role = roles.allowing(server, "lambda:InvokeFunction")
    outer = deploy(PYTHON, source, Timeout=30, MemorySize=512, Role=role)
    outcome = outer.invoke(inner.name)
    assert outcome.error is None, outcome.body
    assert outcome.value[0].endswith(f":function:{inner.name}")
