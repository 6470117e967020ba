//! The programs that speak the Runtime API for each language: embedded in the binary, written once to the data directory.
//!
//! It refuses to change a file that is already as it should be, so that running environments never see one in between.

use crate::class_data::ClassData;
use crate::{Interpreter, Language};
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};

/// One file of a language's bootstrap.
struct File {
    /// The directory in `runtimes/`.
    directory: &'static str,
    /// The path in it.
    path: &'static str,
    contents: &'static [u8],
}

// `FILES`: every file of `runtimes/`, but for tests. The build script makes the list.
include!(concat!(env!("OUT_DIR"), "/bootstrap_files.rs"));

/// The bootstraps on disk.
#[derive(Debug)]
pub(crate) struct Bootstraps {
    root: PathBuf,
    /// The interpreters they have been compiled for, or are being.
    compiled: Mutex<BTreeSet<PathBuf>>,
    /// The archives of the Java bootstrap.
    pub(crate) class_data: ClassData,
}

/// A bootstrap could not be written.
#[derive(Debug)]
pub struct BootstrapError {
    path: PathBuf,
    source: io::Error,
}

impl Bootstraps {
    /// Writes them below `data_dir`, each set of contents to a directory of its own: two versions of the server can share
    /// a data directory one after the other.
    pub(crate) fn write(data_dir: &Path) -> Result<Self, BootstrapError> {
        let root = data_dir.join("runtimes").join(format!("bootstrap-{:016x}", fingerprint()));
        for file in FILES {
            let path = root.join(file.directory).join(file.path);
            write(&path, file.contents).map_err(|source| BootstrapError { path, source })?;
        }
        let class_data = ClassData::new(root.join("java"));
        Ok(Self { root, compiled: Mutex::default(), class_data })
    }

    /// Compiles the bootstrap once for each Python, in the background: a caged one could not keep what it compiles, and
    /// would compile at every cold start.
    pub(crate) fn compile_for(&self, interpreter: &Interpreter) {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if interpreter.language != Language::Python || !compiled.insert(interpreter.program.clone()) {
            return;
        }
        let mut compile = tokio::process::Command::from(for_all_to_read(&interpreter.program));
        // By contents, not by time of change: the same data directory may be copied elsewhere.
        compile.args(["-S", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]);
        compile
            .arg(self.root.join("python"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        compile.kill_on_drop(true);
        tokio::spawn(async move {
            // Without it everything works, only slower.
            if let Err(error) = compile.status().await {
                tracing::debug!(%error, "the bootstrap was not compiled");
            }
        });
    }

    /// The directory seen as `/var/runtime`, and the file in it to start.
    pub(crate) fn of(&self, language: Language) -> Option<(PathBuf, &'static str)> {
        let (directory, name) = match language {
            Language::Python => ("python", "bootstrap.py"),
            Language::Node => ("node", "bootstrap.cjs"),
            Language::Ruby => ("ruby", "bootstrap.rb"),
            Language::Java => ("java", "hearth-runtime.jar"),
            Language::DotNet => ("dotnet", "Hearth.Runtime.dll"),
            Language::Provided => return None,
        };
        Some((self.root.join(directory), name))
    }
}

pub(crate) fn write(path: &Path, contents: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|present| present == contents) {
        return Ok(());
    }
    let directory = path.parent().unwrap_or(Path::new("/"));
    // Functions run as another user and must read it, whatever the server's umask.
    fs::create_dir_all(directory)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    let aside = path.with_extension(format!("{}.new", std::process::id()));
    fs::write(&aside, contents)?;
    fs::set_permissions(&aside, fs::Permissions::from_mode(0o644))?;
    fs::rename(&aside, path)
}

/// Starts a program whose files functions will read: with the usual umask, whatever the server's.
pub(crate) fn for_all_to_read(program: &Path) -> std::process::Command {
    let mut command = std::process::Command::new("/bin/sh");
    command.args(["-c", "umask 022 && exec \"$0\" \"$@\""]).arg(program);
    command
}

/// FNV-1a over all contents: names a directory, guards against nothing.
fn fingerprint() -> u64 {
    FILES
        .iter()
        .flat_map(|file| file.contents)
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

impl fmt::Display for BootstrapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not write the bootstrap {}", self.path.display())
    }
}

impl std::error::Error for BootstrapError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
