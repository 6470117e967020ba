//! Finding interpreters and asking each what it is.
//!
//! A program is run once, with a bound on its time, and remembered by path, size and time of change. It refuses
//! scripts such as pyenv's shims: they only lead to programs that are found anyway.

use super::{Interpreter, RuntimesOptions};
use crate::runtimes::icu;
use crate::{Language, Runtime};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long a program may take to tell its version.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// How many bytes of its answer are read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// Prints version, program and prefix, a line each.
const ASK_PYTHON: &str =
    "import sys; print('%d.%d.%d' % sys.version_info[:3]); print(sys.executable); print(sys.base_prefix)";
const ASK_RUBY: &str = "require 'rbconfig'; puts RUBY_VERSION, RbConfig.ruby, RbConfig::CONFIG['prefix']";
const ASK_NODE: &str = "console.log(process.versions.node); console.log(process.execPath); console.log(require('path').dirname(require('path').dirname(process.execPath)))";

/// What a program said of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Facts {
    size: u64,
    modified: i64,
    version: (u16, u16, u16),
    program: PathBuf,
    prefix: PathBuf,
    directories: Vec<PathBuf>,
    /// Further versions that the same program starts: a `dotnet` has as many as are installed beside it.
    #[serde(default)]
    others: Vec<(u16, u16, u16)>,
}

/// A program to be asked, and the runtime that it was named for.
type Wanted = (Language, PathBuf, Option<Runtime>);

/// What was found, and what looked like an interpreter and is none.
pub(super) fn discover(options: &RuntimesOptions) -> (Vec<Interpreter>, Vec<String>) {
    let remembered = options.cache.as_deref().map(read_cache).unwrap_or_default();
    let mut wanted: Vec<Wanted> = Vec::new();
    for (runtime, path) in &options.overrides {
        wanted.push((runtime.language(), path.clone(), Some(*runtime)));
    }
    for (language, path) in candidates() {
        wanted.push((language, path, None));
    }
    let answers = answers(&wanted, &remembered);
    let (mut found, mut problems, mut known) = (Vec::new(), Vec::new(), BTreeMap::new());
    for ((language, path, named_for), answer) in wanted.into_iter().zip(answers) {
        match answer {
            Ok(facts) => {
                known.insert(path, facts.clone());
                let one = Interpreter {
                    language,
                    version: facts.version,
                    program: facts.program,
                    prefix: facts.prefix,
                    directories: facts.directories,
                    lacks_cultures: false,
                    named_for,
                };
                let versions = std::iter::once(one.version).chain(facts.others);
                match named_for {
                    Some(runtime) => {
                        // Whoever names a program means the version in it that suits best.
                        let nearest = versions.min_by_key(|version| unsuited(*version, runtime.version()));
                        found.extend(nearest.map(|version| Interpreter { version, ..one }));
                    }
                    None => found.extend(versions.map(|version| Interpreter { version, ..one.clone() })),
                }
            }
            Err(reason) => problems.push(format!("{}: {reason}", path.display())),
        }
    }
    if let Some(path) = &options.cache {
        write_cache(path, &known);
    }
    icu::mark(&mut found);
    found.dedup_by(|a, b| a.program == b.program && a.version == b.version && a.named_for == b.named_for);
    (found, problems)
}

/// How badly a version suits a runtime: older ones after all newer ones, and the nearer before the farther.
fn unsuited(
    (major, minor, patch): (u16, u16, u16),
    wanted: (u16, u16),
) -> (bool, u16, std::cmp::Reverse<u16>) {
    let number = |(major, minor): (u16, u16)| major * 100 + minor;
    let distance = number((major, minor)).abs_diff(number(wanted));
    ((major, minor) < wanted, distance, std::cmp::Reverse(patch))
}

/// Asks all, a few at once: half of the processors are left to the server that starts meanwhile.
fn answers(wanted: &[Wanted], remembered: &BTreeMap<PathBuf, Facts>) -> Vec<Result<Facts, String>> {
    let askers = std::thread::available_parallelism().map_or(1, |processors| processors.get().div_ceil(2));
    let next = AtomicUsize::new(0);
    let ask = || {
        let mut told = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((language, path, _)) = wanted.get(index) else { return told };
            told.push((index, facts(*language, path, remembered)));
        }
    };
    let mut answers: Vec<Result<Facts, String>> =
        wanted.iter().map(|_| Err("asking a program for its version failed".to_owned())).collect();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..askers).map(|_| scope.spawn(ask)).collect();
        for (index, answer) in threads.into_iter().filter_map(|thread| thread.join().ok()).flatten() {
            answers[index] = answer;
        }
    });
    answers
}

/// Programs of the right names in the usual places, each real file once.
fn candidates() -> Vec<(Language, PathBuf)> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for directory in directories() {
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        for path in paths {
            let Some(language) = path.file_name().and_then(|name| name.to_str()).and_then(language_of) else {
                continue;
            };
            if let Ok(real) = path.canonicalize()
                && is_program(&real)
                && seen.insert(real.clone())
            {
                found.push((language, real));
            }
        }
    }
    found
}

fn directories() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let root = |variable: &str, below: &str| {
        std::env::var_os(variable).map(PathBuf::from).or_else(|| Some(home.as_ref()?.join(below)))
    };
    let mut found: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    found.extend(["/usr/local/bin".into(), "/usr/bin".into()]);
    found.extend(std::env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin")));
    found.extend(
        ["DOTNET_ROOT", "DOTNET_INSTALL_DIR"].into_iter().filter_map(std::env::var_os).map(PathBuf::from),
    );
    found.extend(home.as_ref().map(|home| home.join(".dotnet")));
    // Where Microsoft's packages, Debian's and Fedora's, and its script for all users put it.
    found.extend(
        ["/usr/share/dotnet", "/usr/lib/dotnet", "/usr/lib64/dotnet", "/opt/dotnet"].map(PathBuf::from),
    );
    let managers = [
        Some("/usr/lib/jvm".into()),
        root("SDKMAN_DIR", ".sdkman").map(|r| r.join("candidates/java")),
        root("RBENV_ROOT", ".rbenv").map(|r| r.join("versions")),
        root("PYENV_ROOT", ".pyenv").map(|r| r.join("versions")),
        root("NVM_DIR", ".nvm").map(|r| r.join("versions/node")),
    ];
    for versions in managers.into_iter().flatten() {
        let Ok(entries) = std::fs::read_dir(versions) else { continue };
        let mut below: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path().join("bin"))).collect();
        below.sort();
        found.extend(below);
    }
    found
}

/// `python3`, `python3.12`, `node`, `nodejs`, `ruby`, `ruby3.3`, `java`, `dotnet`.
fn language_of(name: &str) -> Option<Language> {
    if matches!(name, "node" | "nodejs") {
        return Some(Language::Node);
    }
    if name == "java" {
        return Some(Language::Java);
    }
    if name == "dotnet" {
        return Some(Language::DotNet);
    }
    let is_version = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if let Some(version) = name.strip_prefix("ruby") {
        return is_version(version).then_some(Language::Ruby);
    }
    let minor = name.strip_prefix("python3")?;
    ((minor.is_empty() || minor.starts_with('.')) && is_version(minor)).then_some(Language::Python)
}

fn is_program(path: &Path) -> bool {
    let mut magic = [0; 4];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *b"\x7fELF"
}

fn facts(language: Language, path: &Path, remembered: &BTreeMap<PathBuf, Facts>) -> Result<Facts, String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    let (size, modified) = (metadata.size(), metadata.mtime());
    if let Some(facts) = remembered.get(path)
        && (facts.size, facts.modified) == (size, modified)
        && facts.program.exists()
    {
        return Ok(facts.clone());
    }
    if language == Language::Java {
        return java_facts(path, size, modified);
    }
    if language == Language::DotNet {
        return dotnet_facts(path, size, modified);
    }
    let question: &[&str] = match language {
        Language::Python => &["-I", "-S", "-c", ASK_PYTHON],
        Language::Node => &["-e", ASK_NODE],
        Language::Ruby => &["--disable=gems", "-e", ASK_RUBY],
        Language::Java | Language::DotNet | Language::Provided => {
            return Err("a provided runtime has no interpreter: it runs its bootstrap".to_owned());
        }
    };
    let answer = run(Command::new(path).args(question))?;
    let mut lines = answer.lines();
    let mut line = || lines.next().ok_or_else(|| format!("it answered {answer:?}"));
    let version = parse_version(line()?).ok_or_else(|| format!("it answered {answer:?}"))?;
    let real = |text: &str| Path::new(text).canonicalize().map_err(|error| format!("{text}: {error}"));
    let (program, prefix) = (real(line()?)?, real(line()?)?);
    let directories = library_directories(&program);
    Ok(Facts { size, modified, version, program, prefix, directories, others: Vec::new() })
}

/// Java runs no line of text: its first line names the version, and it stands where it is installed.
fn java_facts(path: &Path, size: u64, modified: i64) -> Result<Facts, String> {
    let answer = run(Command::new(path).arg("--version"))?;
    let version = answer.split_whitespace().nth(1).and_then(parse_java_version);
    let version = version.ok_or_else(|| format!("it answered {answer:?}"))?;
    let prefix = path.parent().and_then(Path::parent).ok_or("it stands in no directory of its own")?;
    let (program, prefix) = (path.to_path_buf(), prefix.to_path_buf());
    // What it loads lies in its own directory, or is the system's.
    Ok(Facts { size, modified, version, program, prefix, directories: Vec::new(), others: Vec::new() })
}

/// What starts .NET has no version that matters: it lists those of the runtimes beside it.
fn dotnet_facts(path: &Path, size: u64, modified: i64) -> Result<Facts, String> {
    let answer = run(Command::new(path).arg("--list-runtimes").env("DOTNET_NOLOGO", "1"))?;
    let mut versions = dotnet_versions(&answer);
    let version = versions.pop().ok_or("it has no runtime (Microsoft.NETCore.App) beside it")?;
    let prefix = path.parent().ok_or("it stands in no directory")?.to_path_buf();
    let program = path.to_path_buf();
    Ok(Facts { size, modified, version, program, prefix, directories: Vec::new(), others: versions })
}

/// The versions in lines such as `Microsoft.NETCore.App 8.0.11 [/usr/share/dotnet/shared/Microsoft.NETCore.App]`, the lowest
/// first. Those of other frameworks, such as ASP.NET Core, stand on one of these; previews are left out.
fn dotnet_versions(listing: &str) -> Vec<(u16, u16, u16)> {
    let named = listing.lines().filter_map(|line| line.strip_prefix("Microsoft.NETCore.App "));
    let mut versions: Vec<_> = named.filter_map(|line| parse_version(line.split(' ').next()?)).collect();
    versions.sort_unstable();
    versions.dedup();
    versions
}

/// `17.0.15`, `25`, `21-ea`.
fn parse_java_version(text: &str) -> Option<(u16, u16, u16)> {
    let numbers = text.split(['-', '+']).next()?;
    let mut numbers = numbers.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next().flatten().unwrap_or(0), numbers.next().flatten().unwrap_or(0)))
}

fn parse_version(text: &str) -> Option<(u16, u16, u16)> {
    let mut numbers = text.trim().split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}

/// Directories of shared libraries that the cage would not show: the dynamic loader itself tells, as it does for `ldd`.
fn library_directories(program: &Path) -> Vec<PathBuf> {
    let Ok(listing) = run(Command::new(program).env("LD_TRACE_LOADED_OBJECTS", "1")) else {
        return Vec::new();
    };
    let shown =
        |path: &Path| ["/usr", "/lib", "/lib64", "/bin", "/sbin"].iter().any(|root| path.starts_with(root));
    let paths = listing.lines().filter_map(|line| {
        let path = line.split_once("=> ")?.1.split(" (").next()?;
        path.starts_with('/').then(|| PathBuf::from(path))
    });
    let directories = paths.filter_map(|path| Some(path.parent()?.to_path_buf())).filter(|path| !shown(path));
    directories.collect::<BTreeSet<_>>().into_iter().collect()
}

/// What it prints; an error when it fails, says too much or takes too long.
fn run(command: &mut Command) -> Result<String, String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("could not run it: {error}"))?;
    let deadline = Instant::now() + ANSWER_TIME_MAX;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(2)),
            Ok(None) | Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("it did not tell its version within {} s", ANSWER_TIME_MAX.as_secs()));
            }
        }
    };
    let mut answer = String::new();
    let output = child.stdout.take().ok_or("its output was lost")?;
    output
        .take(ANSWER_BYTES_MAX)
        .read_to_string(&mut answer)
        .map_err(|error| format!("could not read its answer: {error}"))?;
    if status.success() { Ok(answer) } else { Err(format!("it ended with {status}")) }
}

fn read_cache(path: &Path) -> BTreeMap<PathBuf, Facts> {
    // A cache that is missing or unreadable is an empty one.
    std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn write_cache(path: &Path, known: &BTreeMap<PathBuf, Facts>) {
    let aside = path.with_extension(format!("{}.new", std::process::id()));
    let written = path.parent().map(std::fs::create_dir_all).unwrap_or(Ok(())).and_then(|()| {
        std::fs::write(&aside, serde_json::to_vec_pretty(known).unwrap_or_default())?;
        std::fs::rename(&aside, path)
    });
    if let Err(error) = written {
        tracing::debug!(%error, path = %path.display(), "the cache of interpreters was not written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_versions_of_programs() {
        for (name, language) in [
            ("python3", Some(Language::Python)),
            ("python3.12", Some(Language::Python)),
            ("python3-config", None),
            ("python2", None),
            ("node", Some(Language::Node)),
            ("ruby", Some(Language::Ruby)),
            ("ruby3.1", Some(Language::Ruby)),
            ("ruby-build", None),
            ("java", Some(Language::Java)),
            ("javac", None),
            ("dotnet", Some(Language::DotNet)),
            ("dotnet-ef", None),
        ] {
            assert_eq!(language_of(name), language, "{name}");
        }
        for (text, version) in [
            ("17.0.15", Some((17, 0, 15))),
            ("25", Some((25, 0, 0))),
            ("26-ea", Some((26, 0, 0))),
            ("21.0.5+11", Some((21, 0, 5))),
            ("version", None),
        ] {
            assert_eq!(parse_java_version(text), version, "{text}");
        }
    }

    #[test]
    fn runtimes_of_a_dotnet() {
        let listing = "Microsoft.AspNetCore.App 8.0.11 [/usr/share/dotnet/shared/Microsoft.AspNetCore.App]\n\
            Microsoft.NETCore.App 10.0.1 [/usr/share/dotnet/shared/Microsoft.NETCore.App]\n\
            Microsoft.NETCore.App 8.0.11 [/usr/share/dotnet/shared/Microsoft.NETCore.App]\n\
            Microsoft.NETCore.App 11.0.0-preview.2.25163.2 [/usr/share/dotnet/shared/Microsoft.NETCore.App]\n";
        assert_eq!(dotnet_versions(listing), [(8, 0, 11), (10, 0, 1)]);
        assert_eq!(dotnet_versions(""), []);
        let versions = [(3, 1, 23), (6, 0, 2), (8, 0, 1), (8, 0, 11), (10, 0, 1)];
        for (wanted, suits) in
            [((8, 0), (8, 0, 11)), ((2, 1), (3, 1, 23)), ((9, 0), (10, 0, 1)), ((12, 0), (10, 0, 1))]
        {
            assert_eq!(versions.into_iter().min_by_key(|version| unsuited(*version, wanted)), Some(suits));
        }
    }
}
