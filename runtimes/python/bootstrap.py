"""The Python runtime's entry: `python3.X bootstrap.py` lays out where Python looks for modules, then runs the function.

It stands on CPython's standard library alone, from 3.9 on. Everything after the search path is in `awslambdaric`
beside this file, a package with the name and the public names of AWS's own, because people's code imports those; the
code is Hearth's. It refuses to let in what the machine's own Python has in site-packages, so that no function
comes to lean on it.
"""

import os
import sys

RUNTIME_DIRECTORY = os.path.dirname(os.path.abspath(__file__))
SDK_DIRECTORY = "/var/lang-sdk/python"
# Where the bytecode of the function's modules and of its layers' is, when it has been compiled, each in its place beside its source.
BYTECODE = {"/var/task/": "/var/lang-bytecode-task/", "/opt/": "/var/lang-bytecode-opt/"}


def become_function():
    """In a stem cell, where nothing says what to run: waits on the descriptor that it was given until it is told its
    environment variables. Nothing of the cell is left after it."""
    # What the function needs anyway takes its time now.
    import logging
    import site  # noqa: F401
    import time

    line = int(os.environ["_HEARTH_STEM"])
    # Python sets this one itself, as it starts, where the machine lacks the locale that LANG names.
    coerced = os.environ.get("LC_CTYPE")
    # Before it is known that we wait: the memory that the variables were in is written anew.
    os.environ.clear()
    os.write(line, b"w")
    block = b""
    while True:
        piece = os.read(line, 65536)
        if not piece:
            break
        block += piece
    os.close(line)
    if not block:
        os._exit(0)
    for entry in block.split(b"\0")[:-1]:
        name, _, value = entry.partition(b"=")
        os.environb[name] = value
    if coerced is not None:
        os.environ["LC_CTYPE"] = coerced
    os.chdir(os.environ["LAMBDA_TASK_ROOT"])
    # This process may be a copy of the one that waited: what was drawn or numbered before is that one's.
    if "random" in sys.modules:
        sys.modules["random"].seed()
    if "threading" in sys.modules:
        sys.modules["threading"].main_thread()._set_native_id()
    # Log records tell the time since the module was imported; it is counted in nanoseconds from Python 3.13 on.
    logging._startTime = time.time_ns() if isinstance(logging._startTime, int) else time.time()


def named_version():
    """The version of the function's runtime, which its layers are made for, whatever version stands in for it."""
    _, named, version = os.environ.get("AWS_EXECUTION_ENV", "").partition("AWS_Lambda_python")
    return version if named else f"{sys.version_info.major}.{sys.version_info.minor}"


def set_up_search_path():
    """Lays `sys.path` out as AWS does: the function, its layers, the SDK and the runtime, the standard library.
    https://docs.aws.amazon.com/lambda/latest/dg/python-package.html"""
    import site

    if sys.flags.no_site:
        site.setquit()
        site.setcopyright()
        site.sethelper()
    left_out = {RUNTIME_DIRECTORY, site.getusersitepackages(), *site.getsitepackages()}
    rest = [path for path in sys.path if path not in left_out]
    task_root = os.environ["LAMBDA_TASK_ROOT"]
    layers = []
    if "PYTHONPATH" not in os.environ:
        layers = [f"/opt/python/lib/python{named_version()}/site-packages", "/opt/python"]
        # For the Python programs that the function starts.
        os.environ["PYTHONPATH"] = os.pathsep.join([RUNTIME_DIRECTORY, SDK_DIRECTORY])
    sys.path[:] = [task_root, *layers, SDK_DIRECTORY, RUNTIME_DIRECTORY, *rest]
    for directory in (task_root, *layers):
        # This reads the .pth files there, as Python does in site-packages.
        if os.path.isdir(directory):
            site.addsitedir(directory)


def take_bytecode():
    """Has modules loaded from bytecode that was compiled once for all environments. Each looks as if it had been compiled from its source,
    which is what happens where there is none."""
    from importlib.machinery import SourceFileLoader

    places = {code: place for code, place in BYTECODE.items() if os.path.isdir(place)}
    if not places:
        return
    read = SourceFileLoader.get_data

    def get_data(self, path):
        if isinstance(path, str) and path.endswith(".pyc"):
            for code, place in places.items():
                if path.startswith(code):
                    try:
                        return read(self, place + path[len(code) :])
                    except OSError:
                        break
        return read(self, path)

    SourceFileLoader.get_data = get_data


if __name__ == "__main__":
    # Imported before the search path is changed, so that nothing in the function's package takes its place.
    sys.path.insert(0, RUNTIME_DIRECTORY)
    from awslambdaric import bootstrap

    if "_HANDLER" not in os.environ:
        become_function()
    set_up_search_path()
    take_bytecode()
    bootstrap.main()
