//! `hearth`: the command line.
//!
//! It reads what is wanted and hands over; what a command does is in the module named after it.

mod configuration;
mod credentials;
mod doctor;
mod home;
mod install;
mod local;
mod replaceable;
mod secret;
mod serve;
mod urls;
mod wiring;

use clap::{Parser, Subcommand};
use configuration::{Configuration, Settings};
use std::path::PathBuf;
use std::process::ExitCode;

/// AWS Lambda on your own machine: one endpoint for the AWS SDKs, the AWS CLI, SAM, CDK and Terraform.
#[derive(Parser)]
#[command(name = "hearth", version, arg_required_else_help = true)]
struct Arguments {
    /// Settings file [default: ~/.config/hearth/hearth.toml or /etc/hearth/hearth.toml, when there is one]
    #[arg(long, global = true, env = "HEARTH_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// What to log to standard error, for example info or hearth_invoke=debug
    #[arg(long, global = true, env = "HEARTH_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server until SIGTERM or Ctrl-C
    ///
    /// Settings come from flags, then HEARTH_* variables, then the settings file, then defaults.
    Serve(Box<Settings>),
    /// Show what this machine can enforce and run, and what to do about what is missing
    Doctor {
        #[command(flatten)]
        settings: Box<Settings>,
    },
    /// Show which root key there is, make one, or rotate it; the server must be stopped for the latter two
    ///
    /// With a root key the server may listen beyond this machine, and the development key test/test opens nothing.
    Credentials {
        /// Without it, show which key there is
        act: Option<credentials::Act>,
        #[command(flatten)]
        settings: Box<Settings>,
    },
    /// Show the language runtimes found on this machine, or install the AWS SDKs that AWS bundles with them
    Runtimes {
        #[command(subcommand)]
        command: Option<RuntimesCommand>,
        #[command(flatten)]
        settings: Box<Settings>,
    },
}

#[derive(Subcommand)]
enum RuntimesCommand {
    /// Fetch the AWS SDKs of these languages into the data directory, where every function of them sees it
    Install {
        /// python (boto3) and nodejs (the AWS SDK for JavaScript v3)
        #[arg(required = true, value_parser = ["python", "nodejs", "ruby"])]
        languages: Vec<String>,
        /// A package beside the usual ones, for example @aws-sdk/client-bedrock-runtime; may be given several times
        #[arg(long = "package", value_name = "PACKAGE")]
        packages: Vec<String>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("hearth: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  because: {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let file = Settings::from_file(arguments.config.as_deref())?;
    let decide = |settings: Settings| -> Result<Configuration, Box<dyn std::error::Error>> {
        Ok(settings.or(file.clone()).decide()?)
    };
    match arguments.command {
        Command::Serve(settings) => {
            start_log(&arguments.log)?;
            serve::serve(decide(*settings)?)
        }
        Command::Doctor { settings } => {
            let configuration = decide(*settings)?;
            let runtimes = wiring::runtimes(&configuration)?;
            let (text, sound) = doctor::report(&hearth_sandbox::probe(), &runtimes);
            print!("{text}");
            Ok(if configuration.strict && !sound { ExitCode::FAILURE } else { ExitCode::SUCCESS })
        }
        Command::Credentials { act, settings } => {
            print!("{}", credentials::run(&decide(*settings)?, act)?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Runtimes { command: None, settings } => {
            print!("{}", doctor::runtime_table(&wiring::runtimes(&decide(*settings)?)?));
            Ok(ExitCode::SUCCESS)
        }
        Command::Runtimes { command: Some(RuntimesCommand::Install { languages, packages }), settings } => {
            install::install(&decide(*settings)?, &languages, &packages)
        }
    }
}

fn start_log(filter: &str) -> Result<(), Box<dyn std::error::Error>> {
    let filter =
        tracing_subscriber::EnvFilter::try_new(filter).map_err(|error| format!("--log {filter}: {error}"))?;
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi).init();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
        let parsed = Arguments::try_parse_from(["hearth", "doctor", "--strict"]);
        assert!(
            matches!(parsed.map(|parsed| parsed.command), Ok(Command::Doctor { settings }) if settings.strict == Some(true))
        );
    }
}
