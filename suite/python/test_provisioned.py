"""Provisioned concurrency: environments that are there before anybody asks, and stay."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import functions
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from functions import PYTHON
from hearth import ONCE, Server, eventually
from test_concurrency import throttled, unreserved

# What the environment was made for, which one it is, and when it was.
KIND = """
import os, time, uuid
print("initialising")
kind, made, me = os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], time.time(), str(uuid.uuid4())
if os.environ.get("BROKEN"): raise RuntimeError("broken at the start")
def handler(event, context):
    if event.get("exit"): os._exit(1)
    time.sleep(event.get("seconds", 0))
    return {"kind": kind, "made": made, "me": me, "version": context.function_version}
"""
PROVISIONED, ON_DEMAND = "provisioned-concurrency", "on-demand"


def publish(function, **changes):
    """A new version that can be invoked."""
    if changes:
        function.configure(**changes)
    version = function.client.publish_version(FunctionName=function.name)["Version"]
    function.client.get_waiter("function_active_v2").wait(
        FunctionName=function.name, Qualifier=version, WaiterConfig={"Delay": 0.02, "MaxAttempts": 1500}
    )
    return version


def provision(function, qualifier, count):
    return function.client.put_provisioned_concurrency_config(
        FunctionName=function.name, Qualifier=qualifier, ProvisionedConcurrentExecutions=count
    )


def standing(function, qualifier):
    return function.client.get_provisioned_concurrency_config(FunctionName=function.name, Qualifier=qualifier)


def counts(shown):
    kinds = ("Requested", "Allocated", "Available")
    return tuple(shown[f"{kind}ProvisionedConcurrentExecutions"] for kind in kinds)


def ready(function, qualifier):
    """Waits until all are there."""

    def look():
        shown = standing(function, qualifier)
        assert shown["Status"] != "FAILED", shown
        requested, _, available = counts(shown)
        return shown if shown["Status"] == "READY" and available == requested else None

    return eventually(look, 60)


def refused(call, *arguments, code="InvalidParameterValueException"):
    with pytest.raises(ClientError) as error:
        call(*arguments)
    assert error.value.response["Error"]["Code"] == code
    return error.value.response["Error"]["Message"]


def test_environments_are_initialised_before_anybody_asks(deploy):
    function = deploy(PYTHON, KIND)
    version = publish(function)
    put = provision(function, version, 2)
    assert put["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert put["Status"] == "IN_PROGRESS" and counts(put)[0] == 2
    shown = ready(function, version)
    assert counts(shown) == (2, 2, 2)
    assert "StatusReason" not in shown
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000", shown["LastModified"])
    began = time.time()
    outcome = function.invoke(Qualifier=version)
    assert outcome.value["kind"] == PROVISIONED and outcome.value["made"] < began
    assert "Init Duration" not in outcome.log
    assert function.invoke().value["kind"] == ON_DEMAND, "$LATEST has none"


def test_what_is_beyond_it_spills_over_and_counts_are_right_meanwhile(deploy):
    function = deploy(PYTHON, KIND, Timeout=30)
    version = publish(function)
    provision(function, version, 2)
    ready(function, version)
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(function.invoke, {"seconds": 3}, Qualifier=version) for _ in range(2)]
        eventually(lambda: counts(standing(function, version)) == (2, 2, 0))
        third = function.invoke(Qualifier=version)
        assert third.value["kind"] == ON_DEMAND
        first, second = (each.result().value for each in running)
    assert first["kind"] == second["kind"] == PROVISIONED and first["me"] != second["me"]
    assert counts(standing(function, version)) == (2, 2, 2)
    assert function.invoke(Qualifier=version).value["kind"] == PROVISIONED, "they come before the others"


def test_it_moves_with_an_alias(deploy):
    function = deploy(PYTHON, KIND)
    first = publish(function)
    function.client.create_alias(FunctionName=function.name, Name="live", FunctionVersion=first)
    provision(function, "live", 1)
    ready(function, "live")
    assert function.invoke(Qualifier="live").value["version"] == first
    second = publish(function, Description="second")
    function.client.update_alias(FunctionName=function.name, Name="live", FunctionVersion=second)
    ready(function, "live")
    outcome = function.invoke(Qualifier="live")
    assert (outcome.value["version"], outcome.value["kind"]) == (second, PROVISIONED)
    assert function.invoke(Qualifier=first).value["kind"] == ON_DEMAND, "the version it left has none any more"


def test_an_alias_with_a_weight_shares_it(deploy):
    function = deploy(PYTHON, KIND)
    first, second = publish(function), publish(function, Description="second")
    function.client.create_alias(
        FunctionName=function.name,
        Name="live",
        FunctionVersion=first,
        RoutingConfig={"AdditionalVersionWeights": {second: 0.25}},
    )
    provision(function, "live", 4)
    assert counts(ready(function, "live")) == (4, 4, 4)
    kinds = {function.invoke(Qualifier=version).value["kind"] for version in (first, second)}
    assert kinds == {PROVISIONED}
    function.client.update_alias(
        FunctionName=function.name, Name="live", RoutingConfig={"AdditionalVersionWeights": {}}
    )
    assert counts(ready(function, "live")) == (4, 4, 4)
    assert function.invoke(Qualifier=second).value["kind"] == ON_DEMAND


def test_one_that_dies_is_made_again(deploy):
    function = deploy(PYTHON, KIND)
    version = publish(function)
    provision(function, version, 1)
    ready(function, version)
    before = function.invoke(Qualifier=version).value["me"]
    assert function.invoke({"exit": 1}, Qualifier=version).error == "Unhandled"
    ready(function, version)
    after = function.invoke(Qualifier=version).value
    assert after["kind"] == PROVISIONED and after["me"] != before


def test_an_initialisation_that_fails_is_told_and_not_tried_in_a_storm(deploy, logs_client):
    function = deploy(PYTHON, KIND, Environment={"Variables": {"BROKEN": "1"}})
    version = publish(function)
    provision(function, version, 2)
    shown = eventually(lambda: (it := standing(function, version))["Status"] == "FAILED" and it)
    assert shown["StatusReason"] == "FUNCTION_ERROR_INIT_FAILURE"
    assert counts(shown) == (2, 0, 0)

    def attempts():
        try:
            events = logs_client.filter_log_events(logGroupName=f"/aws/lambda/{function.name}")["events"]
        except logs_client.exceptions.ResourceNotFoundException:
            return 0
        return sum(event["message"].strip() == "initialising" for event in events)

    eventually(lambda: attempts() == 2)
    for _ in range(3):
        # Invocations of it run on demand, and fail by themselves.
        assert function.invoke(Qualifier=version).error == "Unhandled"
    assert standing(function, version)["Status"] == "FAILED"
    streams = logs_client.describe_log_streams(logGroupName=f"/aws/lambda/{function.name}")["logStreams"]
    assert len(streams) <= 3, "two that were provisioned and one on demand"
    working = publish(function, Environment={"Variables": {}})
    provision(function, working, 1)
    ready(function, working)


def test_what_cannot_have_it(deploy, lambda_client, server):
    function = deploy(PYTHON, KIND)
    version = publish(function)
    client = lambda_client
    client.create_alias(FunctionName=function.name, Name="head", FunctionVersion="$LATEST")
    unpublished = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
    for qualifier in ("$LATEST", "head"):
        assert refused(provision, function, qualifier, 1) == unpublished
    not_found = "ResourceNotFoundException"
    arn = client.get_function(FunctionName=function.name)["Configuration"]["FunctionArn"]
    assert refused(provision, function, "99", 1, code=not_found) == f"Function not found: {arn}:99"
    assert refused(provision, function, "none", 1, code=not_found) == f"Cannot find alias arn: {arn}:none"
    assert refused(provision, functions.Function(client, "nowhere"), "1", 1, code=not_found)
    missing = "ProvisionedConcurrencyConfigNotFoundException"
    said = "No Provisioned Concurrency Config found for this function"
    assert refused(standing, function, version, code=missing) == said
    neither = "The function resource provided must be an alias or a published version."
    assert refused(standing, function, "$LATEST") == neither
    for call in (client.list_provisioned_concurrency_configs, client.delete_provisioned_concurrency_config):
        qualifier = {} if call == client.list_provisioned_concurrency_configs else {"Qualifier": "1"}
        assert refused(lambda call=call, more=qualifier: call(FunctionName="nowhere", **more), code=not_found)
    lax = server.client("lambda", config=ONCE.merge(Config(parameter_validation=False)))
    none = functions.Function(lax, function.name)
    assert "greater than or equal to 1" in refused(provision, none, version, 0, code="ValidationException")


def test_no_version_has_it_twice(deploy):
    function = deploy(PYTHON, KIND)
    first, second = publish(function), publish(function, Description="second")
    for name, version in (("one", first), ("other", first), ("two", second)):
        function.client.create_alias(FunctionName=function.name, Name=name, FunctionVersion=version)
    provision(function, "one", 1)
    assert refused(provision, function, first, 1) == "Version is pointed to by a Provisioned Concurrency alias"
    already = "Alias can't be used for provisioned concurrency on an already provisioned version"
    assert refused(provision, function, "other", 1) == already
    provision(function, second, 1)
    assert refused(provision, function, "two", 1) == already

    def move(to):
        function.client.update_alias(FunctionName=function.name, Name="one", FunctionVersion=to)

    assert refused(move, second) == already
    assert function.client.get_alias(FunctionName=function.name, Name="one")["FunctionVersion"] == first


def test_it_is_bounded_by_reservation_and_account(deploy, lambda_client):
    function = deploy(PYTHON, KIND)
    version = publish(function)
    before = unreserved(lambda_client)
    put = lambda_client.put_function_concurrency
    put(FunctionName=function.name, ReservedConcurrentExecutions=2)
    assert refused(provision, function, version, 3) == (
        "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
    )
    provision(function, version, 2)
    ready(function, version)
    assert unreserved(lambda_client) == before - 2
    said = refused(lambda: put(FunctionName=function.name, ReservedConcurrentExecutions=1))
    assert "should not be lower than function's total provisioned concurrency [2]" in said
    # All that is reserved is provisioned: what has none has nothing.
    assert throttled(function) == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert function.invoke(Qualifier=version).value["kind"] == PROVISIONED
    lambda_client.delete_function_concurrency(FunctionName=function.name)
    assert unreserved(lambda_client) == before - 2, "it is claimed of the account then"
    assert "below its minimum value of [100]" in refused(provision, function, version, before)
    lambda_client.delete_provisioned_concurrency_config(FunctionName=function.name, Qualifier=version)
    assert unreserved(lambda_client) == before


def test_configurations_are_listed_and_deleted(deploy, lambda_client):
    function = deploy(PYTHON, KIND)
    first, second = publish(function), publish(function, Description="second")
    lambda_client.create_alias(FunctionName=function.name, Name="live", FunctionVersion=second)
    for qualifier in (first, "live"):
        provision(function, qualifier, 1)
        ready(function, qualifier)
    arn = lambda_client.get_function(FunctionName=function.name)["Configuration"]["FunctionArn"]
    pages = lambda_client.get_paginator("list_provisioned_concurrency_configs").paginate(
        FunctionName=function.name, PaginationConfig={"PageSize": 1}
    )
    listed = [config for page in pages for config in page["ProvisionedConcurrencyConfigs"]]
    assert [config["FunctionArn"] for config in listed] == [f"{arn}:{first}", f"{arn}:live"]
    assert {(config["Status"], *counts(config)) for config in listed} == {("READY", 1, 1, 1)}
    for _ in range(2):
        lambda_client.delete_provisioned_concurrency_config(FunctionName=function.name, Qualifier=first)
    assert function.invoke(Qualifier=first).value["kind"] == ON_DEMAND
    lambda_client.delete_alias(FunctionName=function.name, Name="live")
    left = lambda_client.list_provisioned_concurrency_configs(FunctionName=function.name)
    assert left["ProvisionedConcurrencyConfigs"] == []
    assert function.invoke(Qualifier=second).value["kind"] == ON_DEMAND


def test_they_do_not_grow_old_and_come_back_after_a_power_cut(nothing_left, tmp_path):
    options = ("--data-dir", tmp_path / "hearth", "--idle-timeout", "1")
    with Server(*options) as server:
        function = functions.create(server.client("lambda"), PYTHON, functions.code(PYTHON, KIND))
        version = publish(function)
        provision(function, version, 1)
        ready(function, version)
        kept, on_demand = function.invoke(Qualifier=version).value["me"], function.invoke().value["me"]
        time.sleep(3)  # That nothing happens in a time can only be seen by letting it pass.
        assert function.invoke().value["me"] != on_demand
        assert function.invoke(Qualifier=version).value["me"] == kept
        server.kill()
    with Server(*options) as server:
        again = functions.Function(server.client("lambda"), function.name)
        assert counts(ready(again, version)) == (1, 1, 1)
        outcome = again.invoke(Qualifier=version).value
        assert outcome["kind"] == PROVISIONED and outcome["me"] != kept
