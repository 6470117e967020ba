//! The measurements, one file each. Every one interleaves the subject and its floor in short rounds, so that a drift of
//! the machine weighs on both alike.

pub mod burst;
pub mod cold;
pub mod deploy;
pub mod events;
pub mod fan_out;
mod progress;
pub mod queue;
pub mod start;
pub mod throughput;
pub mod warm;
pub mod zygote;

use crate::failure::Failure;
use crate::language::Language;
use crate::program::Program;
use std::path::PathBuf;
use std::process::Command;

/// The name of what is measured.
pub const HEARTH: &str = "hearth";
/// The name of the bare server in the table.
pub const BARE: &str = "bare HTTP server";

/// What all measurements work with.
pub struct Bench {
    /// The server's program.
    pub hearth: PathBuf,
    /// This program, which is the bare server too.
    pub own: PathBuf,
    /// Where servers keep their data and logs. It goes at the end.
    pub folder: PathBuf,
    /// Where the AWS SDKs for functions are, if they are.
    pub sdk: Option<PathBuf>,
    /// What this machine can run.
    pub languages: Vec<Language>,
    /// How much is measured.
    pub amount: Amount,
}

/// How often each thing is done.
#[derive(Debug, Clone, Copy)]
pub struct Amount {
    /// Rounds of every measurement.
    pub rounds: usize,
    /// Warm invocations of one language in a round.
    pub warm: usize,
    /// Invocations at one concurrency in a round of the throughput.
    pub throughput: usize,
    /// Cold starts of one function in all.
    pub cold: usize,
    /// Starts of the server in all.
    pub starts: usize,
    /// Environments started at once.
    pub burst: usize,
    /// First invocations of one function at once, of which a few find a cell and most a zygote.
    pub small_burst: usize,
    /// The same of languages whose environments are small.
    pub large_burst: usize,
    /// Functions deployed on a server that is then started again.
    pub functions: usize,
    /// Deployments in all.
    pub deployments: usize,
    /// Bytes of the package deployed.
    pub package_bytes: usize,
    /// Messages of one measurement of a queue.
    pub messages: usize,
    /// Messages that wait while it is measured again.
    pub waiting: usize,
    /// Events sent to one function.
    pub events: usize,
    /// Messages through a topic, events through a bus.
    pub published: usize,
}

impl Amount {
    /// Enough for a p99.
    pub const WHOLE: Self = Self {
        rounds: 20,
        warm: 200,
        throughput: 1000,
        cold: 100,
        starts: 20,
        burst: 100,
        small_burst: 20,
        large_burst: 500,
        functions: 10_000,
        deployments: 5,
        package_bytes: 49 << 20,
        messages: 64_000,
        waiting: 1_000_000,
        events: 64_000,
        published: 19_200,
    };
    /// Enough to see that the benchmark works, and no more.
    pub const QUICK: Self = Self {
        rounds: 1,
        warm: 20,
        throughput: 32,
        cold: 2,
        starts: 1,
        burst: 4,
        small_burst: 4,
        large_burst: 6,
        functions: 8,
        deployments: 1,
        package_bytes: 1 << 20,
        messages: 640,
        waiting: 6_400,
        events: 640,
        published: 640,
    };
}

impl Bench {
    /// Starts a server with the defaults that users run, on a data directory of this name.
    pub fn start_hearth(&self, data: &str) -> Result<Program, Failure> {
        self.start_hearth_with(data, &[])
    }

    /// The same with these arguments.
    pub fn start_hearth_with(&self, data: &str, arguments: &[&str]) -> Result<Program, Failure> {
        let mut command = Command::new(&self.hearth);
        // The settings of whoever runs this are not the defaults.
        let settings = self.folder.join("hearth.toml");
        std::fs::write(&settings, "").map_err(Failure::machine(format!("write {}", settings.display())))?;
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"HEARTH_") {
                command.env_remove(name);
            }
        }
        command.arg("serve").arg("--config").arg(settings);
        command.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(self.folder.join(data));
        // By default an account has ten requests a second for each of its 1,000: that would be all that is measured.
        command.args(["--account-concurrency", "1000000"]);
        command.args(arguments);
        for language in self.languages.iter().filter(|language| !language.runtime.starts_with("provided")) {
            command.arg("--runtime").arg(format!("{}={}", language.runtime, language.program.display()));
        }
        if let Some(sdk) = &self.sdk {
            command.arg("--sdk-dir").arg(sdk);
        }
        Program::start(HEARTH, command, &self.log(HEARTH))
    }

    /// Starts the bare server under a language.
    pub fn start_bare(&self, language: &Language) -> Result<Program, Failure> {
        let mut command = Command::new(&self.own);
        command.arg("bare").arg("--store").arg(self.folder.join("stored")).arg("--").arg(&language.program);
        command.args(&language.echo);
        Program::start(BARE, command, &self.log(language.name))
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }
}
