"""Makes deployment packages: zip archives with the modes, links and oddities that a test asks for."""

import io
import stat
import zipfile

REGULAR, EXECUTABLE = 0o644, 0o755


class Link(str):
    """A symbolic link with this target."""


class Executable(str):
    """A file with the executable bits."""


def zip_of(files):
    """A package of `{name: text, bytes, Executable or Link}`. Names are written as they are, also hostile ones."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            entry.create_system = 3
            entry.compress_type = zipfile.ZIP_DEFLATED
            kind, mode = stat.S_IFREG, REGULAR
            if isinstance(content, Link):
                kind, mode = stat.S_IFLNK, 0o777
            elif isinstance(content, Executable) or name == "bootstrap":
                mode = EXECUTABLE
            entry.external_attr = (kind | mode) << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def folder(path):
    """A package of a folder of `examples/`, without its README and caches."""
    files = {}
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path).as_posix()
        if file.is_file() and "__pycache__" not in name and name != "README.md":
            files[name] = file.read_bytes()
    return zip_of(files)
