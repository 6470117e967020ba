"""Python code is compiled once for all environments of a function: where the machine shows it, and in what its modules cannot see."""

import os
import shutil

import pytest
from functions import PYTHON, create, name_of
from hearth import Server, eventually
from package import zip_of

root = pytest.mark.skipif(os.geteuid() != 0, reason="functions run without a sandbox, and nothing is compiled for them")

# Tells what was compiled while the modules were imported, and how they see themselves.
HANDLER = """
import os, sys, traceback

compiled = []

def audit(event, arguments):
    if event == "compile" and arguments[1]:
        compiled.append(os.fsdecode(arguments[1]))

sys.addaudithook(audit)
import large
from package import inner

def handler(event, context):
    try:
        large.fail()
    except ValueError:
        failure = traceback.format_exc()
    return {
        "compiled": [path for path in compiled if path.startswith(("/var/task", "/opt"))],
        "values": [large.VALUE, inner.VALUE],
        "large": [large.__file__, large.__cached__, type(large.__loader__).__name__],
        "task": sorted(os.listdir("/var/task")),
        "failure": failure,
    }
"""
FILLING = "".join(f"def function_{number}(x):\n    return x + {number}\n" for number in range(200))


def large(value):
    return f"VALUE = {value!r}\ndef fail():\n    raise ValueError(VALUE)\n{FILLING}"


def package(value, **files):
    return zip_of({"index.py": HANDLER, "large.py": large(value), **files})


@pytest.fixture
def server(tmp_path):
    with Server("--data-dir", tmp_path) as server:
        server.data_dir = tmp_path
        yield server


def kept(server, place="task"):
    """The bytecode on the machine, by the names of its modules, for each package."""
    directories = server.data_dir.glob(f"bytecode/*.{place}.*[0-9]")
    return [sorted(path.name.split(".")[0] for path in directory.rglob("*.pyc")) for directory in directories]


def in_new_environment(function):
    function.configure(Environment={"Variables": {"ANEW": name_of("anew")}})
    return function.invoke({}).value


@root
def test_code_and_layers_are_compiled_once_and_look_as_if_they_were_compiled_at_each_start(server):
    client = server.client("lambda")
    layer = zip_of({"python/package/__init__.py": "", "python/package/inner.py": "VALUE = 'inner'\n" + FILLING})
    layer = client.publish_layer_version(LayerName=name_of("layer"), Content={"ZipFile": layer})
    settings = {"Handler": "index.handler", "Layers": [layer["LayerVersionArn"]]}
    function = create(client, PYTHON, package("one"), **settings)
    first = function.invoke({}).value
    eventually(lambda: kept(server) == [["index", "large"]], what="compiled code")
    eventually(lambda: kept(server, "opt") == [["__init__", "inner"]], what="a compiled layer")
    second = in_new_environment(function)
    assert second["compiled"] == []
    assert second | {"compiled": None} == first | {"compiled": None}
    assert second["values"] == ["one", "inner"]
    assert second["task"] == ["index.py", "large.py"]
    assert 'File "/var/task/large.py", line 3, in fail\n    raise ValueError(VALUE)' in second["failure"]

    # Another package has nothing of the first, whose bytecode goes with it.
    function.client.update_function_code(FunctionName=function.name, ZipFile=package("two"))
    function.wait("function_updated_v2")
    assert function.invoke({}).value["values"] == ["two", "inner"]
    eventually(lambda: len(kept(server)) >= 1 and in_new_environment(function)["compiled"] == [], what="new code compiled")
    assert in_new_environment(function)["values"] == ["two", "inner"]


@root
def test_what_is_no_python_fails_as_it_would_and_holds_up_nothing(server):
    client = server.client("lambda")
    handler = "def handler(event, context):\n    import broken\n"
    files = {"index.py": handler + FILLING, "broken.py": "def (:\n", "binary.py": b"\0\xff"}
    function = create(client, PYTHON, zip_of(files), Handler="index.handler")
    before = function.invoke({})
    eventually(lambda: kept(server) == [["index"]], what="compiled code")
    function.configure(Environment={"Variables": {"ANEW": "1"}})
    after = function.invoke({})
    assert before.value["errorType"] == after.value["errorType"] == "SyntaxError"
    assert before.value["errorMessage"] == after.value["errorMessage"]


@root
def test_what_little_code_there_is_is_compiled_at_each_start(server):
    client = server.client("lambda")
    little = create(client, PYTHON, zip_of({"index.py": "def handler(event, context):\n    return 1\n"}), Handler="index.handler")
    assert little.invoke({}).value == 1
    eventually(lambda: [path.is_file() for path in server.data_dir.glob("bytecode/*")] == [True], what="an empty file")


@root
def test_a_restarted_server_has_what_was_compiled(tmp_path):
    with Server("--data-dir", tmp_path) as server:
        server.data_dir = tmp_path
        function = create(server.client("lambda"), PYTHON, package("kept", **{"package/inner.py": "VALUE = 1"}), Handler="index.handler")
        eventually(lambda: kept(server) == [["index", "inner", "large"]], what="compiled code")
        server.kill()
    with Server("--data-dir", tmp_path) as server:
        function.client = server.client("lambda")
        assert function.invoke({}).value["compiled"] == []
        shutil.rmtree(tmp_path / "bytecode")
        assert in_new_environment(function)["values"] == ["kept", 1]
