//! The class-data archives of the Java classes that functions bring, but for the few of their own: what a JVM has parsed and
//! verified of them once, and maps at every later start. `class_data.rs` has those of the bootstrap alone, which is in each of these
//! too: a JVM maps one.
//! <https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html>
//!
//! Each is made in a cage like a function's, since the classes are anybody's, of what the function's class refers to
//! (`ReferencedClasses.java`). It refuses to run any of that, to believe an environment which classes there are, and to be more than
//! a cache: a JVM takes a class from it only where the function's class loader defines one of the same name and bytes.

use crate::bootstrap::Bootstraps;
use crate::chore::{self, Chores, Closed};
use crate::living::Living;
use crate::{Definition, Interpreter, Language};
use crate::{class_data, plan};
use hearth_sandbox::{Isolation, Mount, Spawner, Spec};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// An archive. Classes are taken up to less than that, the nearest first.
const ARCHIVE_BYTES_MAX: u64 = 64 << 20;
/// Memory of the cage: the JVM has the classes, and copies of them.
const MEMORY_BYTES: u64 = 1 << 30;
/// Where a JVM finds it, and under which name.
pub(crate) const PLACE: &str = "/var/lang-classes";
const NAME: &str = "function.jsa";
/// How the name of what is not whole yet ends.
const PARTIAL: &str = ".partial";

/// The archives of all functions of a server.
pub(crate) struct FunctionClasses {
    directory: PathBuf,
    /// The bootstrap's directory.
    bootstrap: PathBuf,
    chores: Chores,
}

/// One archive to make.
struct Job {
    spawner: Spawner,
    spec: Spec,
    /// Where code and layers are.
    packages: PathBuf,
    target: PathBuf,
    closed: Closed,
}

impl FunctionClasses {
    /// Keeps them below `data_dir`.
    pub(crate) fn new(data_dir: &Path, bootstraps: &Bootstraps, living: &Living) -> Self {
        let bootstrap = bootstraps.of(Language::Java).map(|(directory, _)| directory).unwrap_or_default();
        Self { directory: data_dir.join("class-data"), bootstrap, chores: Chores::new(living) }
    }

    /// The archive for a function, when there is one and the function's own options name no other.
    pub(crate) fn mount(&self, interpreter: &Interpreter, definition: &Definition) -> Option<Mount> {
        if interpreter.language != Language::Java || class_data::is_named_by(definition) {
            return None;
        }
        let source = self.target(interpreter, definition)?;
        class_data::is_whole(&source.join(NAME)).then(|| Mount { source, target: PLACE.into() })
    }

    /// The option that has a JVM map what is mounted.
    pub(crate) fn option() -> String {
        format!("-XX:SharedArchiveFile={PLACE}/{NAME}")
    }

    /// Makes a function's archive in the background, unless that was done or begun.
    pub(crate) fn make_for(&self, interpreter: &Interpreter, definition: &Definition, spawner: &Spawner) {
        if interpreter.language != Language::Java || spawner.isolation() != Isolation::Sandbox {
            return;
        }
        let wanted = self.target(interpreter, definition).filter(|target| !is_decided(target));
        let (Some(target), Some(packages)) = (wanted, definition.code.parent()) else { return };
        self.chores.begin(target.clone(), |closed| {
            let spec = self.rehearsal(interpreter, definition);
            let packages = packages.to_path_buf();
            Job { spawner: spawner.clone(), spec, packages, target, closed }.run()
        });
    }

    /// Begins nothing more, and gives up what was begun.
    pub(crate) fn close(&self) {
        self.chores.close();
    }

    /// The bootstrap's rehearsal, with the function's classes.
    fn rehearsal(&self, interpreter: &Interpreter, definition: &Definition) -> Spec {
        let mut spec = plan::rehearsal(interpreter, &self.bootstrap);
        let seen = |source: &Path, target: &str| Mount { source: source.into(), target: target.into() };
        spec.mounts.push(seen(&definition.code, "/var/task"));
        spec.mounts.extend(definition.layers.as_deref().map(|layers| seen(layers, "/opt")));
        spec.arguments.extend(["/var/task".into(), class(definition).into()]);
        spec.limits.memory_bytes = MEMORY_BYTES;
        spec
    }

    /// Where the archive is kept: for one class of one package, its layers, one JVM and one bootstrap.
    fn target(&self, interpreter: &Interpreter, definition: &Definition) -> Option<PathBuf> {
        let code = definition.code.file_name()?.to_str()?;
        let layers = match &definition.layers {
            Some(layers) => layers.file_name()?.to_str()?,
            None => "",
        };
        let class = Sha256::digest(class(definition));
        let class: String = class[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let machine = class_data::machine(interpreter)?;
        let bootstrap = bootstrap_name(&self.bootstrap)?;
        Some(self.directory.join(format!("{code}.{layers}.{class}.{machine}.{bootstrap}")))
    }
}

/// The class that a handler names.
fn class(definition: &Definition) -> &str {
    definition.handler.rsplit_once("::").map_or(definition.handler.as_str(), |(class, _)| class)
}

/// The name of a bootstrap's directory, which says what is in it.
fn bootstrap_name(java: &Path) -> Option<&str> {
    java.parent()?.file_name()?.to_str()
}

/// Whether there is an archive, or an empty file: that none is worth it.
fn is_decided(target: &Path) -> bool {
    target.is_file() || class_data::is_whole(&target.join(NAME))
}

impl Job {
    async fn run(self) -> io::Result<()> {
        let Self { spawner, spec, packages, target, closed } = self;
        let made = match chore::run(&spawner, spec, ARCHIVE_BYTES_MAX, closed.told()).await {
            Ok((bytes, exit)) => class_data::accept(&bytes, exit, ARCHIVE_BYTES_MAX).map(|()| bytes),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(error),
            Err(error) => return Err(error),
        };
        // It would be no better the next time.
        let bytes = made.unwrap_or_else(|error| {
            tracing::debug!(%error, ?target, "a function's classes are in no archive");
            Vec::new()
        });
        let work = move || {
            clear(&target, &packages)?;
            keep(&target, &bytes)
        };
        tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
    }
}

/// Removes the archives of code, of layers and of bootstraps that are gone, and what a killed server left half written.
fn clear(target: &Path, packages: &Path) -> io::Result<()> {
    let Some(directory) = target.parent() else { return Ok(()) };
    let bootstrap = target.extension();
    fs::create_dir_all(directory)?;
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut of = name.split('.').take(2).filter(|package| !package.is_empty());
        let is_kept = path != target && path.extension() == bootstrap;
        if !is_kept || !of.all(|package| packages.join(package).is_dir()) {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Whole, or not at all. An empty file stands for no archive.
fn keep(target: &Path, bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() {
        return fs::write(target, b"");
    }
    let mut aside = target.as_os_str().to_owned();
    aside.push(PARTIAL);
    let aside = PathBuf::from(aside);
    let kept = class_data::keep(&aside.join(NAME), bytes).and_then(|()| fs::rename(&aside, target));
    if kept.is_err() {
        // The disk may be full, and then this is what helps.
        let _ = fs::remove_dir_all(&aside);
    }
    kept
}

fn remove(path: &Path) -> io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn an_archive_goes_with_its_code_its_layers_and_its_bootstrap() {
        let directory = tempfile::tempdir().unwrap();
        let (packages, kept) = (directory.path().join("code"), directory.path().join("class-data"));
        for package in ["code1", "code2", "layers"] {
            fs::create_dir_all(packages.join(package)).unwrap();
        }
        fs::create_dir(&kept).unwrap();
        let of =
            ["code1..c.17.b1", "code2.layers.c.17.b1", "code2..c.17.b1", "gone..c.17.b1", "code1..c.17.b0"];
        for name in of {
            keep(&kept.join(name), b"archive").unwrap();
        }
        fs::create_dir(kept.join("code1..d.17.b1.partial")).unwrap();
        keep(&kept.join("code1..e.17.b1"), b"").unwrap();
        fs::remove_dir(packages.join("layers")).unwrap();
        clear(&kept.join("code2..d.17.b1"), &packages).unwrap();
        assert_eq!(names(&kept), ["code1..c.17.b1", "code1..e.17.b1", "code2..c.17.b1"]);
        assert!(is_decided(&kept.join("code1..e.17.b1")) && is_decided(&kept.join("code1..c.17.b1")));
    }

    #[test]
    fn an_archive_that_is_not_whole_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let (packages, target) = (directory.path(), directory.path().join("class-data/code..c.17.b"));
        fs::create_dir(packages.join("code")).unwrap();
        for _ in 0..2 {
            assert!(!is_decided(&target));
            clear(&target, packages).unwrap();
            keep(&target, &[7; 5000]).unwrap();
            assert!(is_decided(&target));
            fs::write(target.join(NAME), [7; 4096]).unwrap();
        }
    }

    #[test]
    fn each_class_with_its_layers_has_an_archive_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let data_dir = directory.path();
        let library = data_dir.join("jvm/lib/server/libjvm.so");
        fs::create_dir_all(library.parent().unwrap()).unwrap();
        fs::write(library, "").unwrap();
        let interpreter = Interpreter {
            language: Language::Java,
            program: data_dir.join("jvm/bin/java"),
            version: (17, 0, 1),
            prefix: data_dir.join("jvm"),
            directories: Vec::new(),
            lacks_cultures: false,
            named_for: None,
        };
        let bootstraps = Bootstraps::write(data_dir).unwrap();
        let classes = FunctionClasses::new(data_dir, &bootstraps, &Living::new());
        let sample = Definition { code: data_dir.join("code/0a1b"), ..Definition::sample() };
        let of = |handler: &str, layers: Option<&str>| {
            let layers = layers.map(|name| data_dir.join("code").join(name));
            let definition = Definition { handler: handler.into(), layers, ..sample.clone() };
            classes.target(&interpreter, &definition).unwrap()
        };
        assert_eq!(of("a.B::first", None), of("a.B", None));
        let targets = [of("a.B", None), of("a.C", None), of("a.B", Some("1")), of("a.B", Some("2"))];
        assert_eq!(targets.iter().collect::<BTreeSet<_>>().len(), targets.len());
        assert!(classes.mount(&interpreter, &sample).is_none());
    }

    #[test]
    fn functions_can_read_it_whatever_the_umask() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("code..c.17.b");
        fs::create_dir(directory.path().join("code..c.17.b.partial")).unwrap();
        fs::set_permissions(directory.path().join("code..c.17.b.partial"), fs::Permissions::from_mode(0o700))
            .unwrap();
        keep(&target, b"archive").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&target), mode(&target.join(NAME))), (0o755, 0o644));
    }
}
