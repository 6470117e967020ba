//! `cargo xtask bench`: builds the server and the benchmark, and runs the one on the other.

use crate::{Command, Outcome, process, tools};
use std::fmt;
use std::path::Path;

/// `cargo xtask bench`.
pub const COMMAND: Command = Command {
    name: "bench",
    summary: "measure the server beside the floor under each of its costs",
    help: "usage: cargo xtask bench [--quick] [warm] [throughput] [cold] [burst] [zygote] [start] [deploy] [queue] [events] [topic] [bus]\n       \
           cargo xtask bench --peers [--quick] [PEER ...]\n\n\
           Prints a table and writes target/bench/<date>.json. Builds for release.\n\n  \
           --peers   what a user would pick instead of Hearth, beside it (bench/peers)\n  \
           --quick   a debug build and a few of each only: shows that the benchmark works, and no true figure",
    run,
};

/// Where `cargo xtask test` installs the AWS SDKs for functions: with them, functions that import one are measured too.
const SDK_DIR: &str = "tools/sdk";

/// An argument that is none of this command's.
#[derive(Debug)]
struct Unknown(String);

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bench has no argument {:?}", self.0)
    }
}

impl std::error::Error for Unknown {}

fn run(root: &Path, arguments: &[String]) -> Outcome {
    let (mut quick, mut peers, mut only) = (false, false, Vec::new());
    for argument in arguments {
        match argument.as_str() {
            "--quick" => quick = true,
            "--peers" => peers = true,
            name if !name.starts_with('-') => only.push(name),
            _ => return Err(Box::new(Unknown(argument.clone()))),
        }
    }
    if peers { beside_peers(root, quick, &only) } else { measure(root, quick, &only) }
}

fn beside_peers(root: &Path, quick: bool, only: &[&str]) -> Outcome {
    build(root, quick, &["hearth", "hearth-bench"])?;
    let python = tools::Tools::new(root).python()?;
    let mut script = std::process::Command::new(python);
    script.current_dir(root).arg("bench/peers/peers.py").args(only);
    script.env("HEARTH_BINARY", programs(root, quick).join("hearth"));
    script.env("HEARTH_BENCH", programs(root, quick).join("hearth-bench"));
    if quick {
        script.env("PEERS_WARM", "20").env("PEERS_COLD", "1").env("PEERS_MESSAGES", "640");
    }
    Ok(process::status(&mut script)?)
}

/// Runs the whole benchmark with a few of each: it fails when anything but speed is wrong.
pub fn smoke(root: &Path) -> Outcome {
    measure(root, true, &[])
}

fn measure(root: &Path, quick: bool, only: &[&str]) -> Outcome {
    build(root, quick, &["hearth", "hearth-bench"])?;
    let target = tools::build_directory(root);
    let programs = programs(root, quick);
    let mut bench = std::process::Command::new(programs.join("hearth-bench"));
    bench.current_dir(root).arg("run").arg("--hearth").arg(programs.join("hearth"));
    bench.arg("--output").arg(target.join("bench"));
    if quick {
        bench.arg("--quick");
    }
    let sdk = target.join(SDK_DIR);
    if sdk.is_dir() {
        bench.arg("--sdk-dir").arg(sdk);
    }
    bench.args(only);
    Ok(process::status(&mut bench)?)
}

fn build(root: &Path, quick: bool, packages: &[&str]) -> Outcome {
    let mut build = std::process::Command::new("cargo");
    build.current_dir(root).arg("build");
    for package in packages {
        build.args(["--package", package]);
    }
    if !quick {
        build.arg("--release");
    }
    Ok(process::status(&mut build)?)
}

/// Where cargo puts what it builds.
fn programs(root: &Path, quick: bool) -> std::path::PathBuf {
    tools::build_directory(root).join(if quick { "debug" } else { "release" })
}
