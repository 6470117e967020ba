//! The project's own commands: `cargo xtask <command>`. This file reads the command line and nothing more; each
//! command is a file, or a folder, of its name.

mod bench;
mod ci;
mod codegen;
mod committed;
mod demo;
mod dotnet;
mod floors;
mod java;
mod process;
mod repository;
mod server;
mod test;
mod tidy;
mod tools;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How a command ends. Its error is told with all its causes.
type Outcome = Result<(), Box<dyn Error>>;

/// One command of `cargo xtask`.
struct Command {
    name: &'static str,
    /// One line for the list of commands.
    summary: &'static str,
    /// What `--help` prints under the summary.
    help: &'static str,
    run: fn(&Path, &[String]) -> Outcome,
}

const COMMANDS: &[Command] = &[
    demo::COMMAND,
    test::COMMAND,
    bench::COMMAND,
    codegen::COMMAND,
    java::COMMAND,
    dotnet::COMMAND,
    floors::COMMAND,
    tidy::COMMAND,
    ci::COMMAND,
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        print_commands();
        return ExitCode::FAILURE;
    };
    if matches!(name.as_str(), "--help" | "-h" | "help") {
        print_commands();
        return ExitCode::SUCCESS;
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprintln!("error: there is no command {name:?}");
        print_commands();
        return ExitCode::FAILURE;
    };
    if rest.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("cargo xtask {}: {}\n\n{}", command.name, command.summary, command.help);
        return ExitCode::SUCCESS;
    }
    match (command.run)(&root(), rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

/// Prints an error with all its causes.
fn tell(error: &dyn Error) {
    eprintln!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprintln!("  because: {cause}");
        source = cause.source();
    }
}

fn print_commands() {
    println!("usage: cargo xtask <command> [--help]\n");
    for command in COMMANDS {
        println!("  {:<10}{}", command.name, command.summary);
    }
}

/// The root of the checkout: the folder above this crate's. `cargo run` says where that is now; the path of the build
/// serves when the program is started by hand.
fn root() -> PathBuf {
    let now = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let manifest = now.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    manifest.parent().expect("xtask lies in a folder of the checkout").to_path_buf()
}
