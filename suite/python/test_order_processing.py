"""The walk-through of order processing, with the AWS CLI, as it is printed."""

import re

from hearth import REPOSITORY
from test_asynchronous import timed  # noqa: F401 - a fixture
from test_aws_cli import needs_2, run_as_printed


@needs_2
def test_the_walk_through_works_as_printed(timed, tmp_path):  # noqa: F811
    blocks = re.findall(r"^```sh\n(.*?)^```$", (REPOSITORY / "docs/order-processing.md").read_text(), re.M | re.S)
    assert len(blocks) > 5
    said, _ = run_as_printed(timed, tmp_path, blocks, seconds=240)
    assert [f'"accepted": {number}' in said for number in (1, 2, 3)] == [True] * 3, said
    assert re.findall(r"^ATTRIBUTES\s+(\d+)$", said, re.M) == ["3", "2"], said
    assert "order 3 has no total" in said.split('"ErrorMessage"')[1], said
