//! The data directory: who may use it, which format it has, and opening what lies in it.
//!
//! It refuses a directory that another server uses, one of a newer format, and one that holds something else.

use crate::blobs::{BlobError, Blobs};
use crate::sqlite::{self, Sqlite};
use crate::{Error, Store};
use hearth_base::Clock;
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The newest layout of the directory that is read and the one that is written.
const FORMAT: u32 = 1;
const FORMAT_FILE: &str = "format";
const LOCK_FILE: &str = "lock";
/// What a file system puts into its own root.
const FOREIGN_ALLOWED: &str = "lost+found";

/// A data directory that this process alone may use, until this and everything opened from it is dropped.
#[derive(Debug, Clone)]
pub struct DataDirectory {
    path: PathBuf,
    hold: Hold,
}

/// Keeps the directory locked for as long as someone has one.
#[derive(Debug, Clone)]
pub(crate) struct Hold(#[expect(dead_code, reason = "held for its lock, never read")] Arc<File>);

/// The data directory cannot be used.
#[derive(Debug)]
pub enum DirectoryError {
    /// An act on a file of it failed.
    Io {
        /// What was being done.
        act: &'static str,
        /// To what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another server has it.
    InUse {
        /// The directory.
        path: PathBuf,
        /// The other's process id, when it could be read.
        process: Option<u32>,
    },
    /// A newer server wrote it.
    Newer {
        /// The directory.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
    /// It is not a data directory, and not empty either.
    Foreign {
        /// The directory.
        path: PathBuf,
    },
}

impl DataDirectory {
    /// Takes a directory for this process, making it (mode 0700) if it is not there or empty.
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        make(path)?;
        let path = path.canonicalize().map_err(failed("resolve", path))?;
        if !path.join(FORMAT_FILE).exists() && !is_unused(&path)? {
            return Err(DirectoryError::Foreign { path });
        }
        let hold = lock(&path)?;
        // Group and others have no business here: function code and secrets lie within.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700))
            .map_err(failed("restrict the permissions of", &path))?;
        check_format(&path)?;
        Ok(Self { path, hold })
    }

    /// Where it is, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the embedded store in it. Call once: a second store would be a second writer.
    pub fn store(&self, clock: Arc<dyn Clock>) -> Result<Store, Error> {
        let options = sqlite::Options { hold: Some(self.hold.clone()), ..sqlite::Options::default() };
        Ok(Arc::new(Sqlite::open(&self.path.join("store"), clock, options)?))
    }

    /// Opens the blobs in it.
    pub fn blobs(&self, clock: Arc<dyn Clock>) -> Result<Blobs, BlobError> {
        Blobs::open_held(&self.path.join("blobs"), clock, Some(self.hold.clone()))
    }
}

/// Makes a directory and what is missing above it, each name synced into its parent: a directory that a power cut
/// takes away takes everything acknowledged with it.
fn make(path: &Path) -> Result<(), DirectoryError> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    make(parent)?;
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed("make", path)(error)),
        _ => sync_directory(parent),
    }
}

/// Whether nothing but what an interrupted first start leaves is there.
fn is_unused(path: &Path) -> Result<bool, DirectoryError> {
    for entry in fs::read_dir(path).map_err(failed("list", path))? {
        let name = entry.map_err(failed("list", path))?.file_name();
        if ![LOCK_FILE, FOREIGN_ALLOWED, "format.new"].iter().any(|known| name == *known) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn lock(directory: &Path) -> Result<Hold, DirectoryError> {
    let path = directory.join(LOCK_FILE);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut process = String::new();
            // Only for the message: a process id that does not read is left out of it.
            let _ = file.read_to_string(&mut process);
            return Err(DirectoryError::InUse {
                path: directory.to_owned(),
                process: process.trim().parse().ok(),
            });
        }
        Err(TryLockError::Error(source)) => return Err(failed("lock", &path)(source)),
    }
    file.set_len(0).map_err(failed("write", &path))?;
    writeln!(file, "{}", std::process::id()).map_err(failed("write", &path))?;
    Ok(Hold(Arc::new(file)))
}

fn check_format(directory: &Path) -> Result<(), DirectoryError> {
    let path = directory.join(FORMAT_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => match text.trim().parse() {
            Ok(format) if format <= FORMAT => Ok(()),
            Ok(format) => Err(DirectoryError::Newer { path: directory.to_owned(), format }),
            Err(_) => Err(DirectoryError::Foreign { path: directory.to_owned() }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => write_format(directory, &path),
        Err(error) => Err(failed("read", &path)(error)),
    }
}

fn write_format(directory: &Path, path: &Path) -> Result<(), DirectoryError> {
    let new = directory.join("format.new");
    let mut file = File::create(&new).map_err(failed("create", &new))?;
    writeln!(file, "{FORMAT}").and_then(|()| file.sync_all()).map_err(failed("write", &new))?;
    fs::rename(&new, path).map_err(failed("write", path))?;
    sync_directory(directory)
}

fn sync_directory(path: &Path) -> Result<(), DirectoryError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(failed("sync", path))
}

fn failed(act: &'static str, path: &Path) -> impl Fn(io::Error) -> DirectoryError {
    move |source| DirectoryError::Io { act, path: path.to_owned(), source }
}

impl fmt::Display for DirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DirectoryError::Io { act, path, source } => {
                write!(f, "cannot {act} {}: {source}", path.display())
            }
            DirectoryError::InUse { path, process: Some(process) } => {
                write!(f, "another hearth server (process {process}) uses {}", path.display())
            }
            DirectoryError::InUse { path, process: None } => {
                write!(f, "another hearth server uses {}", path.display())
            }
            DirectoryError::Newer { path, format } => write!(
                f,
                "{} was written by a newer hearth (format {format}; this one reads up to format {FORMAT}): \
                 start that version, or name another data directory",
                path.display()
            ),
            DirectoryError::Foreign { path } => {
                write!(f, "{} is neither empty nor a hearth data directory: name another", path.display())
            }
        }
    }
}

impl std::error::Error for DirectoryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            DirectoryError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> (tempfile::TempDir, PathBuf) {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("deep/data");
        (parent, path)
    }

    #[test]
    fn a_new_directory_is_private_and_opens_again() {
        let (_parent, path) = fresh();
        drop(DataDirectory::open(&path).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        DataDirectory::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn two_servers_do_not_share_one() {
        let (_parent, path) = fresh();
        let first = DataDirectory::open(&path).unwrap();
        let message = DataDirectory::open(&path).unwrap_err().to_string();
        let process = std::process::id();
        let real = path.canonicalize().unwrap();
        assert_eq!(message, format!("another hearth server (process {process}) uses {}", real.display()));
        let clone = first.clone();
        drop(first);
        assert!(matches!(DataDirectory::open(&path), Err(DirectoryError::InUse { .. })));
        drop(clone);
        DataDirectory::open(&path).unwrap();
    }

    #[test]
    fn newer_and_foreign_directories_are_left_alone() {
        let (_parent, path) = fresh();
        drop(DataDirectory::open(&path).unwrap());
        fs::write(path.join(FORMAT_FILE), "2\n").unwrap();
        assert!(matches!(DataDirectory::open(&path), Err(DirectoryError::Newer { format: 2, .. })));
        fs::write(path.join(FORMAT_FILE), "mine").unwrap();
        assert!(matches!(DataDirectory::open(&path), Err(DirectoryError::Foreign { .. })));

        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("letter.txt"), "dear").unwrap();
        fs::set_permissions(other.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(DataDirectory::open(other.path()), Err(DirectoryError::Foreign { .. })));
        assert_eq!(fs::metadata(other.path()).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(fs::read_dir(other.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_first_start_that_was_interrupted_goes_on() {
        let (_parent, path) = fresh();
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join(LOCK_FILE), "1\n").unwrap();
        fs::write(path.join("format.new"), "").unwrap();
        DataDirectory::open(&path).unwrap();
    }
}
