//! The class-data archive of the Java bootstrap: what a JVM has read and verified of it once, and maps at every later start.
//! <https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html>
//!
//! It is made once for each JVM, in a cage like a function's, since the JVM wants the class path that it will have. It
//! refuses to have any user's code in it: the bootstrap runs against itself (`Rehearsal.java`). And it refuses an archive that is not
//! whole, however it came to be so: beside each lies its length, written after it.

use crate::bootstrap::write;
use crate::chore;
use crate::plan;
use crate::{Definition, Interpreter, Language};
use hearth_sandbox::{Exit, ExitStatus, Isolation, Spawner, Spec};
use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// An archive of the bootstrap takes a little more than a megabyte.
const ARCHIVE_BYTES_MAX: u64 = 32 << 20;
/// How an archive of this kind begins, as the machine writes numbers.
const MAGIC: u32 = 0xf00b_aba8;

/// The archives of one server's bootstrap.
#[derive(Debug)]
pub(crate) struct ClassData {
    /// The bootstrap's directory.
    directory: PathBuf,
    /// Those that have been made, or are being, or could not be.
    begun: Mutex<BTreeSet<String>>,
}

impl ClassData {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory, begun: Mutex::default() }
    }

    /// The option that has a JVM map the archive, when there is one and the function's own options name no other.
    pub(crate) fn option(&self, interpreter: &Interpreter, definition: &Definition) -> Option<String> {
        let name = name(interpreter)?;
        let there = !is_named_by(definition) && is_whole(&self.directory.join(&name));
        there.then(|| format!("-XX:SharedArchiveFile=/var/runtime/{name}"))
    }

    /// Makes the archive for a JVM in the background, unless it is there: once for each server, whether it succeeds or not.
    pub(crate) fn make_for(&self, interpreter: &Interpreter, spawner: &Spawner) {
        if interpreter.language != Language::Java || spawner.isolation() != Isolation::Sandbox {
            return;
        }
        let Some(name) = name(interpreter) else { return };
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if !begun.insert(name.clone()) || is_whole(&self.directory.join(&name)) {
            return;
        }
        let spec = plan::rehearsal(interpreter, &self.directory);
        let (spawner, archive) = (spawner.clone(), self.directory.join(name));
        tokio::spawn(async move {
            // Without it everything works, only slower.
            if let Err(error) = make(&spawner, spec, archive).await {
                tracing::debug!(%error, "no class-data archive of the Java bootstrap was made");
            }
        });
    }
}

async fn make(spawner: &Spawner, spec: Spec, archive: PathBuf) -> io::Result<()> {
    let (bytes, exit) = chore::run(spawner, spec, ARCHIVE_BYTES_MAX, std::future::pending()).await?;
    accept(&bytes, exit, ARCHIVE_BYTES_MAX)?;
    tokio::task::spawn_blocking(move || keep(&archive, &bytes)).await.map_err(io::Error::other)?
}

/// Refuses what is no archive, or perhaps a part of one.
pub(crate) fn accept(bytes: &[u8], exit: Exit, bytes_max: u64) -> io::Result<()> {
    let is_archive = bytes.starts_with(&MAGIC.to_ne_bytes()) && bytes.len() as u64 <= bytes_max;
    if is_archive && exit.status == ExitStatus::Code(0) {
        return Ok(());
    }
    let length = bytes.len();
    Err(io::Error::other(format!(
        "the JVM wrote {length} bytes that are no archive, and ended with {exit:?}"
    )))
}

/// Whole, or not at all.
pub(crate) fn keep(archive: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = archive.with_extension("whole");
    write(&aside, bytes)?;
    std::fs::File::open(&aside)?.sync_all()?;
    std::fs::rename(&aside, archive)?;
    write(&length_of(archive), bytes.len().to_string().as_bytes())
}

/// Whether there is an archive that is as long as the one that was kept. A data directory may have been copied in part.
pub(crate) fn is_whole(archive: &Path) -> bool {
    let kept = std::fs::read_to_string(length_of(archive)).ok().and_then(|text| text.parse().ok());
    let found = std::fs::metadata(archive).ok().map(|found| found.len());
    found.is_some() && found == kept
}

/// Where the length of an archive is written.
fn length_of(archive: &Path) -> PathBuf {
    archive.with_extension("length")
}

/// Whether a function's own options say which archive its JVM maps, or whether it maps any.
pub(crate) fn is_named_by(definition: &Definition) -> bool {
    definition.variables.iter().any(|(name, value)| {
        matches!(name.as_str(), "JAVA_TOOL_OPTIONS" | "JDK_JAVA_OPTIONS")
            && (value.contains("SharedArchiveFile") || value.contains("-Xshare"))
    })
}

/// The archive's file.
fn name(interpreter: &Interpreter) -> Option<String> {
    Some(format!("hearth-runtime-{}.jsa", machine(interpreter)?))
}

/// What tells every build of every JVM from others, which would only warn of an archive that is not their own. None for an
/// installation that has no JVM where it has to be.
pub(crate) fn machine(interpreter: &Interpreter) -> Option<String> {
    let machine = interpreter.program.parent()?.parent()?.join("lib/server/libjvm.so");
    let found = std::fs::metadata(machine).ok()?;
    let (major, minor, patch) = interpreter.version;
    let (changed, length) = (found.mtime(), found.len());
    Some(format!("{major}.{minor}.{patch}-{changed:x}-{length:x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_that_is_not_whole_is_not_used_and_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let archive = directory.path().join("hearth-runtime-17.0.1-0-0.jsa");
        let bytes = [&MAGIC.to_ne_bytes()[..], &[7; 5000]].concat();
        assert!(!is_whole(&archive));
        keep(&archive, &bytes).unwrap();
        assert!(is_whole(&archive));
        std::fs::write(&archive, &bytes[..4096]).unwrap();
        assert!(!is_whole(&archive), "cut");
        std::fs::remove_file(&archive).unwrap();
        assert!(!is_whole(&archive), "gone");
        std::fs::write(&archive, &bytes).unwrap();
        std::fs::remove_file(length_of(&archive)).unwrap();
        assert!(!is_whole(&archive), "of unknown length");
        keep(&archive, &bytes).unwrap();
        assert!(is_whole(&archive));
    }

    #[test]
    fn what_a_jvm_did_not_write_to_its_end_is_no_archive() {
        let (ended, killed) = (ExitStatus::Code(0), ExitStatus::Signal(9));
        let archive = [&MAGIC.to_ne_bytes()[..], &[7; 100]].concat();
        for (bytes, status, fine) in [
            (&archive[..], ended, true),
            (&archive[..50], killed, false),
            (&archive[..], ExitStatus::Code(1), false),
            (&archive[1..], ended, false),
            (&[&archive[..], &[7]].concat(), ended, false),
            (&[][..], ended, false),
        ] {
            assert_eq!(accept(bytes, Exit { status, oom_killed: false }, 104).is_ok(), fine, "{status:?}");
        }
    }
}
