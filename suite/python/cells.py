"""The stem cells and zygotes of a server, as the machine shows them. It refuses to ask the server."""

import os
import signal
import time
from pathlib import Path

from hearth import eventually

# So many cells that die in a row, and no more are made of their kind for a while.
FAILURES_MAX = 3


def cells_of(server):
    """The interpreters below the server that wait for a function."""
    return [process for process, depth in _waiting(server) if depth > _depth(server.process.pid)]


def zygotes_of(server):
    """The interpreters below the server that wait to be copied: they are in its own pid namespace."""
    return [process for process, depth in _waiting(server) if depth == _depth(server.process.pid)]


def _waiting(server):
    """The interpreters that show no environment variables but room for some, and how deep their pid namespace lies."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            is_bootstrap = any(word.startswith((b"/var/runtime/bootstrap.", b"hearth.runtime.Bootstrap")) for word in words)
            if is_bootstrap and b"_HEARTH_STEM_ROOM=" in (process / "environ").read_bytes():
                if _descends(int(process.name), server.process.pid):
                    found.append((int(process.name), _depth(process.name)))
        except (OSError, ValueError):
            continue
    return found


def _depth(process):
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(len(line.split()) for line in lines if line.startswith("NSpid:"))


def _descends(pid, ancestor):
    while pid > 1:
        if pid == ancestor:
            return True
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return False


def wait_for_cells(server, count=2, words=""):
    """Waits until so many cells are there whose command line has these words, on a server that has any, and gives all."""
    if server.has_cells:
        such = lambda: [pid for pid in cells_of(server) if words in _read(pid, "cmdline")]  # noqa: E731
        eventually(lambda: len(such()) >= count and _at_rest(server), what=f"{count} stem cells")
    return cells_of(server)


def _at_rest(server):
    """Whether as many are there as are made, and none still starts."""
    before = _processor_time(server)
    time.sleep(0.5)
    return _processor_time(server) == before


def _processor_time(server):
    """In ticks, of each cell."""
    return {pid: _read(pid, "stat").rpartition(")")[2].split()[11:13] for pid in cells_of(server)}


def _read(pid, what):
    """Nothing, when the process has ended."""
    try:
        return Path(f"/proc/{pid}/{what}").read_text()
    except OSError:
        return ""


def was_cell(server, before):
    """Whether one of these processes has become a function."""
    return any(Path(f"/proc/{pid}").exists() for pid in set(before) - set(cells_of(server)))


def only_copies(server):
    """Ends the cells until the server makes no more for a while: from now on a cold start has a copy, where there is a zygote."""
    killed = 0
    while killed < FAILURES_MAX:
        for process in eventually(lambda: cells_of(server), what="a cell"):
            os.kill(process, signal.SIGKILL)
            killed += 1
            eventually(lambda: process not in cells_of(server), what="a cell that was killed is still there")
    eventually(lambda: not _new_cells(server), what="cells are still made")


def _new_cells(server):
    for process in (found := cells_of(server)):
        os.kill(process, signal.SIGKILL)
    time.sleep(0.3)
    return found or cells_of(server)


def copied(server, make):
    """Makes a function, once the server makes no cells, and gives it when there is a zygote for it."""
    before = set(zygotes_of(server))
    function = make()
    eventually(lambda: set(zygotes_of(server)) - before, what="a zygote")
    # It is there; that it waits takes it a moment more.
    time.sleep(1)
    return function
