//! The bytecode of functions' Python and Node.js code. AWS's functions find none but what was packaged, and compile their modules at every
//! cold start, since `/var/task` and `/opt` cannot be written to; here each package is compiled once for each interpreter, when it has been deployed.
//!
//! It is compiled in a cage like a function's, since the code is anybody's, and mounted beside the code, where the bootstrap looks
//! for it. It refuses to be more than a cache: without it everything works, only slower.

mod node;
mod python;

use crate::bootstrap::write;
use crate::chore::{self, Chores, Closed};
use crate::living::Living;
use crate::{Definition, Interpreter, Language};
use hearth_sandbox::{ExitStatus, Isolation, Mount, Spawner, Spec};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

/// Bytecode of one package. The compilers stop before; a package has 250 MB at most, and few have as much as that of code.
const BYTES_MAX: u64 = 65 << 20;
/// How the name of what is not whole yet ends.
const PARTIAL: &str = ".partial";
/// How the name of code and that of the layers it is run with are put together.
const WITH: u8 = b'+';
/// Where the bootstraps look for what was compiled.
pub(crate) const PLACES: [&str; 3] = [python::PLACES[0], python::PLACES[1], node::PLACE];

/// The bytecode of all functions of a server.
pub(crate) struct Bytecode {
    directory: PathBuf,
    chores: Chores,
}

/// A function whose code is compiled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Function<'a> {
    pub(crate) interpreter: &'a Interpreter,
    pub(crate) definition: &'a Definition,
    /// The AWS SDK that it sees, when one is installed.
    pub(crate) sdk: Option<&'a Path>,
}

/// How a language's code is compiled.
struct Compiler {
    /// What there is to compile of a function.
    products: fn(Function<'_>) -> Vec<Product>,
    /// The cage in which one of them is compiled: it writes files to standard output.
    compilation: fn(&Interpreter, &Product) -> Spec,
    /// Whether a file of this path is such as it writes.
    is_bytecode: fn(&Path) -> bool,
}

/// What is compiled at once.
struct Product {
    /// The name it is kept by, which begins with that of its code: for one interpreter, beside that for others.
    name: OsString,
    /// What is read for it. The first is the code that it goes with.
    sources: Vec<Mount>,
    /// Where it is seen.
    place: &'static str,
}

/// One product to make.
struct Job {
    spawner: Spawner,
    spec: Spec,
    code: PathBuf,
    target: PathBuf,
    is_bytecode: fn(&Path) -> bool,
    closed: Closed,
}

impl Bytecode {
    /// Keeps it below `data_dir`.
    pub(crate) fn new(data_dir: &Path, living: &Living) -> Self {
        Self { directory: data_dir.join("bytecode"), chores: Chores::new(living) }
    }

    /// What there is for a function.
    pub(crate) fn mounts(&self, function: Function<'_>) -> Vec<Mount> {
        let Some(compiler) = compiler(function.interpreter.language) else { return Vec::new() };
        let found = (compiler.products)(function).into_iter().filter_map(|product| {
            let source = self.directory.join(product.name);
            source.is_dir().then(|| Mount { source, target: product.place.into() })
        });
        found.collect()
    }

    /// Compiles a function's code and its layers in the background, unless that was done or begun.
    pub(crate) fn make_for(&self, function: Function<'_>, spawner: &Spawner) {
        if spawner.isolation() != Isolation::Sandbox {
            return;
        }
        let Some(compiler) = compiler(function.interpreter.language) else { return };
        for product in (compiler.products)(function) {
            let target = self.directory.join(&product.name);
            let Some(code) = product.sources.first().filter(|_| !target.exists()) else { continue };
            self.chores.begin(target.clone(), |closed| {
                let (code, spec) =
                    (code.source.clone(), (compiler.compilation)(function.interpreter, &product));
                let is_bytecode = compiler.is_bytecode;
                Job { spawner: spawner.clone(), spec, code, target, is_bytecode, closed }.run()
            });
        }
    }

    /// Begins nothing more, and gives up what was begun.
    pub(crate) fn close(&self) {
        self.chores.close();
    }
}

fn compiler(language: Language) -> Option<&'static Compiler> {
    match language {
        Language::Python => Some(&python::COMPILER),
        Language::Node => Some(&node::COMPILER),
        Language::Ruby | Language::Java | Language::DotNet | Language::Provided => None,
    }
}

/// Where functions of a language find what was compiled.
pub(crate) fn places(language: Language) -> &'static [&'static str] {
    match language {
        Language::Python => &python::PLACES,
        Language::Node => &[node::PLACE],
        Language::Ruby | Language::Java | Language::DotNet | Language::Provided => &[],
    }
}

impl Job {
    async fn run(self) -> io::Result<()> {
        let Self { spawner, spec, code, target, is_bytecode, closed } = self;
        let bytes = match chore::run(&spawner, spec, BYTES_MAX, closed.clone().told()).await {
            Ok((bytes, exit)) if exit.status == ExitStatus::Code(0) && bytes.len() as u64 <= BYTES_MAX => {
                bytes
            }
            // It would be no better the next time: as if there were nothing in it.
            Ok((bytes, exit)) => {
                tracing::debug!(bytes = bytes.len(), ?exit, ?target, "code cannot be compiled");
                Vec::new()
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                tracing::debug!(?target, "code takes too long to compile");
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        let work = move || {
            clear(&target, &code)?;
            keep(&target, (&bytes, is_bytecode), &closed)
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
        let is_kept = name.as_bytes().split(|&byte| byte == WITH).all(|of| is_there(packages, of));
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

/// Whether there is code whose name is the beginning of one, up to a dot: that of layers over each other has itself one.
fn is_there(packages: &Path, name: &[u8]) -> bool {
    let ends = (0..name.len()).filter(|&end| name[end] == b'.').chain([name.len()]);
    ends.into_iter().any(|end| end > 0 && packages.join(OsStr::from_bytes(&name[..end])).is_dir())
}

/// What a compiler wrote, and whether a path is such as it writes.
type Written<'a> = (&'a [u8], fn(&Path) -> bool);

/// Writes what the compiler wrote as files: whole, or not at all. An empty file stands for nothing worth mounting.
fn keep(target: &Path, (bytes, is_bytecode): Written<'_>, closed: &Closed) -> io::Result<()> {
    if bytes.is_empty() {
        return fs::write(target, b"");
    }
    let mut aside = target.as_os_str().to_owned();
    aside.push(PARTIAL);
    let aside = PathBuf::from(aside);
    let kept = fill(&aside, (bytes, is_bytecode), closed).and_then(|()| fs::rename(&aside, target));
    if kept.is_err() {
        // The disk may be full, and then this is what helps.
        let _ = fs::remove_dir_all(&aside);
    }
    kept
}

fn fill(root: &Path, (mut bytes, is_bytecode): Written<'_>, closed: &Closed) -> io::Result<()> {
    while !bytes.is_empty() {
        if closed.is_so() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let (path, contents, rest) =
            entry(bytes).filter(|(path, ..)| is_bytecode(path)).ok_or(io::ErrorKind::InvalidData)?;
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
    (is_plain && !path.as_os_str().is_empty()).then_some((path, contents, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn any(_: &Path) -> bool {
        true
    }

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
        let chores = Chores::new(&Living::new());
        let closed = chores.closed();
        let bytes = written(&[("a/__pycache__/b.cpython-311.pyc", b"code"), ("__pycache__/c.pyc", b"")]);
        for name in ["one", "two"] {
            let (code, target) = (packages.join(name), kept.join(format!("{name}.task.3.11.2")));
            fs::create_dir_all(&code).unwrap();
            clear(&target, &code).unwrap();
            keep(&target, (&bytes, any), &closed).unwrap();
            assert_eq!(fs::read(target.join("a/__pycache__/b.cpython-311.pyc")).unwrap(), b"code");
            assert_eq!(fs::read(target.join("__pycache__/c.pyc")).unwrap(), b"");
        }
        let target = kept.join("three.opt.3.11.2");
        for broken in [&bytes[..bytes.len() - 1], &bytes[..8], b"x.pyc", b"../x.pyc\0\0\0\0\0"] {
            keep(&target, (broken, any), &closed).unwrap_err();
            assert_eq!(fs::read_dir(&kept).unwrap().count(), 2, "{broken:?}");
        }
        keep(&target, (&bytes, |_| false), &closed).unwrap_err();
        assert!(!target.exists(), "of another kind");
        chores.close();
        keep(&target, (&bytes, any), &closed).unwrap_err();
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
        let chores = Chores::new(&Living::new());
        let closed = chores.closed();
        fill(&root, (&written(&[("package/__pycache__/b.pyc", b"code")]), any), &closed).unwrap();
        for made in [root, inner.clone(), inner.join("__pycache__")] {
            assert_eq!(fs::metadata(&made).unwrap().permissions().mode() & 0o777, 0o755, "{made:?}");
        }
    }

    #[test]
    fn it_stays_as_long_as_all_the_code_that_it_is_of() {
        let packages = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c.layers"] {
            fs::create_dir(packages.path().join(name)).unwrap();
        }
        let kept = packages.path().join("bytecode");
        fs::create_dir(&kept).unwrap();
        let (staying, going) = (
            ["a.task.3.11.2", "c.layers.opt.3.11.2", "a+b.node.22.1.0", "b+c.layers.node.22.1.0.sdk.1"],
            ["d.task.3.11.2", "c.opt.3.11.2", "a+d.node.22.1.0", "d+b.node.22.1.0", "a.node.22.1.0.partial"],
        );
        for name in staying.iter().chain(&going) {
            fs::create_dir(kept.join(name)).unwrap();
        }
        clear(&kept.join("b.task.3.11.2"), &packages.path().join("b")).unwrap();
        let left =
            fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert_eq!(left.collect::<BTreeSet<_>>(), staying.map(str::to_owned).into());
    }

    #[test]
    fn a_compiler_that_was_taken_over_writes_nowhere_else() {
        for path in ["../x.pyc", "/x.pyc", "a/../../x.pyc", ""] {
            assert!(entry(&written(&[(path, b"code")])).is_none(), "{path}");
        }
    }
}
