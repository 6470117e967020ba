//! The AWS SDKs that AWS's managed runtimes bundle: installed once into the data directory, seen by every function.
//!
//! Each installation is a numbered directory, made aside and renamed when it is whole, so that neither an interrupted
//! installation nor a later one can disturb a running function. It refuses to do what the language's own package manager
//! does.

use crate::bootstrap::for_all_to_read;
use crate::{Interpreter, Language, Runtimes};
use std::fmt;
use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PYTHON_PACKAGES: &[&str] = &["boto3"];
/// The clients that functions use most. All of them together are 400 packages: others are named by the user.
const NODE_PACKAGES: &[&str] = &[
    "@aws-sdk/client-api-gateway",
    "@aws-sdk/client-apigatewaymanagementapi",
    "@aws-sdk/client-cloudformation",
    "@aws-sdk/client-cloudwatch",
    "@aws-sdk/client-cloudwatch-logs",
    "@aws-sdk/client-cognito-identity-provider",
    "@aws-sdk/client-dynamodb",
    "@aws-sdk/client-eventbridge",
    "@aws-sdk/client-iam",
    "@aws-sdk/client-kinesis",
    "@aws-sdk/client-kms",
    "@aws-sdk/client-lambda",
    "@aws-sdk/client-s3",
    "@aws-sdk/client-secrets-manager",
    "@aws-sdk/client-ses",
    "@aws-sdk/client-sfn",
    "@aws-sdk/client-sns",
    "@aws-sdk/client-sqs",
    "@aws-sdk/client-ssm",
    "@aws-sdk/client-sts",
    "@aws-sdk/credential-providers",
    "@aws-sdk/lib-dynamodb",
    "@aws-sdk/lib-storage",
    "@aws-sdk/s3-request-presigner",
    "@aws-sdk/util-dynamodb",
];

const RUBY_PACKAGES: &[&str] = &[
    "aws-sdk-apigateway",
    "aws-sdk-apigatewaymanagementapi",
    "aws-sdk-cloudformation",
    "aws-sdk-cloudwatch",
    "aws-sdk-cloudwatchlogs",
    "aws-sdk-cognitoidentityprovider",
    "aws-sdk-core",
    "aws-sdk-dynamodb",
    "aws-sdk-eventbridge",
    "aws-sdk-iam",
    "aws-sdk-kinesis",
    "aws-sdk-kms",
    "aws-sdk-lambda",
    "aws-sdk-s3",
    "aws-sdk-secretsmanager",
    "aws-sdk-ses",
    "aws-sdk-sns",
    "aws-sdk-sqs",
    "aws-sdk-ssm",
    "aws-sdk-states",
];

/// What to install, and where.
#[derive(Debug, Clone, Copy)]
pub struct Installation<'a> {
    /// Where SDKs are installed: [`crate::Options::sdk_dir`].
    pub sdk_dir: &'a Path,
    /// The interpreters of this machine: their package managers do the work.
    pub runtimes: &'a Runtimes,
    /// Python, Node.js or Ruby.
    pub language: Language,
    /// Packages beside the usual ones.
    pub packages: &'a [String],
}

/// An SDK could not be installed.
#[derive(Debug)]
pub enum SdkError {
    /// The language has no SDK of its own here.
    NoSdk(Language),
    /// No interpreter of the language, or none with a package manager.
    NoPackageManager(Language),
    /// The package manager could not be run.
    Run {
        /// Its command line.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// The package manager failed.
    Failed {
        /// Its command line.
        command: String,
        /// The last lines it printed.
        output: String,
    },
    /// A directory could not be made, read, renamed or removed.
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Where the SDK of `language` is, when it is installed: the newest installation.
pub fn installed(sdk_dir: &Path, language: Language) -> Option<PathBuf> {
    let parent = parent(sdk_dir, language);
    let newest = numbers(&parent).into_iter().max()?;
    Some(parent.join(newest.to_string()))
}

/// What is installed for `language`, for people: `boto3 1.40.1`.
pub fn describe(sdk_dir: &Path, language: Language) -> Option<String> {
    let directory = installed(sdk_dir, language)?;
    match language {
        Language::Python => {
            let entries = fs::read_dir(&directory).ok()?;
            let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            let mut versions = names
                .filter_map(|name| Some(name.strip_prefix("boto3-")?.strip_suffix(".dist-info")?.to_owned()));
            versions.next().map(|version| format!("boto3 {version}"))
        }
        Language::Node => {
            let clients = fs::read_dir(directory.join("node_modules/@aws-sdk")).ok()?;
            let names = clients.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            let count = names.filter(|name| name.starts_with("client-")).count();
            let manifest =
                fs::read(directory.join("node_modules/@aws-sdk/client-lambda/package.json")).ok()?;
            let manifest: serde_json::Value = serde_json::from_slice(&manifest).ok()?;
            Some(format!("@aws-sdk {} ({count} clients)", manifest.get("version")?.as_str()?))
        }
        Language::Ruby => {
            let gems = fs::read_dir(directory.join("gems")).ok()?;
            let names = gems.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            let core = names.filter_map(|name| Some(name.strip_prefix("aws-sdk-core-")?.to_owned())).next();
            core.map(|version| format!("aws-sdk-core {version}"))
        }
        Language::Java | Language::DotNet | Language::Provided => None,
    }
}

/// Installs the SDK of a language. `progress` gets a line now and then. Returns what [`describe`] says of it.
///
/// # Errors
/// [`SdkError`]; then nothing has changed.
pub fn install(what: &Installation<'_>, progress: &mut dyn FnMut(&str)) -> Result<String, SdkError> {
    let parent = parent(what.sdk_dir, what.language);
    let aside = parent.join(format!("new-{}", std::process::id()));
    let at = |path: &Path, source| SdkError::Directory { path: path.to_path_buf(), source };
    fs::create_dir_all(&aside).map_err(|error| at(&aside, error))?;
    let readable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&aside, readable).map_err(|error| at(&aside, error))?;
    let result = match what.language {
        Language::Python => install_python(what, &aside, progress),
        Language::Node => install_node(what, &aside, progress),
        Language::Ruby => install_ruby(what, &aside, progress),
        Language::Java | Language::DotNet | Language::Provided => Err(SdkError::NoSdk(what.language)),
    };
    if let Err(error) = result {
        // What is left of it disturbs nobody, should this fail too.
        let _ = fs::remove_dir_all(&aside);
        return Err(error);
    }
    let present = numbers(&parent);
    let newest = present.iter().max().copied().unwrap_or(0);
    let target = parent.join((newest + 1).to_string());
    fs::rename(&aside, &target).map_err(|error| at(&target, error))?;
    // The one before stays for the functions that run with it.
    for old in present.into_iter().filter(|number| *number < newest) {
        let old = parent.join(old.to_string());
        fs::remove_dir_all(&old).map_err(|error| at(&old, error))?;
    }
    Ok(describe(what.sdk_dir, what.language).unwrap_or_else(|| "installed".to_owned()))
}

fn parent(sdk_dir: &Path, language: Language) -> PathBuf {
    sdk_dir.join(language.as_str())
}

fn numbers(parent: &Path) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

fn install_python(
    what: &Installation<'_>,
    target: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<(), SdkError> {
    // The oldest Python chooses the release, so that one installation serves all of them.
    let able = || what.runtimes.list().iter().filter(|found| what.runtimes.can_run(found, Language::Python));
    let has_pip = |found: &&Interpreter| {
        let mut pip = Command::new(&found.program);
        pip.args(["-m", "pip", "--version"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        pip.status().is_ok_and(|status| status.success())
    };
    let oldest = able().find(has_pip).ok_or(SdkError::NoPackageManager(Language::Python))?;
    let mut pip = for_all_to_read(&oldest.program);
    pip.args([
        "-m",
        "pip",
        "install",
        "--no-input",
        "--disable-pip-version-check",
        "--no-compile",
        "--target",
    ]);
    pip.arg(target).args(PYTHON_PACKAGES).args(what.packages);
    // As variables, for an older pip refuses options that it does not know.
    pip.env("PIP_PROGRESS_BAR", "off").env("PIP_ROOT_USER_ACTION", "ignore");
    run(&mut pip, progress)?;
    for interpreter in able() {
        // A function cannot write there: without this it would compile what it imports at every cold start.
        progress(&format!("compiling for {interpreter}"));
        let mut compile = for_all_to_read(&interpreter.program);
        compile
            .args(["-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"])
            .arg(target);
        run(&mut compile, progress)?;
    }
    Ok(())
}

fn install_node(
    what: &Installation<'_>,
    target: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<(), SdkError> {
    let newest = what.runtimes.newest(Language::Node).ok_or(SdkError::NoPackageManager(Language::Node))?;
    let binaries = newest.prefix.join("bin");
    let beside = binaries.join("npm");
    let mut npm = for_all_to_read(if beside.exists() { beside.as_path() } else { Path::new("npm") });
    npm.args(["install", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--prefix"]);
    npm.arg(target).args(NODE_PACKAGES).args(what.packages);
    // npm is a script that looks for `node` in the path.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(binaries).chain(std::env::split_paths(&path));
    if let Ok(path) = std::env::join_paths(paths) {
        npm.env("PATH", path);
    }
    run(&mut npm, progress)
}

fn install_ruby(
    what: &Installation<'_>,
    target: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<(), SdkError> {
    let newest = what.runtimes.newest(Language::Ruby).ok_or(SdkError::NoPackageManager(Language::Ruby))?;
    let mut gem = Command::new(&newest.program);
    gem.args(["-S", "gem", "install", "--no-document", "--install-dir"]);
    gem.arg(target).args(RUBY_PACKAGES).args(what.packages);
    run(&mut gem, progress)
}

/// Runs a command, handing on what it prints.
fn run(command: &mut Command, progress: &mut dyn FnMut(&str)) -> Result<(), SdkError> {
    let shown = format!("{command:?}");
    let failed = |source| SdkError::Run { command: shown.clone(), source };
    let (reader, writer) = io::pipe().map_err(failed)?;
    let error_writer = writer.try_clone().map_err(failed)?;
    command.stdin(Stdio::null()).stdout(writer).stderr(error_writer);
    let mut child = command.spawn().map_err(failed)?;
    // The command holds the write ends too, and the pipe would never end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut last = std::collections::VecDeque::new();
    for line in BufReader::new(reader).lines() {
        let Ok(line) = line else { break };
        progress(&line);
        if last.len() == 20 {
            last.pop_front();
        }
        last.push_back(line);
    }
    let status = child.wait().map_err(failed)?;
    if status.success() {
        return Ok(());
    }
    Err(SdkError::Failed { command: shown, output: Vec::from(last).join("\n") })
}

impl fmt::Display for SdkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSdk(language) => write!(f, "{} functions bring their own AWS SDK", language.as_str()),
            Self::NoPackageManager(Language::Node) => f.write_str("no Node.js 20 or later was found"),
            Self::NoPackageManager(Language::Ruby) => f.write_str("no Ruby 3.1 or later was found"),
            Self::NoPackageManager(_) => f.write_str(
                "no Python 3.9 or later with pip was found: install one, or pip for it (python3-pip, python -m ensurepip)",
            ),
            Self::Run { command, .. } => write!(f, "could not run {command}"),
            Self::Failed { command, output } => write!(f, "{command} failed:\n{output}"),
            Self::Directory { path, .. } => write!(f, "could not prepare {}", path.display()),
        }
    }
}

impl std::error::Error for SdkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Run { source, .. } | Self::Directory { source, .. } => Some(source),
            Self::NoSdk(_) | Self::NoPackageManager(_) | Self::Failed { .. } => None,
        }
    }
}
