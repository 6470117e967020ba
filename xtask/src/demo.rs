//! `cargo xtask demo`: the functions of `examples/`, deployed and invoked with the real AWS CLI on a server of its own.

use crate::execution_role;
use crate::server::{self, Server};
use crate::tools::{self, Tools};
use crate::{Command, Outcome, process};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command as Program;
use std::time::Instant;

/// `cargo xtask demo`.
pub const COMMAND: Command = Command {
    name: "demo",
    summary: "deploy the examples on a fresh server with the AWS CLI, and show what they answer",
    help: "usage: cargo xtask demo [--keep]\n\n\
           --keep leaves the server running, with the functions on it, and prints what your shell needs to use it.",
    run,
};

const REGION: &str = "us-east-1";
/// The functions' execution role.
const ROLE: &str = "arn:aws:iam::000000000000:role/demo";

const LISTS_FUNCTIONS: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "lambda:ListFunctions", "Resource": "*"}]}"#;

/// A function to show.
struct Example {
    /// Its folder in `examples/`, and its name.
    name: &'static str,
    runtime: &'static str,
    handler: &'static str,
    payload: &'static str,
}

const EXAMPLES: &[Example] = &[
    example("hello-python", "python3.12", "app.handler"),
    example("hello-node", "nodejs22.x", "index.handler"),
    example("hello-custom", "provided.al2023", "any"),
    example("sdk-python", "python3.12", "app.handler"),
    example("sdk-node", "nodejs22.x", "index.handler"),
];

const fn example(name: &'static str, runtime: &'static str, handler: &'static str) -> Example {
    Example { name, runtime, handler, payload: r#"{"name": "Ada"}"# }
}

/// The demo could not be shown.
#[derive(Debug)]
enum Error {
    /// An argument that means nothing here.
    Argument(String),
    /// A file could not be made or read.
    File(PathBuf, std::io::Error),
    /// A function failed: its name and what it answered.
    Function(&'static str, String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(argument) => write!(f, "demo does not know {argument:?}: see --help"),
            Self::File(path, _) => write!(f, "cannot make or read {}", path.display()),
            Self::Function(name, answer) => write!(f, "{name} failed: {answer}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(_, source) => Some(source),
            Self::Argument(_) | Self::Function(..) => None,
        }
    }
}

/// A temporary directory, removed at the end unless it is kept.
struct Scratch {
    path: PathBuf,
    keep: bool,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.keep {
            // It is the system's temporary directory: what cannot be removed goes with the next start of the machine.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

fn run(root: &Path, arguments: &[String]) -> Outcome {
    let keep = match arguments {
        [] => false,
        [flag] if flag == "--keep" => true,
        [other, ..] => return Err(Box::new(Error::Argument(other.clone()))),
    };
    println!("building hearth");
    let mut cargo = Program::new("cargo");
    process::status(cargo.args(["build", "--release", "--locked", "--package", "hearth"]).current_dir(root))?;
    let hearth = tools::build_directory(root).join("release/hearth");
    let tools = Tools::new(root);
    let python = tools.python()?;
    let sdks = tools.function_sdks(&hearth)?;
    let mut scratch = Scratch {
        path: std::env::temp_dir().join(format!("hearth-demo-{}", std::process::id())),
        keep: false,
    };
    std::fs::create_dir_all(&scratch.path).map_err(|source| Error::File(scratch.path.clone(), source))?;

    let started = Instant::now();
    let server = Server::start(&server::Options {
        hearth: &hearth,
        data_dir: &scratch.path.join("data"),
        sdk_dir: Some(&sdks),
        log: Some(&scratch.path.join("hearth.log")),
    })?;
    println!("hearth is ready on {} after {} ms", server.endpoint, started.elapsed().as_millis());
    let aws = Aws::find(&tools, &python, &server.endpoint, &scratch.path);
    let stage = Stage { aws, python, root, scratch: &scratch.path };
    println!("the client is {}", stage.aws.version()?);
    stage.make_role()?;
    EXAMPLES.iter().try_for_each(|example| stage.show(example))?;
    if keep {
        let endpoint = server.endpoint.clone();
        scratch.keep = true;
        let process = server.leave();
        println!("\nThe server runs on, with its data in {}. To use it:\n", scratch.path.display());
        println!("export AWS_ENDPOINT_URL={endpoint} AWS_DEFAULT_REGION={REGION}");
        println!("export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test");
        println!(
            "\nAn AWS CLI before 2.13 does not read AWS_ENDPOINT_URL: give it --endpoint-url {endpoint}"
        );
        println!("To stop the server: kill {process}");
    } else {
        stage.clear()?;
        drop(server);
        println!("\nAll functions were deleted, and the server stopped.");
    }
    Ok(())
}

/// The AWS CLI, pointed at the server.
struct Aws {
    program: PathBuf,
    endpoint: String,
    /// Where it runs.
    directory: PathBuf,
    /// Whether it has `logs tail`.
    two: bool,
}

impl Aws {
    /// Version 2 where it can be had, else version 1.
    fn find(tools: &Tools, python: &Path, endpoint: &str, directory: &Path) -> Self {
        let (endpoint, directory) = (endpoint.to_owned(), directory.to_owned());
        match tools.aws() {
            Ok(program) => Self { program, endpoint, directory, two: true },
            Err(error) => {
                println!("showing it with the AWS CLI 1: {error}");
                Self { program: python.with_file_name("aws"), endpoint, directory, two: false }
            }
        }
    }

    fn command(&self) -> Program {
        let mut aws = Program::new(&self.program);
        aws.current_dir(&self.directory);
        // The user's own profile and region must not lead the demo to AWS.
        aws.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
        aws.env_remove("AWS_PROFILE").env_remove("AWS_SESSION_TOKEN").env("AWS_PAGER", "");
        aws.env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_DEFAULT_REGION", REGION);
        aws
    }

    fn version(&self) -> Result<String, process::Error> {
        Ok(text(process::output(self.command().arg("--version"))?))
    }

    /// Runs it with these arguments, after the endpoint, and gives what it printed.
    fn run(&self, arguments: &[&str]) -> Result<String, process::Error> {
        let mut command = self.command();
        command.args(["--endpoint-url", &self.endpoint]).args(arguments);
        Ok(text(process::output(&mut command)?))
    }
}

fn text(output: Vec<u8>) -> String {
    String::from_utf8_lossy(&output).trim_end().to_owned()
}

/// What each example is shown with.
struct Stage<'a> {
    aws: Aws,
    python: PathBuf,
    root: &'a Path,
    scratch: &'a Path,
}

impl Stage<'_> {
    /// Makes the execution role, which may write logs and, for the examples with an SDK, list functions.
    fn make_role(&self) -> Result<(), process::Error> {
        println!("\n── the functions' execution role");
        for command in execution_role::commands("demo") {
            println!("$ aws {}", shown(&command));
            self.aws.run(&command)?;
        }
        let mut lists = vec!["iam", "put-role-policy", "--role-name", "demo", "--policy-name", "lists"];
        lists.extend(["--policy-document", LISTS_FUNCTIONS]);
        println!("$ aws {}", shown(&lists));
        self.aws.run(&lists).map(drop)
    }

    fn show(&self, example: &Example) -> Result<(), Box<dyn std::error::Error>> {
        let Example { name, runtime, handler, .. } = example;
        println!("\n── {name}, {runtime}");
        let package = format!("fileb://{}", self.package(name)?);
        let create = [
            "lambda",
            "create-function",
            "--function-name",
            name,
            "--runtime",
            runtime,
            "--handler",
            handler,
            "--role",
            ROLE,
            "--timeout",
            "30",
            "--memory-size",
            "512",
            "--zip-file",
            &package,
        ];
        println!("$ aws {}", create.join(" "));
        self.aws.run(&create)?;
        self.aws.run(&["lambda", "wait", "function-active-v2", "--function-name", name])?;
        for which in ["cold", "warm"] {
            let tail = self.invoke(example)?;
            println!("  {which:<7}{}", timing(&tail));
            if which == "cold" {
                tail.lines().for_each(|line| println!("  log    {}", line.replace('\t', "  ")));
            }
        }
        let lines = self.logs(name)?;
        println!("  /aws/lambda/{name} has {} lines", lines.lines().count());
        Ok(())
    }

    /// Invokes once, shows the answer, and gives the log tail.
    fn invoke(&self, example: &Example) -> Result<String, Box<dyn std::error::Error>> {
        let answer = self.scratch.join("answer.json");
        // Version 2 takes payloads as base64 unless told otherwise; version 1 knows nothing else than text.
        let raw: &[&str] = if self.aws.two { &["--cli-binary-format", "raw-in-base64-out"] } else { &[] };
        let path = answer.to_string_lossy();
        let mut arguments =
            vec!["lambda", "invoke", "--function-name", example.name, "--payload", example.payload];
        arguments.extend(["--log-type", "Tail", "--query", "[FunctionError, LogResult]", "--output", "text"]);
        arguments.extend(raw);
        arguments.push(&path);
        let printed = self.aws.run(&arguments)?;
        let body = std::fs::read_to_string(&answer).map_err(|source| Error::File(answer.clone(), source))?;
        let (error, tail) = printed.split_once('\t').unwrap_or(("None", ""));
        if error != "None" {
            return Err(Box::new(Error::Function(example.name, body)));
        }
        println!("  answer {body}");
        self.decode(tail)
    }

    fn decode(&self, base64: &str) -> Result<String, Box<dyn std::error::Error>> {
        let program = "import base64, sys; sys.stdout.buffer.write(base64.b64decode(sys.argv[1]))";
        Ok(text(process::output(Program::new(&self.python).args(["-c", program, base64]))?))
    }

    fn logs(&self, name: &str) -> Result<String, process::Error> {
        let group = format!("/aws/lambda/{name}");
        if self.aws.two {
            return self.aws.run(&["logs", "tail", &group, "--since", "10m"]);
        }
        let query = ["--query", "events[].[message]", "--output", "text"];
        self.aws.run(&[&["logs", "filter-log-events", "--log-group-name", &group][..], &query].concat())
    }

    /// Makes a zip of an example's folder, with the files' modes, where the AWS CLI runs: its name.
    fn package(&self, name: &str) -> Result<String, Box<dyn std::error::Error>> {
        let folder = self.root.join("examples").join(name);
        let unreadable = |source| Error::File(folder.clone(), source);
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            if entry.path().is_file() && entry.file_name() != "README.md" {
                files.push(entry.file_name());
            }
        }
        let package = format!("{name}.zip");
        let mut zip = Program::new(&self.python);
        process::output(
            zip.args(["-m", "zipfile", "-c"])
                .arg(self.scratch.join(&package))
                .args(files)
                .current_dir(&folder),
        )?;
        Ok(package)
    }

    fn clear(&self) -> Result<(), process::Error> {
        EXAMPLES.iter().try_for_each(|example| {
            self.aws.run(&["lambda", "delete-function", "--function-name", example.name]).map(drop)
        })
    }
}

/// Arguments as a shell takes them: those of several words in quotes.
fn shown(arguments: &[&str]) -> String {
    let quoted = |argument: &&str| {
        if argument.contains(' ') { format!("'{argument}'") } else { (*argument).to_owned() }
    };
    arguments.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// The times of a log tail's REPORT line: those of the function, without the AWS CLI's own start.
fn timing(tail: &str) -> String {
    let report = tail.lines().find(|line| line.starts_with("REPORT")).unwrap_or_default();
    let find =
        |name: &str| report.split('\t').find_map(|field| field.trim().strip_prefix(name)).map(str::to_owned);
    let duration = find("Duration: ").unwrap_or_else(|| "an unknown time".to_owned());
    let memory = find("Max Memory Used: ").unwrap_or_else(|| "unknown memory".to_owned());
    match find("Init Duration: ") {
        Some(init) => format!("{duration}, after {init} of initialisation; {memory}"),
        None => format!("{duration}; {memory}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_typed() {
        assert_eq!(shown(&["iam", "--policy", r#"{"a": "b"}"#]), r#"iam --policy '{"a": "b"}'"#);
    }

    #[test]
    fn the_times_are_those_of_the_report_line() {
        let report = "START RequestId: a Version: $LATEST\nREPORT RequestId: a\tDuration: 1.50 ms\tBilled Duration: 2 ms\t\
                      Memory Size: 128 MB\tMax Memory Used: 30 MB\t";
        assert_eq!(timing(report), "1.50 ms; 30 MB");
        let cold = format!("{report}Init Duration: 70.00 ms\t");
        assert_eq!(timing(&cold), "1.50 ms, after 70.00 ms of initialisation; 30 MB");
    }
}
