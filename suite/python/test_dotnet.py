"""The .NET runtime: handlers of every kind, what they are told, what they log, and what goes wrong, in the words of AWS's runtime.

Functions are compiled against stand-ins for AWS's packages, which cannot be fetched here, and are not run beside AWS's client.
"""

import base64
import io
import json
import re
import zipfile

import csharp
import functions
import pytest
from hearth import Server, eventually, run, variables
from package import Executable, zip_of

SETTINGS = {"MemorySize": 512, "Timeout": 30}
CASES = csharp.HOME / "tests/functions/Cases.cs"
REFUSED = "cannot be used as a Lambda Handler because it is"
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


@pytest.fixture(scope="module")
def package():
    return csharp.package("Cases", [CASES.read_text()])


@pytest.fixture(scope="module")
def shared(server, package):
    """One function for all tests that only want another handler of it."""
    client = server.client("lambda")
    function = functions.create(client, csharp.runtime(), package, Handler="Cases::Cases.Shapes::Nothing", **SETTINGS)
    yield function
    client.delete_function(FunctionName=function.name)


@pytest.fixture
def at(shared):
    """That function with this handler."""
    return lambda handler, **changes: shared.configure(Handler=f"Cases::Cases.{handler}", **changes)


@pytest.fixture(scope="module")
def modern(nothing_left, tmp_path_factory):
    """A server on which this machine's .NET runs `dotnet8`, whichever it is: what is formatted by the runtime's name can be seen."""
    host = csharp.host()
    with Server("--data-dir", tmp_path_factory.mktemp("modern") / "hearth", "--runtime", f"dotnet8={host}") as server:
        yield server


@pytest.fixture(scope="module")
def logging(modern, package):
    return functions.create(modern.client("lambda"), "dotnet8", package, Handler="Cases::Cases.Logs::Static", **SETTINGS)


@pytest.mark.parametrize("handler, payload, answer", [
    ("Shapes::Nothing", {}, "nothing given"),
    ("Shapes::Poco", {"x": 1, "More": [{"X": 2, "Y": 3}]}, {"X": 2, "Y": None, "More": [{"X": 2, "Y": 3, "More": None}]}),
    ("Shapes::Static", 21, 42),
    ("Shapes::Private", "é", "private é"),
    ("Shapes::Structure", {"Left": "l", "Right": "r"}, {"Left": "r", "Right": "l"}),
    ("Shapes::Map", {"a": 1}, {"a": 2}),
    ("Shapes::TaskOfText", "now", "now, later"),
    ("Shapes::ValueTaskOfNumber", 1, 2),
    ("Shapes::NoNumber", "", None),
    ("Shapes::Loud", "hello", ['"HELLO"!']),
    ("Heir::TaskOfText", "of a base", "of a base, later"),
    ("Structure::Handle", "x", "of a structure: x"),
    ("Abstract::Static", "x", "of an abstract type: x"),
    ("Outer+Inner::Handle", "x", "inner x"),
])
def test_handlers(at, handler, payload, answer):
    outcome = at(handler).invoke(payload)
    assert outcome.error is None, outcome
    if handler == "Shapes::Loud":
        assert outcome.body == b'[""HELLO"!"]'
    else:
        assert outcome.value == answer


@pytest.mark.parametrize("handler, payload, printed", [
    ("Shapes::Void", {"X": 4}, "void 4"),
    ("Shapes::VoidOfContext", {}, "void of $LATEST"),
    ("Shapes::VoidOfBoth", "memory ", "memory 512"),
    ("Shapes::VoidOfNothing", {}, "void of nothing"),
    ("Shapes::Task", {"X": 5}, "awaited 5"),
    ("Shapes::ValueTask", {}, ""),
])
def test_handlers_that_return_nothing(at, handler, payload, printed):
    outcome = at(handler).invoke(payload)
    assert (outcome.error, outcome.body) == (None, b""), outcome
    assert printed in outcome.log


@pytest.mark.parametrize("handler, body", [
    ("Shapes::Streams", b"not JSON\x00\xff!"), ("Shapes::TaskOfStream", b"not JSON\x00\xff!"), ("Shapes::Derived", None),
])
def test_streams(at, handler, body):
    # What is not JSON is refused before it comes to a function: it is a text here, and bytes are what it gives back.
    function = at(handler)
    outcome = function.invoke(b'"\\u0000 and \xc3\xa9"')
    assert outcome.error is None, outcome
    assert outcome.body == (b'"\\u0000 and \xc3\xa9"!' if body else function.name.encode())


def test_contexts(at):
    function = at("Shapes::Context")
    outcome = function.invoke()
    assert outcome.value == outcome.request_id
    assert at("Shapes::Both").invoke("name").value == f"name {function.name}"
    client_context = {"client": {"app_title": "title"}, "custom": {"key": "value", "number": 1}, "env": {"locale": "en"}}
    told = at("Surroundings::Context").invoke({}, ClientContext=base64.b64encode(json.dumps(client_context).encode()).decode())
    assert told.error is None, told
    value = told.value
    assert (value["request"], value["name"], value["version"], value["memory"]) == (told.request_id, function.name, "$LATEST", 512)
    assert value["arn"] == f"arn:aws:lambda:us-east-1:000000000000:function:{function.name}"
    assert value["group"] == f"/aws/lambda/{function.name}"
    assert "[$LATEST]" in value["stream"]
    assert 0 < value["remaining"] <= 30_000
    assert value["trace"].startswith("Root=1-") and value["variable"] == value["trace"]
    assert (value["title"], value["custom"], value["env"]) == ("title", {"key": "value", "number": "1"}, {"locale": "en"})
    assert value["identity"] is None
    bare = at("Surroundings::Context").invoke({}).value
    assert (bare["title"], bare["custom"]) == (None, None)


def test_one_instance_for_all_invocations(at):
    function = at("Shapes::Instances")
    assert [function.invoke().value for _ in range(3)] == [1, 1, 1]


@pytest.mark.parametrize("handler, error_type, message", [
    ("Shapes::Absent", None, "Unable to find method 'Absent' in type 'Cases.Shapes' from assembly 'Cases': Found no methods matching method name 'Absent'."),
    ("Nobody::Handle", None, "Unable to load type 'Cases.Nobody' from assembly 'Cases'."),
    ("Shapes::Overloaded", None, "The method 'Overloaded' in type 'Cases.Shapes' appears to have a number of overloads. To call this method please "
     "specify a complete method signature. Possible candidates are:\nSystem.String Overloaded(System.String)\nSystem.String Overloaded(Int32)."),
    ("Shapes::AsyncVoid", None, f"The method 'Void AsyncVoid(System.String)' {REFUSED} an 'async void' method. Handler methods cannot be 'async void'. "
     "Please specify a method that is not 'async void'."),
    ("Shapes::Many", None, "Method 'Many' of type 'Cases.Shapes' is not supported: the method has more than 2 parameters."),
    ("Shapes::Second", None, "Method 'Second' of type 'Cases.Shapes' is not supported: the method has 2 parameters, but the second parameter is not of "
     "type 'Amazon.Lambda.Core.ILambdaContext'."),
    ("Shapes::Params", None, f"The method 'System.String Params(System.String[])' {REFUSED} a 'params' method. Please specify a method that does not use 'params'."),
    ("Shapes::Generic", None, f"The method 'System.String Generic[T](T)' {REFUSED} a generic method. Handler methods cannot be generic. "
     "Please specify a non-generic handler method."),
    ("Abstract::Undone", None, f"The method 'System.String Undone(System.String)' {REFUSED} an abstract method. Handler methods cannot be abstract. "
     "Please specify a non-abstract handler method."),
    ("Abstract::Instance", None, "The instance method 'System.String Instance(System.String)' cannot be used as a Lambda Handler because its type "
     "'Cases.Abstract' is abstract. Please either use a static handler or specify a type that is not abstract."),
    ("Generic`1::Handle", None, "The type 'Cases.Generic`1' cannot be used as a Lambda Handler type because it is generic. Handler methods cannot be located "
     "in generic types. Please specify a handler method in a non-generic type."),
    ("IHandler::Handle", None, f"The method 'System.String Handle(System.String)' {REFUSED} an abstract method. Handler methods cannot be abstract. "
     "Please specify a non-abstract handler method."),
    ("ThrowsWhenMade::Handle", "TargetInvocationException", "Exception has been thrown by the target of an invocation."),
    ("ThrowsWhenLoaded::Handle", "TypeInitializationException", "The type initializer for 'Cases.ThrowsWhenLoaded' threw an exception."),
    ("NeedsArgument::Handle", "MissingMethodException", "No parameterless constructor defined for type 'Cases.NeedsArgument'."),
])
def test_functions_that_cannot_be_loaded(at, handler, error_type, message):
    outcome = at(handler).invoke({})
    assert outcome.error == "Unhandled"
    assert (outcome.value["errorType"], outcome.value["errorMessage"]) == (error_type or "LambdaValidationException", message)
    if error_type in ("TargetInvocationException", "TypeInitializationException"):
        assert outcome.value["cause"]["errorType"] == "NotSupportedException"


@pytest.mark.parametrize("handler, message", [
    ("Absent::Cases.Shapes::Nothing", "Could not find the specified handler assembly with the file name 'Absent, Culture=neutral, PublicKeyToken=null'. "
     "The assembly should be located in the root of your uploaded .zip file."),
    ("Cases::Cases.Shapes", "Invalid lambda function handler: 'Cases::Cases.Shapes'. The valid format is 'ASSEMBLY::TYPE::METHOD'."),
    ("Cases::::Nothing", "Invalid lambda function handler: 'Cases::::Nothing', the type is missing. The valid format is 'ASSEMBLY::TYPE::METHOD'."),
    ("Cases::Cases.Shapes::", "Invalid lambda function handler: 'Cases::Cases.Shapes::', the method is missing. The valid format is 'ASSEMBLY::TYPE::METHOD'."),
])
def test_handlers_that_name_nothing(shared, handler, message):
    outcome = shared.configure(Handler=handler).invoke()
    assert outcome.error == "Unhandled"
    assert outcome.value["errorMessage"] == message
    assert outcome.value["errorType"] == "LambdaValidationException"
    assert "LambdaValidationException: " + message in outcome.log


def test_types_without_a_serializer(deploy):
    source = "namespace Bare { public class Function { public string In(string text) => text; public string Out(System.IO.Stream input) => null; } }"
    package = csharp.package("Bare", [source])
    for method, doing, of in (("In", "deserialize input", "System.String"), ("Out", "serialize output", "System.String")):
        outcome = deploy(csharp.runtime(), package, Handler=f"Bare::Bare.Function::{method}", **SETTINGS).invoke()
        assert outcome.value["errorMessage"] == (
            f"Could not find the LambdaSerializerAttribute on the assembly 'Bare' or method '{method}' while attempting to {doing} data of type '{of}'. To use "
            "types other than System.IO.Stream as input/output parameters, the assembly or Lambda function should be annotated with "
            "Amazon.Lambda.Core.LambdaSerializerAttribute."
        )


def test_exceptions(at):
    outcome = at("Failures::Nested").invoke("text")
    assert outcome.error == "Unhandled"
    assert outcome.body.decode() == """{
  "errorType": "MistakenException",
  "errorMessage": "outer",
  "stackTrace": [
    "at Cases.Failures.Nested(String text)"
  ],
  "cause":   {
    "errorType": "InvalidOperationException",
    "errorMessage": "no \\"good\\"\\ntext",
    "stackTrace": [
      "at Cases.Failures.Throw(String text)",
      "at Cases.Failures.Nested(String text)"
    ]
  }
}
"""
    assert "Cases.MistakenException: outer" in outcome.log
    aggregate = at("Failures::Aggregate").invoke("").value
    assert [cause["errorType"] for cause in aggregate["causes"]] == ["ArgumentException", "FormatException"]
    assert aggregate["cause"]["errorMessage"] == "first"
    later = at("Failures::Later").invoke("text").value
    assert (later["errorType"], later["errorMessage"]) == ("TimeoutException", "later text")
    assert not any("Hearth" in frame for frame in later["stackTrace"])
    assert at("Failures::Huge").invoke("").value == {"errorMessage": "Exception exceeded maximum payload size of 256KB."}
    wrong = at("Shapes::Static").invoke("not a number").value
    assert wrong["errorType"] == "JsonException"
    # The next invocation finds the same process.
    assert at("Shapes::Static").invoke(2).value == 4


def test_ends_of_the_process(at):
    outcome = at("Failures::Exit").invoke("")
    assert outcome.value["errorType"] == "Runtime.ExitError"
    assert "exit status 7" in outcome.value["errorMessage"]


def test_surroundings(at):
    told = at("Surroundings::Machine", Environment={"Variables": {"OWN": "yes"}}).invoke("OWN").value
    assert told["variable"] == "yes"
    assert told["execution"] == f"AWS_Lambda_{csharp.runtime()}"
    assert told["directory"] == "/var/task" and told["root"].startswith(("/var/lang", "/usr"))
    assert told["heap"] == 512 and told["upper"] == "I" and told["zone"] == 0
    assert told["sockets"] == 0, "nothing listens for debuggers in /tmp"
    assert at("Surroundings::Work").invoke("done").value == "done 20"
    lazy = at("Surroundings::Machine", Environment={"Variables": {}}).invoke("_HANDLER").value
    assert lazy["variable"] == "Cases::Cases.Surroundings::Machine"


MAPPED_TWICE = """
import mmap, os
def handler(event, context):
    file = os.memfd_create('doublemapper'); os.ftruncate(file, mmap.PAGESIZE)
    written = mmap.mmap(file, mmap.PAGESIZE, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    run = mmap.mmap(file, mmap.PAGESIZE, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ | mmap.PROT_EXEC)
    written[:4] = b'code'
    return run[:4].decode()
"""


def test_code_can_be_mapped_twice(deploy):
    """From .NET 7 on, code is written to one mapping of a memory file and run from another. None so new can be had here."""
    assert deploy(functions.PYTHON, MAPPED_TWICE).invoke().value == "code"


def test_memory_is_bounded(at):
    function = at("Surroundings::Allocate", MemorySize=256)
    assert function.invoke(50).value == 50
    outcome = function.invoke(2000)
    assert outcome.value["errorType"] in ("OutOfMemoryException", "Runtime.OutOfMemory", "Runtime.ExitError"), outcome.value
    assert function.invoke(50).value == 50
    at("Shapes::Nothing", MemorySize=512)


def test_little_memory(deploy, package):
    function = deploy(csharp.runtime(), package, Handler="Cases::Cases.Shapes::TaskOfText", MemorySize=128, Timeout=30)
    assert function.invoke("now").value == "now, later"


def test_console_of_old_runtimes(at):
    if csharp.framework()[1] >= [5, 0, 0]:
        pytest.skip(f"{csharp.host()} has no .NET Core")
    log = at("Logs::Console_").invoke("x").log
    # Standard error is a pipe of its own, whose lines come before or after.
    assert "to error\n" in log
    assert "\nwritten x\ntwo\nlines\n42\nwithout end" in log.replace("to error\n", "")
    assert "\nlogged x\n" in at("Logs::Static").invoke("x").log
    assert "line x\n" in at("Logs::Context").invoke("x").log


def events(function, handler, payload="x", **changes):
    """The function's own lines of one invocation."""
    outcome = function.configure(Handler=f"Cases::Cases.{handler}", **changes).invoke(payload)
    platform = ("INIT_START", "START RequestId", "END RequestId", "REPORT RequestId", "XRAY")
    lines = [line for line in outcome.log.split("\n") if line and not line.startswith(platform) and not line.startswith('{"time":')]
    return outcome, lines


def text(outcome, lines):
    """Those lines without their time and request."""
    for line in lines:
        assert re.match(rf"{STAMP}\t{outcome.request_id}\t", line) or "\t" not in line, line
    return [line.split("\t", 2)[-1] for line in lines]


def test_text_logs(logging):
    variables = {"Environment": {"Variables": {}}}
    assert text(*events(logging, "Logs::Console_", **variables)) == [
        "info\twritten x", "info\ttwo\rlines", "fail\tto error", "info\t42", "without end"]
    assert text(*events(logging, "Logs::Static")) == [
        "logged x", "warn\twarned at 3.00", "fail\tfailed\rSystem.FormatException: odd"]
    assert text(*events(logging, "Logs::Context")) == [
        "plain x", "info\tline x", "info\tone of two", "info\tinformed", "warn\twarned", "fail\terred", "crit\tcritical",
        "fail\tby level", "fail\twith exception\rSystem.FormatException: odd"]
    all_levels = text(*events(logging, "Logs::Context", Environment={"Variables": {"AWS_LAMBDA_HANDLER_LOG_LEVEL": "Trace"}}))
    assert "trce\ttraced" in all_levels and "dbug\tby name" in all_levels
    bare = events(logging, "Logs::Static", Environment={"Variables": {"AWS_LAMBDA_HANDLER_LOG_FORMAT": "Unformatted"}})[1]
    assert bare[:2] == ["logged x", "warned at 3.00"]


def test_json_logs(logging):
    logging.configure(Environment={"Variables": {}}, LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "WARN"})
    outcome, lines = events(logging, "Logs::Context")
    shown = [json.loads(line) for line in lines if line.startswith('{"timestamp"')]
    assert [(entry["level"], entry["message"]) for entry in shown] == [
        ("Warning", "warned"), ("Error", "erred"), ("Critical", "critical"), ("Error", "by level"), ("Error", "with exception")]
    assert all(re.fullmatch(STAMP, entry["timestamp"]) and entry["requestId"] == outcome.request_id for entry in shown)
    assert all(entry["traceId"].startswith("Root=1-") for entry in shown)
    assert shown[-1] | {"timestamp": "", "requestId": "", "traceId": ""} == {
        "timestamp": "", "requestId": "", "traceId": "", "level": "Error", "message": "with exception", "what": "exception",
        "errorType": "System.FormatException", "errorMessage": "odd", "stackTrace": ["System.FormatException: odd"]}
    logging.configure(LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "INFO"})
    _, lines = events(logging, "Logs::Properties", "Ada")
    entry = next(json.loads(line) for line in lines if '"user"' in line)
    assert entry["message"] == "Ada has 3 of Cases.Point in {list}, 01FF, {missing}"
    assert (entry["user"], entry["count"], entry["list"], entry["bytes"]) == ("Ada", 3, [1, 2], "01FF")
    assert entry["point"]["X"] == 1 and "missing" not in entry
    logging.configure(LoggingConfig={"LogFormat": "Text"})


def test_exceptions_in_the_log_of_newer_runtimes(logging):
    outcome, lines = events(logging, "Failures::Throw")
    assert outcome.value["errorType"] == "InvalidOperationException"
    assert any(re.match(rf"{STAMP}\t{outcome.request_id}\tfail\tSystem.InvalidOperationException: no \"good\"\rx", line) for line in lines), lines


def test_layers_by_a_shared_store(lambda_client, deploy):
    source = "namespace Layer { public static class Layered { public static string Say() { return \"of the store\"; } } }"
    layered = csharp.assembly("Layer", [source])
    moniker = csharp.moniker()
    path = f"store/x64/{moniker}/layer/1.0.0/lib/{moniker}/Layer.dll"
    content = {"ZipFile": zip_of({f"dotnetcore/{path}": layered.read_bytes()})}
    layer = lambda_client.publish_layer_version(LayerName="dotnet-store", Content=content)
    parts = {"Cases": None} | csharp.core() | {"Layer": layered}
    files = {f"{name}.dll": path.read_bytes() for name, path in csharp.core().items()}
    files["Cases.dll"] = csharp.assembly("Cases", [CASES.read_text()], *csharp.core().values()).read_bytes()
    function = deploy(
        csharp.runtime(), zip_of(files | csharp.descriptions("Cases", parts)), Handler="Cases::Cases.Surroundings::Layered",
        Layers=[layer["LayerVersionArn"]], Environment={"Variables": {"DOTNET_SHARED_STORE": "/opt/dotnetcore/store/"}}, **SETTINGS)
    assert function.invoke("").value == "of the store"
    # Without it the host does not find what the package says it needs.
    missing = function.configure(Environment={"Variables": {}}).invoke("")
    assert missing.error == "Unhandled" and "layer" in missing.log.lower()
    lambda_client.delete_layer_version(LayerName="dotnet-store", VersionNumber=layer["Version"])


PROGRAM = csharp.HOME / "tests/functions/Program.cs"


@pytest.mark.parametrize("handler", ["Program", "Program.dll"])
def test_executable_assemblies(deploy, handler):
    package = csharp.package("Program", [PROGRAM.read_text()], kind="exe")
    outcome = deploy(csharp.runtime(), package, Handler=handler, **SETTINGS).invoke({"any": "event"})
    assert (outcome.error, outcome.body) == (None, b'{"any": "event"}'), outcome


def test_executable_binaries(deploy):
    """What was compiled ahead of time is a program without .NET; a script does as well."""
    csharp.host()
    files = {"program": Executable(functions.BASH_PRELUDE + 'while true; do call GET invocation/next; call POST "invocation/$id/response" "\\"$body\\""; done\n')}
    assert deploy(csharp.runtime(), zip_of(files), Handler="program", **SETTINGS).invoke(1).value == "1"


@pytest.mark.parametrize("files, handler, code, message", [
    ({"a.txt": ""}, "Cases::Cases.Shapes::Nothing", 105, "is missing the required .deps.json file."),
    ({"Cases.deps.json": "{}"}, "Cases::Cases.Shapes::Nothing", 106, "is missing the required .runtimeconfig.json file."),
    ({"a.txt": ""}, "Absent", 104, "Error: executable assembly /var/task/Absent.dll or binary /var/task/Absent not found."),
])
def test_incomplete_packages(deploy, files, handler, code, message):
    csharp.host()
    outcome = deploy(csharp.runtime(), zip_of(files), Handler=handler, **SETTINGS).invoke()
    assert outcome.value["errorType"] == "Runtime.ExitError"
    assert f"exit status {code}" in outcome.value["errorMessage"]
    assert message in outcome.log


def test_wrappers(deploy, package):
    script = Executable('#!/bin/bash\nexport OWN=wrapped\nexec "$@"\n')
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    function = deploy(
        csharp.runtime(), zip_of(files | {"wrapper": script}), Handler="Cases::Cases.Surroundings::Machine",
        Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrapper"}}, **SETTINGS)
    assert function.invoke("OWN").value["variable"] == "wrapped"


def test_older_runtimes_run_on_a_newer_dotnet(deploy, package, lambda_client):
    function = deploy("dotnetcore2.1", package, Handler="Cases::Cases.Shapes::Nothing", **SETTINGS)
    assert function.invoke().value == "nothing given"
    state = lambda_client.get_function_configuration(FunctionName=function.name)
    assert "dotnetcore2.1 runs on .NET" in state.get("StateReason", ""), state


def test_newer_runtimes_are_refused_on_an_older_dotnet(tmp_path):
    host = csharp.host()
    if csharp.framework()[1] >= [5, 0, 0]:
        pytest.skip(f"{host} has no .NET Core")
    listed = run("runtimes", env=variables(HEARTH_DATA_DIR=str(tmp_path))).stdout
    assert re.search(rf"{re.escape(csharp.runtime())} +\d+\.\d+\.\d+ +{re.escape(str(host))}", listed), listed


def test_example(deploy, lambda_client):
    source = csharp.REPOSITORY / "examples/hello-dotnet/Function.cs"
    function = deploy(csharp.runtime(), csharp.package("HelloDotnet", [source.read_text()]), Handler="HelloDotnet::Example.Function::Handle", **SETTINGS)
    outcome = function.invoke({"name": "Ada"})
    assert (outcome.status, outcome.error) == (200, None), outcome
    assert outcome.value["message"] == "Hello, Ada!"
    assert outcome.value["requestId"] == outcome.request_id
    assert outcome.value["function"] == function.name
    assert outcome.value["remainingMillis"] > 0
    assert "greeting Ada" in outcome.log
    assert function.invoke({}).value["message"] == "Hello, world!"
    eventually(lambda: function.invoke({}).value["message"] == "Hello, world!", 5, lambda: "it greets again")
