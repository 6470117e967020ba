"""Node.js code is compiled once for all environments of a function: as Node tells in its log, as the machine shows it, and in what modules
cannot see.

It refuses to test a Node.js without a compile cache: HEARTH_TEST_NODES (paths, by colons) names newer ones than the machine's.
"""

import os
import re
import shutil
import subprocess

import pytest
from functions import create, name_of
from hearth import Server, eventually, unwritable
from package import zip_of

root = pytest.mark.skipif(os.geteuid() != 0, reason="functions run without a sandbox, and nothing is compiled for them")

FILLING = "".join(f"function filling{number}(x) {{ return x + {number}; }}\n" for number in range(200))
# How modules see themselves, and what they and Node tell of the cache.
COMMON = """
exports.value = VALUE;
exports.fail = function fail() { throw new TypeError(exports.value); };
exports.seen = [__filename, require.main === undefined, module.id, module.paths[0], exports.fail.toString()];
exports.later = () => import('./later.mjs');
"""
HANDLER = """
import { getCompileCacheDir, enableCompileCache } from 'node:module';
import { readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import common from './common.cjs';
import dependency from 'dependency';
import layered from 'layered';
import { value } from './inner.mjs';

const trace = (call) => { try { call(); } catch (error) { return error.stack.split('\\n').slice(0, 3); } };
export const handler = async (event) => ({
  directory: getCompileCacheDir() ?? null,
  values: [common.value, dependency.value, layered.value, value, (await common.later()).value],
  seen: [...common.seen, import.meta.url, import.meta.filename, trace(common.fail), trace(layered.fail)],
  process: [process.argv, process.execArgv, Object.keys(process.env).sort()],
  task: readdirSync('/var/task').sort(),
});
"""


def nodes():
    """The newest of each major version of Node.js that has a compile cache."""
    found = {}
    for path in filter(None, [*os.environ.get("HEARTH_TEST_NODES", "").split(":"), shutil.which("node")]):
        told = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
        version = tuple(map(int, told.strip().removeprefix("v").split(".")))
        if version >= (22, 1):
            found.setdefault(version[0], (version, os.path.realpath(path)))
    return [pytest.param(path, id=".".join(map(str, version))) for version, path in sorted(found.values())]


NODES = nodes() or [
    pytest.param(None, marks=pytest.mark.skip(reason="no Node.js from 22.1 on: set HEARTH_TEST_NODES, or run cargo xtask test python"))
]


def start(directory, node):
    server = Server("--data-dir", directory, "--runtime", f"nodejs22.x={node}", "--runtime", f"nodejs24.x={node}")
    server.data_dir = directory
    return server


@pytest.fixture(params=NODES)
def node(request):
    return request.param


@pytest.fixture
def server(tmp_path, node):
    with start(tmp_path, node) as server:
        yield server


def common(value):
    return COMMON.replace("VALUE", repr(value)) + FILLING


def package(value):
    return zip_of({
        "index.mjs": HANDLER,
        "common.cjs": common(value),
        "inner.mjs": "export const value = 'inner';\n" + FILLING,
        "later.mjs": "export const value = 'later';\n" + FILLING,
        "node_modules/dependency/package.json": '{"main": "lib"}',
        "node_modules/dependency/lib/index.js": common("dependency"),
        "node_modules/dependency/lib/unused.js": "exports.value = 'unused';" + FILLING,
        "node_modules/dependency/later.mjs": "export const value = 'dependency, later';",
    })


def layer(client):
    content = zip_of({"nodejs/node_modules/layered/index.js": common("layered")})
    return client.publish_layer_version(LayerName=name_of("layer"), Content={"ZipFile": content})["LayerVersionArn"]


def kept(server):
    """What was compiled on the machine: for each package, its files."""
    found = {}
    for product in server.data_dir.glob("bytecode/*"):
        if not product.name.endswith(".partial"):
            found[product] = sorted(path for path in product.rglob("*") if path.is_file())
    return found


def compiled_anew(server, function):
    """Waits until a function's package has been compiled, which its next start asks for."""
    function.configure(Environment={"Variables": {"ANEW": name_of("anew")}})
    compiled(server, 1)


def compiled(server, count):
    """Waits until so many packages have been compiled."""
    return eventually(lambda: len(kept(server)) == count and kept(server), what=f"{count} compiled packages")


def simple(server, source, runtime="nodejs22.x", name="index.js", **settings):
    """A function of one file, and a fill that makes it worth compiling."""
    return create(server.client("lambda"), runtime, zip_of({name: source + FILLING}), Handler="index.handler", **settings)


def in_new_environment(function, **variables):
    function.configure(Environment={"Variables": {"ANEW": name_of("anew"), **variables}})
    return function.invoke({})


def told(server, function):
    """What Node has told of its compile cache: for each kind and path of a module, what became of it."""
    pattern = re.compile(r"cache for (?:(?:CommonJS|ESM) )?(\S+) was (accepted|rejected|not initialized)")
    logs = server.client("logs")
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{function.name}")
    events = "\n".join(event["message"] for page in pages for event in page["events"])
    return {path.removeprefix("file://"): outcome for path, outcome in pattern.findall(events)}


DIRECTORY = "exports.handler = async () => require('node:module').getCompileCacheDir() ?? null;\n"


@root
@pytest.mark.parametrize("runtime", ["nodejs22.x", "nodejs24.x"])
def test_code_and_layers_are_compiled_once_and_look_as_if_they_were_compiled_at_each_start(server, runtime):
    client = server.client("lambda")
    settings = {"Handler": "index.handler", "Layers": [layer(client)]}
    # What a layer brings is resolved for `import` from NODE_PATH, on which there is no SDK here.
    with unwritable(server.data_dir / "bytecode"):
        function = create(client, runtime, package("common"), **settings)
        first = in_new_environment(function).value
    assert first["directory"] is None
    assert first["values"] == ["common", "dependency", "layered", "inner", "later"]
    compiled_anew(server, function)
    second = in_new_environment(function).value
    assert second["directory"].startswith("/var/lang-compile-cache/")
    assert second | {"directory": None} == first

    # A start that is told to Node's own log, which is none of a stem cell.
    assert in_new_environment(function, NODE_DEBUG_NATIVE="COMPILE_CACHE").value["values"] == first["values"]
    paths = ["common.cjs", "index.mjs", "inner.mjs", "later.mjs", "node_modules/dependency/lib/index.js"]
    expected = {f"/var/task/{path}" for path in paths} | {"/opt/nodejs/node_modules/layered/index.js"}
    outcomes = eventually(lambda: len(found := told(server, function)) >= len(expected) and found, what="Node's log")
    assert outcomes == dict.fromkeys(expected, "accepted")


@root
@pytest.mark.parametrize("runtime, told_by", [("nodejs22.x", '{"type": "module"}'), ("nodejs24.x", "{}")])
def test_a_module_is_compiled_as_such_whatever_tells_that_it_is_one(server, runtime, told_by):
    source = "import { version } from 'node:process';\nexport const handler = async () => version;\n" + FILLING
    files = {"index.js": source, "package.json": told_by}
    function = create(server.client("lambda"), runtime, zip_of(files), Handler="index.handler")
    function.invoke({})
    compiled(server, 1)
    assert in_new_environment(function, NODE_DEBUG_NATIVE="COMPILE_CACHE").value.startswith("v")
    assert eventually(lambda: told(server, function), what="Node's log") == {"/var/task/index.js": "accepted"}


@root
@pytest.mark.parametrize("name, source", [
    ("index.js", "const { STSClient } = require('@aws-sdk/client-sts');\nexports.handler = async () => typeof STSClient;\n"),
    ("index.mjs", "import { STSClient } from '@aws-sdk/client-sts';\nexport const handler = async () => typeof STSClient;\n"),
])
def test_what_a_package_names_of_the_sdk_is_compiled_with_it(server, name, source):
    sdk = os.environ.get("HEARTH_SDK_DIR")
    if not sdk or not os.path.isdir(f"{sdk}/nodejs"):
        pytest.skip("no SDK is installed: set HEARTH_SDK_DIR, or run cargo xtask test python")
    function = create(server.client("lambda"), "nodejs22.x", zip_of({name: source}), Handler="index.handler", MemorySize=512)
    assert function.invoke({}).value == "function"
    compiled(server, 1)
    assert in_new_environment(function, NODE_DEBUG_NATIVE="COMPILE_CACHE").value == "function"
    outcomes = eventually(lambda: len(found := told(server, function)) > 1 and found, what="Node's log")
    assert set(outcomes.values()) == {"accepted"}
    assert {path.split("/")[2] for path in outcomes} == {"task", "lang-sdk"}


@root
def test_modules_are_loaded_from_what_was_compiled_and_from_nothing_that_is_broken(server):
    source = "const value = '%s';\nexports.handler = async () => value;\n"
    one, two = (simple(server, source % value) for value in ("one", "two"))
    assert [one.invoke({}).value, two.invoke({}).value] == ["one", "two"]
    compiled(server, 2)
    # The bytecode of one package as that of the other: Node knows a source by its length and a checksum, the fourth number.
    (first,), (second,) = kept(server).values()
    ours, theirs = first.read_bytes(), second.read_bytes()
    assert first.name == second.name and ours[12:16] != theirs[12:16]
    first.write_bytes(theirs[:12] + ours[12:16] + theirs[16:])
    said = [in_new_environment(function).value for function in (one, two)]
    assert said in (["one", "one"], ["two", "two"])
    for broken in (ours[:-1], ours[: len(ours) // 2], b"", bytes(len(ours)), ours[:40] + bytes(len(ours) - 40)):
        first.write_bytes(broken)
        second.write_bytes(broken)
        assert [in_new_environment(one).value, in_new_environment(two).value] == ["one", "two"], len(broken)


@root
def test_nothing_is_run_to_compile_it(server):
    text = "process.stdout.write('anything'); process.kill(process.pid, 'SIGKILL');"
    files = {"index.js": f"exports.handler = async () => 'fine';\n{FILLING}", "other.js": text, "other.mjs": text}
    files |= {"package.json": '{"type": "constructor", "main": "other.js"}'}
    function = create(server.client("lambda"), "nodejs22.x", zip_of(files), Handler="index.handler")
    assert function.invoke({}).value == "fine"
    (files,) = compiled(server, 1).values()
    assert len(files) == 3
    assert in_new_environment(function).value == "fine"


@root
@pytest.mark.parametrize("source", ["exports.handler = async () => {", "import 'node:fs'; exports. = 1;", "\0\1\2"])
def test_what_is_no_javascript_fails_as_it_would_and_holds_up_nothing(server, source):
    text = "exports.handler = async () => require('./broken.js');\n" + FILLING
    function = create(server.client("lambda"), "nodejs22.x", zip_of({"index.js": text, "broken.js": source}), Handler="index.handler")
    before = function.invoke({})
    (files,) = compiled(server, 1).values()
    assert len(files) == 1, "the one that is none is left out"
    after = in_new_environment(function)
    assert before.error == after.error == "Unhandled"
    assert before.value == after.value


@root
def test_what_little_code_there_is_is_compiled_at_each_start(server):
    little = create(server.client("lambda"), "nodejs22.x", zip_of({"index.js": DIRECTORY}), Handler="index.handler")
    assert little.invoke({}).value is None
    eventually(lambda: [path.is_file() for path in server.data_dir.glob("bytecode/*")] == [True], what="an empty file")
    assert in_new_environment(little).value is None


@root
def test_no_function_changes_what_was_compiled(server):
    with unwritable(server.data_dir / "bytecode"):
        function = simple(server, """
const { writeFileSync, readdirSync, unlinkSync, renameSync, chmodSync } = require('node:fs');
const { getCompileCacheDir, flushCompileCache } = require('node:module');
exports.handler = async () => {
  const directory = getCompileCacheDir();
  if (!directory) return null;
  const file = `${directory}/${readdirSync(directory)[0]}`;
  const tried = [() => writeFileSync(file, ''), () => writeFileSync(`${directory}/new`, ''), () => unlinkSync(file),
    () => renameSync(file, `${file}1`), () => chmodSync(directory, 0o777)];
  const codes = tried.map((call) => { try { call(); return 'done'; } catch (error) { return error.code; } });
  writeFileSync('/tmp/made.js', 'exports.value = 1;');
  require('/tmp/made.js');
  flushCompileCache();
  return codes;
};
""")
        assert function.invoke({}).value is None
    compiled_anew(server, function)
    before = {path: path.read_bytes() for (path,) in kept(server).values()}
    assert in_new_environment(function).value == ["EROFS"] * 5
    assert {path: path.read_bytes() for (path,) in kept(server).values()} == before


@root
def test_what_a_function_says_of_nodes_compile_cache_holds(server):
    with unwritable(server.data_dir / "bytecode"):
        function = simple(server, """
const nodeModule = require('node:module');
exports.handler = async () => {
  const before = nodeModule.getCompileCacheDir() ?? null;
  const { status } = nodeModule.enableCompileCache('/tmp/later');
  const name = Object.entries(nodeModule.constants.compileCacheStatus).find(([, value]) => value === status)[0];
  return [before, name];
};
""")
        assert function.invoke({}).value == [None, "ENABLED"]
    compiled_anew(server, function)
    directory, status = in_new_environment(function).value
    assert directory.startswith("/var/lang-compile-cache/") and status == "ALREADY_ENABLED"
    directory, status = in_new_environment(function, NODE_COMPILE_CACHE="/tmp/own").value
    assert directory.startswith("/tmp/own/") and status == "ALREADY_ENABLED"
    assert in_new_environment(function, NODE_DISABLE_COMPILE_CACHE="1").value == [None, "DISABLED"]
    assert in_new_environment(function, NODE_V8_COVERAGE="/tmp/coverage").value == [None, "ENABLED"]
    # With other flags of V8 nothing would be found.
    assert in_new_environment(function, NODE_OPTIONS="--stack-trace-limit=7").value == [None, "ENABLED"]
    # Those of Node alone are no reason to compile.
    assert in_new_environment(function, NODE_OPTIONS="--no-warnings").value[1] == "ALREADY_ENABLED"


@root
def test_it_goes_with_its_code_and_other_code_has_nothing_of_it(tmp_path, node):
    with start(tmp_path, node) as server:
        function = simple(server, DIRECTORY)
        function.invoke({})
        (old,) = compiled(server, 1)
    with unwritable(tmp_path / "bytecode"):
        with start(tmp_path, node) as server:
            function.client = server.client("lambda")
            function.client.update_function_code(FunctionName=function.name, ZipFile=zip_of({"index.js": DIRECTORY + FILLING * 2}))
            function.wait("function_updated_v2")
        # A server that starts clears away what code nobody uses.
        with start(tmp_path, node) as server:
            function.client = server.client("lambda")
            eventually(lambda: not (tmp_path / "code" / old.name.split(".")[0]).exists(), what="the old code removed")
            assert function.invoke({}).value is None
            assert list(kept(server)) == [old]
    with start(tmp_path, node) as server:
        function.client = server.client("lambda")
        function.invoke({})
        (new,) = eventually(lambda: old not in kept(server) and kept(server), what="the new code's alone")
        assert in_new_environment(function).value is not None
        assert new.is_dir()


@root
def test_a_restarted_server_has_what_was_compiled(tmp_path, node):
    with start(tmp_path, node) as server:
        function = simple(server, DIRECTORY)
        function.invoke({})
        compiled(server, 1)
        server.kill()
    with start(tmp_path, node) as server:
        function.client = server.client("lambda")
        assert function.invoke({}).value is not None
        shutil.rmtree(tmp_path / "bytecode")
        with unwritable(tmp_path / "bytecode"):
            assert in_new_environment(function).value is None
        compiled_anew(server, function)
        assert in_new_environment(function).value is not None
