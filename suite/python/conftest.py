"""Fixtures: one server for all tests that can share it, functions that go with their test, and a look at the machine
before and after."""

import functions
import ground as grounds
import package
import pytest
import residue
import workers
from hearth import BINARY, REPOSITORY, Server, eventually

BEFORE = pytest.StashKey()


def pytest_addoption(parser):
    parser.addoption("--crash-rounds", type=int, default=6, help="how often tests of crashes kill the server [6]")


@pytest.fixture(scope="session")
def crash_rounds(request):
    """How often a test of crashes kills the server: a few on every run, hundreds when asked."""
    return request.config.getoption("crash_rounds")


def pytest_configure():
    if not BINARY.exists():
        pytest.exit(f"{BINARY} is missing: run `cargo build -p hearth`", returncode=2)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return workers.Scheduler(config, log)


def pytest_collection_modifyitems(config, items):
    if workers.is_one(config):
        workers.sort(items)


def pytest_sessionstart(session):
    """Of tests that run side by side each process looks after what it started, and the one above them after everything."""
    if session.config.getoption("numprocesses", None):  # ours are the processes, not the tests
        residue.adopt_orphans()
        session.config.stash[BEFORE] = residue.snapshot()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    before = session.config.stash.get(BEFORE, None)
    if before is None:
        return
    try:
        eventually(lambda: not residue.left(before), 20, lambda: f"left on the machine: {residue.left(before)}")
    except AssertionError as complaint:
        session.config.get_terminal_writer().line(f"\n{complaint}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session", autouse=True)
def nothing_left(request):
    """After the last test there is nothing of Hearth on the machine that was not there before the first."""
    residue.adopt_orphans()
    if workers.is_one(request.config):
        residue.expect_company()
    before = residue.snapshot()
    yield
    eventually(lambda: not residue.left(before), 20, lambda: f"left on the machine: {residue.left(before)}")


@pytest.fixture(scope="session")
def server(nothing_left, tmp_path_factory):
    """The server that tests share. Its state lies in a directory of its own."""
    with Server("--data-dir", tmp_path_factory.mktemp("data") / "hearth") as server:
        yield server


@pytest.fixture(scope="module")
def bare_server(nothing_left, tmp_path_factory):
    """A server without the SDKs that functions import."""
    home = tmp_path_factory.mktemp("bare")
    with Server("--data-dir", home / "hearth", "--sdk-dir", home / "sdk") as server:
        yield server


@pytest.fixture(scope="session", params=grounds.KINDS)
def ground(nothing_left, request):
    """A server that hostile code is let loose on: once as root, once as an ordinary user."""
    opened = grounds.open_ground(request.param)
    if opened is None:
        pytest.skip("only root can start a server as somebody else, by setpriv")
    yield opened
    grounds.close_ground(opened)


@pytest.fixture(scope="session")
def lambda_client(server):
    return server.client("lambda")


@pytest.fixture(scope="session")
def logs_client(server):
    return server.client("logs")


@pytest.fixture
def deploy(lambda_client):
    """Creates functions from a source text, and deletes them after the test."""
    made = []

    def deploy(runtime, source, **settings):
        is_package = isinstance(source, bytes)
        packed = source if is_package else functions.code(runtime, source)
        made.append(functions.create(settings.pop("client", lambda_client), runtime, packed, **settings))
        return made[-1]

    yield deploy
    for function in made:
        try:
            function.client.delete_function(FunctionName=function.name)
        except function.client.exceptions.ResourceNotFoundException:
            pass  # the test deleted it


@pytest.fixture(scope="session")
def examples():
    """The packages of `examples/`, by their folders' names."""
    return {path.name: package.folder(path) for path in sorted((REPOSITORY / "examples").iterdir()) if path.is_dir()}
