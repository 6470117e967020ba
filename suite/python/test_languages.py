"""Languages beside Python and Node.js: their examples, as a user builds and deploys them, and what their functions may do."""

import os
import sys
from pathlib import Path

import functions
import pytest
import toolchain
from functions import CUSTOM, create
from hearth import Server, eventually, run, variables
from package import zip_of

RUNTIMES = Path(__file__).resolve().parents[2] / "runtimes"
sys.path.append(str(RUNTIMES / "python/tests"))

from runtime_api import Event, Exchange  # noqa: E402

RUBY, JAVA = "ruby3.4", "java17"
JAVA_SETTINGS = {"Handler": "example.Greeter", "MemorySize": 512, "Timeout": 30}


@pytest.fixture
def ruby(deploy):
    """Deploys Ruby functions of one file, `app.rb`, whose method is `handler`."""
    toolchain.program("ruby", "ruby")
    return lambda source, **settings: deploy(RUBY, zip_of({"app.rb": source}), Handler=settings.pop("Handler", "app.handler"), **settings)


def greets(function):
    outcome = function.invoke({"name": "Ada"})
    assert (outcome.status, outcome.error) == (200, None), outcome
    assert outcome.value["message"] == "Hello, Ada!"
    assert outcome.value["requestId"] == outcome.request_id
    assert outcome.value["function"] == function.name
    assert outcome.value["remainingMillis"] > 0
    assert "greeting Ada" in outcome.log
    assert function.invoke({}).value["message"] == "Hello, world!"


def test_ruby_example(deploy, examples):
    toolchain.program("ruby", "ruby")
    greets(deploy(RUBY, examples["hello-ruby"], Handler="app.handler"))


@pytest.mark.parametrize("runtime", ["java8.al2", "java17", "java21", "java25"])
def test_java_example(lambda_client, deploy, runtime):
    package = toolchain.hello_java()
    try:
        function = deploy(runtime, package, **JAVA_SETTINGS)
        function.invoke()
    except (lambda_client.exceptions.InvalidParameterValueException, lambda_client.exceptions.ServiceException) as refused:
        # A machine whose Java is older than the runtime's says so.
        assert "this machine has no Java" in str(refused)
        pytest.skip(str(refused))
    greets(function)


@pytest.mark.parametrize("name", ["go", "rust"])
def test_provided_examples(deploy, name):
    greets(deploy(CUSTOM, getattr(toolchain, f"hello_{name}")()))


JAVA_SOURCE = """
package example;

import com.amazonaws.services.lambda.runtime.*;
import java.io.*;
import java.lang.reflect.Type;
import java.nio.charset.StandardCharsets;
import java.util.*;

public class Handlers {
    public record Point(int x, Optional<Integer> y, List<Point> more) {}

    public Point record(Point event) {
        return new Point(event.x() + 1, event.y(), event.more());
    }

    public List<String> surroundings(Object event) {
        return List.of(System.getProperty("from.tools", "none"), System.getProperty("user.dir"), System.getenv("AWS_EXECUTION_ENV"),
            Runtime.getRuntime().maxMemory() > 300_000_000 ? "large" : "small");
    }

    public static class Tied {
        private String set;

        public void setX(String x) { set = "text"; }

        public void setX(List<Integer> x) { set = "list"; }

        public void setX(Integer x) { set = "number"; }

        public void setX(Object x) { set = "object"; }
    }

    public String setters(Tied event) {
        return event.set;
    }

    public String tied(Map<String, Object> event) { return "map"; }

    public String tied(String event) { return "text"; }

    public String tied(List<Integer> event) { return "list"; }

    public String tied(Integer event) { return "number"; }

    public String tied(Object event) { return "object"; }

    public String layered(Object event) throws Exception {
        return Class.forName("layer.Layered").getMethod("say").invoke(null).toString();
    }

    public static class Serializer implements CustomPojoSerializer {
        public <T> T fromJson(InputStream input, Type type) {
            return (T) "read";
        }

        public <T> T fromJson(String input, Type type) {
            return (T) "read";
        }

        public <T> void toJson(T value, OutputStream output, Type type) {
            new PrintStream(output, true, StandardCharsets.UTF_8).print("[\\"" + value + "\\"]");
        }
    }

    public String custom(String event) {
        return event + " and written";
    }
}
"""
LAYER_SOURCE = "package layer; public class Layered { public static String say() { return \"of the layer\"; } }"
JAVA_CORE = "com.amazonaws:aws-lambda-java-core:1.2.3"


@pytest.fixture(scope="module")
def java_files():
    return toolchain.java_classes("java-handlers", {"Handlers.java": JAVA_SOURCE}, toolchain.java_jars(JAVA_CORE))


def java(deploy, files, method, **settings):
    return deploy(JAVA, zip_of(files), **{"Handler": f"example.Handlers::{method}", "MemorySize": 512, "Timeout": 30} | settings)


def test_java_records(deploy, java_files):
    outcome = java(deploy, java_files, "record").invoke({"x": 1, "more": [{"x": 2, "y": 3}]})
    assert outcome.value == {"x": 2, "y": None, "more": [{"x": 2, "y": 3}]}


@pytest.mark.parametrize(("method", "event"), [("tied", 1), ("setters", {"x": 1})])
def test_java_chooses_always_the_same_of_methods_that_fit_alike(deploy, java_files, method, event):
    assert java(deploy, java_files, method).invoke(event).value == "number"


def test_java_surroundings(deploy, java_files):
    function = java(deploy, java_files, "surroundings")
    assert function.invoke().value == ["none", "/var/task", f"AWS_Lambda_{JAVA}", "large"]
    function.configure(Environment={"Variables": {"JAVA_TOOL_OPTIONS": "-Dfrom.tools=yes"}}, MemorySize=256)
    assert function.invoke().value == ["yes", "/var/task", f"AWS_Lambda_{JAVA}", "small"]


def test_java_classes_are_mapped_from_an_archive(tmp_path):
    """The bootstrap's classes come out of an archive that the server makes behind the first function."""
    source = {"Maps.java": "import java.nio.file.*;\npublic class Maps { public boolean handle(String asked) throws Exception {"
                           " return Files.readString(Path.of(\"/proc/self/maps\")).contains(asked); } }"}
    package = zip_of(toolchain.java_classes("java-maps", source, {}))
    settings = {"Handler": "Maps::handle", "MemorySize": 512, "Timeout": 30}
    archive = "/var/runtime/hearth-runtime-"
    with Server("--data-dir", tmp_path / "data") as server:
        first = create(server.client("lambda"), JAVA, package, **settings)
        assert first.invoke(archive).value is False
        made = lambda: list(tmp_path.glob("data/runtimes/bootstrap-*/java/hearth-runtime-*.jsa"))  # noqa: E731
        eventually(made, 60, "an archive")
        second = create(server.client("lambda"), JAVA, package, **settings)
        outcome = second.invoke(archive)
        assert outcome.value is True
        assert "warning" not in outcome.log
        # Who brings an archive of their own means it.
        own = {"Environment": {"Variables": {"JAVA_TOOL_OPTIONS": "-XX:SharedArchiveFile=/opt/own.jsa"}}}
        assert create(server.client("lambda"), JAVA, package, **settings, **own).invoke(archive).value is False
        # Half an archive, as of a data directory that was copied in part, is none.
        whole = made()[0].stat().st_size
        os.truncate(made()[0], whole // 2)
        outcome = create(server.client("lambda"), JAVA, package, **settings).invoke(archive)
        assert outcome.value is False and "warning" not in outcome.log
    with Server("--data-dir", tmp_path / "data") as server:
        assert create(server.client("lambda"), JAVA, package, **settings).invoke(archive).value is False
        eventually(lambda: made()[0].stat().st_size > whole // 2, 60, "an archive made anew")
        eventually(lambda: made()[0].with_suffix(".length").read_text() == str(made()[0].stat().st_size), 10, "its length")
        assert create(server.client("lambda"), JAVA, package, **settings).invoke(archive).value is True


def test_java_own_serializer(deploy, java_files):
    service = {"META-INF/services/com.amazonaws.services.lambda.runtime.CustomPojoSerializer": "example.Handlers$Serializer\n"}
    assert java(deploy, java_files | service, "custom").invoke({"x": 1}).value == ["read and written"]


@pytest.mark.parametrize("variable", ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS"])
def test_java_serializer_of_an_agent(lambda_client, deploy, java_files, variable):
    source = "package agent; public class Agent { public static void premain(String options) {} }"
    files = toolchain.java_classes("java-agent", {"Agent.java": source}, {})
    files["META-INF/MANIFEST.MF"] = "Manifest-Version: 1.0\nPremain-Class: agent.Agent\n\n"
    files["META-INF/services/com.amazonaws.services.lambda.runtime.CustomPojoSerializer"] = "example.Handlers$Serializer\n"
    files["example/Handlers$Serializer.class"] = java_files["example/Handlers$Serializer.class"]
    content = {"ZipFile": zip_of({"agent.jar": zip_of(files)})}
    layer = lambda_client.publish_layer_version(LayerName="java-agent", Content=content)
    variables = {"Variables": {variable: "-javaagent:/opt/agent.jar"}}
    function = java(deploy, java_files, "custom", Layers=[layer["LayerVersionArn"]], Environment=variables)
    assert function.invoke({"x": 1}).value == ["read and written"]
    lambda_client.delete_layer_version(LayerName="java-agent", VersionNumber=layer["Version"])


def test_java_layers(lambda_client, deploy, java_files):
    jar = zip_of(toolchain.java_classes("java-layer", {"Layered.java": LAYER_SOURCE}, {}))
    content = {"ZipFile": zip_of({"java/lib/layered.jar": jar})}
    layer = lambda_client.publish_layer_version(LayerName="java-layer", Content=content)
    function = java(deploy, java_files, "layered", Layers=[layer["LayerVersionArn"]])
    assert function.invoke().value == "of the layer"
    lambda_client.delete_layer_version(LayerName="java-layer", VersionNumber=layer["Version"])


def test_java_in_little_memory(deploy):
    function = deploy(JAVA, toolchain.hello_java(), **JAVA_SETTINGS | {"MemorySize": 128})
    greets(function)


@pytest.mark.parametrize("source, handler, answer", [
    ("module A\n  class B\n    def self.go(event:, context:)\n      event['x'] * 2\n    end\n  end\nend\n", "app.A::B.go", 42),
    ("def handler(event:, context:)\n  [ENV['AWS_EXECUTION_ENV'], ENV['_HANDLER'], Dir.pwd]\nend\n", "app.handler",
     [f"AWS_Lambda_{RUBY}", "app.handler", "/var/task"]),
    ("def handler(event:, context:)\n  $LOAD_PATH.first(2) + Gem.path.first(2)\nend\n", "app.handler",
     ["/var/task", "/opt/ruby/lib", "/var/task/vendor/bundle/ruby/3.4.0", "/opt/ruby/gems/3.4.0"]),
    ("def handler(event:, context:)\n  context.get_remaining_time_in_millis.between?(2000, 3000)\nend\n", "app.handler", True),
    ("def handler(event:, context:)\n  'é'\nend\n", "app.handler", "é"),
])
def test_ruby_answers(ruby, source, handler, answer):
    outcome = ruby(source, Handler=handler).invoke({"x": 21})
    assert outcome.error is None, outcome
    found = outcome.value
    assert (sorted(found) if isinstance(found, list) else found) == (sorted(answer) if isinstance(answer, list) else answer)


@pytest.mark.parametrize("source, handler, error_type, message", [
    ("def handler(event:, context:)\n  raise ArgumentError, 'no good'\nend\n", "app.handler", "Function<ArgumentError>", "no good"),
    ("def handler(event:, context:)\n  nothing.there\nend\n", "app.handler", "Function<NameError>", "undefined local variable or method"),
    ("def handler(event:, context:)\n  exit 3\nend\n", "app.handler", "Function<SystemExit>", "exit"),
    ("def other(event:, context:)\nend\n", "app.handler", "Function<NoMethodError>", "undefined method"),
    ("require 'absent'\n", "app.handler", "Init<LoadError>", "cannot load such file -- absent"),
    ("def handler(\n", "app.handler", "Init<SyntaxError>", "syntax error"),
    ("", "elsewhere.handler", "Init<LoadError>", "cannot load such file -- elsewhere"),
    ("", "app", "Init<ArgumentError>", "Invalid handler"),
])
def test_ruby_failures(ruby, source, handler, error_type, message):
    outcome = ruby(source, Handler=handler).invoke()
    assert outcome.error == "Unhandled"
    assert outcome.value["errorType"] == error_type
    assert message in outcome.value["errorMessage"]
    assert error_type in outcome.log
    if error_type == "Function<ArgumentError>":
        assert outcome.value["stackTrace"] == ["/var/task/app.rb:2:in `handler'"]


@pytest.mark.parametrize("joins", [True, False], ids=["our Runtime API", "another"])
def test_ruby_outcomes_that_ask_for_the_next_event(tmp_path, joins):
    ruby = toolchain.program("ruby", "ruby")
    (tmp_path / "app.rb").write_text(
        "def handler(event:, context:)\n  raise 'none' if event == 2\n  event == 1 ? 'x' * 70_000 : event\nend\n"
    )
    command = [ruby, str(RUNTIMES / "ruby/bootstrap.rb")]
    events = [Event(str(number)) for number in range(5)]
    posts = Exchange(command, events, {"_HANDLER": "app.handler"}, str(tmp_path), joins=joins).posts
    seen = [(post.path.rpartition("/")[2], len(post.body), "hearth-runtime-next" in post.headers) for post in posts]
    assert seen[:2] == [("response", 1, True), ("response", 70_002, False)]
    assert (seen[2][0], seen[2][2]) == ("error", False)
    assert seen[3:] == [("response", 1, True)] * 2


def test_ruby_that_is_asked_to_end_while_it_waits_says_so(tmp_path):
    ruby = toolchain.program("ruby", "ruby")
    source = "def handler(event:, context:)\n  Thread.new { sleep 0.2; Process.kill('TERM', Process.pid) }\nend\n"
    (tmp_path / "app.rb").write_text(source)
    # The first is accepted and nothing more, so that the next event is what it waits for.
    exchange = Exchange([ruby, str(RUNTIMES / "ruby/bootstrap.rb")], [Event()], {"_HANDLER": "app.handler"}, str(tmp_path), kills=False)
    assert exchange.status == 0
    assert "was interrupted with a SIGTERM SIGNAL, gracefully shutting down." in exchange.stdout
    assert [post.path.rpartition("/")[2] for post in exchange.posts] == ["response"]


def test_ruby_sdk(tmp_path):
    toolchain.program("ruby", "ruby")
    environment = variables(HEARTH_SDK_DIR=str(tmp_path / "sdk"))
    installed = run("runtimes", "install", "ruby", env=environment, timeout=600)
    if "Unable to download data" in installed.stdout + installed.stderr:
        assert installed.returncode != 0 and not (tmp_path / "sdk/ruby/1").exists()
        pytest.skip("RubyGems cannot be reached: neither the AWS SDK for Ruby nor AWS's client aws_lambda_ric is tested")
    assert installed.returncode == 0, installed.stderr
    source = "require 'aws-sdk-lambda'\ndef handler(event:, context:)\n  Aws::Lambda::Client.name\nend\n"
    with Server("--data-dir", tmp_path / "data", env=environment) as server:
        function = functions.create(server.client("lambda"), RUBY, zip_of({"app.rb": source}), Timeout=30, MemorySize=512)
        assert function.invoke().value == "Aws::Lambda::Client"


@pytest.mark.parametrize("runtime", ["go1.x"])
def test_languages_that_hearth_does_not_run(lambda_client, runtime):
    with pytest.raises(lambda_client.exceptions.InvalidParameterValueException, match=f"does not support the runtime {runtime}"):
        functions.create(lambda_client, runtime, zip_of({"a": "b"}), Handler="A::B::C")
