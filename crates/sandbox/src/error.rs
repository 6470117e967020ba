//! What can go wrong, each with the act and the object that failed, and what to do where something can be done.

use std::fmt;
use std::io;

/// A cage could not be made or steered.
#[derive(Debug)]
pub enum Error {
    /// The spawner process could not be started: the failed step.
    Start(Fault),
    /// The spec asks for what cannot be: the field, and why.
    Spec {
        /// The field of [`Spec`](crate::Spec).
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A step of building the cage or of starting the program failed.
    Cage(Fault),
    /// The program could not be executed.
    Execute {
        /// The program, as named in the spec.
        program: String,
        /// What the kernel said: `ENOENT` no such file (or the interpreter of its `#!` line or its dynamic loader
        /// is missing inside the cage), `EACCES` not executable, `ENOEXEC` of another architecture.
        source: io::Error,
    },
    /// The spawner process has ended: it was killed, or the server is shutting down.
    SpawnerGone,
    /// As many cages as a spawner can have exist already.
    TooMany {
        /// How many that is.
        cages_max: usize,
    },
    /// A living cage refused a command, such as a freeze.
    Steer {
        /// What was being done.
        act: &'static str,
        /// The file it was done to.
        object: String,
        /// What the kernel said.
        source: io::Error,
    },
}

/// A failed step inside the spawner or the new cage.
#[derive(Debug)]
pub struct Fault {
    /// What was being done, such as `mount` or `join the cgroup`.
    pub act: String,
    /// The path or name it was done to.
    pub object: String,
    /// What the kernel said.
    pub source: io::Error,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(fault) => write!(f, "could not start the spawner: {fault}"),
            Self::Spec { field, reason } => write!(f, "the cage's {field} cannot be: {reason}"),
            Self::Cage(fault) => write!(f, "could not build the cage: {fault}"),
            Self::Execute { program, source } => {
                write!(f, "could not execute {program}: {source}: {}", advice(source))
            }
            Self::SpawnerGone => f.write_str("the spawner process has ended; restart the server"),
            Self::TooMany { cages_max } => write!(f, "{cages_max} cages exist already, as many as can be"),
            Self::Steer { act, object, source } => write!(f, "could not {act} {object}: {source}"),
        }
    }
}

fn advice(source: &io::Error) -> &'static str {
    match source.raw_os_error() {
        Some(libc::ENOENT) => {
            "no such file, or the interpreter of its first line or its dynamic loader is not in the cage"
        }
        Some(libc::EACCES) => {
            "it is not an executable file (chmod +x), or stands on a file system without exec"
        }
        Some(libc::ENOEXEC) => {
            "it is neither a program of this machine's architecture nor a script that starts with #!"
        }
        Some(libc::E2BIG) => "its arguments and environment are too long",
        _ => "the kernel refused it",
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.act, self.object, self.source)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Execute { source, .. } | Self::Steer { source, .. } => Some(source),
            Self::Start(fault) | Self::Cage(fault) => Some(fault),
            Self::Spec { .. } | Self::SpawnerGone | Self::TooMany { .. } => None,
        }
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl Fault {
    /// Turns the kernel's error into a fault of `act` on `object`.
    pub(crate) fn at(
        act: &'static str,
        object: impl AsRef<std::path::Path>,
    ) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { act: act.to_owned(), object: object.as_ref().display().to_string(), source }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Cage(fault)
    }
}
