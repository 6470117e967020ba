//! Where a server lives on disk: the data directory, or for `--ephemeral` a temporary one that goes with it.

use crate::configuration::default_data_dir;
use crate::secret::Secret;
use crate::wiring::{clock, rng};
use hearth_store::{DataDirectory, Store, memory};
use std::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How the directories of ephemeral servers begin, below the system's temporary directory.
const EPHEMERAL_PREFIX: &str = "hearth-ephemeral-";

/// How often the removal of a directory is tried, and how long apart.
const REMOVALS_MAX: usize = 50;
const BETWEEN_REMOVALS: Duration = Duration::from_millis(20);

/// The place of one server. Dropping an ephemeral one removes it.
pub struct Home {
    directory: DataDirectory,
    temporary: Option<tempfile::TempDir>,
    generation: AtomicU64,
}

impl Home {
    /// Takes the data directory for this process, or makes a temporary one.
    ///
    /// # Errors
    /// When it cannot be made or another server has it.
    pub fn open(data_dir: Option<&Path>) -> Result<Self, Box<dyn Error>> {
        let temporary = match data_dir {
            Some(_) => None,
            None => {
                remove_abandoned();
                Some(tempfile::Builder::new().prefix(EPHEMERAL_PREFIX).tempdir()?)
            }
        };
        let path =
            data_dir.or(temporary.as_ref().map(tempfile::TempDir::path)).expect("one of the two is there");
        Ok(Self { directory: DataDirectory::open(path)?, temporary, generation: AtomicU64::new(0) })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Whether everything here goes with the server.
    pub fn is_ephemeral(&self) -> bool {
        self.temporary.is_some()
    }

    /// The secret: kept, or for ephemeral servers made anew.
    pub fn secret(&self) -> Result<Secret, Box<dyn Error>> {
        if self.is_ephemeral() {
            return Ok(Secret::ephemeral(rng().as_ref()));
        }
        Ok(Secret::of(self.path(), rng().as_ref())?)
    }

    /// A store, and the directory that goes with it. An ephemeral server gets an empty one each time.
    pub fn store(&self) -> Result<(Store, PathBuf), Box<dyn Error>> {
        if !self.is_ephemeral() {
            return Ok((self.directory.store(clock())?, self.path().to_owned()));
        }
        let generation = self.generation.fetch_add(1, Ordering::Relaxed);
        let directory = self.path().join(format!("generation-{generation}"));
        fs::create_dir(&directory)?;
        Ok((Arc::new(memory::Memory::new(clock(), memory::Options::default())), directory))
    }

    /// Removes what earlier stores of an ephemeral server left, all but the one in `current`.
    pub fn remove_former(&self, current: &Path) {
        let Ok(entries) = fs::read_dir(self.path()) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let is_store =
                path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("generation-"));
            if is_store && path != current {
                // What is in use for a moment longer goes with the whole directory at the end.
                let _ = fs::remove_dir_all(&path);
            }
        }
    }
}

/// Where the AWS SDKs for functions are: in the data directory, and for ephemeral servers in the user's usual one.
pub fn sdk_dir(configured: Option<&Path>, data_dir: Option<&Path>) -> PathBuf {
    let usual =
        || data_dir.map(Path::to_owned).or_else(default_data_dir).unwrap_or_default().join("runtimes/sdk");
    let directory = configured.map_or_else(usual, Path::to_owned);
    // Cages are shown it under its whole path. That of an empty one, which alone has none, is of no use anyway.
    std::path::absolute(&directory).unwrap_or(directory)
}

/// Removes the directories of ephemeral servers that were killed. Those of living ones are locked and stay.
fn remove_abandoned() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(EPHEMERAL_PREFIX));
        if is_ours && let Ok(abandoned) = DataDirectory::open(&entry.path()) {
            remove(abandoned.path());
        }
    }
}

/// Removes a directory in which a program that its server had started may write a last file: an interpreter that compiles the
/// bootstrap outlives a server that is killed by so much.
fn remove(directory: &Path) {
    for _ in 0..REMOVALS_MAX {
        match fs::remove_dir_all(directory) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {
                std::thread::sleep(BETWEEN_REMOVALS);
            }
            // What cannot be removed is another user's, or will be tried again when the next server starts.
            _ => return,
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            remove(temporary.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_still_written_to_is_removed_too() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("abandoned");
        fs::create_dir(&directory).unwrap();
        let (writer, until) = (directory.clone(), std::time::Instant::now() + Duration::from_millis(100));
        let writes = std::thread::spawn(move || {
            for number in 0.. {
                if std::time::Instant::now() > until
                    || fs::write(writer.join(number.to_string()), "x").is_err()
                {
                    break;
                }
            }
        });
        remove(&directory);
        assert!(!directory.exists());
        writes.join().unwrap();
    }

    #[test]
    fn an_ephemeral_home_leaves_nothing_and_each_store_is_empty() {
        let home = Home::open(None).unwrap();
        let (_, first) = home.store().unwrap();
        let (_, second) = home.store().unwrap();
        assert_ne!(first, second);
        let path = home.path().to_owned();
        drop(home);
        assert!(!path.exists());
    }
}
