"""What a function is configured for beside its code: asynchronous invocation, recursion, runtime updates, code signing."""

import datetime

import pytest
from functions import PYTHON
from test_functions import UNCHECKED, refused
from test_versions import ARN, SOURCE

QUEUE = "arn:aws:sqs:us-east-1:000000000000:q"
OTHER = f"{ARN}other"


@pytest.fixture
def function(deploy, lambda_client):
    """A function with version 1 and the alias `live`."""
    function = deploy(PYTHON, SOURCE, Publish=True)
    lambda_client.create_alias(FunctionName=function.name, Name="live", FunctionVersion="1")
    return function


def shown(answer):
    """A configuration without what each answer has anew."""
    answer.pop("ResponseMetadata", None)
    return answer


@pytest.mark.parametrize("qualifier", [None, "1", "live"])
def test_a_configuration_is_put_read_changed_and_deleted(lambda_client, function, qualifier):
    of = {"FunctionName": function.name} | ({"Qualifier": qualifier} if qualifier else {})
    arn = f"{ARN}{function.name}:{qualifier or '$LATEST'}"
    missing = ("ResourceNotFoundException", f"The function {arn} doesn't have an EventInvokeConfig", 404)
    assert refused(lambda_client.get_function_event_invoke_config, **of) == missing
    assert refused(lambda_client.update_function_event_invoke_config, **of, MaximumRetryAttempts=0) == missing
    assert refused(lambda_client.delete_function_event_invoke_config, **of) == missing
    put = shown(lambda_client.put_function_event_invoke_config(**of, MaximumRetryAttempts=0))
    modified = put.pop("LastModified")
    assert isinstance(modified, datetime.datetime)
    assert put == {
        "FunctionArn": arn, "MaximumRetryAttempts": 0, "DestinationConfig": {"OnSuccess": {}, "OnFailure": {}}
    }
    change = {"MaximumEventAgeInSeconds": 60, "DestinationConfig": {"OnFailure": {"Destination": QUEUE}}}
    updated = shown(lambda_client.update_function_event_invoke_config(**of, **change))
    assert (updated["MaximumRetryAttempts"], updated["MaximumEventAgeInSeconds"]) == (0, 60)
    assert updated["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {"Destination": QUEUE}}
    assert shown(lambda_client.get_function_event_invoke_config(**of)) == updated
    both = {"DestinationConfig": {"OnSuccess": {"Destination": OTHER}}}
    updated = lambda_client.update_function_event_invoke_config(**of, **both)
    assert updated["DestinationConfig"] == {"OnSuccess": {"Destination": OTHER}, "OnFailure": {"Destination": QUEUE}}
    put = lambda_client.put_function_event_invoke_config(**of, MaximumEventAgeInSeconds=21600)
    assert "MaximumRetryAttempts" not in put and put["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {}}
    assert lambda_client.delete_function_event_invoke_config(**of)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert refused(lambda_client.get_function_event_invoke_config, **of) == missing


def test_the_rules_of_configurations_are_told(server, function):
    client = server.client("lambda", config=UNCHECKED)
    value = "InvalidParameterValueException"
    to = lambda arn, kind="OnFailure": {"DestinationConfig": {kind: {"Destination": arn}}}  # noqa: E731
    for change, error, message in [
        ({}, value, "You must specify at least one of error handling or destination setting."),
        ({"FunctionName": "nobody", "MaximumRetryAttempts": 1}, "ResourceNotFoundException", "The function doesn't exist."),
        ({"Qualifier": "9", "MaximumRetryAttempts": 1}, "ResourceNotFoundException", "The function doesn't exist."),
        ({"Qualifier": "dead", "MaximumRetryAttempts": 1}, "ResourceNotFoundException", "The function doesn't exist."),
        ({"MaximumRetryAttempts": 3}, "ValidationException", "Member must have value less than or equal to 2"),
        ({"MaximumEventAgeInSeconds": 59}, "ValidationException", "Member must have value greater than or equal to 60"),
        ({"MaximumEventAgeInSeconds": 21601}, "ValidationException", "Member must have value less than or equal to 21600"),
        (to("nowhere"), "ValidationException", "at 'destinationConfig.onFailure.destination' failed"),
        (to(f"{ARN}{function.name}"), value, "You can't specify the function as a destination for itself."),
        (to("arn:aws:dynamodb:us-east-1:000000000000:table/t"), value, "is none of a queue of SQS"),
        (to(f"{QUEUE}.fifo"), value, "FIFO"),
        (to("arn:aws:s3:::b", "OnSuccess"), value, "for failures only"),
        (to("kafka://topic"), value, "DestinationConfig.OnFailure.Destination"),
        (to("arn:aws:events:us-east-1:000000000000:rule/r", "OnSuccess"), value, "is none of a queue of SQS"),
        (to("arn:aws:s3:::b"), value, "Hearth does not support S3 buckets as destinations yet."),
    ]:
        told = refused(client.put_function_event_invoke_config, **{"FunctionName": function.name} | change)
        assert told[0] == error and message in told[1], (change, told)


def test_configurations_are_listed_in_pages(lambda_client, function):
    for qualifier in ("live", "1", "$LATEST"):
        lambda_client.put_function_event_invoke_config(
            FunctionName=function.name, Qualifier=qualifier, MaximumRetryAttempts=1
        )
    pages = lambda_client.get_paginator("list_function_event_invoke_configs").paginate(
        FunctionName=function.name, PaginationConfig={"PageSize": 2}
    )
    found = [[each["FunctionArn"].rsplit(":", 1)[1] for each in page["FunctionEventInvokeConfigs"]] for page in pages]
    assert found == [["$LATEST", "1"], ["live"]]
    told = refused(lambda_client.list_function_event_invoke_configs, FunctionName="nobody")
    assert told[:2] == ("ResourceNotFoundException", "The function doesn't exist.")
    # They go with what they are for.
    lambda_client.delete_alias(FunctionName=function.name, Name="live")
    left = lambda_client.list_function_event_invoke_configs(FunctionName=function.name)["FunctionEventInvokeConfigs"]
    assert len(left) == 2


def test_recursion_is_stopped_unless_it_is_allowed(lambda_client, function):
    of = {"FunctionName": function.name}
    assert lambda_client.get_function_recursion_config(**of)["RecursiveLoop"] == "Terminate"
    for wanted in ("Allow", "Terminate"):
        assert lambda_client.put_function_recursion_config(**of, RecursiveLoop=wanted)["RecursiveLoop"] == wanted
        assert lambda_client.get_function_recursion_config(**of)["RecursiveLoop"] == wanted
    for call, more in [
        (lambda_client.get_function_recursion_config, {}),
        (lambda_client.put_function_recursion_config, {"RecursiveLoop": "Allow"}),
    ]:
        assert refused(call, FunctionName="nobody", **more)[1] == f"Function not found: {ARN}nobody"


def test_runtimes_are_updated_automatically(lambda_client, function):
    put, get = lambda_client.put_runtime_management_config, lambda_client.get_runtime_management_config
    of = {"FunctionName": function.name}
    assert put(**of, UpdateRuntimeOn="Auto")["FunctionArn"] == f"{ARN}{function.name}"
    assert shown(get(**of)) == {"UpdateRuntimeOn": "Auto", "FunctionArn": f"{ARN}{function.name}"}
    assert get(**of, Qualifier="1")["FunctionArn"] == f"{ARN}{function.name}:1"
    for wanted in ("Manual", "FunctionUpdate"):
        error, message, _ = refused(put, **of, UpdateRuntimeOn=wanted)
        assert error == "InvalidParameterValueException" and f"does not support {wanted}" in message
    assert refused(get, FunctionName="nobody")[0] == "ResourceNotFoundException"
    assert refused(put, FunctionName="nobody", UpdateRuntimeOn="Auto")[0] == "ResourceNotFoundException"


def test_code_signing_is_refused_and_shown_as_absent(lambda_client, function):
    of = {"FunctionName": function.name}
    assert shown(lambda_client.get_function_code_signing_config(**of)) == of
    arn = "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdef0"
    error, message, status = refused(lambda_client.put_function_code_signing_config, **of, CodeSigningConfigArn=arn)
    assert (error, status) == ("CodeSigningConfigNotFoundException", 404)
    assert "Hearth does not support code signing yet" in message
    lambda_client.delete_function_code_signing_config(**of)
    for call, more in [
        (lambda_client.get_function_code_signing_config, {}),
        (lambda_client.put_function_code_signing_config, {"CodeSigningConfigArn": arn}),
        (lambda_client.delete_function_code_signing_config, {}),
    ]:
        assert refused(call, FunctionName="nobody", **more)[0] == "ResourceNotFoundException"


def test_snap_start_is_none(lambda_client, deploy):
    function = deploy(PYTHON, SOURCE, SnapStart={"ApplyOn": "None"})
    got = lambda_client.get_function_configuration(FunctionName=function.name)["SnapStart"]
    assert got == {"ApplyOn": "None", "OptimizationStatus": "Off"}
    told = refused(lambda_client.update_function_configuration, FunctionName=function.name, SnapStart={"ApplyOn": "PublishedVersions"})
    assert told[:2] == ("InvalidParameterValueException", "SnapStart.ApplyOn: Hearth does not support SnapStart yet.")
