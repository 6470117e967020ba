"""Permissions on functions, versions and aliases through boto3."""

import json

import pytest
from functions import PYTHON
from test_functions import UNCHECKED, refused
from test_versions import ARN, SOURCE

FORMS = [
    # what is asked for, and the members of the statement that follow Sid and Effect
    ({"Principal": "*"}, {"Principal": "*"}),
    ({"Principal": "111122223333"}, {"Principal": {"AWS": "arn:aws:iam::111122223333:root"}}),
    ({"Principal": "arn:aws:iam::111122223333:role/r"}, {"Principal": {"AWS": "arn:aws:iam::111122223333:role/r"}}),
    (
        {"Principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::b", "SourceAccount": "111122223333"},
        {
            "Principal": {"Service": "s3.amazonaws.com"},
            "Condition": {
                "StringEquals": {"AWS:SourceAccount": "111122223333"}, "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"}
            },
        },
    ),
    (
        {"Principal": "*", "PrincipalOrgID": "o-1234567890"},
        {"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1234567890"}}},
    ),
    (
        {"Principal": "*", "Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"},
        {"Principal": "*", "Condition": {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}},
    ),
    (
        {"Principal": "alexa-appkit.amazon.com", "EventSourceToken": "skill"},
        {
            "Principal": {"Service": "alexa-appkit.amazon.com"},
            "Condition": {"StringEquals": {"lambda:EventSourceToken": "skill"}},
        },
    ),
    (
        {"Principal": "*", "InvokedViaFunctionUrl": True},
        {"Principal": "*", "Condition": {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}},
    ),
]


@pytest.fixture
def function(deploy, lambda_client):
    """A function with version 1 and the alias `live`."""
    function = deploy(PYTHON, SOURCE, Publish=True)
    lambda_client.create_alias(FunctionName=function.name, Name="live", FunctionVersion="1")
    return function


def grant(function, sid="s", **changes):
    """Adds a permission."""
    request = {"StatementId": sid, "Action": "lambda:InvokeFunction", "Principal": "sns.amazonaws.com"} | changes
    return function.client.add_permission(FunctionName=function.name, **request)


@pytest.mark.parametrize("qualifier", [None, "1", "live"])
def test_a_policy_of_each_qualifier_reads_as_aws_writes_it(lambda_client, function, qualifier):
    of = {"FunctionName": function.name} | ({"Qualifier": qualifier} if qualifier else {})
    beside = {key: value for key, value in of.items() if key == "Qualifier"}
    assert refused(lambda_client.get_policy, **of) == (
        "ResourceNotFoundException", "The resource you requested does not exist.", 404
    )
    statements = []
    for number, (asked, expected) in enumerate(FORMS):
        answer = grant(function, f"s{number}", **beside, **asked)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
        statement = json.loads(answer["Statement"])
        arn = f"{ARN}{function.name}" + (f":{qualifier}" if qualifier else "")
        action = asked.get("Action", "lambda:InvokeFunction")
        assert statement == {"Sid": f"s{number}", "Effect": "Allow", "Action": action, "Resource": arn} | expected
        statements.append(statement)
    got = lambda_client.get_policy(**of)
    assert json.loads(got["Policy"]) == {"Version": "2012-10-17", "Id": "default", "Statement": statements}
    told = refused(grant, function, "s0", **beside)
    assert told == (
        "ResourceConflictException",
        "The statement id (s0) provided already exists. Please provide a new statement id, or remove the existing statement.",
        409,
    )
    told = refused(lambda_client.remove_permission, **of, StatementId="s0", RevisionId="x")
    assert told[::2] == ("PreconditionFailedException", 412)
    lambda_client.remove_permission(**of, StatementId="s0", RevisionId=got["RevisionId"])
    assert refused(lambda_client.remove_permission, **of, StatementId="s0")[:2] == (
        "ResourceNotFoundException", "Statement s0 is not found in resource policy."
    )
    for number in range(1, len(FORMS)):
        lambda_client.remove_permission(**of, StatementId=f"s{number}")
    assert refused(lambda_client.get_policy, **of)[0] == "ResourceNotFoundException"
    assert refused(lambda_client.remove_permission, **of, StatementId="s1")[1] == (
        "No policy is associated with the given resource."
    )


def test_the_rules_of_permissions_are_awss(server, lambda_client, function):
    client = server.client("lambda", config=UNCHECKED)
    arn = f"{ARN}{function.name}"
    value = "InvalidParameterValueException"
    for change, error, message in [
        ({"Qualifier": "9"}, "ResourceNotFoundException", f"Function not found: {arn}:9"),
        ({"Qualifier": "dead"}, "ResourceNotFoundException", f"Cannot find alias arn: {arn}:dead"),
        ({"Qualifier": "$LATEST"}, value, "We currently do not support adding policies for $LATEST."),
        ({"FunctionName": "nobody"}, "ResourceNotFoundException", f"Function not found: {ARN}nobody"),
        ({"Principal": "amazonaws.com"}, value, "The provided principal was invalid."),
        ({"FunctionUrlAuthType": "NONE"}, value, "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action"),
        ({"RevisionId": "x"}, "PreconditionFailedException", "Call the GetPolicy API to retrieve the latest Revision Id"),
        ({"Action": "s3:GetObject"}, "ValidationException", "at 'action' failed to satisfy constraint"),
        ({"StatementId": "a b"}, "ValidationException", "at 'statementId' failed to satisfy constraint"),
        ({"SourceAccount": "12"}, "ValidationException", "at 'sourceAccount' failed to satisfy constraint"),
    ]:
        request = {
            "FunctionName": function.name, "StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"
        } | change
        told = refused(client.add_permission, **request)
        assert told[0] == error and message in told[1], (change, told)
    assert refused(lambda_client.get_policy, FunctionName=function.name)[0] == "ResourceNotFoundException"
    assert refused(lambda_client.get_policy, FunctionName="nobody")[0] == "ResourceNotFoundException"


def test_a_policy_grows_to_twenty_kilobytes(lambda_client, function):
    long = "arn:aws:s3:::" + "b" * 4000
    for number in range(4):
        grant(function, f"s{number}", SourceArn=long)
    error, message, status = refused(grant, function, "s4", SourceArn=long)
    assert (error, status) == ("PolicyLengthExceededException", 400)
    assert "(20480)" in message
    assert len(json.loads(lambda_client.get_policy(FunctionName=function.name)["Policy"])["Statement"]) == 4


def test_an_alias_takes_its_policy_with_it(lambda_client, function):
    grant(function, Qualifier="live")
    lambda_client.delete_alias(FunctionName=function.name, Name="live")
    lambda_client.create_alias(FunctionName=function.name, Name="live", FunctionVersion="1")
    assert refused(lambda_client.get_policy, FunctionName=function.name, Qualifier="live")[0] == "ResourceNotFoundException"
