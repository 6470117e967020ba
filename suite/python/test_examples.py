"""The functions of `examples/`, as a user deploys them."""

import pytest
import roles
from functions import CUSTOM, NODE, PYTHON

GREETERS = [("hello-python", PYTHON), ("hello-node", NODE), ("hello-custom", CUSTOM)]


@pytest.mark.parametrize("example, runtime", GREETERS)
def test_greets(deploy, examples, example, runtime):
    function = deploy(runtime, examples[example])
    outcome = function.invoke({"name": "Ada"})
    assert (outcome.status, outcome.error, outcome.version) == (200, None, "$LATEST")
    assert outcome.value["message"] == "Hello, Ada!"
    assert outcome.value["requestId"] == outcome.request_id
    assert "greeting" in outcome.log


@pytest.mark.parametrize("example, runtime", [("sdk-python", PYTHON), ("sdk-node", NODE)])
def test_calls_aws_from_inside(server, deploy, examples, example, runtime):
    role = roles.allowing(server, "lambda:ListFunctions")
    function = deploy(runtime, examples[example], Timeout=30, MemorySize=512, Role=role)
    outcome = function.invoke()
    assert outcome.error is None, outcome.body
    assert function.name in outcome.value["functions"]
