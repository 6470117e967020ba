//! The parts of the tests: what each needs, and how its runner is called.

use super::tally::{Runner, Tally};
use crate::bench;
use crate::execution_role;
use crate::process;
use crate::server::{self, Server};
use crate::tools::{self, Tools};
use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One part of the tests.
pub struct Part {
    /// What `--only` calls it.
    pub name: &'static str,
    /// What it tests, for the heading.
    pub summary: &'static str,
    /// Runs it.
    pub run: fn(&Subject<'_>) -> Result<Tally, Error>,
}

/// All parts, the quickest to fail first.
pub const PARTS: &[Part] = &[
    Part { name: "crates", summary: "every crate's own tests", run: crates },
    Part {
        name: "python-runtime",
        summary: "the Python bootstrap, beside AWS's own client",
        run: python_runtime,
    },
    Part {
        name: "node-runtime",
        summary: "the Node.js bootstrap, beside AWS's own client",
        run: node_runtime,
    },
    Part { name: "python", summary: "the server, through boto3, the AWS CLI and by hand", run: python },
    Part { name: "javascript", summary: "the server, through the AWS SDK for JavaScript", run: javascript },
    Part { name: "rust-sdk", summary: "the server, through the AWS SDK for Rust", run: rust_sdk },
    Part { name: "bench", summary: "the benchmark runs, whatever it measures", run: bench },
];

/// What the parts work on.
pub struct Subject<'a> {
    /// The checkout.
    pub root: &'a Path,
    /// The clients.
    pub tools: Tools,
    /// What goes to the test runner.
    pub arguments: &'a [String],
}

/// A part gave no count of its tests.
#[derive(Debug)]
pub enum Error {
    /// What it needs cannot be had on this machine.
    Unavailable(tools::Error),
    /// The test runner could not be run.
    Program(process::Error),
    /// Its output could not be read.
    Read(std::io::Error),
    /// The server for it did not start.
    Server(server::Error),
    /// A directory for it could not be made, listed or removed.
    Directory(PathBuf, std::io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(source) => write!(f, "{source}"),
            Self::Program(source) => write!(f, "{source}"),
            Self::Read(_) => write!(f, "cannot read what the tests print"),
            Self::Server(source) => write!(f, "{source}"),
            Self::Directory(path, _) => write!(f, "cannot make, list or remove {}", path.display()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(source) | Self::Directory(_, source) => Some(source),
            Self::Unavailable(_) | Self::Program(_) | Self::Server(_) => None,
        }
    }
}

impl Subject<'_> {
    fn hearth(&self) -> PathBuf {
        tools::build_directory(self.root).join("debug/hearth")
    }

    /// A server for one part, with an empty data directory below the build directory and the execution role `suite`.
    fn server(&self, name: &str) -> Result<(Server, DataDirectory), Error> {
        let sdks = self.tools.function_sdks(&self.hearth()).map_err(Error::Unavailable)?;
        let data = DataDirectory::new(tools::build_directory(self.root).join("tmp").join(name))?;
        let options =
            server::Options { hearth: &self.hearth(), data_dir: &data.0, sdk_dir: Some(&sdks), log: None };
        let server = Server::start(&options).map_err(Error::Server)?;
        self.make_role(&server)?;
        Ok((server, data))
    }

    /// The AWS SDK for IAM is larger than all else that these parts build: the AWS CLI makes their role.
    fn make_role(&self, server: &Server) -> Result<(), Error> {
        let aws = self.tools.python().map_err(Error::Unavailable)?.with_file_name("aws");
        for command in execution_role::commands("suite") {
            let mut run = Command::new(&aws);
            run.args(["--endpoint-url", &server.endpoint, "--region", "us-east-1"]).args(command);
            run.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
            run.env_remove("AWS_PROFILE").env_remove("AWS_SESSION_TOKEN");
            run.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
            process::output(&mut run).map_err(Error::Program)?;
        }
        Ok(())
    }
}

/// A directory that is empty at first and removed at the end.
struct DataDirectory(PathBuf);

impl DataDirectory {
    fn new(path: PathBuf) -> Result<Self, Error> {
        if path.exists() {
            std::fs::remove_dir_all(&path).map_err(|source| Error::Directory(path.clone(), source))?;
        }
        std::fs::create_dir_all(&path).map_err(|source| Error::Directory(path.clone(), source))?;
        Ok(Self(path.join("data")))
    }
}

impl Drop for DataDirectory {
    fn drop(&mut self) {
        if let Some(parent) = self.0.parent() {
            // What is left over is removed at the next run.
            let _ = std::fs::remove_dir_all(parent);
        }
    }
}

/// Runs a test runner, shows what it prints as it prints it, and counts.
fn count(runner: Runner, command: &mut Command) -> Result<Tally, Error> {
    let (reader, writer) = std::io::pipe().map_err(Error::Read)?;
    let both = writer.try_clone().map_err(Error::Read)?;
    command.stdin(Stdio::null()).stdout(writer).stderr(both);
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().map_err(|source| Error::Program(process::Error::Start(name, source)))?;
    // The pipe ends when the last writer is gone: ours must go too.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut tally = Tally::default();
    for line in BufReader::new(reader).split(b'\n') {
        let line = line.map_err(Error::Read)?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        tally.read(runner, line.trim_end());
    }
    let status = child.wait().map_err(Error::Read)?;
    if !status.success() && tally.failed == 0 {
        println!("the test runner failed ({status})");
        tally.failed = 1;
    }
    Ok(tally)
}

fn crates(subject: &Subject<'_>) -> Result<Tally, Error> {
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--workspace", "--locked", "--no-fail-fast"]).args(subject.arguments);
    count(Runner::Cargo, cargo.current_dir(subject.root))
}

fn python_runtime(subject: &Subject<'_>) -> Result<Tally, Error> {
    let python = subject.tools.python().map_err(Error::Unavailable)?;
    let mut pytest = Command::new(python);
    pytest.args(["-m", "pytest", "-p", "no:cacheprovider", "-ra", "runtimes/python/tests"]);
    count(Runner::Pytest, pytest.args(subject.arguments).current_dir(subject.root))
}

fn node_runtime(subject: &Subject<'_>) -> Result<Tally, Error> {
    tools::program("node", &["nodejs"]).map_err(Error::Unavailable)?;
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=spec"]).args(subject.arguments);
    node.args(test_files(&subject.root.join("runtimes/node/tests"))?);
    count(Runner::Node, node.current_dir(subject.root))
}

fn python(subject: &Subject<'_>) -> Result<Tally, Error> {
    let python = subject.tools.python().map_err(Error::Unavailable)?;
    let sdks = subject.tools.function_sdks(&subject.hearth()).map_err(Error::Unavailable)?;
    for (language, packages) in [("ruby", ["ruby"].as_slice()), ("mvn", &["maven", "default-jdk-headless"])] {
        if let Err(error) = tools::program(language, packages) {
            println!("{error}; the tests of its functions are skipped");
        }
    }
    let mut pytest = Command::new(&python);
    // Two at once: half the time one of them waits for something. What is asked for comes later and counts.
    pytest.args(["-m", "pytest", "--numprocesses", "2", "--verbose", "suite/python"]).args(subject.arguments);
    match tools::mono().and_then(|()| subject.tools.dotnet()) {
        Ok(dotnet) => {
            // It stands where Hearth and the tests look for one.
            pytest.env("DOTNET_ROOT", dotnet.root);
        }
        Err(error) => println!("{error}; the tests of .NET functions are skipped"),
    }
    // A setting that is there names others.
    if std::env::var_os("HEARTH_TEST_NODES").is_none() {
        match subject.tools.newer_nodes().map(std::env::join_paths) {
            Ok(Ok(nodes)) => {
                pytest.env("HEARTH_TEST_NODES", nodes);
            }
            Ok(Err(error)) => println!("{error}; the tests of newer versions of Node.js are skipped"),
            Err(error) => println!("{error}; the tests of newer versions of Node.js are skipped"),
        }
    }
    pytest.env("HEARTH_BINARY", subject.hearth()).env("HEARTH_SDK_DIR", sdks);
    pytest.env("HEARTH_AWS_CLI_1", python.with_file_name("aws"));
    match subject.tools.aws() {
        Ok(aws) => pytest.env("HEARTH_AWS_CLI_2", aws),
        // The tests that need it are skipped with this reason.
        Err(error) => pytest.env("HEARTH_NO_AWS_CLI_2", error.to_string()),
    };
    // Without it pytest holds back its output, now that it goes through a pipe.
    count(Runner::Pytest, pytest.env("PYTHONUNBUFFERED", "1").current_dir(subject.root))
}

fn javascript(subject: &Subject<'_>) -> Result<Tally, Error> {
    let modules = subject.tools.node().map_err(Error::Unavailable)?;
    let (server, _data) = subject.server("javascript")?;
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=spec"]).args(subject.arguments);
    node.args(test_files(&subject.root.join("suite/javascript"))?);
    node.env("HEARTH_ENDPOINT", &server.endpoint).env("HEARTH_NODE_MODULES", modules);
    count(Runner::Node, node.current_dir(subject.root))
}

/// The test files of a folder. Older versions of Node.js take no folder for an argument.
fn test_files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |source| Error::Directory(folder.to_owned(), source);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.to_string_lossy().ends_with(".test.mjs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn rust_sdk(subject: &Subject<'_>) -> Result<Tally, Error> {
    let (server, _data) = subject.server("rust-sdk")?;
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--locked", "--manifest-path", "suite/rust-sdk/Cargo.toml", "--target-dir"]);
    cargo.arg(tools::build_directory(subject.root).join("rust-sdk")).args(subject.arguments);
    count(Runner::Cargo, cargo.env("HEARTH_ENDPOINT", &server.endpoint).current_dir(subject.root))
}

fn bench(subject: &Subject<'_>) -> Result<Tally, Error> {
    let outcome = bench::smoke(subject.root);
    if let Err(error) = &outcome {
        crate::tell(error.as_ref());
    }
    Ok(Tally { passed: outcome.is_ok().into(), failed: outcome.is_err().into(), ..Tally::default() })
}
