//! Programs that are committed compiled, because machines that build Hearth have no compiler for them: whether one is what its
//! sources give.
//!
//! Beside each stand the sums of it and of all that it was compiled from, as `sha256sum` prints them, so that a machine without
//! the compiler can tell that they belong together. It refuses to compile: compilers of different versions write different bytes.

use crate::process;
use std::fmt;
use std::path::{Path, PathBuf};

/// One of them.
pub struct Committed {
    /// The folder it stands in.
    pub folder: &'static str,
    /// What the compiler makes, in that folder.
    pub product: &'static str,
    /// The sums, in that folder.
    pub sums: &'static str,
    /// What it is made from: folders in that folder.
    pub sources: &'static [&'static str],
    /// The command that makes it.
    pub command: &'static str,
}

/// It could not be looked at, or is not what its sources give.
#[derive(Debug)]
pub enum Error {
    /// An argument that means nothing to the command.
    Argument(&'static str, String),
    /// A file or directory could not be read or written.
    File(PathBuf, std::io::Error),
    /// The sums could not be made.
    Program(process::Error),
    /// The sums are not those of the product and its sources: where it is, and the command that makes it.
    Stale(PathBuf, &'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(command, argument) => {
                write!(f, "{command} does not know {argument:?}: see --help")
            }
            Self::File(path, _) => write!(f, "cannot read or write {}", path.display()),
            Self::Program(source) => write!(f, "{source}"),
            Self::Stale(path, command) => {
                write!(f, "{} is not what its sources give: run `cargo xtask {command}`", path.display())
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(_, source) => Some(source),
            Self::Argument(..) | Self::Program(_) | Self::Stale(..) => None,
        }
    }
}

impl Committed {
    /// Whether `--check` is asked for.
    pub fn is_check(&self, arguments: &[String]) -> Result<bool, Error> {
        match arguments {
            [] => Ok(false),
            [flag] if flag == "--check" => Ok(true),
            [other, ..] => Err(Error::Argument(self.command, other.clone())),
        }
    }

    /// Fails when the sums are not those of the product and its sources.
    pub fn check(&self, root: &Path) -> Result<(), Error> {
        let sums = root.join(self.folder).join(self.sums);
        let told = std::fs::read(&sums).map_err(|source| Error::File(sums, source))?;
        if told == self.sum(root)? {
            return Ok(());
        }
        Err(Error::Stale(Path::new(self.folder).join(self.product), self.command))
    }

    /// Writes the sums of what has just been compiled.
    pub fn record(&self, root: &Path) -> Result<(), Error> {
        let sums = root.join(self.folder).join(self.sums);
        std::fs::write(&sums, self.sum(root)?).map_err(|source| Error::File(sums, source))
    }

    /// The sources of one folder, by their places in it.
    pub fn sources(&self, root: &Path, folder: &str) -> Result<Vec<PathBuf>, Error> {
        files(&root.join(self.folder).join(folder))
    }

    /// A line for the product and each source.
    fn sum(&self, root: &Path) -> Result<Vec<u8>, Error> {
        let directory = root.join(self.folder);
        let mut sha256sum = std::process::Command::new("sha256sum");
        sha256sum.arg(self.product).current_dir(&directory);
        for folder in self.sources {
            for file in files(&directory.join(folder))? {
                sha256sum.arg(file.strip_prefix(&directory).expect("it was found below"));
            }
        }
        process::output(&mut sha256sum).map_err(Error::Program)
    }
}

/// All files below a directory, in order.
pub fn files(directory: &Path) -> Result<Vec<PathBuf>, Error> {
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
