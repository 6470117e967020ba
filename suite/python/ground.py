"""Where hostile code is let loose: a server of its own as root, and another as an ordinary user.

What each enforces is what `hearth doctor` says of it. It refuses to guess, and to skip what is enforced.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import functions
from hearth import BINARY, REPOSITORY, Server, eventually, variables
from package import zip_of

ROOT, ORDINARY = "root", "an ordinary user"
KINDS = (ROOT, ORDINARY)
NOBODY = 65534
ATTACKER = zip_of({"app.py": (REPOSITORY / "suite/python/attacker.py").read_bytes()})


@dataclass
class Ground:
    """A running server, whose it is, and what `hearth doctor` says that is enforced there."""

    kind: str
    server: Server
    home: Path
    findings: dict  # subject: "yes", "partly" or "no"
    hearth: Callable  # runs the program as the same user

    def enforces(self, subject):
        return self.findings[subject] == "yes"

    def attacker(self, **settings):
        """A function that does what its events say."""
        settings = {"MemorySize": 512, "Timeout": 60} | settings
        return functions.create(self.server.client("lambda"), functions.PYTHON, ATTACKER, **settings)


def open_ground(kind):
    """Starts a server of this kind in a directory of its own; None where the machine does not let us."""
    if kind == ORDINARY and (os.geteuid() != 0 or not shutil.which("setpriv")):
        return None
    home = Path(tempfile.mkdtemp(prefix="hearth-suite-"))
    home.chmod(0o755)
    command, environment = [BINARY], variables(HOME=str(home))
    if kind == ORDINARY:
        # The build directory may be out of that user's reach.
        shutil.copy(BINARY, home / "hearth")
        os.chown(home, NOBODY, NOBODY)
        user = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        command = ["setpriv", *user, home / "hearth"]
        environment.pop("HEARTH_SDK_DIR", None)
    server = Server("--data-dir", home / "data", env=environment, command=command)

    def hearth(*arguments):
        words = [*command, *arguments]
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)

    return Ground(kind, server, home, _findings(hearth), hearth)


def _findings(doctor):
    found = {}
    for line in doctor("doctor").stdout.split("\nRuntimes")[0].splitlines():
        # The verdict takes six letters, the subject twenty-two.
        if line.startswith(("  yes", "  partly", "  no")):
            found[line[9:31].strip()] = line.split()[0]
    return found


def close_ground(ground):
    """Stops the server and removes what it kept."""
    try:
        ground.server.stop()
        eventually(lambda: not loops(ground.home), 20, lambda: f"devices are left: {loops(ground.home)}")
    finally:
        shutil.rmtree(ground.home)


def image(device):
    """What tells the image behind a loop device, by the device's number, from every other; None when there is none."""
    place = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    try:
        count = place / "diskseq"  # of what the machine's disks have ever held, since Linux 5.15
        return (place / "loop/backing_file").read_text(), count.read_text() if count.exists() else ""
    except OSError:
        return None


def loops(home):
    """The loop devices whose images lie in this directory, or lay there: they have no names."""
    found = []
    for file in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            if str(home) in file.read_text():
                found.append(file.parts[3])
        except OSError:
            continue  # it was let go of just now
    return found
