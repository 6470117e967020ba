"""Compiles the Python code below a directory, and writes to standard output, for each source that has no bytecode of its own: the path that Python
would give its bytecode, from that directory on, a zero byte, the length in four bytes, and the bytecode.

It refuses to run anything of what it compiles, and what it cannot compile it leaves out: importing it will tell why.
"""

import importlib.util
import os
import py_compile
import sys
from importlib.machinery import SourceFileLoader

# So much source is compiled sooner than its bytecode is found.
LITTLE = 4 << 10
# What is written at most. Each start compiles the rest.
BYTES_MAX = 64 << 20
COMPILED = "/tmp/compiled.pyc"


class Packaged(SourceFileLoader):
    """Takes the bytecode that was packaged with a source, if Python would, and compiles nothing."""

    def source_to_code(self, data, path, **options):
        raise ImportError("no bytecode")


def sources(root):
    for directory, directories, files in os.walk(root):
        directories.sort()
        for name in sorted(files):
            path = os.path.join(directory, name)
            if name.endswith(".py") and os.path.isfile(path):
                yield path


def is_packaged(path):
    try:
        Packaged("module", path).get_code("module")
    except Exception:
        return False
    return True


def bytecode(path):
    """None of what is no Python."""
    try:
        # By contents, not by time of change: the directory may be unpacked again.
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(path, COMPILED, doraise=True, invalidation_mode=mode)
        with open(COMPILED, "rb") as file:
            return file.read()
    except Exception:
        return None


def main(root):
    found = list(sources(root))
    if sum(map(os.path.getsize, found)) < LITTLE:
        return
    left = BYTES_MAX
    for path in found:
        compiled = None if is_packaged(path) else bytecode(path)
        if compiled is None:
            continue
        name = os.path.relpath(importlib.util.cache_from_source(path), root)
        entry = os.fsencode(name) + b"\0" + len(compiled).to_bytes(4, "big") + compiled
        left -= len(entry)
        if left < 0:
            return
        sys.stdout.buffer.write(entry)


main(sys.argv[1])
