//! The bytecode of functions' Python code. AWS's functions find none but what was packaged, and compile their modules at every cold start,
//! since `/var/task` and `/opt` cannot be written to; here each package is compiled once for each Python, when it has been deployed.
//!
//! It is compiled in a cage like a function's, since the code is anybody's, and mounted beside the code, where the bootstrap looks
//! for it. It refuses to be more than a cache: without it everything works, only slower.

use crate::bootstrap::write;
use crate::chore;
use crate::living::Living;
use crate::{Definition, Interpreter, Language};
use hearth_sandbox::{ExitStatus, Isolation, Mount, Spawner, Spec};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Semaphore, watch};

/// What compiles.
const COMPILER: &str = include_str!("bytecode.py");
/// Bytecode of one package. The compiler stops before; a package has 250 MB at most, and few have as much as that of Python.
const BYTES_MAX: u64 = 65 << 20;
/// Packages that wait to be compiled. The others are asked for again by the next start.
const BEGUN_MAX: usize = 1_024;
/// How the name of what is not whole yet ends.
const PARTIAL: &str = ".partial";
/// Where the bootstrap looks for what was compiled of the function's own code and of its layers.
pub(crate) const PLACES: [&str; 2] = ["/var/lang-bytecode-task", "/var/lang-bytecode-opt"];

/// The bytecode of all functions of a server.
pub(crate) struct Bytecode {
    directory: PathBuf,
    /// What waits to be compiled, or is being.
    begun: Arc<Mutex<BTreeSet<PathBuf>>>,
    /// One at a time.
    turn: Arc<Semaphore>,
    living: Living,
    closed: watch::Sender<bool>,
}

/// Code that is seen as one directory.
struct Tree<'a> {
    source: &'a Path,
    seen: &'static str,
    /// Where its bytecode is seen.
    place: &'static str,
}

/// One tree to compile.
struct Job {
    spawner: Spawner,
    spec: Spec,
    code: PathBuf,
    target: PathBuf,
    closed: watch::Receiver<bool>,
}

impl Bytecode {
    /// Keeps it below `data_dir`.
    pub(crate) fn new(data_dir: &Path, living: &Living) -> Self {
        Self {
            directory: data_dir.join("bytecode"),
            begun: Arc::default(),
            turn: Arc::new(Semaphore::new(1)),
            living: living.clone(),
            closed: watch::Sender::new(false),
        }
    }

    /// What there is for a function.
    pub(crate) fn mounts(&self, interpreter: &Interpreter, definition: &Definition) -> Vec<Mount> {
        if interpreter.language != Language::Python {
            return Vec::new();
        }
        let found = trees(definition).filter_map(|tree| {
            let source = self.target(interpreter, &tree)?;
            source.is_dir().then(|| Mount { source, target: tree.place.into() })
        });
        found.collect()
    }

    /// Compiles a function's code and its layers in the background, unless that was done or begun.
    pub(crate) fn make_for(&self, interpreter: &Interpreter, definition: &Definition, spawner: &Spawner) {
        if interpreter.language != Language::Python || spawner.isolation() != Isolation::Sandbox {
            return;
        }
        for tree in trees(definition) {
            let Some(target) = self.target(interpreter, &tree).filter(|target| !target.exists()) else {
                continue;
            };
            let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            if *self.closed.borrow() || begun.len() >= BEGUN_MAX || !begun.insert(target.clone()) {
                continue;
            }
            drop(begun);
            let job = Job {
                spawner: spawner.clone(),
                spec: compilation(interpreter, &tree),
                code: tree.source.to_path_buf(),
                target: target.clone(),
                closed: self.closed.subscribe(),
            };
            // What writes to the data directory has ended when a drain is over.
            let life = self.living.begin();
            let (begun, turn) = (Arc::clone(&self.begun), Arc::clone(&self.turn));
            tokio::spawn(async move {
                let _life = life;
                let Ok(_turn) = turn.acquire_owned().await else { return };
                if let Err(error) = job.run().await {
                    // The next start asks for it again.
                    tracing::debug!(%error, ?target, "Python code was not compiled");
                }
                begun.lock().unwrap_or_else(PoisonError::into_inner).remove(&target);
            });
        }
    }

    /// Begins nothing more, and gives up what was begun.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
        self.turn.close();
    }

    /// Where the bytecode of a tree is kept: for one Python, beside that for others.
    fn target(&self, interpreter: &Interpreter, tree: &Tree<'_>) -> Option<PathBuf> {
        let (major, minor, patch) = interpreter.version;
        let mut name = tree.source.file_name()?.to_owned();
        name.push(format!(".{}.{major}.{minor}.{patch}", tree.seen.rsplit('/').next()?));
        Some(self.directory.join(name))
    }
}

fn trees(definition: &Definition) -> impl Iterator<Item = Tree<'_>> {
    let [of_code, of_layers] = PLACES;
    let code = Tree { source: &definition.code, seen: "/var/task", place: of_code };
    let layers = definition.layers.as_deref();
    std::iter::once(code).chain(layers.map(|source| Tree { source, seen: "/opt", place: of_layers }))
}

fn compilation(interpreter: &Interpreter, tree: &Tree<'_>) -> Spec {
    let python = interpreter.program_in(Some(Path::new("/var/lang")));
    let arguments: [OsString; 5] = ["-I".into(), "-S".into(), "-c".into(), COMPILER.into(), tree.seen.into()];
    let code = Mount { source: tree.source.to_path_buf(), target: tree.seen.into() };
    chore::spec(interpreter, code, python, arguments.into())
}

impl Job {
    async fn run(self) -> io::Result<()> {
        let Self { spawner, spec, code, target, mut closed } = self;
        let stopped = async {
            // Whoever would say so has gone.
            let _ = closed.wait_for(|closed| *closed).await;
        };
        let bytes = match chore::run(&spawner, spec, BYTES_MAX, stopped).await {
            Ok((bytes, exit)) if exit.status == ExitStatus::Code(0) && bytes.len() as u64 <= BYTES_MAX => {
                bytes
            }
            // It would be no better the next time: as if there were no Python in it.
            Ok((bytes, exit)) => {
                tracing::debug!(bytes = bytes.len(), ?exit, ?target, "Python code cannot be compiled");
                Vec::new()
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                tracing::debug!(?target, "Python code takes too long to compile");
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        let work = move || {
            clear(&target, &code)?;
            keep(&target, &bytes, &closed)
        };
        tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
    }
}

/// Removes the bytecode of code that is gone, and what a killed server left half written.
fn clear(target: &Path, code: &Path) -> io::Result<()> {
    let (Some(directory), Some(packages)) = (target.parent(), code.parent()) else { return Ok(()) };
    fs::create_dir_all(directory)?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let of = name.as_bytes().split(|&byte| byte == b'.').next().unwrap_or_default();
        let is_kept = packages.join(OsStr::from_bytes(of)).is_dir();
        if is_kept && !name.as_bytes().ends_with(PARTIAL.as_bytes()) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Writes what the compiler wrote as files: whole, or not at all. An empty file stands for nothing worth mounting.
fn keep(target: &Path, bytes: &[u8], closed: &watch::Receiver<bool>) -> io::Result<()> {
    if bytes.is_empty() {
        return fs::write(target, b"");
    }
    let mut aside = target.as_os_str().to_owned();
    aside.push(PARTIAL);
    let aside = PathBuf::from(aside);
    let kept = fill(&aside, bytes, closed).and_then(|()| fs::rename(&aside, target));
    if kept.is_err() {
        // The disk may be full, and then this is what helps.
        let _ = fs::remove_dir_all(&aside);
    }
    kept
}

fn fill(root: &Path, mut bytes: &[u8], closed: &watch::Receiver<bool>) -> io::Result<()> {
    while !bytes.is_empty() {
        if *closed.borrow() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let (path, contents, rest) = entry(bytes).ok_or(io::ErrorKind::InvalidData)?;
        write(&root.join(path), contents)?;
        // The function must be able to enter them all, whatever the server's umask.
        for directory in path.ancestors().skip(1) {
            fs::set_permissions(root.join(directory), fs::Permissions::from_mode(0o755))?;
        }
        bytes = rest;
    }
    // Without this, a power failure could leave the name with files that are empty.
    Ok(rustix::fs::syncfs(fs::File::open(root)?)?)
}

/// The first of the files that the compiler wrote, and the others. It was the user's code that it read: it is believed nothing.
fn entry(bytes: &[u8]) -> Option<(&Path, &[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == 0)?;
    let path = Path::new(OsStr::from_bytes(&bytes[..end]));
    let (length, rest) = bytes[end + 1..].split_first_chunk()?;
    let (contents, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    let is_plain = path.components().all(|component| matches!(component, Component::Normal(_)));
    (is_plain && path.extension() == Some(OsStr::new("pyc"))).then_some((path, contents, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(files: &[(&str, &[u8])]) -> Vec<u8> {
        let entry = |&(path, contents): &(&str, &[u8])| {
            let length = (contents.len() as u32).to_be_bytes();
            [path.as_bytes(), b"\0", &length, contents].concat()
        };
        files.iter().flat_map(entry).collect()
    }

    #[test]
    fn it_is_kept_whole_or_not_at_all_and_goes_with_its_code() {
        let directory = tempfile::tempdir().unwrap();
        let (packages, kept) = (directory.path().join("code"), directory.path().join("bytecode"));
        let (closing, closed) = watch::channel(false);
        let bytes = written(&[("a/__pycache__/b.cpython-311.pyc", b"code"), ("__pycache__/c.pyc", b"")]);
        for name in ["one", "two"] {
            let (code, target) = (packages.join(name), kept.join(format!("{name}.task.3.11.2")));
            fs::create_dir_all(&code).unwrap();
            clear(&target, &code).unwrap();
            keep(&target, &bytes, &closed).unwrap();
            assert_eq!(fs::read(target.join("a/__pycache__/b.cpython-311.pyc")).unwrap(), b"code");
            assert_eq!(fs::read(target.join("__pycache__/c.pyc")).unwrap(), b"");
        }
        let target = kept.join("three.opt.3.11.2");
        for broken in [&bytes[..bytes.len() - 1], &bytes[..8], b"x.pyc"] {
            keep(&target, broken, &closed).unwrap_err();
            assert_eq!(fs::read_dir(&kept).unwrap().count(), 2, "{broken:?}");
        }
        closing.send_replace(true);
        keep(&target, &bytes, &closed).unwrap_err();
        assert!(!target.exists());
        fs::create_dir(kept.join("two.opt.3.11.2.partial")).unwrap();
        fs::remove_dir(packages.join("one")).unwrap();
        clear(&target, &packages.join("three")).unwrap();
        let left: Vec<_> = fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["two.task.3.11.2"]);
    }

    #[test]
    fn functions_can_enter_what_a_server_made_that_keeps_all_to_itself() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("one.task.3.11.2.partial");
        let inner = root.join("package");
        for made in [&root, &inner] {
            fs::create_dir(made).unwrap();
            fs::set_permissions(made, fs::Permissions::from_mode(0o700)).unwrap();
        }
        let (_closing, closed) = watch::channel(false);
        fill(&root, &written(&[("package/__pycache__/b.pyc", b"code")]), &closed).unwrap();
        for made in [root, inner.clone(), inner.join("__pycache__")] {
            assert_eq!(fs::metadata(&made).unwrap().permissions().mode() & 0o777, 0o755, "{made:?}");
        }
    }

    #[test]
    fn a_compiler_that_was_taken_over_writes_nowhere_else() {
        for path in ["../x.pyc", "/x.pyc", "a/../../x.pyc", "x.py", "x", ""] {
            assert!(entry(&written(&[(path, b"code")])).is_none(), "{path}");
        }
    }
}
