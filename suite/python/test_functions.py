"""The control plane through boto3: functions are created, described, listed, changed, tagged and deleted."""

import base64
import hashlib
import json
import re
import urllib.error
import urllib.request

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from functions import CUSTOM, NODE, PYTHON, ROLE, code, create, name_of
from hearth import ONCE

SOURCE = "def handler(event, context):\n    return 'first'\n"
LAST_MODIFIED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000")
# The SDK's own checks are off: it is the server that must refuse.
UNCHECKED = ONCE.merge(Config(parameter_validation=False))
REVISION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def sha256(package):
    return base64.b64encode(hashlib.sha256(package).digest()).decode()


def refused(call, *arguments, **named):
    """The error a call is answered with: its code, message and HTTP status."""
    with pytest.raises(ClientError) as caught:
        call(*arguments, **named)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["Error"]["Message"], answer["ResponseMetadata"]["HTTPStatusCode"]


def test_a_new_function_is_described_as_aws_describes_it(lambda_client, deploy):
    package = code(PYTHON, SOURCE)
    name = name_of("described")
    function = deploy(PYTHON, package, name=name, Description="what it does", Timeout=7, MemorySize=256)
    got = lambda_client.get_function(FunctionName=function.name)
    configuration = got["Configuration"]
    assert configuration["FunctionArn"] == f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    expected = {
        "FunctionName": name,
        "Runtime": PYTHON,
        "Role": ROLE,
        "Handler": "app.handler",
        "CodeSize": len(package),
        "CodeSha256": sha256(package),
        "Description": "what it does",
        "Timeout": 7,
        "MemorySize": 256,
        "Version": "$LATEST",
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "EphemeralStorage": {"Size": 512},
        "TracingConfig": {"Mode": "PassThrough"},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"},
    }
    assert {field: configuration.get(field) for field in expected} == expected
    assert LAST_MODIFIED.fullmatch(configuration["LastModified"])
    assert REVISION.fullmatch(configuration["RevisionId"])
    assert configuration["Architectures"] in (["x86_64"], ["arm64"])
    assert got["Code"]["RepositoryType"] == "S3"
    alone = lambda_client.get_function_configuration(FunctionName=name)
    alone.pop("ResponseMetadata")
    assert alone == configuration


def test_creation_answers_at_once_and_the_function_is_pending(lambda_client):
    name = name_of("pending")
    created = lambda_client.create_function(
        FunctionName=name, Runtime=PYTHON, Handler="app.handler", Role=ROLE, Code={"ZipFile": code(PYTHON, SOURCE)}
    )
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (created["State"], created["StateReasonCode"]) == ("Pending", "Creating")
    lambda_client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.02})
    lambda_client.delete_function(FunctionName=name)


def test_the_code_location_downloads_what_was_uploaded(lambda_client, deploy):
    package = code(PYTHON, SOURCE)
    function = deploy(PYTHON, package)
    got = lambda_client.get_function(FunctionName=function.name)
    with urllib.request.urlopen(got["Code"]["Location"], timeout=30) as answer:
        downloaded = answer.read()
    assert downloaded == package
    assert sha256(downloaded) == got["Configuration"]["CodeSha256"]


def test_a_code_location_is_for_its_own_package_only(lambda_client, deploy):
    location = lambda_client.get_function(FunctionName=deploy(PYTHON, SOURCE).name)["Code"]["Location"]
    place = location.rindex("=") + 1
    altered = location[:place] + ("0" if location[place] != "0" else "1") + location[place + 1 :]
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(altered, timeout=30)
    assert caught.value.code in (403, 404)


def test_code_is_updated(lambda_client, deploy):
    function = deploy(PYTHON, SOURCE)
    before = lambda_client.get_function_configuration(FunctionName=function.name)
    assert function.invoke().value == "first"
    package = code(PYTHON, SOURCE.replace("first", "second"))
    updated = lambda_client.update_function_code(FunctionName=function.name, ZipFile=package)
    assert updated["LastUpdateStatus"] == "InProgress"
    assert updated["RevisionId"] != before["RevisionId"]
    assert updated["CodeSha256"] == sha256(package) != before["CodeSha256"]
    function.wait("function_updated_v2")
    assert function.invoke().value == "second"


def test_a_dry_run_of_an_update_changes_nothing(lambda_client, deploy):
    function = deploy(PYTHON, SOURCE)
    package = code(PYTHON, SOURCE.replace("first", "second"))
    answered = lambda_client.update_function_code(FunctionName=function.name, ZipFile=package, DryRun=True)
    assert answered["CodeSha256"] == sha256(package)
    assert lambda_client.get_function_configuration(FunctionName=function.name)["CodeSha256"] != sha256(package)
    assert function.invoke().value == "first"


CHANGES = [
    ({"Timeout": 9}, {"Timeout": 9}),
    ({"MemorySize": 192}, {"MemorySize": 192}),
    ({"Description": "changed"}, {"Description": "changed"}),
    ({"EphemeralStorage": {"Size": 1024}}, {"EphemeralStorage": {"Size": 1024}}),
    ({"Environment": {"Variables": {"KEY": "1"}}}, {"Environment": {"Variables": {"KEY": "1"}}}),
    ({"Handler": "app.other"}, {"Handler": "app.other"}),
    ({"Runtime": "python3.13"}, {"Runtime": "python3.13"}),
    ({"Role": ROLE + "2"}, {"Role": ROLE + "2"}),
    (
        {"LoggingConfig": {"LogFormat": "JSON", "LogGroup": "elsewhere"}},
        {
            "LoggingConfig": {
                "LogFormat": "JSON",
                "ApplicationLogLevel": "INFO",
                "SystemLogLevel": "INFO",
                "LogGroup": "elsewhere",
            }
        },
    ),
]


@pytest.mark.parametrize("change, expected", CHANGES, ids=lambda value: next(iter(value)))
def test_configuration_is_updated_field_by_field(lambda_client, deploy, change, expected):
    function = deploy(PYTHON, SOURCE)
    before = lambda_client.get_function_configuration(FunctionName=function.name)
    function.configure(**change)
    after = lambda_client.get_function_configuration(FunctionName=function.name)
    assert {field: after[field] for field in expected} == expected
    untouched = {"FunctionName", "CodeSha256", "CodeSize", "Version", "FunctionArn"}
    assert {field: after[field] for field in untouched} == {field: before[field] for field in untouched}
    assert after["RevisionId"] != before["RevisionId"]


@pytest.mark.parametrize("act", ["update_function_code", "update_function_configuration"])
def test_a_stale_revision_is_refused_and_the_newest_taken(lambda_client, deploy, act):
    function = deploy(PYTHON, SOURCE)
    change = {"ZipFile": code(PYTHON, SOURCE)} if act == "update_function_code" else {"Timeout": 5}
    call = getattr(lambda_client, act)
    stale = "00000000-0000-4000-8000-000000000000"
    answer = refused(call, FunctionName=function.name, RevisionId=stale, **change)
    assert answer == (
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to "
        "retrieve the latest Revision Id",
        412,
    )
    newest = lambda_client.get_function_configuration(FunctionName=function.name)["RevisionId"]
    call(FunctionName=function.name, RevisionId=newest, **change)
    function.wait("function_updated_v2")


def test_lists_come_in_pages(server, deploy):
    client = server.client("lambda", account="999900001111")
    names = sorted(deploy(PYTHON, SOURCE, client=client).name for _ in range(5))
    pages = list(client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["Functions"]) for page in pages] == [2, 2, 1]
    assert sorted(each["FunctionName"] for page in pages for each in page["Functions"]) == names
    assert all("NextMarker" in page for page in pages[:-1]) and "NextMarker" not in pages[-1]


def test_deletion(lambda_client, deploy):
    function = deploy(PYTHON, SOURCE)
    answer = lambda_client.delete_function(FunctionName=function.name)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] in (200, 204)
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{function.name}"
    for call in (lambda_client.get_function, lambda_client.delete_function, lambda_client.invoke):
        code_, message, status = refused(call, FunctionName=function.name)
        assert (code_, status) == ("ResourceNotFoundException", 404)
        assert message.startswith(f"Function not found: {arn}")
    again = create(lambda_client, PYTHON, code(PYTHON, SOURCE), name=function.name)
    assert again.invoke().value == "first"


def test_tags(lambda_client, deploy):
    function = deploy(PYTHON, SOURCE, Tags={"team": "blue"})
    arn = lambda_client.get_function_configuration(FunctionName=function.name)["FunctionArn"]
    lambda_client.tag_resource(Resource=arn, Tags={"stage": "test", "team": "green"})
    assert lambda_client.list_tags(Resource=arn)["Tags"] == {"team": "green", "stage": "test"}
    lambda_client.untag_resource(Resource=arn, TagKeys=["team", "never"])
    assert lambda_client.list_tags(Resource=arn)["Tags"] == {"stage": "test"}
    assert lambda_client.get_function(FunctionName=function.name)["Tags"] == {"stage": "test"}
    too_many = {f"key-{number}": "" for number in range(51)}
    assert refused(lambda_client.tag_resource, Resource=arn, Tags=too_many)[0] == "InvalidParameterValueException"


def test_account_settings_count_what_is_there(server, deploy):
    client = server.client("lambda", account="999900002222")
    assert client.get_account_settings()["AccountUsage"] == {"TotalCodeSize": 0, "FunctionCount": 0}
    package = code(PYTHON, SOURCE)
    deploy(PYTHON, package, client=client)
    settings = client.get_account_settings()
    assert settings["AccountUsage"] == {"TotalCodeSize": len(package), "FunctionCount": 1}
    limit = settings["AccountLimit"]
    assert (limit["CodeSizeZipped"], limit["CodeSizeUnzipped"]) == (52428800, 262144000)
    assert limit["ConcurrentExecutions"] == limit["UnreservedConcurrentExecutions"] == 1000


def test_publishing_at_creation_gives_version_1(lambda_client, deploy):
    function = deploy(PYTHON, SOURCE, Publish=True)
    outcome = function.invoke(Qualifier="1")
    assert (outcome.value, outcome.version) == ("first", "1")


REFUSED_CREATIONS = [
    # what is asked for, the code and a part of the message it is refused with
    ({"FunctionName": "no spaces"}, "ValidationException", "at 'functionName' failed to satisfy constraint"),
    ({"FunctionName": "x" * 65}, "ValidationException", "Member must have length less than or equal to 64"),
    ({"Timeout": 901}, "ValidationException", "Value '901' at 'timeout' failed to satisfy constraint: "),
    ({"Timeout": 0}, "ValidationException", "Member must have value greater than or equal to 1"),
    ({"MemorySize": 127}, "ValidationException", "Member must have value greater than or equal to 128"),
    ({"MemorySize": 10241}, "ValidationException", "Member must have value less than or equal to 10240"),
    ({"EphemeralStorage": {"Size": 511}}, "ValidationException", "Member must have value greater than or equal to 512"),
    ({"Handler": "no handler"}, "ValidationException", "at 'handler' failed to satisfy constraint"),
    ({"Role": "nobody"}, "ValidationException", "at 'role' failed to satisfy constraint"),
    ({"Runtime": "cobol85"}, "ValidationException", "at 'runtime' failed to satisfy constraint"),
    ({"Runtime": "go1.x"}, "InvalidParameterValueException", "Runtime: Hearth does not support the runtime go1.x"),
    ({"Code": {"S3Bucket": "bucket", "S3Key": "key"}}, "InvalidParameterValueException", "Code.S3Bucket"),
    ({"Code": {"ImageUri": "x.dkr.ecr/y:1"}}, "InvalidParameterValueException", "Code.ImageUri"),
    ({"Code": {"ZipFile": b""}}, "InvalidParameterValueException", "Could not unzip uploaded file."),
    ({"Code": {}}, "InvalidParameterValueException", "Please provide a source for function code."),
    ({"PackageType": "Image"}, "InvalidParameterValueException", "PackageType"),
    ({"Layers": ["arn:aws:lambda:us-east-1:000000000000:layer:l:1"]}, "InvalidParameterValueException", "does not exist"),
    ({"VpcConfig": {"SubnetIds": ["subnet-1"]}}, "InvalidParameterValueException", "VpcConfig"),
    ({"TracingConfig": {"Mode": "Active"}}, "InvalidParameterValueException", "TracingConfig"),
    (
        {"DeadLetterConfig": {"TargetArn": "arn:aws:sns:us-east-1:000000000000:t.fifo"}},
        "InvalidParameterValueException",
        "must be a standard queue or topic",
    ),
    ({"SnapStart": {"ApplyOn": "PublishedVersions"}}, "InvalidParameterValueException", "SnapStart"),
    (
        {"FileSystemConfigs": [{"Arn": "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-0123456789abcdef0",
                                "LocalMountPath": "/mnt/x"}]},
        "InvalidParameterValueException",
        "FileSystemConfigs",
    ),
    ({"KMSKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k"}, "InvalidParameterValueException", "KMSKeyArn"),
    (
        {"CodeSigningConfigArn": "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdef0"},
        "InvalidParameterValueException",
        "CodeSigningConfigArn",
    ),
    ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "InvalidParameterValueException", "Reserved keys used in this request: AWS_REGION"),
    ({"Environment": {"Variables": {"KEY": "x" * 4096}}}, "InvalidParameterValueException", "exceeded the 4KB limit"),
    ({"Environment": {"Variables": {"A": "x"}}}, "ValidationException", "environment.variables"),
]


@pytest.mark.parametrize("change, error, message", REFUSED_CREATIONS, ids=lambda value: str(value)[:50])
def test_what_aws_or_hearth_cannot_make_is_refused_by_name(server, change, error, message):
    client = server.client("lambda", config=UNCHECKED)
    request = {
        "FunctionName": name_of("refused"),
        "Runtime": PYTHON,
        "Handler": "app.handler",
        "Role": ROLE,
        "Code": {"ZipFile": code(PYTHON, SOURCE)},
    }
    answer = refused(client.create_function, **request | change)
    assert answer[0] == error, answer
    assert message in answer[1], answer
    assert answer[2] == 400
    if error == "ValidationException":
        assert answer[1].startswith("1 validation error detected: "), answer


def test_several_violations_are_told_together(server):
    client = server.client("lambda", config=UNCHECKED)
    error, message, _ = refused(
        client.create_function, FunctionName="a b", Runtime="cobol85", Handler="h", Role="nobody", Code={"ZipFile": b"x"}
    )
    assert error == "ValidationException"
    assert message.startswith("3 validation errors detected: "), message
    assert all(f"at '{member}'" in message for member in ("functionName", "runtime", "role")), message


def test_what_exists_already_is_a_conflict(lambda_client, deploy):
    function = deploy(PYTHON, SOURCE)
    answer = refused(create, lambda_client, PYTHON, code(PYTHON, SOURCE), name=function.name)
    assert answer == ("ResourceConflictException", f"Function already exist: {function.name}", 409)


def test_an_operation_that_hearth_has_not_is_refused_by_name(lambda_client):
    error, message, status = refused(lambda_client.list_code_signing_configs)
    assert status in (400, 404, 501) and error != "ResourceNotFoundException"
    assert "ListCodeSigningConfigs" in message, (error, message)


def test_a_runtime_that_is_not_installed_is_replaced_with_a_warning(lambda_client, deploy):
    """Where the exact version is on the machine there is nothing to warn of, and the test says so by doing nothing more."""
    function = deploy(NODE, "export const handler = async () => process.version;")
    version = function.invoke().value
    configuration = lambda_client.get_function_configuration(FunctionName=function.name)
    if version.startswith("v22."):
        return
    told = json.dumps(configuration.get("RuntimeVersionConfig", {})) + configuration.get("StateReason", "")
    assert "nodejs22.x" in told or "22" in told, configuration


def test_every_runtime_answers_with_its_own_name(deploy):
    sources = {
        PYTHON: "import os\ndef handler(event, context):\n    return os.environ.get('AWS_EXECUTION_ENV')\n",
        NODE: "export const handler = async () => process.env.AWS_EXECUTION_ENV;",
        CUSTOM: 'while true; do call GET invocation/next ""; call POST "invocation/$id/response" "\\"$AWS_EXECUTION_ENV\\""; done\n',
    }
    for runtime, source in sources.items():
        value = deploy(runtime, source).invoke().value
        # AWS: custom runtimes do not have the variable.
        assert value in (f"AWS_Lambda_{runtime}", ""), (runtime, value)
