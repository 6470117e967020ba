//! `cargo xtask ci`: all that continuous integration runs, the same on every machine.
//!
//! It goes through every step even when one fails, so that one run tells everything that is wrong.

use crate::repository::no_arguments;
use crate::{COMMANDS, Command, Outcome, process, tell};
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

/// `cargo xtask ci`.
pub const COMMAND: Command = Command {
    name: "ci",
    summary: "run everything that CI runs",
    help: "usage: cargo xtask ci\n\nFormat, lints, floors, tidiness, generated code, tests. Every step runs; a summary ends it.",
    run,
};

/// A step: a name, and either a cargo command or one of `cargo xtask`'s own.
enum Step {
    Cargo(&'static str, &'static [&'static str]),
    Xtask(&'static str, &'static [&'static str]),
}

const STEPS: &[Step] = &[
    Step::Cargo("fmt", &["fmt", "--all", "--check"]),
    Step::Xtask("floors", &[]),
    Step::Xtask("tidy", &[]),
    Step::Xtask("codegen", &["--check"]),
    Step::Xtask("java", &["--check"]),
    Step::Xtask("dotnet", &["--check"]),
    Step::Cargo(
        "clippy",
        &["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"],
    ),
    Step::Xtask("test", &[]),
];

/// Steps that failed.
#[derive(Debug)]
enum Error {
    /// A step names a command that `cargo xtask` does not have.
    Absent(&'static str),
    /// The names of the steps that failed.
    Steps(Vec<&'static str>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(name) => write!(f, "there is no command {name:?}"),
            Self::Steps(names) => write!(f, "failed: {}", names.join(", ")),
        }
    }
}

impl std::error::Error for Error {}

fn run(root: &Path, arguments: &[String]) -> Outcome {
    no_arguments("ci", arguments)?;
    let mut results: Vec<(&'static str, Duration, bool)> = Vec::new();
    for (number, step) in STEPS.iter().enumerate() {
        println!("── {} ({} of {})", step.name(), number + 1, STEPS.len());
        let started = Instant::now();
        let outcome = step.run(root);
        if let Err(error) = &outcome {
            tell(error.as_ref());
        }
        let result = (step.name(), started.elapsed(), outcome.is_ok());
        println!("── {}", line(result));
        results.push(result);
    }
    println!("\nsummary");
    for result in &results {
        println!("  {}", line(*result));
    }
    let failed: Vec<&str> = results.iter().filter(|(_, _, passed)| !passed).map(|(name, ..)| *name).collect();
    if failed.is_empty() { Ok(()) } else { Err(Box::new(Error::Steps(failed))) }
}

fn line((name, time, passed): (&str, Duration, bool)) -> String {
    let verdict = if passed { "passed" } else { "FAILED" };
    format!("{name:<10}{verdict} in {:.1} s", time.as_secs_f64())
}

impl Step {
    fn name(&self) -> &'static str {
        match self {
            Self::Cargo(name, _) | Self::Xtask(name, _) => name,
        }
    }

    fn run(&self, root: &Path) -> Outcome {
        match self {
            Self::Cargo(_, arguments) => {
                Ok(process::status(std::process::Command::new("cargo").args(*arguments).current_dir(root))?)
            }
            Self::Xtask(name, arguments) => {
                let command = COMMANDS.iter().find(|command| command.name == *name);
                let command = command.ok_or(Error::Absent(name))?;
                let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
                (command.run)(root, &arguments)
            }
        }
    }
}
