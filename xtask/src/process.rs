//! Running other programs and telling clearly what went wrong with them.

use std::fmt;
use std::io;
use std::process::{Command, Stdio};

/// A program could not be run, or did not succeed.
#[derive(Debug)]
pub enum Error {
    /// It could not be started.
    Start(String, io::Error),
    /// It ended with anything but success; what it wrote to standard error, when that was caught.
    Failed(String, std::process::ExitStatus, String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(program, _) => write!(f, "cannot start {program}"),
            Self::Failed(command, status, output) => {
                write!(f, "{command} failed ({status})")?;
                if output.is_empty() { Ok(()) } else { write!(f, ":\n{}", output.trim_end()) }
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Start(_, source) => Some(source),
            Self::Failed(..) => None,
        }
    }
}

/// Runs a program to its end and gives its standard output.
pub fn output(command: &mut Command) -> Result<Vec<u8>, Error> {
    output_of(command, Stdio::null())
}

/// The same for a program that reads its standard input.
pub fn output_of(command: &mut Command, input: Stdio) -> Result<Vec<u8>, Error> {
    let done = command
        .stdin(input)
        .output()
        .map_err(|source| Error::Start(command.get_program().to_string_lossy().into_owned(), source))?;
    if !done.status.success() {
        let complaint = String::from_utf8_lossy(&done.stderr).into_owned();
        return Err(Error::Failed(format!("{command:?}"), done.status, complaint));
    }
    Ok(done.stdout)
}

/// Runs a program to its end, its output going where this program's goes.
pub fn status(command: &mut Command) -> Result<(), Error> {
    let status = command
        .status()
        .map_err(|source| Error::Start(command.get_program().to_string_lossy().into_owned(), source))?;
    if status.success() { Ok(()) } else { Err(Error::Failed(format!("{command:?}"), status, String::new())) }
}
