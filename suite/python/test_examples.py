"""The functions of `examples/`, as a user deploys them."""

import re
import shutil

import pytest
import roles
from functions import CUSTOM, NODE, PYTHON
from hearth import REPOSITORY
from test_asynchronous import timed  # noqa: F401 - a fixture
from test_aws_cli import needs_2, run_as_printed

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


def printed(page):
    """The commands of a page."""
    return re.findall(r"^```sh\n(.*?)^```$", (REPOSITORY / page).read_text(), re.M | re.S)


@needs_2
def test_the_cron_job_runs_every_night(timed, tmp_path):  # noqa: F811
    shutil.copy(REPOSITORY / "examples/cron/report.py", tmp_path)
    said, _ = run_as_printed(timed, tmp_path, printed("examples/cron/README.md"), seconds=240)
    reports = re.findall(r'report {"night": "\d{4}-\d\d-\d\dT02:00:00Z", "orders": 3}', said)
    assert len(reports) == 2 == len(set(reports)), said


@needs_2
def test_events_go_as_the_page_says(timed, tmp_path):  # noqa: F811
    said, _ = run_as_printed(timed, tmp_path, printed("docs/eventbridge.md"), seconds=240)
    assert r"order 2 is worth 250" in said and "order 1 is" not in said, said
