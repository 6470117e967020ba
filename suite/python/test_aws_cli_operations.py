"""Each operation of the asynchronous services succeeds with the AWS CLI somewhere in the file of its service.

It refuses to judge the stories: it sees that the command is in one of them, and run so that it has to succeed.
"""

import re
import tomllib
from pathlib import Path

import pytest
from botocore import xform_name
from hearth import REPOSITORY

LISTED = tomllib.loads((REPOSITORY / "crates/api/operations.toml").read_text())["service"]
# Of Lambda only what is asynchronous: everything else is older than these stories, and has its own.
LAMBDA = [
    "DeleteFunctionEventInvokeConfig", "GetFunctionEventInvokeConfig", "Invoke", "InvokeAsync",
    "ListFunctionEventInvokeConfigs", "PutFunctionEventInvokeConfig", "UpdateFunctionEventInvokeConfig",
]
WANTED = {service: LISTED[service]["operations"] for service in ("events", "scheduler", "sns", "sqs")} | {"lambda": LAMBDA}
# The operations that no command can run, and why.
EXCEPTIONS = {}


def told(service):
    """The file of a service. Its stories call the commands as `sqs("create-queue", …)`: that must succeed."""
    return Path(__file__).with_name(f"test_aws_cli_{service}.py").read_text()


@pytest.mark.parametrize("service", sorted(WANTED))
def test_each_operation_is_run_by_the_cli(service):
    caller = {"lambda": "functions"}.get(service, service)
    run = set(re.findall(rf'\b{caller}\(\s*"([a-z-]+)"', told(service)))
    wanted = {xform_name(operation, "-") for operation in WANTED[service]}
    excused = {xform_name(operation, "-") for operation in EXCEPTIONS.get(service, {})}
    assert wanted - run == excused, "operations without a command, and exceptions that nothing needs"


def test_the_operations_of_lambda_are_there():
    assert set(LAMBDA) <= set(LISTED["lambda"]["operations"])
