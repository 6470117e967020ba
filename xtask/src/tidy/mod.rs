//! `cargo xtask tidy`: the house rules that no compiler checks.
//!
//! Exceptions stand in `xtask/tidy.toml`, each with its reason. The lists only shrink: an exception that is no longer
//! needed is itself a breach.

mod dependency;
mod exception;
mod source;
mod text;

use crate::{Command, Outcome, repository};
use exception::Exceptions;
use std::error::Error as StdError;
use std::fmt;
use std::path::{Path, PathBuf};

/// `cargo xtask tidy`.
pub const COMMAND: Command = Command {
    name: "tidy",
    summary: "check the house rules that no compiler checks",
    help: "usage: cargo xtask tidy\n\n\
           Sources: every file says what it owns; lengths of files and functions; names that say nothing; work left\n\
           undone; unsafe code outside crates/sandbox; grants made outside crates/iam.\n\
           Texts: paths and hosts of one machine.\n\
           Dependencies: reasons, licences, versions that are there twice.",
    run,
};

/// Something that breaks a rule: where, and what.
#[derive(Debug, PartialEq)]
struct Breach {
    place: String,
    message: String,
}

impl Breach {
    fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into() }
    }

    fn at_line(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self::new(format!("{path}:{line}"), message)
    }
}

/// The house is not tidy, or could not be looked at.
#[derive(Debug)]
enum Error {
    /// The list of exceptions cannot be read.
    Exceptions(PathBuf, Box<dyn StdError>),
    /// cargo's account of the dependencies cannot be read.
    Metadata(serde_json::Error),
    /// Rules are broken.
    Breaches(Vec<Breach>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exceptions(path, _) => write!(f, "cannot read {}", path.display()),
            Self::Metadata(_) => write!(f, "cannot read what cargo says of the dependencies"),
            Self::Breaches(breaches) => {
                write!(f, "{} house rules are broken:", breaches.len())?;
                breaches.iter().try_for_each(|breach| write!(f, "\n  {}: {}", breach.place, breach.message))
            }
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Exceptions(_, source) => Some(source.as_ref()),
            Self::Metadata(source) => Some(source),
            Self::Breaches(_) => None,
        }
    }
}

fn run(root: &Path, arguments: &[String]) -> Outcome {
    repository::no_arguments("tidy", arguments)?;
    let exceptions = Exceptions::read(&root.join("xtask/tidy.toml"))?;
    let files = repository::text_files(root)?;
    let mut breaches = Vec::new();
    for file in &files {
        breaches.extend(text::breaches(file));
        if file.path.ends_with(".rs") {
            breaches.extend(source::breaches(file, &exceptions));
        }
        if file.path == "Cargo.toml" {
            breaches.extend(dependency::without_reason(&file.text));
        }
    }
    for member in repository::members(root)? {
        breaches.extend(dependency::without_lints(&member));
    }
    breaches.extend(dependency::breaches(root, &exceptions)?);
    breaches.extend(exceptions.idle());
    if !breaches.is_empty() {
        return Err(Box::new(Error::Breaches(breaches)));
    }
    println!("{} files are tidy", files.len());
    Ok(())
}
