"""A thousand environments at once on one machine, and what each costs. It takes minutes: set HEARTH_THOUSAND=1 to run it."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import residue
from botocore.config import Config
from functions import CUSTOM, NODE, PYTHON, code, create
from ground import ROOT, close_ground, open_ground
from hearth import eventually

COUNT = int(os.environ.get("HEARTH_THOUSAND_COUNT", "1000"))
PATIENT = Config(retries={"total_max_attempts": 1}, read_timeout=900, connect_timeout=60, max_pool_connections=COUNT + 8)
MEBIBYTE = 1 << 20

pytestmark = pytest.mark.skipif(not os.environ.get("HEARTH_THOUSAND"), reason="HEARTH_THOUSAND is not set")

# Each waits until all are there: the last line that any of them needs is the clock.
WAITING = {
    PYTHON: "import time\ndef handler(event, context):\n    time.sleep(max(0, event['until'] - time.time()))\n    return context.log_stream_name\n",
    NODE: "export const handler = (event, context) => new Promise((done) => setTimeout(() => done(context.logStreamName),"
          " Math.max(0, event.until * 1000 - Date.now())));",
    CUSTOM: 'while true; do call GET invocation/next ""; until=${body##*: }; until=${until%%[.\\}]*}; '
            'left=$((until - $(printf "%(%s)T" -1))); ((left > 0)) && sleep $left; '
            'call POST "invocation/$id/response" "\\"$AWS_LAMBDA_LOG_STREAM_NAME\\""\ndone\n',
}


def used():
    """Bytes of this machine's memory that could not be had again by asking for it."""
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return (int(fields["MemTotal"].split()[0]) - int(fields["MemAvailable"].split()[0])) << 10


def proportional(processes):
    """Memory of processes, with what they share divided among them."""
    total = 0
    for pid in processes:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith("Pss:"))
    return total


@pytest.mark.parametrize("runtime", [CUSTOM, PYTHON, NODE])
def test_a_thousand_environments_at_once(nothing_left, runtime):
    ground = open_ground(ROOT)
    try:
        client = ground.server.client("lambda", config=PATIENT)
        function = create(client, runtime, code(runtime, WAITING[runtime]), Timeout=900, MemorySize=1769)
        before = used()
        began, until = time.time(), time.time() + float(os.environ.get("HEARTH_THOUSAND_SECONDS", "240"))
        with ThreadPoolExecutor(COUNT) as pool:
            pending = [pool.submit(function.invoke, {"until": until}) for _ in range(COUNT)]
            time.sleep(max(0, until - 5 - time.time()))
            processes = residue.descendants(ground.server.process.pid)
            cages = sum(1 for name in processes.values() if name == "hearth-cage")
            machine, shares = used() - before, proportional(processes)
            outcomes = [future.result() for future in pending]
        print(f"\n{runtime}: {cages} cages; {machine / COUNT / MEBIBYTE:.1f} MiB of the machine and "
              f"{shares / COUNT / MEBIBYTE:.1f} MiB of processes for each; all answered {time.time() - began:.0f} s after the first call")
        failed = [outcome for outcome in outcomes if outcome.error or outcome.status != 200]
        assert not failed, (len(failed), failed[0].body)
        assert len({outcome.value for outcome in outcomes}) == COUNT, "some shared an environment"
        client.delete_function(FunctionName=function.name)
        eventually(lambda: len(residue.descendants(ground.server.process.pid)) < 20, 60, "their processes are still there")
    finally:
        close_ground(ground)
