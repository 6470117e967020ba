"""Extensions in layers, and what becomes of an environment between invocations."""

import time

import pytest
from functions import PYTHON, name_of
from hearth import eventually
from package import Executable, zip_of

ECHO = "def handler(event, context):\n    return event\n"

EXTENSION = """#!/usr/bin/env python3
import http.client, json, os
def call(method, path, headers, body=None):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, "/2020-01-01/extension/" + path, body, headers)
    answer = connection.getresponse()
    return answer.headers, json.loads(answer.read())
headers, _ = call("POST", "register", {"Lambda-Extension-Name": os.path.basename(__file__)},
                  json.dumps({"events": ["INVOKE", "SHUTDOWN"]}))
me = {"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]}
while True:
    _, event = call("GET", "event/next", me)
    print("extension heard", event["eventType"], event.get("shutdownReason", ""), flush=True)
    if event["eventType"] == "SHUTDOWN":
        break
"""

COUNTER = """
import threading, time
count = 0
def tick():
    global count
    while True:
        count += 1
        time.sleep(0.001)
threading.Thread(target=tick, daemon=True).start()
def handler(event, context):
    begin = count
    while count < begin + 5:
        time.sleep(0.001)
    return [begin, count]
"""


@pytest.fixture
def layer(lambda_client):
    """A layer with one external extension, as its ARN."""
    package = zip_of({"extensions/listener": Executable(EXTENSION)})
    answer = lambda_client.publish_layer_version(LayerName=name_of("extension"), Content={"ZipFile": package})
    yield answer["LayerVersionArn"]
    lambda_client.delete_layer_version(LayerName=answer["LayerArn"], VersionNumber=answer["Version"])


def test_an_extension_in_a_layer_hears_of_everything(deploy, logs_client, layer):
    function = deploy(PYTHON, ECHO, Layers=[layer])
    for turn in (1, 2):
        outcome = function.invoke(turn)
        assert (outcome.error, outcome.value) == (None, turn)
        assert "extension heard INVOKE" in outcome.log
        assert ("EXTENSION\tName: listener\tState: Ready\tEvents: [INVOKE,SHUTDOWN]" in outcome.log) == (turn == 1)
    # An update ends the environments of the old configuration.
    function.client.update_function_configuration(FunctionName=function.name, Description="another")
    function.client.get_waiter("function_updated_v2").wait(FunctionName=function.name)

    def messages():
        group = f"/aws/lambda/{function.name}"
        try:
            return [event["message"] for event in logs_client.filter_log_events(logGroupName=group)["events"]]
        except logs_client.exceptions.ResourceNotFoundException:
            return []  # the group is made with the first lines that are delivered

    eventually(lambda: "extension heard SHUTDOWN spindown\n" in messages(), 10, messages)


def test_nothing_runs_between_invocations(deploy):
    function = deploy(PYTHON, COUNTER)
    _, end = function.invoke().value
    time.sleep(2)
    begin, _ = function.invoke().value
    assert begin - end < 400, "two seconds are worth some 1,500 ticks to what is not frozen"
