"""Stem cells: a function that was put into an interpreter that had started before sees what every other function sees.

Each comparison runs the same function on a server with cells and on one without. It refuses to know how cells are made.
"""

import os
import platform
import shutil
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import residue
import toolchain
from cells import cells_of, copied, only_copies, wait_for_cells, was_cell, zygotes_of
from functions import NODE, PYTHON, code, create, name_of
from hearth import REPOSITORY, Server, eventually
from package import Link, zip_of

root = pytest.mark.skipif(os.geteuid() != 0, reason="stem cells take root")
zygotes = pytest.mark.skipif(os.geteuid() != 0 or platform.machine() != "x86_64", reason="zygotes take root and an x86-64")

JAR = REPOSITORY / "runtimes/java/hearth-runtime.jar"

# Everything about its process that a function can look at, as JSON. What must differ between environments is apart.
PYTHON_LOOKS = '''
import os, sys, time
sys_modules_before = sorted(sys.modules)
first_descriptor = os.open("/dev/null", os.O_RDONLY)
os.close(first_descriptor)
import json, logging, random, threading

def read(path):
    with open(path, "rb") as file:
        return file.read().decode("utf-8", "replace")

def tree(path):
    return sorted(os.path.join(at, name) for at, below, files in os.walk(path) for name in below + files)

def mounts():
    lines = [line.split() for line in read("/proc/self/mountinfo").splitlines()]
    return sorted(
        (line[4], line[5], line[line.index("-") + 1], [field for field in line[6 : line.index("-")]]) for line in lines
    )

def status():
    same = ("Name", "Umask", "Uid", "Gid", "FDSize", "Groups", "NoNewPrivs", "Seccomp", "Seccomp_filters", "Cap", "Sig", "Threads", "TracerPid")
    lines = [line.partition(":") for line in read("/proc/self/status").splitlines()]
    return {name: value.split() for name, _, value in lines if name.startswith(same)}

def handler(event, context):
    time.sleep(event.get("seconds", 0))
    shown = [entry for entry in read("/proc/self/environ").split("\\0") if entry]
    own = "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_LAMBDA_LOG_STREAM_NAME _X_AMZN_TRACE_ID".split()
    import ctypes
    libc = ctypes.CDLL(None)
    libc.getenv.restype = ctypes.c_char_p
    return {
        "alike": {
            "environ": {name: value for name, value in os.environ.items() if name not in own},
            "order": [name for name in os.environ if name not in own],
            "shown": sorted(entry for entry in shown if entry.partition("=")[0] not in own),
            "shown is true": sorted(entry.partition("=")[0] for entry in shown) == sorted(set(os.environ) - {"LC_CTYPE", "_X_AMZN_TRACE_ID"}),
            "getenv": [(libc.getenv(name.encode()) or b"").decode() for name in ("_HANDLER", "TZ", "COLOUR", "_HEARTH_STEM", "_HEARTH_STEM_ROOM")],
            "descriptors": sorted(os.listdir("/proc/self/fd")),
            "first descriptor": first_descriptor,
            "argv": sys.argv, "command line": read("/proc/self/cmdline"), "name": read("/proc/self/comm"),
            "path": sys.path, "modules": [name for name in sys_modules_before], "flags": str(sys.flags),
            "encodings": [sys.stdout.encoding, sys.getfilesystemencoding(), str(sys.stdin.closed)],
            "cwd": os.getcwd(), "pid": os.getpid(), "parent": os.getppid(), "session": os.getsid(0), "umask": os.umask(0o022),
            "mounts": mounts(), "root": sorted(os.listdir("/")), "task": tree("/var/task"), "var": sorted(os.listdir("/var")),
            "tmp": os.listdir("/tmp"), "size of tmp": os.statvfs("/tmp").f_blocks,
            "limits": read("/proc/self/limits"), "status": status(), "host name": os.uname().nodename,
            "threads": threading.active_count(), "native thread": threading.main_thread().native_id,
            "child": sorted(line.partition("=")[0] for line in os.popen("env").read().splitlines()), "locale": __import__("locale").setlocale(0), "zone": time.tzname,
            "log": [logging.getLogger().level, len(logging.getLogger().handlers)],
            "just begun": logging.LogRecord("n", 0, "p", 0, "m", (), None).relativeCreated < 20000,
            "nothing left": [name for name in vars(sys.modules["__main__"]) if name in ("line", "block", "piece", "entry")],
        },
        "hash": hash("any text"),
        "own": {"random": random.random(), "boot": read("/proc/sys/kernel/random/uuid"),
                "key": os.environ["AWS_ACCESS_KEY_ID"], "stream": context.log_stream_name},
    }
'''

NODE_LOOKS = """
import { execSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
const first = fs.openSync('/dev/null');
fs.closeSync(first);
const read = (path) => fs.readFileSync(path, 'utf8');
const own = 'AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_LAMBDA_LOG_STREAM_NAME _X_AMZN_TRACE_ID'.split(' ');
const kept = (name) => !own.includes(name);
const mounts = () => read('/proc/self/mountinfo').trim().split('\\n').map((line) => {
  const fields = line.split(' ');
  const dash = fields.indexOf('-');
  return [fields[4], fields[5], fields[dash + 1], ...fields.slice(6, dash)].join(' ');
}).sort();
export const handler = async (event, context) => {
  const shown = read('/proc/self/environ').split('\\0').filter(Boolean);
  return {
    alike: {
      environ: Object.fromEntries(Object.entries(process.env).filter(([name]) => kept(name))),
      order: Object.keys(process.env).filter(kept),
      shown: shown.filter((entry) => kept(entry.split('=')[0])).sort(),
      child: execSync('env').toString().split('\\n').map((line) => line.split('=')[0]).sort(),
      descriptors: fs.readdirSync('/proc/self/fd').map((name) => {
        try { return `${name} ${fs.readlinkSync(`/proc/self/fd/${name}`).replace(/\\d{2,}/g, 'N')}`; } catch { return `${name} gone`; }
      }),
      first, argv: process.argv, argv0: process.argv0, execArgv: process.execArgv, title: process.title,
      commandLine: read('/proc/self/cmdline'), name: read('/proc/self/comm'),
      cwd: process.cwd(), pid: process.pid, ppid: process.ppid, umask: process.umask(),
      paths: (await import('node:module')).default.globalPaths, main: typeof process.mainModule,
      globals: Object.getOwnPropertyNames(globalThis).sort(),
      mounts: mounts(), root: fs.readdirSync('/'), task: fs.readdirSync('/var/task', { recursive: true }), var: fs.readdirSync('/var'),
      tmp: fs.readdirSync('/tmp'), limits: read('/proc/self/limits'), hostName: os.hostname(), home: os.homedir(),
      zone: Intl.DateTimeFormat().resolvedOptions(), threads: fs.readdirSync('/proc/self/task').length,
      log: console.log.toString(),
      handles: process.getActiveResourcesInfo().sort(),
    },
    own: { random: Math.random(), uuid: crypto.randomUUID(), key: process.env.AWS_ACCESS_KEY_ID, stream: context.logStreamName },
  };
};
"""

JAVA_LOOKS = """
import java.io.*;
import java.lang.management.ManagementFactory;
import java.nio.file.*;
import java.util.*;
import java.util.stream.*;

public class Looks {
    static final Set<String> OWN = Set.of(
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_LOG_STREAM_NAME", "_X_AMZN_TRACE_ID");

    static String read(String path) throws IOException {
        return Files.readString(Path.of(path));
    }

    static List<String> names(String path) {
        return Stream.of(new File(path).list()).sorted().toList();
    }

    static List<String> descriptors() {
        return names("/proc/self/fd").stream().map(name -> {
            try {
                return Files.readSymbolicLink(Path.of("/proc/self/fd/" + name)).toString().replaceAll("[0-9]{2,}", "N");
            } catch (IOException gone) {
                return "gone";
            }
        }).sorted().toList();
    }

    static List<String> lines(Process process) throws IOException {
        return new BufferedReader(new InputStreamReader(process.getInputStream())).lines()
            .map(line -> line.split("=")[0]).sorted().toList();
    }

    static List<String> mounts() throws IOException {
        return read("/proc/self/mountinfo").lines().map(line -> {
            String[] halves = line.split(" - "), fields = halves[0].split(" ");
            return fields[4] + " " + fields[5] + " " + halves[1].replaceAll("/dev/loop[0-9]+", "/dev/loopN");
        }).sorted().toList();
    }

    static List<String> threads() {
        ThreadGroup root = Thread.currentThread().getThreadGroup().getParent();
        Thread[] found = new Thread[100];
        return Stream.of(found).limit(root.enumerate(found)).map(thread -> thread.getName() + " " + thread.isDaemon()).sorted().toList();
    }

    public Map<String, Object> handler(Map<String, Object> event, com.amazonaws.services.lambda.runtime.Context context) throws Exception {
        Map<String, Object> alike = new LinkedHashMap<>();
        alike.put("descriptors", descriptors());
        alike.put("threads", threads());
        alike.put("next thread", new Thread(() -> {}).getName());
        alike.put("environ", kept(System.getenv()));
        alike.put("shown", Stream.of(read("/proc/self/environ").split("\\0"))
            .filter(entry -> !entry.isEmpty() && !OWN.contains(entry.split("=")[0])).sorted().toList());
        alike.put("child", lines(new ProcessBuilder("/usr/bin/env").start()));
        ProcessBuilder asked = new ProcessBuilder("/usr/bin/env");
        asked.environment().put("MORE", "x");
        alike.put("child with more", lines(asked.start()));
        alike.put("child's directory", lines(new ProcessBuilder("/bin/pwd").start()));
        Map<String, String> properties = new TreeMap<>();
        System.getProperties().forEach((name, value) -> properties.put(name.toString(), value.toString()));
        properties.remove("com.amazonaws.xray.traceHeader");
        alike.put("properties", properties);
        alike.put("arguments", ManagementFactory.getRuntimeMXBean().getInputArguments());
        alike.put("modules", ModuleLayer.boot().modules().stream().map(Module::getName).sorted().toList());
        alike.put("memory", Runtime.getRuntime().maxMemory());
        alike.put("command line", read("/proc/self/cmdline"));
        alike.put("name", read("/proc/self/comm"));
        alike.put("cwd", List.of(Files.readSymbolicLink(Path.of("/proc/self/cwd")).toString(), new File("").getAbsolutePath(),
            Path.of("").toAbsolutePath().toString(), Path.of(".").toRealPath().toString()));
        alike.put("beside", List.of(names("."), new FileInputStream("Looks.class").read(), Files.exists(Path.of("Looks.class"))));
        alike.put("task", names("/var/task"));
        alike.put("var", names("/var"));
        alike.put("root", names("/"));
        alike.put("tmp", names("/tmp"));
        alike.put("mounts", mounts());
        alike.put("limits", read("/proc/self/limits"));
        alike.put("status", read("/proc/self/status").lines()
            .filter(line -> line.matches("(Name|Umask|Uid|Gid|Groups|NoNewPrivs|Seccomp|Cap|Sig|Shd).*")).toList());
        alike.put("sockets", read("/proc/self/net/tcp").lines().skip(1).map(line -> line.trim().split(" +"))
            .filter(fields -> fields[3].equals("06")).count());
        alike.put("zone", TimeZone.getDefault().getID() + " " + Locale.getDefault());
        alike.put("loader", List.of(Thread.currentThread().getContextClassLoader().getClass().getName(),
            getClass().getProtectionDomain().getCodeSource().getLocation().toString()));
        Map<String, Object> own = new HashMap<>();
        own.put("random", Math.random());
        own.put("uuid", UUID.randomUUID().toString());
        own.put("key", System.getenv("AWS_ACCESS_KEY_ID"));
        own.put("stream", context.getLogStreamName());
        return Map.of("alike", alike, "own", own);
    }

    static Map<String, String> kept(Map<String, String> variables) {
        Map<String, String> kept = new TreeMap<>(variables);
        kept.keySet().removeAll(OWN);
        return kept;
    }
}
"""

RUBY_LOOKS = r"""
FIRST_DESCRIPTOR = File.open('/dev/null', &:fileno)
FEATURES = $LOADED_FEATURES.dup
require 'etc'
require 'socket'

OWN = %w[AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_LAMBDA_LOG_STREAM_NAME _X_AMZN_TRACE_ID]

def read(path)
  File.binread(path).force_encoding('UTF-8').scrub
end

def mounts
  lines = read('/proc/self/mountinfo').lines.map(&:split)
  lines.map { |line| [line[4], line[5], line[line.index('-') + 1], *line[6...line.index('-')]].join(' ') }.sort
end

def descriptors
  Dir.children('/proc/self/fd').sort.map do |name|
    "#{name} #{File.readlink("/proc/self/fd/#{name}").gsub(/\d{2,}/, 'N')}"
  rescue Errno::ENOENT
    "#{name} gone"
  end
end

def status
  kept = /\A(Name|Umask|Uid|Gid|Groups|NoNewPrivs|Seccomp|Cap|Sig|Threads|TracerPid)/
  read('/proc/self/status').lines.grep(kept)
end

def handlers
  Signal.list.keys.reject { |name| %w[EXIT KILL STOP VTALRM SEGV BUS ILL FPE].include?(name) }.map do |name|
    before = trap(name, 'DEFAULT')
    trap(name, before)
    [name, before.inspect]
  rescue ArgumentError => error
    [name, error.message]
  end
end

def of_gems
  [Gem.path, Gem.paths.home, Gem.user_home, Gem.cache_home, Gem.loaded_specs.map { |name, spec| [name, spec.version.to_s, spec.loaded_from] },
   Gem::Specification.map(&:full_name).sort, Gem::Specification.dirs, Gem.load_path_insert_index]
end

def kept(variables)
  variables.reject { |name, _| OWN.include?(name) }
end

def handler(event:, context:)
  shown = read('/proc/self/environ').split("\0")
  constants = ObjectSpace.each_object(Module).map(&:name).compact.sort
  {
    alike: {
      environ: kept(ENV.to_h),
      order: kept(ENV).map(&:first),
      encodings: [ENV['PATH'].encoding, Encoding.default_external, Encoding.default_internal, __ENCODING__,
                  Encoding.find('locale'), Encoding.find('filesystem'), $stdout.external_encoding].map(&:to_s),
      shown: kept(shown.map { |entry| entry.split('=', 2) }).sort,
      "shown is true": shown.map { |entry| entry[/\A[^=]*/] }.sort == ENV.keys.sort - ['_X_AMZN_TRACE_ID'],
      child: kept(`env`.lines.map { |line| line.chomp.split('=', 2) }).sort,
      "status of a child": $?.to_s, "next child": Process.wait(spawn('true')),
      descriptors: descriptors, "first descriptor": FIRST_DESCRIPTOR,
      program: [$0, $PROGRAM_NAME, __FILE__, ARGV, read('/proc/self/cmdline'), read('/proc/self/comm'), Process.argv0],
      path: $LOAD_PATH, features: FEATURES, gems: of_gems, json: JSON::VERSION,
      constants: [Object.constants.sort, constants], globals: global_variables.sort,
      methods: [Object, Kernel, RubyVM::InstructionSequence].map do |receiver|
        [receiver.singleton_methods, receiver.private_instance_methods(false), receiver.instance_methods(false)].map(&:sort)
      end,
      variables: [TOPLEVEL_BINDING.local_variables, TOPLEVEL_BINDING.receiver.instance_variables, $!.inspect, $~.inspect, $_.inspect],
      flags: [$VERBOSE, $DEBUG, $-W, $;, $,, $/, $stdout.sync, $stderr.sync, $stdin.closed?, $stdin.fileno, $stdout.tty?],
      warnings: Warning.respond_to?(:categories) && Warning.categories.map { |name| [name, Warning[name]] },
      options: [RubyVM::InstructionSequence.compile_option, GC.stress, GC.measure_total_time,
                Thread.abort_on_exception, Thread.report_on_exception],
      directory: [Dir.pwd, Dir.children('.').sort, File.expand_path('x')],
      process: [Process.pid, Process.ppid, Process.getsid, Process.getpgrp, File.umask, Process.euid, Process.groups],
      threads: [Thread.list.size, Thread.current.name, Thread.main == Thread.current, Thread.current.keys, Dir.children('/proc/self/task').size],
      handlers: handlers, status: status, limits: read('/proc/self/limits'), mounts: mounts,
      root: Dir.children('/').sort, task: Dir['/var/task/**/*'].sort, var: Dir.children('/var').sort, tmp: Dir.children('/tmp'),
      names: [Socket.gethostname, Etc.uname[:nodename], (Dir.home rescue $!.class.to_s)],
      zone: [Time.now.zone, Time.now.utc_offset, Time.at(0).to_s],
      "nothing of the line": ObjectSpace.each_object(String).none? { |text| text.include?('_HEARTH' + '_STEM') && !text.include?('ENV') },
      caller: caller.size,
    },
    own: { random: rand, number: Random.seed, hash: 'any text'.hash, key: ENV['AWS_ACCESS_KEY_ID'], stream: context.log_stream_name },
  }
end
"""

JAVA, RUBY = "java17", "ruby3.4"
LOOKS = {PYTHON: PYTHON_LOOKS, NODE: NODE_LOOKS, JAVA: JAVA_LOOKS, RUBY: RUBY_LOOKS}
# A JVM has not only the heap.
OWN_SETTINGS = {JAVA: {"Handler": "Looks::handler", "MemorySize": 256, "Timeout": 10}}


def looking(server, runtime, name=None, **settings):
    """A new function that looks."""
    if runtime == JAVA:
        jars = {JAR.name: JAR}
        package = zip_of(toolchain.java_classes("looks", {"Looks.java": JAVA_LOOKS}, jars))
    elif runtime == RUBY:
        package = zip_of({"app.rb": RUBY_LOOKS})
    else:
        package = code(runtime, LOOKS[runtime])
    return create(server.client("lambda"), runtime, package, name=name, **OWN_SETTINGS.get(runtime, {}) | settings)


def words(function):
    """What is on the command line of a JVM of a function with this memory."""
    megabytes = function.client.get_function_configuration(FunctionName=function.name)["MemorySize"]
    return f"-XX:MaxHeapSize={-(-megabytes * 1024 * 85 // 100)}k"


def look(server, runtime, name, **settings):
    """What a new function sees, and whether its process was a cell before."""
    function = looking(server, runtime, name, **settings)
    before = wait_for_cells(server, words=words(function) if runtime == JAVA else "")
    outcome = function.invoke({})
    assert outcome.error is None, outcome.log
    return outcome.value, was_cell(server, before)


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    places = tmp_path_factory.mktemp("with"), tmp_path_factory.mktemp("without")
    with (
        Server("--data-dir", places[0]) as with_cells,
        Server("--data-dir", places[1], "--stem-cell-memory", "0") as without,
    ):
        with_cells.has_cells, without.has_cells = True, False
        for server, place in zip((with_cells, without), places) if shutil.which("javac") else ():
            # With its archive of classes a JVM starts otherwise than without.
            looking(server, JAVA).invoke({})
            eventually(lambda: [*place.glob("runtimes/**/*.length")], what="an archive of classes")  # noqa: B023
        yield with_cells, without


@root
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"MemorySize": 1024, "Timeout": 20, "Environment": {"Variables": {"COLOUR": "blue", "LIST": "a=b,c", "EMPTY": "", "HOME": "/tmp"}}},
        {"LoggingConfig": {"LogFormat": "JSON", "ApplicationLogLevel": "DEBUG"}, "MemorySize": 300},
        {"EphemeralStorage": {"Size": 1024}, "MemorySize": 512},
    ],
    ids=["defaults", "memory and variables", "json log", "size of tmp"],
)
@pytest.mark.parametrize("runtime", LOOKS)
def test_a_function_in_a_cell_sees_what_every_other_sees(servers, runtime, settings):
    name = name_of("alike")
    (of_cell, is_of_cell), (plain, is_plain) = (look(server, runtime, name, **settings) for server in servers)
    assert (is_of_cell, is_plain) == (True, False)
    for subject, value in plain["alike"].items():
        assert of_cell["alike"][subject] == value, subject
    assert of_cell["alike"].keys() == plain["alike"].keys()


@root
@pytest.mark.parametrize("runtime", LOOKS)
def test_two_functions_out_of_cells_share_nothing(servers, runtime):
    (one, of_one), (other, of_other) = (look(servers[0], runtime, name_of("apart")) for _ in range(2))
    assert of_one and of_other
    for subject, value in one["own"].items():
        assert other["own"][subject] != value, subject
    assert runtime != PYTHON or one["hash"] != other["hash"]


@root
@pytest.mark.parametrize(
    "runtime, variables",
    [(PYTHON, {"PYTHONHASHSEED": "7"}), (PYTHON, {"LD_PRELOAD": "/no/such/library"}), (RUBY, {"RUBYOPT": "-W0", "GEM_PATH": "/opt"})],
    ids=["interpreter", "loader", "ruby"],
)
def test_what_a_cell_cannot_become_starts_plainly(servers, runtime, variables):
    values, of_cell = look(servers[0], runtime, name_of("plain"), Environment={"Variables": variables})
    assert not of_cell
    assert values["alike"]["environ"].items() >= variables.items()


def gem(place, name, version, source):
    """The files of an installed gem of one file."""
    about = f"gem.name, gem.version, gem.summary, gem.author = '{name}', '{version}', 'a gem', 'nobody'"
    return {
        f"{place}/specifications/{name}-{version}.gemspec": f"Gem::Specification.new do |gem|\n  {about}\nend\n",
        f"{place}/gems/{name}-{version}/lib/{name}.rb": source,
    }


OF_PACKAGE, OF_LAYER = "vendor/bundle/ruby/3.4.0", "ruby/gems/3.4.0"
WORD = "module Word\n  PLACE = __FILE__\nend\n"
# Whatever is brought in the place of what Ruby has does the same, and can be told from it.
BROUGHT = "require \"#{RbConfig::CONFIG['rubylibdir']}/%s\"\nmodule Word\n  PLACE = __FILE__\nend\n"
BUNDLE = {"Gemfile": "gem 'word'\n", "Gemfile.lock": "GEM\n  specs:\n    word (1.0)\n\nPLATFORMS\n  ruby\n\nDEPENDENCIES\n  word\n"}


@root
@pytest.mark.parametrize(
    "package, layer, required, place, is_cell",
    [
        (gem(OF_PACKAGE, "word", "1.0", WORD), {}, "word", f"/var/task/{OF_PACKAGE}/gems/word-1.0/lib/word.rb", True),
        ({}, gem(OF_LAYER, "word", "1.0", WORD), "word", f"/opt/{OF_LAYER}/gems/word-1.0/lib/word.rb", True),
        ({}, {"ruby/lib/word.rb": WORD}, "word", "/opt/ruby/lib/word.rb", True),
        ({}, {"words/word.rb": WORD, "ruby/lib": Link("../words")}, "word", "/opt/words/word.rb", True),
        ({OF_PACKAGE: Link("../../../own")} | gem("own", "word", "1.0", WORD), {}, "word", "/var/task/own/gems/word-1.0/lib/word.rb", True),
        ({"word.rb": WORD}, {"ruby/lib/word.rb": WORD}, "word", "/var/task/word.rb", True),
        (BUNDLE | gem(OF_PACKAGE, "word", "1.0", WORD), {}, "bundler/setup", f"/var/task/{OF_PACKAGE}/gems/word-1.0/lib/word.rb", True),
        (gem(OF_PACKAGE, "json", "99.0", BROUGHT % "json"), {}, "json", f"/var/task/{OF_PACKAGE}/gems/json-99.0/lib/json.rb", True),
        ({}, gem(OF_LAYER, "logger", "99.0", BROUGHT % "logger"), "logger", f"/opt/{OF_LAYER}/gems/logger-99.0/lib/logger.rb", True),
        ({"logger.rb": BROUGHT % "logger"}, {}, "logger", "/var/task/logger.rb", True),
        ({"monitor.rb": BROUGHT % "monitor"}, {}, "monitor", "/var/task/monitor.rb", False),
        (gem(OF_PACKAGE, "did_you_mean", "99.0", BROUGHT % "did_you_mean"), {}, "did_you_mean", None, False),
    ],
    ids="gem, gem of a layer, layer, link of a layer, link of a package, package first, bundler, newer gem, newer gem of a layer, own file, "
    "own file at the start, newer gem at the start".split(", "),
)
def test_ruby_finds_in_a_cell_what_it_finds_elsewhere(servers, package, layer, required, place, is_cell):
    source = f"require '{required}'\nrequire 'word' unless defined? Word\n"
    source += "def handler(event:, context:)\n  [Word::PLACE, $LOAD_PATH, $LOADED_FEATURES, Gem.path, Gem.loaded_specs.keys]\nend\n"
    found = []
    for server in servers:
        client = server.client("lambda")
        layers = [client.publish_layer_version(LayerName=name_of("layer"), Content={"ZipFile": zip_of(layer)})["LayerVersionArn"]] if layer else []
        function = create(client, RUBY, zip_of({"app.rb": source} | package), Layers=layers, Timeout=10)
        before = wait_for_cells(server, words="bootstrap.rb")
        outcome = function.invoke({})
        assert outcome.error is None, outcome.log
        assert was_cell(server, before) == (is_cell and server.has_cells)
        found.append(outcome.value)
        client.delete_function(FunctionName=function.name)
    assert found[0] == found[1]
    assert place in (found[0][0], None)


@root
@pytest.mark.parametrize(
    "source, error_type",
    [("def handler(event:, context:)\n  raise 'no good'\nend\n", "Function<RuntimeError>"), ("nothing.there\n", "Init<NameError>")],
    ids=["handler", "init"],
)
def test_ruby_fails_in_a_cell_as_elsewhere(servers, source, error_type):
    told = []
    for server in servers:
        function = create(server.client("lambda"), RUBY, zip_of({"app.rb": source}), Timeout=10)
        before = wait_for_cells(server, words="bootstrap.rb")
        outcome = function.invoke({})
        assert (outcome.error, outcome.value["errorType"]) == ("Unhandled", error_type), outcome.log
        # What fails to initialise is gone.
        assert bool(set(before) - set(cells_of(server))) == server.has_cells
        told.append([outcome.value, [line for line in outcome.log.splitlines() if "RequestId" not in line and "INIT_REPORT" not in line]])
    assert told[0] == told[1]


@root
def test_memory_and_processors_are_the_functions_own(servers):
    source = """
import os
def handler(event, context):
    block = bytearray(int(event["mb"]) << 20)
    for at in range(0, len(block), 4096):
        block[at] = 1
    return os.getpid()
"""
    for server in servers:
        function = create(server.client("lambda"), PYTHON, code(PYTHON, source), MemorySize=256, Timeout=60)
        wait_for_cells(server)
        assert function.invoke({"mb": 180}).error is None, "a cell's own limit is less"
        outcome = function.invoke({"mb": 300})
        assert outcome.error == "Unhandled" and b"Runtime.OutOfMemory" in outcome.body, outcome.body


@root
def test_cells_end_with_their_server_and_their_budget_is_kept(tmp_path):
    with Server("--data-dir", tmp_path / "none", "--stem-cell-memory", "47") as server:
        create(server.client("lambda"), PYTHON, code(PYTHON, "handler = print")).invoke({})
        time.sleep(1)
        assert cells_of(server) == []
    with Server("--data-dir", tmp_path / "one", "--stem-cell-memory", "64") as server:
        create(server.client("lambda"), PYTHON, code(PYTHON, "handler = print")).invoke({})
        eventually(lambda: len(cells_of(server)) == 1)
        time.sleep(1)
        cells = cells_of(server)
        assert len(cells) == 1
    assert not any(Path(f"/proc/{pid}").exists() for pid in cells)


@root
def test_a_restarted_server_has_cells_for_what_is_deployed(tmp_path):
    with Server("--data-dir", tmp_path / "data") as server:
        create(server.client("lambda"), PYTHON, code(PYTHON, "handler = print"))
    with Server("--data-dir", tmp_path / "data") as server:
        eventually(lambda: len(cells_of(server)) == 2, what="cells before the first invocation")


@root
@pytest.mark.parametrize("runtime", LOOKS)
def test_a_cell_that_dies_is_replaced_and_leaves_nothing(tmp_path, runtime):
    before = residue.snapshot()
    with Server("--data-dir", tmp_path / "data") as server:
        server.has_cells = True
        function = looking(server, runtime)
        killed = wait_for_cells(server)
        cages = residue.descendants(server.process.pid)
        # One whose place is taken by another before anybody asks, and one of which the server cannot know yet.
        os.kill(killed[0], signal.SIGKILL)
        eventually(lambda: len(cells_of(server)) == 2 and killed[0] not in cells_of(server), what="a cell in its place")
        for process in cells_of(server):
            os.kill(process, signal.SIGKILL)
        outcome = function.invoke({})
        assert outcome.error is None and "alike" in outcome.value, outcome.log
        eventually(lambda: not set(killed) & set(residue.descendants(server.process.pid)), what="the dead are still there")
        assert len(residue.descendants(server.process.pid)) <= len(cages) + 4
    eventually(lambda: not residue.left(before), 20, lambda: f"left on the machine: {residue.left(before)}")


@root
def test_kill_9_while_cells_wait_leaves_nothing_behind(tmp_path):
    before = residue.snapshot()
    server = Server("--data-dir", tmp_path / "data", "--stem-cell-memory", "1024")
    server.has_cells = True
    for runtime in LOOKS:
        looking(server, runtime)
    assert len(wait_for_cells(server, 8)) == 8
    inside = residue.descendants(server.process.pid)
    own = residue.networks(server.process.pid) - before["network namespaces"]
    assert own
    server.kill()
    eventually(lambda: not set(residue.descendants()) & set(inside), what=lambda: residue.descendants())
    # A killed one cannot remove everything by itself: the next one does.
    with Server("--data-dir", tmp_path / "data"):
        pass
    eventually(lambda: not residue.left(before), 20, lambda: f"left on the machine: {residue.left(before)}")
    eventually(lambda: not own & residue.namespaces(), what="network namespaces of the killed server are still there")


@root
def test_a_server_stops_at_once_while_a_cell_starts(tmp_path):
    """Not one that waits for a function: one that has not come so far, and never does."""
    with Server("--data-dir", tmp_path / "data", "--grace", "2") as server:
        server.has_cells = True
        create(server.client("lambda"), PYTHON, code(PYTHON, "handler = print"))
        waiting = wait_for_cells(server)
        os.kill(waiting[0], signal.SIGKILL)
        eventually(lambda: _halt_a_new_one(server, waiting), what="a cell that starts")
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 8


def _halt_a_new_one(server, known):
    """Stops an interpreter of a cell before it waits."""
    for process in residue.descendants(server.process.pid):
        try:
            if b"/var/runtime/bootstrap.py" in Path(f"/proc/{process}/cmdline").read_bytes() and process not in known:
                os.kill(process, signal.SIGSTOP)
                return b"_HEARTH_STEM=" in Path(f"/proc/{process}/environ").read_bytes()
        except OSError:
            continue
    return False


SETTINGS = {"MemorySize": 1024, "Timeout": 20, "Environment": {"Variables": {"COLOUR": "blue", "EMPTY": ""}}}


@pytest.fixture(scope="module")
def copying(tmp_path_factory):
    """A server without cells, where cold starts have copies of zygotes."""
    with Server("--data-dir", tmp_path_factory.mktemp("copying")) as server:
        create(server.client("lambda"), PYTHON, code(PYTHON, "handler = print"))
        only_copies(server)
        server.has_cells = False
        yield server


def burst(function, count, **event):
    with ThreadPoolExecutor(count) as pool:
        outcomes = list(pool.map(lambda _: function.invoke({"seconds": 3} | event), range(count)))
    assert [outcome.error for outcome in outcomes] == [None] * count, [outcome.log for outcome in outcomes]
    return [outcome.value for outcome in outcomes]


@zygotes
def test_the_copy_of_a_zygote_sees_what_every_other_sees(servers, copying):
    name = name_of("alike")
    make = lambda: create(copying.client("lambda"), PYTHON, code(PYTHON, PYTHON_LOOKS), name=name, **SETTINGS)  # noqa: E731
    one, other, *_ = copies = burst(copied(copying, make), 4)
    assert {copy["hash"] for copy in copies} == {one["hash"]}, "these are no copies of one zygote"
    plain, _ = look(servers[1], PYTHON, name, **SETTINGS)
    for copy in copies:
        for subject, value in plain["alike"].items():
            assert copy["alike"][subject] == value, subject
        assert copy["alike"].keys() == plain["alike"].keys()
    for subject, value in one["own"].items():
        assert len({str(copy["own"][subject]) for copy in copies}) == 4, (subject, value)


@zygotes
def test_two_functions_have_no_zygote_in_common(copying):
    source = "import time\ndef handler(event, context):\n    time.sleep(event['seconds'])\n    return hash('any text'), id(object)"
    make = lambda: create(copying.client("lambda"), PYTHON, code(PYTHON, source), Timeout=20)  # noqa: E731
    one, other = (burst(copied(copying, make), 3) for _ in range(2))
    assert one[0] == one[1] == one[2] and other[0] == other[1] == other[2]
    assert one[0][0] != other[0][0] and one[0] != other[0]


@zygotes
def test_a_zygote_is_given_up_after_some_copies_and_replaced_when_it_dies(copying):
    source = "import time\ndef handler(event, context):\n    time.sleep(event['seconds'])\n    return hash('any text')"
    make = lambda: create(copying.client("lambda"), PYTHON, code(PYTHON, source), MemorySize=256, Timeout=20)  # noqa: E731
    before = zygotes_of(copying)
    function = copied(copying, make)
    (zygote,) = set(zygotes_of(copying)) - set(before)
    first = set(burst(function, 20))
    assert len(first) == 1
    function.configure(Description="all its environments go")
    burst(function, 20)
    eventually(lambda: zygote not in zygotes_of(copying), what="a zygote that was copied often enough is still there")
    eventually(lambda: len(set(zygotes_of(copying)) - set(before)) == 1, what="another zygote")
    time.sleep(1)
    function.configure(Description="and once more")
    assert set(burst(function, 2)).isdisjoint(first)
    for process in set(zygotes_of(copying)) - set(before):
        os.kill(process, signal.SIGKILL)
    function.configure(Description="in which a zygote has just died")
    assert len(burst(function, 2)) == 2


@zygotes
def test_a_burst_has_zygotes_made_for_it_when_one_has_been_copied_often_enough(copying):
    source = "import time\ndef handler(event, context):\n    time.sleep(event['seconds'])\n    return hash('any text')"
    make = lambda: create(copying.client("lambda"), PYTHON, code(PYTHON, source), MemorySize=256, Timeout=60)  # noqa: E731
    function = copied(copying, make)
    environments = Counter(burst(function, 100, seconds=15))
    # A plain start has a seed of its own.
    plain = sum(count == 1 for count in environments.values())
    copies = [count for count in environments.values() if count > 1]
    assert max(copies) <= 40, environments
    assert len(copies) >= 3 and plain <= 8, environments


@zygotes
def test_memory_and_processors_of_a_copy_are_the_functions_own(copying):
    source = "def handler(event, context):\n    block = bytearray(event['mb'] << 20)\n    for at in range(0, len(block), 4096):\n        block[at] = 1"
    make = lambda: create(copying.client("lambda"), PYTHON, code(PYTHON, source), MemorySize=256, Timeout=60)  # noqa: E731
    function = copied(copying, make)
    assert function.invoke({"mb": 180}).error is None
    outcome = function.invoke({"mb": 300})
    assert outcome.error == "Unhandled" and b"Runtime.OutOfMemory" in outcome.body, outcome.body


@zygotes
@pytest.mark.parametrize("end", [Server.stop, Server.kill], ids=["stopped", "killed"])
def test_zygotes_and_copies_end_with_their_server(tmp_path, end):
    before = residue.snapshot()
    server = Server("--data-dir", tmp_path / "data")
    function = create(server.client("lambda"), PYTHON, code(PYTHON, PYTHON_LOOKS), Timeout=20)
    eventually(lambda: zygotes_of(server), what="a zygote")
    time.sleep(1)
    burst(function, 5)
    inside = residue.descendants(server.process.pid)
    assert sum(name.startswith("python") for name in inside.values()) >= 6, inside
    end(server)
    eventually(lambda: not set(residue.descendants()) & set(inside), what=lambda: residue.descendants())
    with Server("--data-dir", tmp_path / "data"):
        pass
    eventually(lambda: not residue.left(before), 20, lambda: f"left on the machine: {residue.left(before)}")
