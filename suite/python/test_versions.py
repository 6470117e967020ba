"""Versions through boto3: published, listed, invoked, described and deleted."""

import pytest
from functions import PYTHON, Function, code, create, name_of
from hearth import Server
from test_functions import refused

SOURCE = "def handler(event, context):\n    return ['first', context.function_version, context.invoked_function_arn]\n"
ARN = "arn:aws:lambda:us-east-1:000000000000:function:"


def release(function, source):
    """Updates the code, publishes it and gives the version's number."""
    function.client.update_function_code(FunctionName=function.name, ZipFile=code(PYTHON, source))
    function.wait("function_updated_v2")
    return function.client.publish_version(FunctionName=function.name)["Version"]


def test_a_version_is_immutable_and_has_an_environment_of_its_own(lambda_client, deploy):
    function = deploy(PYTHON, SOURCE)
    published = lambda_client.publish_version(FunctionName=function.name, Description="the first")
    assert published["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (published["Version"], published["Description"]) == ("1", "the first")
    assert published["FunctionArn"] == f"{ARN}{function.name}:1"
    lambda_client.get_waiter("published_version_active").wait(FunctionName=function.name, Qualifier="1")
    assert release(function, SOURCE.replace("first", "second")) == "2"
    function.configure(MemorySize=256)
    for qualifier, word in [("1", "first"), ("2", "second"), ("$LATEST", "second")]:
        outcome = function.invoke(Qualifier=qualifier)
        assert outcome.value == [word, qualifier, f"{ARN}{function.name}:{qualifier}"]
        assert outcome.version == qualifier
        assert f"Version: {qualifier}" in outcome.log
        shown = lambda_client.get_function_configuration(FunctionName=f"{function.name}:{qualifier}")
        assert (shown["Version"], shown["MemorySize"]) == (qualifier, 256 if qualifier == "$LATEST" else 128)
    got = lambda_client.get_function(FunctionName=f"{ARN}{function.name}:1")["Configuration"]
    assert (got["CodeSha256"], got["RevisionId"]) == (published["CodeSha256"], published["RevisionId"])


def test_nothing_changed_is_nothing_published(lambda_client, deploy):
    function = deploy(PYTHON, SOURCE, Publish=True)
    for _ in range(2):
        assert lambda_client.publish_version(FunctionName=function.name, Description="again")["Version"] == "1"
    function.configure(Timeout=4)
    assert lambda_client.publish_version(FunctionName=function.name)["Version"] == "2"
    same = lambda_client.update_function_code(FunctionName=function.name, ZipFile=code(PYTHON, SOURCE), Publish=True)
    assert same["Version"] == "2"


def test_publishing_is_refused_in_awss_words(lambda_client, deploy):
    function = deploy(PYTHON, SOURCE)
    latest = lambda_client.get_function_configuration(FunctionName=function.name)
    publish = lambda_client.publish_version
    told = refused(publish, FunctionName=function.name, CodeSha256="x")
    assert told == (
        "InvalidParameterValueException",
        f"CodeSHA256 (x) is different from current CodeSHA256 in $LATEST ({latest['CodeSha256']}). "
        "Please try again with the CodeSHA256 in $LATEST.",
        400,
    )
    assert refused(publish, FunctionName=function.name, RevisionId="x")[::2] == ("PreconditionFailedException", 412)
    assert refused(publish, FunctionName="nobody") == (
        "ResourceNotFoundException", f"Function not found: {ARN}nobody", 404
    )
    assert [each["Version"] for each in lambda_client.list_versions_by_function(FunctionName=function.name)["Versions"]] == ["$LATEST"]
    right = {"CodeSha256": latest["CodeSha256"], "RevisionId": latest["RevisionId"]}
    assert publish(FunctionName=function.name, **right)["Version"] == "1"


def test_versions_are_listed_in_pages(lambda_client, deploy):
    function = deploy(PYTHON, SOURCE)
    for number in range(1, 5):
        function.configure(Description=f"number {number}")
        assert lambda_client.publish_version(FunctionName=function.name)["Version"] == str(number)
    pages = lambda_client.get_paginator("list_versions_by_function").paginate(
        FunctionName=function.name, PaginationConfig={"PageSize": 2}
    )
    pages = [[version["Version"] for version in page["Versions"]] for page in pages]
    assert pages == [["$LATEST", "1"], ["2", "3"], ["4"]]
    assert refused(lambda_client.list_versions_by_function, FunctionName="nobody")[0] == "ResourceNotFoundException"


def test_a_version_is_deleted_alone(lambda_client, deploy):
    function = deploy(PYTHON, SOURCE, Publish=True)
    function.invoke(Qualifier="1")
    delete = lambda_client.delete_function
    for _ in range(2):
        assert delete(FunctionName=function.name, Qualifier="1")["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert refused(function.invoke, Qualifier="1")[:2] == (
        "ResourceNotFoundException", f"Function not found: {ARN}{function.name}:1"
    )
    told = refused(delete, FunctionName=function.name, Qualifier="$LATEST")
    assert told[:2] == ("InvalidParameterValueException", "$LATEST version cannot be deleted without deleting the function.")
    assert function.invoke().value[0] == "first"
    # The number is not used again.
    assert lambda_client.publish_version(FunctionName=function.name)["Version"] == "2"


@pytest.mark.parametrize("end", [Server.stop, Server.kill], ids=["stopped", "killed"])
def test_what_was_published_is_there_after_a_restart(tmp_path, end):
    server = Server("--data-dir", tmp_path / "data")
    client = server.client("lambda")
    function = create(client, PYTHON, code(PYTHON, SOURCE), name=name_of("kept"))
    client.publish_version(FunctionName=function.name)
    release(function, SOURCE.replace("first", "second"))
    client.create_alias(
        FunctionName=function.name, Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.0}}
    )
    client.add_permission(
        FunctionName=function.name, Qualifier="live", StatementId="s", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com"
    )
    client.put_function_event_invoke_config(FunctionName=function.name, Qualifier="live", MaximumRetryAttempts=0)

    def known(client):
        answers = [
            client.list_versions_by_function(FunctionName=function.name)["Versions"],
            client.list_aliases(FunctionName=function.name)["Aliases"],
            client.get_policy(FunctionName=function.name, Qualifier="live"),
            client.list_function_event_invoke_configs(FunctionName=function.name)["FunctionEventInvokeConfigs"],
        ]
        answers[2].pop("ResponseMetadata")
        return answers

    then = known(client)
    end(server)
    with Server("--data-dir", tmp_path / "data") as server:
        client = server.client("lambda")
        assert known(client) == then
        function = Function(client, function.name)
        assert [function.invoke(Qualifier=each).value[0] for each in ("1", "2", "live")] == ["first", "second", "first"]
