"""Compiles C# functions, once, and packs them as `dotnet publish` does: assemblies, `.deps.json` and `.runtimeconfig.json`.

AWS's packages cannot be fetched here: what functions refer to are stand-ins of the same names and public shapes
(`runtimes/dotnet/tests/core`). It refuses to install a .NET: `cargo xtask test` does, and says where in `DOTNET_ROOT`.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import toolchain
from hearth import REPOSITORY
from package import zip_of

HOME = REPOSITORY / "runtimes/dotnet"
COMPILE = HOME / "compile/compile.sh"
CORE, JSON = "Amazon.Lambda.Core", "Amazon.Lambda.Serialization.SystemTextJson"


def host():
    """The `dotnet` of this machine, or the test is skipped."""
    rooted = Path(os.environ.get("DOTNET_ROOT", "/nowhere")) / "dotnet"
    found = rooted if rooted.exists() else shutil.which("dotnet")
    if not found:
        pytest.skip("there is no dotnet on this machine (`cargo xtask test` installs one from PyPI)")
    return Path(found).resolve()


def framework():
    """The oldest framework there is, so that what is compiled runs on all: its folder and its version."""
    listed = subprocess.run([host(), "--list-runtimes"], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^Microsoft\.NETCore\.App (\d+)\.(\d+)\.(\d+) \[(.+)\]$", listed, re.MULTILINE)
    if not found:
        pytest.skip(f"{host()} has no Microsoft.NETCore.App")
    *version, folder = min(found, key=lambda row: tuple(int(number) for number in row[:3]))
    return Path(folder) / ".".join(version), [int(number) for number in version]


def runtime():
    """The name of Lambda's runtime for that framework."""
    (major, minor, _) = framework()[1]
    return f"dotnetcore{major}.{minor}" if major < 5 else f"dotnet{major}"


def assembly(name, sources, *references, kind="library"):
    """The bytes of an assembly of these texts, which refers to the assemblies at these paths."""
    toolchain.program("mcs", "mono-mcs")
    if not list(Path("/usr/lib/mono/gac").glob("Mono.Cecil/0.1[1-9]*/Mono.Cecil.dll")):
        pytest.skip("Mono.Cecil is not on this machine (Debian: libmono-cecil-private-cil)")
    folder, version = framework()

    def build(directory):
        paths = []
        for number, text in enumerate(sources):
            paths.append(directory / f"{number}.cs")
            paths[-1].write_text(text)
        toolchain.run("sh", COMPILE, folder, directory / f"{name}.dll", kind, *[f"-r:{path}" for path in references], *paths)

    made = [sources, version, COMPILE.read_text(), (HOME / "compile/Retarget.cs").read_text(), *[Path(path) for path in references]]
    return toolchain.built(f"dotnet-{name}", made, build) / f"{name}.dll"


def core():
    """The stand-ins, by the names of the packages they stand for."""
    tests = HOME / "tests/core"
    interfaces = assembly(CORE, [(tests / "Core.cs").read_text()])
    return {CORE: interfaces, JSON: assembly(JSON, [(tests / "SystemTextJson.cs").read_text()], interfaces)}


def package(name, sources, kind="library", configuration=None, external=()):
    """The zip of a function, and of all it refers to. `external` are the names of assemblies that are left out, since a store has them."""
    stand_ins = core()
    parts = {name: assembly(name, sources, *stand_ins.values(), kind=kind)} | stand_ins
    files = {f"{part}.dll": path.read_bytes() for part, path in parts.items() if part not in external}
    return zip_of(files | descriptions(name, parts, configuration))


def descriptions(name, parts, configuration=None):
    """What tells the host of an assembly's dependencies, and of the framework it wants."""
    major, minor, _ = framework()[1]
    target = f".NETCoreApp,Version=v{major}.{minor}"
    others = [part for part in parts if part != name]
    runtimes = {f"{name}/1.0.0": {"dependencies": {part: "1.0.0" for part in others}, "runtime": {f"{name}.dll": {}}}}
    libraries = {f"{name}/1.0.0": {"type": "project", "serviceable": False, "sha512": ""}}
    for part in others:
        runtimes[f"{part}/1.0.0"] = {"runtime": {f"lib/{moniker()}/{part}.dll": {}}}
        libraries[f"{part}/1.0.0"] = {"type": "package", "serviceable": True, "sha512": "", "path": f"{part.lower()}/1.0.0"}
    options = {"tfm": moniker(), "framework": {"name": "Microsoft.NETCore.App", "version": f"{major}.{minor}.0"}}
    dependencies = {
        "runtimeTarget": {"name": target, "signature": ""}, "compilationOptions": {}, "targets": {target: runtimes}, "libraries": libraries,
    }
    return {
        f"{name}.deps.json": json.dumps(dependencies),
        f"{name}.runtimeconfig.json": json.dumps({"runtimeOptions": options | (configuration or {})}),
    }


def moniker():
    """The framework as folders of packages name it."""
    major, minor, _ = framework()[1]
    return f"netcoreapp{major}.{minor}" if major < 5 else f"net{major}.{minor}"
