"""Execution roles: made on each server and in each account as a user makes them, before the first function.

It refuses to know what a particular test needs of a role: that is said by the test.
"""

import functools
import itertools
import json

import boto3
from botocore.exceptions import ClientError

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
WRITES_LOGS = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
_numbers = itertools.count(1)


def of(account="000000000000", name="suite"):
    """The ARN of a role."""
    return f"arn:aws:iam::{account}:role/{name}"


def account_of(client):
    """The account whose root a client of the suite is: its key is the account's number, or the development key."""
    key = client._get_credentials().access_key
    return key if key.isdigit() else "000000000000"


@functools.lru_cache
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


def ensure(endpoint, arn, **options):
    """The same where it is not there yet. Servers are emptied and started anew: only they know."""
    try:
        return make(endpoint, arn, **options)
    except ClientError as error:
        if error.response["Error"]["Code"] != "EntityAlreadyExists":
            raise
        return arn


def allowing(server, *actions, resource="*", account="000000000000"):
    """A role of its own that writes logs and may do these actions."""
    arn = of(account, f"allowing-{next(_numbers)}")
    return make(server.endpoint, arn, statements=[{"Effect": "Allow", "Action": list(actions), "Resource": resource}])
