//! `cargo xtask test`: every test there is, in every language, and one summary.
//!
//! It installs what the tests need by itself. What cannot be tested on this machine is skipped by name, with the reason.

mod part;
mod tally;

use crate::tools::Tools;
use crate::{Command, Outcome, process};
use part::{PARTS, Part, Subject};
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};
use tally::Tally;

/// `cargo xtask test`.
pub const COMMAND: Command = Command {
    name: "test",
    summary: "run every test, installing the AWS clients they use into the build directory",
    help: "usage: cargo xtask test [--only PART [-- ARGUMENTS]]\n\n\
           PART is crates, python-runtime, node-runtime, python, javascript or rust-sdk; ARGUMENTS go to its test runner,\n\
           for example: cargo xtask test --only python -- -k timeout",
    run,
};

/// The tests did not all pass, or could not be run.
#[derive(Debug)]
enum Error {
    /// No part has this name.
    NoPart(String),
    /// An argument that means nothing here.
    Argument(String),
    /// How many tests failed.
    Failed(u64),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPart(name) => {
                let names: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
                write!(f, "there is no part {name:?} of the tests: {}", names.join(", "))
            }
            Self::Argument(argument) => write!(f, "test does not know {argument:?}: see --help"),
            Self::Failed(1) => write!(f, "1 test failed"),
            Self::Failed(count) => write!(f, "{count} tests failed"),
        }
    }
}

impl std::error::Error for Error {}

/// What a part came to, and how long it took.
struct Result {
    name: &'static str,
    tally: Tally,
    time: Duration,
}

fn run(root: &Path, arguments: &[String]) -> Outcome {
    let (parts, arguments) = choose(arguments)?;
    println!("── building hearth");
    process::status(
        std::process::Command::new("cargo")
            .args(["build", "--locked", "--package", "hearth"])
            .current_dir(root),
    )?;
    let subject = Subject { root, tools: Tools::new(root), arguments };
    let count = parts.len();
    let results: Vec<Result> = parts
        .into_iter()
        .enumerate()
        .map(|(index, part)| {
            println!("── {}: {} ({} of {count})", part.name, part.summary, index + 1);
            run_part(part, &subject)
        })
        .collect();
    match summary(&results) {
        0 => Ok(()),
        failed => Err(Box::new(Error::Failed(failed))),
    }
}

/// The parts that the arguments name, and what goes to their test runner.
fn choose(arguments: &[String]) -> std::result::Result<(Vec<&'static Part>, &[String]), Error> {
    match arguments {
        [] => Ok((PARTS.iter().collect(), &[])),
        [flag, name, rest @ ..] if flag == "--only" => {
            let part =
                PARTS.iter().find(|part| part.name == name).ok_or_else(|| Error::NoPart(name.clone()))?;
            match rest {
                [] => Ok((vec![part], &[])),
                [dashes, rest @ ..] if dashes == "--" => Ok((vec![part], rest)),
                [other, ..] => Err(Error::Argument(other.clone())),
            }
        }
        [other, ..] => Err(Error::Argument(other.clone())),
    }
}

fn run_part(part: &Part, subject: &Subject<'_>) -> Result {
    let started = Instant::now();
    let tally = match (part.run)(subject) {
        Ok(tally) => tally,
        Err(part::Error::Unavailable(error)) => {
            println!("not run: {error}");
            Tally { skipped: 1, reasons: vec![format!("all of {}: {error}", part.name)], ..Tally::default() }
        }
        Err(error) => {
            crate::tell(&error);
            Tally { failed: 1, ..Tally::default() }
        }
    };
    Result { name: part.name, tally, time: started.elapsed() }
}

/// Prints what all came to, and gives the number of failed tests.
fn summary(results: &[Result]) -> u64 {
    let mut total = Tally::default();
    println!("\nsummary");
    for Result { name, tally, time } in results {
        let verdict = if tally.failed == 0 { "passed" } else { "FAILED" };
        let Tally { passed, failed, skipped, .. } = tally;
        println!(
            "  {name:<15}{verdict}  {passed} passed, {failed} failed, {skipped} skipped in {:.0} s",
            time.as_secs_f64()
        );
        total.add(tally);
    }
    let reasons: Vec<&String> = results.iter().flat_map(|result| &result.tally.reasons).collect();
    if !reasons.is_empty() {
        println!("\nnot run on this machine, because");
        reasons.iter().for_each(|reason| println!("  {reason}"));
    }
    println!("\n{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    total.failed
}
