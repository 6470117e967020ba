"""What a server leaves on the machine: processes, mounts, control groups, network namespaces, temporary files.

Other servers may be at work on the same machine, so only what is ours counts: processes that descend from this one,
and groups and directories whose lock nobody holds. Of several processes that run tests side by side each counts the
groups of its own servers, and the one above them counts all when they are finished. It refuses to clean up.
"""

import ctypes
import fcntl
import os
import tempfile
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
PIDFD_GETFD = 438
SIOCGSKNS = 0x894C
_libc = ctypes.CDLL(None, use_errno=True)
# The servers that this process has started, and whether others run tests beside it.
_servers, _has_company = set(), False


def adopt_orphans():
    """From now on processes whose parent dies become children of this one, so that none of a dead server can hide."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def expect_company():
    """Others run tests beside this process, and kill servers of theirs: what those leave for a moment is not ours."""
    global _has_company
    _has_company = True


def started(pid):
    """Notes a server of ours."""
    _servers.add(str(pid))


def descendants(root=None):
    """The processes below `root`, or below this one: `{pid: what it is}`. Zombies are reaped and left out."""
    parents, words = {}, {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            name, rest = (entry / "stat").read_text().split("(", 1)[1].rsplit(")", 1)
        except OSError:
            continue
        state, parent = rest.split()[:2]
        parents[int(entry.name)] = int(parent)
        words[int(entry.name)] = (state, name)
    found, below = {}, {root or os.getpid()}
    while below:
        children = {pid for pid, parent in parents.items() if parent in below and pid not in found}
        found |= {pid: words[pid] for pid in children}
        below = children
    return {pid: name for pid, (state, name) in found.items() if not (state == "Z" and _reaped(pid))}


def _reaped(pid):
    """Takes the exit status of an orphan that became ours. One that is not our child is somebody else's to reap."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return False


def mounts():
    """The mounts of this machine that have to do with Hearth."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return {" ".join(line.split()[3:5]) for line in lines if "hearth" in line}


def abandoned_groups():
    """Control groups of runs that are over: their directory is there and nobody holds its lock."""
    found = set()
    for directory, _, _ in os.walk("/sys/fs/cgroup"):
        name = os.path.basename(directory)
        if name.startswith("run-") and _is_ours(name) and not _locked(directory):
            found.add(directory)
    return found


def _is_ours(run):
    """The name of a run is `run-<process of the server>-<random>`."""
    return not _has_company or run.split("-")[1] in _servers


def namespaces():
    """The network namespaces that processes of this machine are in, whosever they are, and those kept by a mount."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found.add(os.readlink(entry / "ns/net"))
            except OSError:
                continue
    return found | _mounted_networks()


def _mounted_networks():
    return {line.split()[3] for line in Path("/proc/self/mountinfo").read_text().splitlines() if " nsfs " in line}


def networks(root=None):
    """The network namespaces that processes below `root`, or below this one, are in, or hold a socket of, and those kept by a mount; but not
    our own. What nobody of ours is in or holds, another server of this machine may."""
    mine = os.stat("/proc/self/ns/net").st_ino
    found = _mounted_networks()
    for pid in descendants(root):
        try:
            found.add(f"net:[{os.stat(f'/proc/{pid}/ns/net').st_ino}]")
        except OSError:
            continue
        found |= networks_of_sockets(pid)
    return found - {f"net:[{mine}]"}


def networks_of_sockets(pid):
    """The network namespaces of the sockets that a process has open. Each lives for as long as they do."""
    found = set()
    try:
        process = os.pidfd_open(pid)
    except OSError:
        return found
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                if not os.readlink(entry).startswith("socket:"):
                    continue
            except OSError:
                continue
            copy = _libc.syscall(PIDFD_GETFD, process, int(entry.name), 0)
            if copy >= 0:
                namespace = _libc.ioctl(copy, SIOCGSKNS)
                os.close(copy)
                if namespace >= 0:
                    found.add(f"net:[{os.fstat(namespace).st_ino}]")
                    os.close(namespace)
    except OSError:
        pass  # it has ended meanwhile
    finally:
        os.close(process)
    return found


def temporary():
    """What Hearth puts into the system's temporary directory, but for that of living servers."""
    found = set()
    for pattern in ("hearth-ephemeral-*", "hearth-run-probe-*"):
        for entry in Path(tempfile.gettempdir()).glob(pattern):
            if not (entry.is_dir() and _holds_lock(entry)):
                found.add(str(entry))
    return found


def _holds_lock(directory):
    return any(_locked(file) for file in directory.iterdir() if file.is_file())


def _locked(path):
    """Whether a living process holds the lock of a file or directory. What is gone is nobody's, so it counts as locked."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except OSError:
        return True
    finally:
        os.close(descriptor)


def snapshot():
    """Everything at once, for a comparison of before and after."""
    return {
        "processes": set(descendants().items()),
        "mounts": mounts(),
        "groups": abandoned_groups(),
        "network namespaces": networks(),
        "temporary files": temporary(),
    }


def left(before):
    """What is here now and was not then."""
    now = snapshot()
    return {kind: new for kind in before if (new := now[kind] - before[kind])}
