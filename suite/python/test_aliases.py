"""Aliases through boto3: their life, their rules, and traffic that moves from one version to another."""

import math
import threading

import pytest
from functions import PYTHON
from test_functions import UNCHECKED, refused
from test_versions import ARN, SOURCE, release


@pytest.fixture
def released(deploy):
    """A function with versions 1 and 2, which say so."""
    function = deploy(PYTHON, SOURCE, Publish=True)
    assert release(function, SOURCE.replace("first", "second")) == "2"
    return function


def shown(answer):
    """An alias without what each answer has anew."""
    answer.pop("ResponseMetadata", None)
    return answer


def test_an_alias_is_created_read_changed_and_deleted(lambda_client, released):
    of = {"FunctionName": released.name, "Name": "live"}
    created = lambda_client.create_alias(**of, FunctionVersion="1", Description="what is live")
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    created = shown(created)
    assert created | {"RevisionId": ""} == {
        "AliasArn": f"{ARN}{released.name}:live",
        "Name": "live",
        "FunctionVersion": "1",
        "Description": "what is live",
        "RevisionId": "",
    }
    assert shown(lambda_client.get_alias(**of)) == created
    routing = {"AdditionalVersionWeights": {"2": 0.25}}
    updated = shown(lambda_client.update_alias(**of, RoutingConfig=routing, RevisionId=created["RevisionId"]))
    assert updated == created | {"RoutingConfig": routing, "RevisionId": updated["RevisionId"]}
    assert updated["RevisionId"] != created["RevisionId"]
    assert refused(lambda_client.update_alias, **of, RevisionId=created["RevisionId"])[::2] == ("PreconditionFailedException", 412)
    assert shown(lambda_client.get_alias(**of)) == updated
    alone = shown(lambda_client.update_alias(**of, FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {}}))
    assert "RoutingConfig" not in alone and alone["FunctionVersion"] == "2"
    for _ in range(2):
        assert lambda_client.delete_alias(**of)["ResponseMetadata"]["HTTPStatusCode"] == 204
    arn = f"{ARN}{released.name}:live"
    assert refused(lambda_client.get_alias, **of) == ("ResourceNotFoundException", f"Cannot find alias arn: {arn}", 404)
    assert refused(lambda_client.update_alias, **of) == ("ResourceNotFoundException", f"Alias not found: {arn}", 404)
    assert refused(released.invoke, Qualifier="live")[1] == f"Function not found: {arn}"
    assert refused(lambda_client.delete_alias, FunctionName="nobody", Name="live")[0] == "ResourceNotFoundException"


def test_an_alias_is_a_name_of_the_function(lambda_client, released):
    lambda_client.create_alias(FunctionName=released.name, Name="live", FunctionVersion="1")
    arn = f"{ARN}{released.name}:live"
    for name, options in [
        (released.name, {"Qualifier": "live"}),
        (f"{released.name}:live", {}),
        (f"000000000000:function:{released.name}:live", {}),
        (arn, {}),
    ]:
        answer = lambda_client.invoke(FunctionName=name, **options)
        assert answer["ExecutedVersion"] == "1"
        assert answer["Payload"].read().decode() == f'["first", "1", "{arn}"]'
        configuration = lambda_client.get_function_configuration(FunctionName=name, **options)
        assert (configuration["FunctionArn"], configuration["Version"]) == (arn, "1")
    lambda_client.create_alias(FunctionName=released.name, Name="newest", FunctionVersion="$LATEST")
    assert released.invoke(Qualifier="newest").version == "$LATEST"


def test_the_rules_of_aliases_are_awss(server, lambda_client, released):
    released.configure(Role="arn:aws:iam::000000000000:role/other")
    lambda_client.publish_version(FunctionName=released.name)
    name = released.name
    client = server.client("lambda", config=UNCHECKED)
    value, invalid = "InvalidParameterValueException", "ValidationException"
    for version, weights, error, message in [
        ("9", None, "ResourceNotFoundException", f"Function not found: {ARN}{name}:9"),
        ("1", {"9": 0.5}, "ResourceNotFoundException", f"Function not found: {ARN}{name}:9"),
        ("1", {"2": 0.5, "3": 0.1}, value, "Number of items in AdditionalVersionWeights cannot be greater than 1"),
        ("$LATEST", {"2": 0.5}, value, "$LATEST is not supported for an alias pointing to more than 1 version"),
        ("1", {"1": 0.5}, value, "Function version 1 is already included in routing configuration."),
        ("1", {"3": 0.5}, value, "Specified versions must be associated with the same execution role"),
        ("1", {"2": 1.5}, invalid, "Member must have value less than or equal to 1"),
        ("1", {"2": -0.5}, invalid, "Member must have value greater than or equal to 0"),
        ("1", {"$LATEST": 0.5}, invalid, "Member must satisfy regular expression pattern: [0-9]+"),
        ("one", None, invalid, "at 'functionVersion' failed to satisfy constraint"),
    ]:
        routing = {"RoutingConfig": {"AdditionalVersionWeights": weights}} if weights else {}
        told = refused(client.create_alias, FunctionName=name, Name="live", FunctionVersion=version, **routing)
        assert told[0] == error and message in told[1], (version, weights, told)
    assert refused(client.create_alias, FunctionName=name, Name="12", FunctionVersion="1")[0] == invalid
    assert lambda_client.list_aliases(FunctionName=name)["Aliases"] == []
    lambda_client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    told = refused(lambda_client.create_alias, FunctionName=name, Name="live", FunctionVersion="2")
    assert told == ("ResourceConflictException", f"Alias already exists: {ARN}{name}:live", 409)


def test_a_version_with_an_alias_cannot_be_deleted(lambda_client, released):
    lambda_client.create_alias(FunctionName=released.name, Name="live", FunctionVersion="1")
    told = refused(lambda_client.delete_function, FunctionName=released.name, Qualifier="1")
    assert told == (
        "ResourceConflictException", "Unable to delete version because the following aliases reference it: [live]", 409
    )
    told = refused(lambda_client.delete_function, FunctionName=released.name, Qualifier="live")
    assert told[:2] == ("InvalidParameterValueException", "Deletion of aliases is not currently supported.")
    lambda_client.delete_alias(FunctionName=released.name, Name="live")
    lambda_client.delete_function(FunctionName=released.name, Qualifier="1")


def test_aliases_are_listed_by_version_and_in_pages(lambda_client, released):
    for name, version in [("a", "1"), ("b", "2"), ("c", "1")]:
        lambda_client.create_alias(FunctionName=released.name, Name=name, FunctionVersion=version)
    pages = lambda_client.get_paginator("list_aliases").paginate(FunctionName=released.name, PaginationConfig={"PageSize": 2})
    assert [[alias["Name"] for alias in page["Aliases"]] for page in pages] == [["a", "b"], ["c"]]
    of_first = lambda_client.list_aliases(FunctionName=released.name, FunctionVersion="1")["Aliases"]
    assert [alias["Name"] for alias in of_first] == ["a", "c"]
    assert refused(lambda_client.list_aliases, FunctionName="nobody")[0] == "ResourceNotFoundException"


def test_traffic_moves_in_steps_and_no_invocation_fails(server, lambda_client, released):
    """Blue and green under load. Of n choices those that fall on the second version are binomial: six standard
    deviations are passed by chance less than twice in a thousand million."""
    lambda_client.create_alias(FunctionName=released.name, Name="live", FunctionVersion="1")
    done, failed = threading.Event(), []

    def load():
        client = server.client("lambda")
        while not done.is_set():
            try:
                answer = client.invoke(FunctionName=released.name, Qualifier="live")
                body, version = answer["Payload"].read().decode(), answer["ExecutedVersion"]
                word = {"1": "first", "2": "second"}[version]
                if "FunctionError" in answer or body != f'["{word}", "{version}", "{ARN}{released.name}:live"]':
                    failed.append((version, body))
            except Exception as error:  # whatever it is, it is a failed invocation
                failed.append(error)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        n = 200
        for weight in (0.0, 0.1, 0.5, 0.9, 1.0):
            routing = {"AdditionalVersionWeights": {"2": weight}}
            lambda_client.update_alias(FunctionName=released.name, Name="live", RoutingConfig=routing)
            second = sum(released.invoke(Qualifier="live").version == "2" for _ in range(n))
            assert abs(second - n * weight) <= 6 * math.sqrt(n * weight * (1 - weight)), (weight, second)
        lambda_client.update_alias(
            FunctionName=released.name, Name="live", FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {}}
        )
        assert {released.invoke(Qualifier="live").version for _ in range(20)} == {"2"}
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert failed == []


def test_an_alias_serves_while_what_it_points_to_is_followed_by_updates(lambda_client, released):
    lambda_client.create_alias(FunctionName=released.name, Name="live", FunctionVersion="2")
    environment = "import os\nMARK = os.urandom(8).hex()\ndef handler(event, context):\n    return MARK\n"
    assert release(released, environment) == "3"
    lambda_client.update_alias(FunctionName=released.name, Name="live", FunctionVersion="3")
    mark = released.invoke(Qualifier="live").value
    lambda_client.add_permission(
        FunctionName=released.name, Qualifier="3", StatementId="s", Action="lambda:InvokeFunction", Principal="111122223333"
    )
    released.configure(Timeout=5)
    # Neither a permission nor an update of $LATEST costs the version its warm environment.
    assert released.invoke(Qualifier="live").value == mark
    assert released.invoke(Qualifier="3").value == mark
