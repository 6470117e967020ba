"""Execution roles: made once for each server and account, as a user makes them before the first function.

It refuses to know what a particular test needs of a role: that is attached by the test.
"""

import json

import boto3
from botocore.exceptions import ClientError

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
WRITES_LOGS = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
_made = set()


def of(account="000000000000", name="suite"):
    """The ARN of a role."""
    return f"arn:aws:iam::{account}:role/{name}"


def account_of(client):
    """The account whose root a client of the suite is: its key is the account's number, or the development key."""
    key = client._get_credentials().access_key
    return key if key.isdigit() else "000000000000"


def iam(endpoint, account="000000000000"):
    """IAM, as the root of an account."""
    keys = {"aws_access_key_id": account, "aws_secret_access_key": "test"}
    return boto3.client("iam", endpoint_url=endpoint, region_name="us-east-1", **keys)


def make(endpoint, arn, policies=(WRITES_LOGS,), statements=(), trust=TRUST):
    """Makes a role that Lambda may assume, with these managed policies and these statements of its own."""
    account, (*path, name) = arn.split(":")[4], arn.split(":role/")[1].split("/")
    client = iam(endpoint, account)
    client.create_role(
        RoleName=name, Path="/".join(["", *path, ""]), AssumeRolePolicyDocument=json.dumps(trust)
    )
    for policy in policies:
        client.attach_role_policy(RoleName=name, PolicyArn=policy)
    if statements:
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        client.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document)
    return arn


def ensure(endpoint, arn, again=False, **options):
    """The same, once: later calls find it made."""
    if again or (endpoint, arn) not in _made:
        try:
            make(endpoint, arn, **options)
        except ClientError as error:
            # A server that has been started anew has it still.
            if error.response["Error"]["Code"] != "EntityAlreadyExists":
                raise
        _made.add((endpoint, arn))
    return arn
