//! `cargo xtask java`: the jar of the Java runtime, compiled from `runtimes/java/source`.
//!
//! It refuses to compile in `--check`, which compares what is committed (`committed.rs`).

use crate::committed::{self, Committed, Error};
use crate::{Command, Outcome, process};
use std::path::Path;

/// `cargo xtask java`.
pub const COMMAND: Command = Command {
    name: "java",
    summary: "compile the Java runtime into its jar",
    help: "usage: cargo xtask java [--check]\n\n\
           Compiles runtimes/java/source with the javac and jar of a JDK 17 or later.\n\n  \
           --check   compile nothing; fail when the committed jar is not that of the committed sources",
    run,
};

const JAR: Committed = Committed {
    folder: "runtimes/java",
    product: "hearth-runtime.jar",
    sums: "hearth-runtime.sha256",
    sources: &["source"],
    command: COMMAND.name,
};
/// What the oldest Java reads that the bootstrap runs on.
const RELEASE: &str = "17";
/// The time of every entry, so that the same classes make the same jar.
const DATE: &str = "2026-01-01T00:00:00+00:00";

fn run(root: &Path, arguments: &[String]) -> Outcome {
    if JAR.is_check(arguments)? {
        return Ok(JAR.check(root)?);
    }
    compile(root)?;
    Ok(JAR.record(root)?)
}

fn compile(root: &Path) -> Outcome {
    let directory = root.join(JAR.folder);
    let classes = crate::tools::build_directory(root).join("java-runtime");
    if classes.exists() {
        std::fs::remove_dir_all(&classes).map_err(|source| Error::File(classes.clone(), source))?;
    }
    let mut javac = std::process::Command::new("javac");
    // What joins strings at run time is made when it is first used, and the start of an environment waits for it.
    javac.args(["-g:none", "-XDstringConcat=inline", "--release", RELEASE, "-d"]).arg(&classes);
    process::status(javac.args(JAR.sources(root, "source")?).current_dir(&directory))?;
    let mut jar = std::process::Command::new("jar");
    jar.args(["--create", "--no-manifest", "--date", DATE, "--file"]).arg(directory.join(JAR.product));
    for class in committed::files(&classes)? {
        let inside = class.strip_prefix(&classes).expect("it was found below").to_owned();
        jar.arg("-C").arg(&classes).arg(inside);
    }
    process::status(&mut jar)?;
    Ok(())
}
