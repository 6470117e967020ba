//! The class-data archive of the Java bootstrap: what a JVM has read and verified of it once, and maps at every later start.
//! <https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html>
//!
//! It is made once for each JVM, in a cage like a function's, since the JVM wants the class path that it will have. It
//! refuses to have any user's code in it: the bootstrap runs against itself (`Rehearsal.java`).

use crate::bootstrap::write;
use crate::plan;
use crate::{Definition, Interpreter, Language};
use hearth_sandbox::{Isolation, Spawner, Spec};
use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;

/// An archive of the bootstrap takes a little more than a megabyte.
const ARCHIVE_BYTES_MAX: u64 = 32 << 20;
/// How an archive of this kind begins, as the machine writes numbers.
const MAGIC: u32 = 0xf00b_aba8;
/// It is made with what processor time nobody else wants.
const MADE_WITHIN: Duration = Duration::from_secs(120);
/// Where functions see the bootstrap's directory.
const RUNTIME: &str = "/var/runtime";

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
        let own = definition.variables.iter().any(|(name, value)| {
            matches!(name.as_str(), "JAVA_TOOL_OPTIONS" | "JDK_JAVA_OPTIONS")
                && (value.contains("SharedArchiveFile") || value.contains("-Xshare"))
        });
        let name = name(interpreter)?;
        let there = !own && self.directory.join(&name).exists();
        there.then(|| format!("-XX:SharedArchiveFile={RUNTIME}/{name}"))
    }

    /// Makes the archive for a JVM in the background, unless it is there: once for each server, whether it succeeds or not.
    pub(crate) fn make_for(&self, interpreter: &Interpreter, spawner: &Spawner) {
        if interpreter.language != Language::Java || spawner.isolation() != Isolation::Sandbox {
            return;
        }
        let Some(name) = name(interpreter) else { return };
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if !begun.insert(name.clone()) || self.directory.join(&name).exists() {
            return;
        }
        let spec = plan::rehearsal(interpreter, (&self.directory, Path::new(RUNTIME)));
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
    let mut sandbox = spawner.spawn(spec).await.map_err(io::Error::other)?;
    let output = sandbox.take_stdout().map(Receiver::from_owned_fd).transpose();
    let read = async {
        let mut bytes = Vec::new();
        if let Some(output) = output? {
            output.take(ARCHIVE_BYTES_MAX + 1).read_to_end(&mut bytes).await?;
        }
        Ok::<_, io::Error>(bytes)
    };
    let read = tokio::time::timeout(MADE_WITHIN, read).await;
    sandbox.destroy().await;
    let bytes = read??;
    if !bytes.starts_with(&MAGIC.to_ne_bytes()) || bytes.len() as u64 > ARCHIVE_BYTES_MAX {
        return Err(io::Error::other(format!("the JVM wrote {} bytes that are no archive", bytes.len())));
    }
    tokio::task::spawn_blocking(move || keep(&archive, &bytes)).await.map_err(io::Error::other)?
}

/// Whole, or not at all: whether there is one is all that is asked of it later.
fn keep(archive: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = archive.with_extension("whole");
    write(&aside, bytes)?;
    std::fs::File::open(&aside)?.sync_all()?;
    std::fs::rename(&aside, archive)
}

/// The archive's file: another for every build of every JVM, which would only warn of one that is not its own. None for an
/// installation that has no JVM where it has to be.
fn name(interpreter: &Interpreter) -> Option<String> {
    let machine = interpreter.program.parent()?.parent()?.join("lib/server/libjvm.so");
    let found = std::fs::metadata(machine).ok()?;
    let (major, minor, patch) = interpreter.version;
    let (changed, length) = (found.mtime(), found.len());
    Some(format!("hearth-runtime-{major}.{minor}.{patch}-{changed:x}-{length:x}.jsa"))
}
