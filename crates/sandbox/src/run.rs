//! The run's own directory on the host: claims one, and removes those of dead runs. A living run's is locked (`flock`);
//! it refuses to touch that.

use crate::Fault;
use rustix::fs::FlockOperation;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Makes and locks `state/name`, with the empty directory `root` in it, after a sweep of `state`.
pub fn claim(state: &Path, name: &str) -> Result<(PathBuf, OwnedFd), Fault> {
    fs::create_dir_all(state).map_err(Fault::at("make the directory", state))?;
    let state = fs::canonicalize(state).map_err(Fault::at("find the directory", state))?;
    sweep(&state);
    let directory = state.join(name);
    // Made under another name, so that no other server sees it before it is locked.
    let hidden = state.join(format!(".{name}"));
    fs::create_dir(&hidden).map_err(Fault::at("make the directory", &hidden))?;
    let lock: OwnedFd = File::open(&hidden).map_err(Fault::at("open", &hidden))?.into();
    rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)
        .map_err(|errno| Fault::at("lock", &hidden)(errno.into()))?;
    let root = hidden.join("root");
    fs::create_dir(&root).map_err(Fault::at("make the directory", &root))?;
    fs::rename(&hidden, &directory).map_err(Fault::at("make the directory", &directory))?;
    Ok((directory, lock))
}

fn sweep(state: &Path) {
    for entry in fs::read_dir(state).into_iter().flatten().flatten() {
        if !entry.file_name().as_encoded_bytes().starts_with(b"run-") {
            continue;
        }
        let Ok(directory) = File::open(entry.path()) else { continue };
        if rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive).is_ok() {
            // What cannot be removed is tried again by the next start.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_runs_are_swept_and_living_ones_stay() {
        let state = tempfile::tempdir().unwrap();
        let (living, lock) = claim(state.path(), "run-1").unwrap();
        let (dead, ended) = claim(state.path(), "run-2").unwrap();
        drop(ended);
        let (third, _lock) = claim(state.path(), "run-3").unwrap();
        assert!(living.join("root").is_dir() && third.is_dir() && !dead.exists());
        drop(lock);
    }
}
