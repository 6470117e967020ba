"""The classes of Java libraries are parsed and verified once for all environments of a function: where the machine shows it, and in what
the classes cannot see."""

import os
import shutil

import pytest
import toolchain
from cells import wait_for_cells, was_cell
from functions import create, name_of
from hearth import Server, eventually, unwritable
from package import zip_of

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="functions run without a sandbox, and no archive is made for them")

JAVA = "java17"
SETTINGS = {"Handler": "example.Looks::look", "MemorySize": 512, "Timeout": 30}
# So many classes and no fewer are worth an archive.
ENOUGH = 2000
# Tells how the classes see themselves. In the cage that makes the archive, an initialiser would end the JVM.
LOOKS = """
package example;

import java.nio.file.*;
import java.util.*;

public class Looks {
    static final String VALUE = filling.Quiet.value("%s");

    public static Map<String, Object> look(Map<String, Object> event) throws Exception {
        Map<String, Object> found = new TreeMap<>();
        found.put("value", VALUE);
        found.put("mapped", Files.readString(Path.of("/proc/self/maps")).contains("/var/lang-classes/function.jsa"));
        for (Class<?> type : new Class<?>[] {Looks.class, filling.Filling.class, filling.Old.class, library.Shelf.class}) {
            found.put(type.getName(), List.of(
                type.getClassLoader().getClass().getName(), type.getClassLoader() == Thread.currentThread().getContextClassLoader(),
                type.getProtectionDomain().getCodeSource().getLocation().toString(),
                String.valueOf(type.getPackage().getImplementationTitle()), type.getPackage().isSealed(),
                type.getResource(type.getSimpleName() + ".class").toString(), type.getModifiers(),
                type.getDeclaredConstructors().length, type.isAnnotationPresent(Deprecated.class)));
        }
        try {
            library.Shelf.fall();
        } catch (IllegalStateException thrown) {
            found.put("trace", thrown.getMessage() + " " + Arrays.toString(thrown.getStackTrace()).split(", java.base")[0]);
        }
        try {
            found.put("broken", filling.Broken.number());
        } catch (VerifyError refused) {
            found.put("broken", refused.getMessage());
        }
        try {
            found.put("absent", new filling.NeedsAbsent());
        } catch (NoClassDefFoundError absent) {
            found.put("absent", absent.getMessage());
        }
        found.put("lambda", List.of(3, 1, 2).stream().map(number -> number + 1).sorted().toList());
        Path log = Path.of("/tmp/load.log");
        found.put("log", Files.exists(log) ? Files.readAllLines(log).stream().filter(line -> line.contains("example.") || line.contains("filling.")).toList() : List.of());
        return found;
    }
}
"""
OTHERS = {
    "Quiet.java": """
package filling;

public class Quiet {
    static {
        if ("rehearsal".equals(System.getenv("AWS_LAMBDA_FUNCTION_NAME"))) {
            Runtime.getRuntime().halt(3);
        }
    }

    public static String value(String value) {
        return value;
    }
}
""",
    "Old.java": "package filling;\n@Deprecated public class Old { static Filling[] all() { return new Filling[0]; } }",
    "Broken.java": "package filling;\npublic class Broken { public static int number() { return 1; } }",
    "Absent.java": "package filling;\nclass Absent { }",
    "NeedsAbsent.java": "package filling;\npublic class NeedsAbsent extends Absent { }",
}
SHELF = "package library;\npublic class Shelf {\n  public static void fall() {\n    throw new IllegalStateException(\"fell\");\n  }\n}\n"


def classes(name, sources):
    return toolchain.java_classes(name, sources, {})


def filling(count):
    names = ", ".join(f"Of{number}.class" for number in range(count))
    inner = "\n".join(f"    static class Of{number} {{}}" for number in range(count))
    text = f"package filling;\npublic class Filling {{\n    static Class<?>[] all() {{ return new Class<?>[] {{{names}}}; }}\n{inner}\n}}\n"
    return {"Filling.java": text}


def package(value="one", count=ENOUGH, shelf=True):
    name = f"class-data-{value}-{count}"
    # The library is compiled with the others, and packaged as a jar.
    files = classes(name, OTHERS | filling(count) | {"Looks.java": LOOKS % value, "Shelf.java": SHELF})
    library = {"library/Shelf.class": files.pop("library/Shelf.class")}
    manifest = "Manifest-Version: 1.0\nImplementation-Title: a shelf\nSealed: true\n\n"
    del files["filling/Absent.class"]
    number = files["filling/Broken.class"]
    # `iconst_1`, `ireturn` becomes `aconst_null`, `ireturn`.
    assert number.count(b"\x04\xac") == 1
    files["filling/Broken.class"] = number.replace(b"\x04\xac", b"\x01\xac")
    # As a compiler of Java 1.4 would have it, which no archive takes.
    files["filling/Old.class"] = files["filling/Old.class"][:6] + b"\0\x30" + files["filling/Old.class"][8:]
    jar = {"lib/library.jar": zip_of({"META-INF/MANIFEST.MF": manifest} | library)} if shelf else {}
    return zip_of(files | jar)


@pytest.fixture
def server(tmp_path):
    with Server("--data-dir", tmp_path) as server:
        server.data_dir = tmp_path
        server.has_cells = True
        yield server


def archives(server):
    """Those that are whole."""
    return [path for path in server.data_dir.glob("class-data/*[0-9a-f]/function.jsa") if is_whole(path)]


def is_whole(archive):
    try:
        return archive.stat().st_size == int(archive.with_suffix(".length").read_text())
    except FileNotFoundError:
        # One that was not is just being removed, and made anew.
        return False


def wait_for_archives(server, count=1):
    return eventually(lambda: len(archives(server)) == count and archives(server), 60, f"{count} archives")


def archives_anew(server, function, count=1):
    """Waits for as many, of which the function asks for one again."""
    function.configure(Environment={"Variables": {"ANEW": name_of("anew")}})
    return wait_for_archives(server, count)


def in_new_environment(function, **variables):
    function.configure(Environment={"Variables": {"ANEW": name_of("anew")} | variables})
    return function.invoke({})


def test_classes_out_of_an_archive_look_as_if_they_were_parsed_at_each_start(server):
    with unwritable(server.data_dir / "class-data"):
        function = create(server.client("lambda"), JAVA, package(), **SETTINGS)
        first = function.invoke({})
    assert first.value["mapped"] is False
    archives_anew(server, function)
    second = in_new_environment(function)
    assert second.value == first.value | {"mapped": True}
    assert "warning" not in second.log and second.log.count("\n") == first.log.count("\n")
    assert "Bad type" in second.value["broken"]
    assert second.value["absent"] == "filling/Absent"
    assert second.value["library.Shelf"][2:5] == ["file:/var/task/lib/library.jar", "a shelf", True]
    assert "fall(Shelf.java:4)" in second.value["trace"]

    # The JVM itself says which it has taken.
    told = in_new_environment(function, JAVA_TOOL_OPTIONS="-Xlog:class+load:file=/tmp/load.log")
    sources = {line.split()[1]: line.partition("source: ")[2] for line in told.value["log"]}
    assert sources["filling.Filling"] == sources["filling.Quiet"] == "shared objects file (top)"
    # What is not valid or too old is parsed as ever, and so is what is the function's own.
    assert sources["filling.Broken"] == sources["filling.Old"] == sources["example.Looks"] == "file:/var/task/"
    # Who brings an archive of their own means it.
    assert in_new_environment(function, JAVA_TOOL_OPTIONS="-XX:SharedArchiveFile=/opt/own.jsa").value["mapped"] is False
    assert in_new_environment(function, JAVA_TOOL_OPTIONS="-Xshare:off").value == first.value


def test_stem_cells_have_mapped_the_archive_of_the_function_that_they_become(server):
    function = create(server.client("lambda"), JAVA, package(), **SETTINGS)
    first = function.invoke({})
    wait_for_archives(server)
    assert in_new_environment(function).value["mapped"] is True
    before = wait_for_cells(server, words="/var/lang-classes/function.jsa")
    outcome = in_new_environment(function)
    assert was_cell(server, before)
    assert outcome.value == first.value | {"mapped": True}


def test_an_archive_is_of_one_package_with_its_layers(server):
    client = server.client("lambda")
    function = create(client, JAVA, package(shelf=False), **SETTINGS)
    missing = function.invoke({}).value
    assert missing["errorType"] == "java.lang.NoClassDefFoundError"
    first = wait_for_archives(server)
    whole = classes("class-data-layer", {"Shelf.java": SHELF})
    layer = zip_of({"java/lib/library.jar": zip_of(whole)})
    layer = client.publish_layer_version(LayerName=name_of("shelf"), Content={"ZipFile": layer})
    with unwritable(server.data_dir / "class-data"):
        function.configure(Layers=[layer["LayerVersionArn"]])
        found = function.invoke({}).value
    assert (found["mapped"], found["library.Shelf"][2]) == (False, "file:/opt/java/lib/library.jar")
    both = archives_anew(server, function, 2)
    assert set(first) < set(both)
    assert in_new_environment(function).value == found | {"mapped": True}

    function.client.update_function_code(FunctionName=function.name, ZipFile=package("two", shelf=False))
    function.wait("function_updated_v2")
    assert function.invoke({}).value["value"] == "two"
    eventually(lambda: set(archives(server)) - set(both), 60, "an archive of the new package")
    assert in_new_environment(function).value == found | {"value": "two", "mapped": True}


def test_few_classes_have_no_archive_and_no_jvm_of_their_own(server):
    function = create(server.client("lambda"), JAVA, package(count=10), **SETTINGS)
    first = function.invoke({}).value
    eventually(lambda: [path.stat().st_size for path in server.data_dir.glob("class-data/*") if path.is_file()] == [0], 60, "a decision")
    assert in_new_environment(function).value == first


def test_a_killed_server_leaves_no_archive_or_a_whole_one(tmp_path):
    def server_on():
        server = Server("--data-dir", tmp_path)
        server.data_dir = tmp_path
        return server

    with server_on() as server:
        function = create(server.client("lambda"), JAVA, package(), **SETTINGS)
        first = function.invoke({}).value
        # It has begun, and is most likely not done.
        server.kill()
        is_made = archives(server) != []
    with server_on() as server:
        function.client = server.client("lambda")
        assert function.invoke({}).value == first | {"mapped": is_made}
        archive, = wait_for_archives(server)
        server.kill()
    with server_on() as server:
        function.client = server.client("lambda")
        assert function.invoke({}).value == first | {"mapped": True}
        # Half an archive, as of a data directory that was copied in part, is none, and made anew.
        os.truncate(archive, archive.stat().st_size // 2)
        with unwritable(tmp_path / "class-data"):
            cut = in_new_environment(function)
        assert cut.value == first and "warning" not in cut.log
        assert archives_anew(server, function) == [archive]
        assert in_new_environment(function).value == first | {"mapped": True}
        shutil.rmtree(tmp_path / "class-data")
        with unwritable(tmp_path / "class-data"):
            assert in_new_environment(function).value == first
