//! `cargo xtask java`: the jar of the Java runtime, compiled from `runtimes/java/source`.
//!
//! The jar is committed, because machines that build Hearth need no JDK. Beside it stands `hearth-runtime.sha256`, the sums
//! of the jar and of all that it was compiled from, so that a machine without a JDK can tell that the two belong together.
//! It refuses to compile in `--check`: compilers of different versions write different bytes.

use crate::{Command, Outcome, process};
use std::fmt;
use std::path::{Path, PathBuf};

/// `cargo xtask java`.
pub const COMMAND: Command = Command {
    name: "java",
    summary: "compile the Java runtime into its jar",
    help: "usage: cargo xtask java [--check]\n\n\
           Compiles runtimes/java/source with the javac and jar of a JDK 17 or later.\n\n  \
           --check   compile nothing; fail when the committed jar is not that of the committed sources",
    run,
};

/// The jar, and the sums.
const JAR: &str = "hearth-runtime.jar";
const SUMS: &str = "hearth-runtime.sha256";
/// What the oldest Java reads that the bootstrap runs on.
const RELEASE: &str = "17";
/// The time of every entry, so that the same classes make the same jar.
const DATE: &str = "2026-01-01T00:00:00+00:00";

/// The jar could not be made, or is not the one of its sources.
#[derive(Debug)]
enum Error {
    /// An argument that means nothing here.
    Argument(String),
    /// A file or directory could not be read or written.
    File(PathBuf, std::io::Error),
    /// The sums are not those of the jar and its sources.
    Stale,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(argument) => write!(f, "java does not know {argument:?}: see --help"),
            Self::File(path, _) => write!(f, "cannot read or write {}", path.display()),
            Self::Stale => {
                write!(f, "runtimes/java/{JAR} is not what its sources give: run `cargo xtask java`")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(_, source) => Some(source),
            Self::Argument(_) | Self::Stale => None,
        }
    }
}

fn run(root: &Path, arguments: &[String]) -> Outcome {
    let directory = root.join("runtimes/java");
    let sums = directory.join(SUMS);
    match arguments {
        [] => {
            compile(root, &directory)?;
            std::fs::write(&sums, sum(&directory)?).map_err(|source| Error::File(sums, source))?;
            Ok(())
        }
        [flag] if flag == "--check" => {
            let told = std::fs::read(&sums).map_err(|source| Error::File(sums, source))?;
            if told == sum(&directory)? { Ok(()) } else { Err(Box::new(Error::Stale)) }
        }
        [other, ..] => Err(Box::new(Error::Argument(other.clone()))),
    }
}

fn compile(root: &Path, directory: &Path) -> Outcome {
    let classes = crate::tools::build_directory(root).join("java-runtime");
    if classes.exists() {
        std::fs::remove_dir_all(&classes).map_err(|source| Error::File(classes.clone(), source))?;
    }
    let mut javac = std::process::Command::new("javac");
    javac.args(["-g:none", "--release", RELEASE, "-d"]).arg(&classes);
    process::status(javac.args(files(&directory.join("source"))?).current_dir(directory))?;
    let mut jar = std::process::Command::new("jar");
    jar.args(["--create", "--no-manifest", "--date", DATE, "--file"]).arg(directory.join(JAR));
    for class in files(&classes)? {
        let inside = class.strip_prefix(&classes).expect("it was found below").to_owned();
        jar.arg("-C").arg(&classes).arg(inside);
    }
    process::status(&mut jar)?;
    Ok(())
}

/// The sums of the jar and of every source, a line each, as `sha256sum` prints them.
fn sum(directory: &Path) -> std::result::Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut sha256sum = std::process::Command::new("sha256sum");
    sha256sum.arg(JAR).current_dir(directory);
    for file in files(&directory.join("source"))? {
        sha256sum.arg(file.strip_prefix(directory).expect("it was found below"));
    }
    Ok(process::output(&mut sha256sum)?)
}

/// All files below a directory, in order.
fn files(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |source| Error::File(directory.to_owned(), source);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
