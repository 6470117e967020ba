//! The clients that the tests and the demo use, installed into the build directory: Python with boto3 and the AWS CLI,
//! the AWS CLI version 2, the AWS SDK for JavaScript, a .NET, newer versions of Node.js, and the SDKs that functions import.
//!
//! Each is installed once for what its list of versions says, and again when that changes. It refuses to change the
//! machine, but for Debian packages that are missing where it runs as root.

use crate::process;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian's package of the AWS CLI version 2, which is on no language's registry.
const AWS_CLI: &str = "awscli";
/// PyPI's package of .NET: of the versions that are on a registry of a language, the only one.
const DOTNET: &str = "dotnetcore2==3.1.23";
/// The version of .NET in it.
const DOTNET_VERSION: &str = "3.1.23";

/// npm's packages of newer versions of Node.js than machines most likely have, by the names they are installed under.
const NODES: [(&str, &str); 2] = [("node22", "22.23.3"), ("node24", "24.21.0")];

/// Why a client cannot be had on this machine.
#[derive(Debug)]
pub enum Error {
    /// A program is missing, and how to get it.
    Missing(&'static str, String),
    /// Something could not be written to the build directory.
    File(PathBuf, std::io::Error),
    /// A package manager failed.
    Program(process::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(what, advice) => write!(f, "{what} is missing: {advice}"),
            Self::File(path, source) => write!(f, "cannot write {}: {source}", path.display()),
            Self::Program(source) => write!(f, "{source}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<process::Error> for Error {
    fn from(source: process::Error) -> Self {
        Self::Program(source)
    }
}

/// One thing to install.
struct Installation {
    /// What it is, for people.
    what: &'static str,
    /// Where it goes.
    home: PathBuf,
    /// The file that decides what is installed: when it changes, so does the installation.
    list: PathBuf,
}

/// An installed .NET.
pub struct DotNet {
    /// The folder of `dotnet`: its `DOTNET_ROOT`.
    pub root: PathBuf,
    /// The folder of its libraries.
    pub framework: PathBuf,
}

/// Where everything is installed: `tools` in the build directory.
pub struct Tools {
    root: PathBuf,
    directory: PathBuf,
}

impl Tools {
    /// The tools of the checkout at `root`.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), directory: build_directory(root).join("tools") }
    }

    /// Python with what `suite/python/requirements.txt` lists: the interpreter.
    pub fn python(&self) -> Result<PathBuf, Error> {
        let home = self.directory.join("python");
        let interpreter = home.join("bin/python");
        let list = self.root.join("suite/python/requirements.txt");
        let what = "boto3, the AWS CLI 1 and pytest";
        once(&Installation { what, home: home.clone(), list: list.clone() }, || {
            program("python3", &["python3", "python3-venv"])?;
            let venv = || process::output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home));
            if venv().is_err() {
                // Debian's own Python comes without the module.
                debian("a Python with venv", &["python3-venv"])?;
                venv()?;
            }
            let mut pip = Command::new(&interpreter);
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
            process::output(pip.arg(&list))?;
            Ok(())
        })?;
        Ok(interpreter)
    }

    /// Node.js with what `suite/javascript/package.json` lists: the folder above `node_modules`.
    pub fn node(&self) -> Result<PathBuf, Error> {
        let home = self.directory.join("node");
        let list = self.root.join("suite/javascript/package.json");
        let what = "the AWS SDK for JavaScript";
        once(&Installation { what, home: home.clone(), list: list.clone() }, || {
            program("node", &["nodejs"])?;
            program("npm", &["npm"])?;
            fs::create_dir_all(&home).map_err(|source| Error::File(home.clone(), source))?;
            let copy = home.join("package.json");
            fs::copy(&list, &copy).map_err(|source| Error::File(copy, source))?;
            let mut npm = Command::new("npm");
            npm.args(["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel", "error"]);
            process::output(npm.current_dir(&home))?;
            Ok(())
        })?;
        Ok(home)
    }

    /// Newer versions of Node.js: their programs.
    pub fn newer_nodes(&self) -> Result<Vec<PathBuf>, Error> {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "x64",
            "aarch64" => "arm64",
            other => return Err(Error::Missing("a newer Node.js", format!("npm has none for {other}"))),
        };
        let home = self.directory.join("newer-nodes");
        let list = self.root.join("xtask/src/tools.rs");
        once(&Installation { what: "Node.js 22 and 24", home: home.clone(), list }, || {
            program("npm", &["npm"])?;
            let mut npm = Command::new("npm");
            npm.args([
                "install",
                "--no-audit",
                "--no-fund",
                "--no-package-lock",
                "--loglevel",
                "error",
                "--prefix",
            ]);
            npm.arg(&home);
            npm.args(NODES.map(|(name, version)| format!("{name}@npm:node-linux-{architecture}@{version}")));
            process::output(&mut npm)?;
            Ok(())
        })?;
        Ok(NODES.map(|(name, _)| home.join("node_modules").join(name).join("bin/node")).into())
    }

    /// The AWS CLI version 2: the one on this machine, or Debian's, unpacked into the build directory.
    pub fn aws(&self) -> Result<PathBuf, Error> {
        let version = process::output(Command::new("aws").arg("--version")).unwrap_or_default();
        if version.starts_with(b"aws-cli/2") {
            return Ok(PathBuf::from("aws"));
        }
        let home = self.directory.join("aws");
        let launcher = home.join("aws");
        let list = PathBuf::from("/etc/os-release");
        once(&Installation { what: "the AWS CLI 2", home: home.clone(), list }, || {
            unpack_aws(&home, &launcher)
        })?;
        Ok(launcher)
    }

    /// A .NET without its compiler.
    pub fn dotnet(&self) -> Result<DotNet, Error> {
        let python = self.python()?;
        let home = self.directory.join("dotnet");
        let root = home.join("dotnetcore2/bin");
        let list = self.root.join("xtask/src/tools.rs");
        once(&Installation { what: ".NET Core 3.1", home: home.clone(), list }, || {
            let mut pip = Command::new(&python);
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
            process::output(pip.args(["--only-binary", ":all:", "--target"]).arg(&home).arg(DOTNET))?;
            process::output(Command::new("chmod").arg("755").arg(root.join("dotnet")))?;
            Ok(())
        })?;
        let framework = root.join("shared/Microsoft.NETCore.App").join(DOTNET_VERSION);
        Ok(DotNet { root, framework })
    }

    /// The SDKs that functions import without packaging them, as `hearth runtimes install` fetches them: their folder.
    pub fn function_sdks(&self, hearth: &Path) -> Result<PathBuf, Error> {
        let home = self.directory.join("sdk");
        let list = self.root.join("crates/environment/src/sdk.rs");
        once(&Installation { what: "the AWS SDKs for functions", home: home.clone(), list }, || {
            let mut install = Command::new(hearth);
            install.args(["runtimes", "install", "python", "nodejs"]).env("HEARTH_SDK_DIR", &home);
            // Its own settings would lead it to the data of whoever runs this.
            install.env("HEARTH_DATA_DIR", self.directory.join("data"));
            process::output(&mut install)?;
            Ok(())
        })?;
        Ok(home)
    }
}

/// Installs, unless that was done for what the list says now.
fn once(installation: &Installation, install: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    let Installation { what, home, list } = installation;
    let wanted = fs::read(list).unwrap_or_default();
    let stamp = home.join(".installed");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    println!("installing {what} into {}", home.display());
    let failed = |source| Error::File(home.clone(), source);
    if home.exists() {
        fs::remove_dir_all(home).map_err(failed)?;
    }
    fs::create_dir_all(home).map_err(failed)?;
    install()?;
    fs::write(&stamp, wanted).map_err(|source| Error::File(stamp, source))
}

/// Where cargo builds.
pub fn build_directory(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |directory| root.join(directory))
}

/// Fetches Debian's package and those it needs that this machine has not, without installing any. That takes no root.
fn unpack_aws(home: &Path, launcher: &Path) -> Result<(), Error> {
    let advice = || Error::Missing("the AWS CLI 2", "install it from AWS, or run this on Debian".to_owned());
    let plan = || {
        let mut apt = Command::new("apt-get");
        process::output(apt.args(["install", "--dry-run", "--no-install-recommends", AWS_CLI]))
    };
    let planned = match plan() {
        Ok(planned) => planned,
        Err(process::Error::Start(..)) => return Err(advice()),
        // A fresh machine knows no packages until it has asked.
        Err(_) => {
            process::output(Command::new("apt-get").args(["update", "--quiet"])).map_err(|_| advice())?;
            plan().map_err(|_| advice())?
        }
    };
    let planned = String::from_utf8_lossy(&planned);
    let mut names: Vec<&str> =
        planned.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next()).collect();
    if !names.contains(&AWS_CLI) {
        names.push(AWS_CLI);
    }
    process::output(Command::new("apt-get").arg("download").args(&names).current_dir(home))?;
    let tree = home.join("tree");
    let failed = |source| Error::File(home.to_owned(), source);
    for entry in fs::read_dir(home).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            process::output(Command::new("dpkg-deb").arg("--extract").arg(&path).arg(&tree))?;
            fs::remove_file(&path).map_err(failed)?;
        }
    }
    // As the package would when it is installed: without it each of a hundred calls compiles all of the CLI again where
    // Python may not keep what it compiled.
    let modules = tree.join("usr/lib/python3/dist-packages");
    process::output(Command::new("/usr/bin/python3").args(["-m", "compileall", "-q"]).arg(modules))?;
    let tree = tree.display();
    let script = format!(
        "#!/bin/sh\nPYTHONPATH='{tree}/usr/lib/python3/dist-packages' exec /usr/bin/python3 '{tree}/usr/bin/aws' \"$@\"\n"
    );
    fs::write(launcher, script).map_err(failed)?;
    process::output(Command::new("chmod").arg("755").arg(launcher))?;
    process::output(Command::new(launcher).arg("--version"))?;
    Ok(())
}

/// Mono's C# compiler, and the library that its assemblies are mended with.
pub fn mono() -> Result<(), Error> {
    const PACKAGES: [&str; 2] = ["mono-mcs", "libmono-cecil-private-cil"];
    program("mcs", &PACKAGES)?;
    if Path::new("/usr/lib/mono/gac/Mono.Cecil").exists() {
        return Ok(());
    }
    debian("Mono.Cecil", &PACKAGES)
}

/// Makes sure that a program is there, if need be by installing these Debian packages.
pub fn program(name: &'static str, packages: &[&str]) -> Result<(), Error> {
    if process::output(Command::new(name).arg("--version")).is_ok() {
        return Ok(());
    }
    debian(name, packages)
}

fn debian(what: &'static str, packages: &[&str]) -> Result<(), Error> {
    let advice = || Error::Missing(what, format!("apt-get install {}", packages.join(" ")));
    let root = process::output(Command::new("id").arg("--user")).is_ok_and(|id| id.trim_ascii() == b"0");
    if !root {
        return Err(advice());
    }
    println!("installing Debian's {}", packages.join(", "));
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        process::output(apt.env("DEBIAN_FRONTEND", "noninteractive").args(arguments))
    };
    apt(&["update", "--quiet"]).map_err(|_| advice())?;
    let install: Vec<&str> = ["install", "--yes", "--quiet", "--no-install-recommends"]
        .into_iter()
        .chain(packages.iter().copied())
        .collect();
    apt(&install).map_err(|_| advice())?;
    Ok(())
}
