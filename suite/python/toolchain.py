"""Builds functions with their languages' own tools and registries, once: what is built stays in the build directory.

It refuses to install a language. A test of one that is not on this machine is skipped, with the reason.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hearth import BINARY, REPOSITORY
from package import Executable, zip_of

BUILD = BINARY.parents[1] / "functions"
EXAMPLES = REPOSITORY / "examples"
MAVEN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
# The official clients, pinned.
PYTHON_CLIENT = "awslambdaric==4.2.2"
JAVA_CLIENT = "com.amazonaws:aws-lambda-java-runtime-interface-client:2.6.0"
NODE_CLIENT = "3.3.0"


def program(name, package):
    """The path of a program, or the test is skipped."""
    found = shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not on this machine (Debian: {package})")
    return found


def system_program(pattern, package):
    """A program that cages show, for functions that start it by themselves, and the version in its name."""
    found = sorted(path for path in Path("/usr/bin").iterdir() if re.fullmatch(pattern, path.name))
    if not found:
        pytest.skip(f"there is no /usr/bin/{pattern} (Debian: {package})")
    return found[-1]


def run(*command, cwd=None, **variables):
    """Runs a tool to its end."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=os.environ | variables, capture_output=True, text=True, timeout=900
    )
    if done.returncode != 0:
        pytest.fail(f"{command[0]} failed:\n{(done.stdout + done.stderr)[-3000:]}", pytrace=False)


def built(name, sources, build):
    """The directory that `build(directory)` fills, unless it has done so from the same sources before."""
    digest = hashlib.sha256()
    for source in sources:
        for path in sorted(source.rglob("*")) if isinstance(source, Path) else []:
            digest.update(path.relative_to(source).as_posix().encode() + (path.read_bytes() if path.is_file() else b""))
        digest.update(repr(source).encode())
    directory = BUILD / f"{name}-{digest.hexdigest()[:16]}"
    if (directory / ".built").exists():
        return directory
    BUILD.mkdir(parents=True, exist_ok=True)
    # Tests run side by side. One lock for all: tools share caches, of which Maven's takes no two writers.
    with (BUILD / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / ".built").exists():
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
            build(directory)
            (directory / ".built").touch()
    return directory


def hello_go():
    """The package of `examples/hello-go`."""
    go, source = program("go", "golang"), EXAMPLES / "hello-go"
    variables = {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}
    output = built("hello-go", [source], lambda directory: run(
        go, "build", "-tags", "lambda.norpc", "-o", directory / "bootstrap", ".", cwd=source, **variables))
    return zip_of({"bootstrap": (output / "bootstrap").read_bytes()})


def hello_rust():
    """The package of `examples/hello-rust`."""
    cargo, source = program("cargo", "cargo"), EXAMPLES / "hello-rust"

    def build(directory):
        # Beside the finished ones, so that a change of the example compiles only the example again.
        target = BUILD / "hello-rust-target"
        run(cargo, "build", "--locked", "--quiet", cwd=source, CARGO_TARGET_DIR=str(target), CARGO_PROFILE_DEV_DEBUG="0")
        shutil.copy(target / "debug/bootstrap", directory)

    return zip_of({"bootstrap": (built("hello-rust", [source], build) / "bootstrap").read_bytes()})


def hello_java():
    """The package of `examples/hello-java`: the jar that Maven makes."""
    maven, source = program("mvn", "maven"), EXAMPLES / "hello-java"

    def build(directory):
        # A copy, since Maven builds beside its sources.
        shutil.copytree(source, directory / "project", ignore=shutil.ignore_patterns("target"))
        run(maven, "--batch-mode", "--quiet", "package", cwd=directory / "project")

    return (built("hello-java", [source], build) / "project/target/hello-java.jar").read_bytes()


def java_jars(*artifacts):
    """The jars of these artifacts and of all they need, by name, from Maven."""
    maven = program("mvn", "maven")

    def build(directory):
        group_of = [artifact.split(":") for artifact in artifacts]
        dependencies = "".join(
            f"<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></dependency>"
            for group, name, version in group_of
        )
        (directory / "pom.xml").write_text(
            '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>suite</groupId>'
            f"<artifactId>jars</artifactId><version>1</version><dependencies>{dependencies}</dependencies></project>"
        )
        run(maven, "--batch-mode", "--quiet", f"{MAVEN}:copy-dependencies", f"-DoutputDirectory={directory / 'jars'}", cwd=directory)

    directory = built("jars", list(artifacts), build)
    return {path.name: path for path in sorted((directory / "jars").iterdir())}


def java_classes(name, sources, jars):
    """The class files of `{file name: text}`, by their paths, compiled against these jars."""
    javac = program("javac", "openjdk-17-jdk-headless")

    def build(directory):
        for file, text in sources.items():
            path = directory / "source" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        files = [directory / "source" / file for file in sources]
        classpath = ":".join(str(path) for path in jars.values())
        run(javac, "--release", "17", "-nowarn", "-classpath", classpath, "-d", directory / "classes", *files)

    directory = built(name, [sources, *jars], build) / "classes"
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*.class")}


def python_client():
    """AWS's client for Python, as files of a package, with the bootstrap that starts it."""
    python = system_program(r"python3\.\d+", "python3")
    version = python.name.removeprefix("python")
    output = built(f"awslambdaric-{version}", [PYTHON_CLIENT], lambda directory: run(
        sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:",
        "--python-version", version, "--target", directory, PYTHON_CLIENT))
    files = {path.relative_to(output).as_posix(): path.read_bytes() for path in output.rglob("*")
             if path.is_file() and "__pycache__" not in path.parts}
    return files | {"bootstrap": Executable(
        # The client chooses by this variable how JSON is written; the platform sets it for managed runtimes only.
        f'#!/bin/sh\nexport AWS_EXECUTION_ENV=AWS_Lambda_{python.name}\nexec {python} -m awslambdaric "$_HANDLER"\n')}


def node_client():
    """AWS's client for Node.js, whose native part npm compiles, as files of a package, with the bootstrap that starts it."""
    node = system_program("node", "nodejs")
    npm = program("npm", "npm")
    for tool, package in [("cmake", "cmake"), ("make", "make"), ("g++", "g++"), ("autoreconf", "autoconf"), ("libtoolize", "libtool")]:
        program(tool, package)

    def build(directory):
        name = "aws-lambda-ric"
        # Newer versions of npm run the scripts of no package that is not named.
        project = {"private": True, "dependencies": {name: NODE_CLIENT}, "allowScripts": {name: True}}
        (directory / "package.json").write_text(json.dumps(project))
        run(npm, "install", "--no-audit", "--no-fund", cwd=directory)
        client = directory / "node_modules" / name
        if not (client / "dist/rapid-client.node").exists():
            pytest.fail("npm did not compile the native part of aws-lambda-ric", pytrace=False)
        for part in ("bin", "dist", "package.json"):
            (directory / "client").mkdir(exist_ok=True)
            shutil.move(client / part, directory / "client" / part)
        shutil.rmtree(directory / "node_modules")

    output = built("aws-lambda-ric", [NODE_CLIENT, node.resolve().name], build) / "client"
    files = {f"client/{path.relative_to(output).as_posix()}": path.read_bytes() for path in output.rglob("*") if path.is_file()}
    return files | {"bootstrap": Executable(f'#!/bin/sh\nexec {node} client/bin/index.mjs "$_HANDLER"\n')}


def java_client():
    """AWS's client for Java, as files of a package, with the bootstrap that starts it."""
    java = program("java", "openjdk-17-jre-headless")
    jars = java_jars(JAVA_CLIENT)
    flags = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData"
    start = f"exec {java} {flags} -cp 'client/*' com.amazonaws.services.lambda.runtime.api.client.AWSLambda"
    files = {f"client/{name}": path.read_bytes() for name, path in jars.items()}
    return files | {"bootstrap": Executable(f'#!/bin/sh\n{start} "$_HANDLER"\n')}
