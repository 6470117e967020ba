"""The walk-through of order processing, with the AWS CLI, as it is printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

from hearth import REPOSITORY
from test_asynchronous import timed  # noqa: F401 - a fixture
from test_aws_cli import CLIS, environment, needs_2


@needs_2
def test_the_walk_through_works_as_printed(timed, tmp_path):  # noqa: F811
    blocks = re.findall(r"^```sh\n(.*?)^```$", (REPOSITORY / "docs/order-processing.md").read_text(), re.M | re.S)
    assert len(blocks) > 5
    # The shim stands for a CLI of 2.13 or later.
    shim = tmp_path / "bin/aws"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{CLIS[2]}" --endpoint-url "$AWS_ENDPOINT_URL" "$@"\n')
    shim.chmod(0o755)
    path = f"{shim.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    script = "".join(blocks).replace("http://127.0.0.1:4566", timed.endpoint)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, env=environment(timed) | {"PATH": path},
        capture_output=True, text=True, timeout=240, check=False,
    )
    said = done.stdout
    assert done.returncode == 0, (said, done.stderr)
    assert [f'"accepted": {number}' in said for number in (1, 2, 3)] == [True] * 3, said
    assert re.findall(r"^ATTRIBUTES\s+(\d+)$", said, re.M) == ["3", "2"], said
    assert "order 3 has no total" in said.split('"ErrorMessage"')[1], said
