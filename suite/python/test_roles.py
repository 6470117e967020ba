"""Execution roles: they must be there and trust Lambda, and what a function does is what its role may."""

import json

import pytest
import roles
from botocore.exceptions import ClientError
from functions import PYTHON, code, name_of
from hearth import Server
from test_functions import refused
from test_logs import messages
from test_operations import post

QUIET = "def handler(event, context):\n    print('heard', event)\n    return event\n"
# Tells what came of a call with the role's credentials.
CALLING = """
import boto3
from botocore.exceptions import ClientError
client = boto3.client("lambda")
def handler(event, context):
    try:
        return len(client.list_functions()["Functions"])
    except ClientError as error:
        return [error.response["Error"]["Code"], error.response["Error"]["Message"]]
"""
CANNOT = ("InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda.", 400)
OTHER = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture
def role(server):
    """A role that Lambda may assume and that may do nothing: its ARN."""
    return roles.make(server.endpoint, roles.of(name=name_of("role")), policies=())


def named(arn):
    return {"RoleName": arn.rsplit("/", 1)[1]}


def test_a_role_must_be_there_and_trust_lambda(server, deploy, role):
    missing = roles.of(name="never-made")
    other = roles.make(server.endpoint, roles.of(name=name_of("other")), policies=(), trust=OTHER)
    wrong_path = role.replace(":role/", ":role/somewhere/")
    client, function = server.client("lambda"), deploy(PYTHON, QUIET)
    new = {"Runtime": PYTHON, "Handler": "app.handler", "Code": {"ZipFile": code(PYTHON, QUIET)}}
    for arn in (missing, other, wrong_path):
        assert refused(client.create_function, FunctionName=name_of("none"), Role=arn, **new) == CANNOT
        assert refused(client.update_function_configuration, FunctionName=function.name, Role=arn) == CANNOT
    # Once it trusts Lambda it will do, from that moment.
    trust = json.dumps(roles.TRUST)
    server.client("iam").update_assume_role_policy(**named(other), PolicyDocument=trust)
    assert function.configure(Role=other).invoke(1).value == 1


def test_a_role_without_leave_to_write_logs_writes_none(server, deploy, role):
    function, logs = deploy(PYTHON, QUIET, Role=role), server.client("logs")
    outcome = function.invoke("one")
    assert outcome.value == "one" and "heard one" in outcome.log, "the tail is not for the role to give"
    # What another function says later is there: so would this be.
    other = deploy(PYTHON, QUIET)
    other.invoke("later")
    messages(logs, f"/aws/lambda/{other.name}", 1, filterPattern="heard")
    server.client("iam").attach_role_policy(**named(role), PolicyArn=roles.WRITES_LOGS)
    assert function.invoke("two").value == "two"
    group = f"/aws/lambda/{function.name}"
    assert [line.strip() for line in messages(logs, group, 1, filterPattern="heard")] == ["heard two"]


def test_a_role_that_may_not_make_the_group_writes_to_one_that_is_there(server, deploy, role):
    writes = {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [writes]})
    server.client("iam").put_role_policy(**named(role), PolicyName="writes", PolicyDocument=policy)
    function, logs = deploy(PYTHON, QUIET, Role=role), server.client("logs")
    function.invoke("perhaps")
    logs.create_log_group(logGroupName=f"/aws/lambda/{function.name}")
    function.invoke("kept")
    found = messages(logs, f"/aws/lambda/{function.name}", 1, filterPattern="heard kept")
    assert [line.strip() for line in found] == ["heard kept"]


def test_a_function_does_what_its_role_may_and_no_more(server, deploy, role):
    iam = server.client("iam")
    function = deploy(PYTHON, CALLING, Role=role, Timeout=30, MemorySize=512)
    who = role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + f"/{function.name}"
    told = f"User: {who} is not authorized to perform: lambda:ListFunctions on resource: * "
    why = "because no {} allows the lambda:ListFunctions action"
    assert function.invoke().value == ["AccessDeniedException", told + why.format("identity-based policy")]
    allowed = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "lambda:List*", "Resource": "*"}]})
    iam.put_role_policy(**named(role), PolicyName="lists", PolicyDocument=allowed)
    assert function.invoke().value >= 1, "changes hold for credentials that are out already"
    iam.put_role_permissions_boundary(**named(role), PermissionsBoundary=roles.WRITES_LOGS)
    assert function.invoke().value == ["AccessDeniedException", told + why.format("permissions boundary")]
    iam.delete_role_permissions_boundary(**named(role))
    iam.put_role_policy(**named(role), PolicyName="not", PolicyDocument=allowed.replace("Allow", "Deny"))
    deny = "with an explicit deny in an identity-based policy"
    assert function.invoke().value == ["AccessDeniedException", told + deny]


def test_the_credentials_of_a_role_end_with_it(server, deploy, role):
    iam = server.client("iam")
    function = deploy(PYTHON, CALLING, Role=role, Timeout=30, MemorySize=512)
    assert function.invoke().value[0] == "AccessDeniedException"
    iam.delete_role(**named(role))
    assert function.invoke().value[0] == "UnrecognizedClientException", "environments that are there go on"
    function.configure(Description="changed, so that the environment is a new one")
    told = refused(server.client("lambda").invoke, FunctionName=function.name)
    assert told == ("AccessDeniedException", "The role defined for the function cannot be assumed by Lambda.", 403)
    roles.make(server.endpoint, role)
    function.configure(Description="changed, so that the environment is a new one")
    assert function.invoke().value[0] == "AccessDeniedException", "it is the function's role again"


def test_one_emptied_server_after_another_makes_its_roles_anew():
    """What the suite relies on: `roles.ensure` asks the server and remembers nothing."""
    with Server("--ephemeral") as server:
        iam = server.client("iam")
        for _ in range(2):
            assert roles.ensure(server.endpoint, roles.of()) == roles.of()
            assert iam.get_role(RoleName="suite")["Role"]["Arn"] == roles.of()
            assert post(server.endpoint + "/_hearth/reset")[0] == 200
            with pytest.raises(ClientError, match="NoSuchEntity"):
                iam.get_role(RoleName="suite")
