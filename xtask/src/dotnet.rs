//! `cargo xtask dotnet`: the assembly of the .NET runtime, compiled from `runtimes/dotnet/source`.
//!
//! Mono's compiler makes it, against the oldest .NET that it runs on, which comes from PyPI: neither Microsoft's compiler nor its
//! registry is needed. It refuses to compile in `--check`, which compares what is committed (`committed.rs`).

use crate::committed::Committed;
use crate::tools::{self, Tools};
use crate::{Command, Outcome, process};
use std::path::Path;

/// `cargo xtask dotnet`.
pub const COMMAND: Command = Command {
    name: "dotnet",
    summary: "compile the .NET runtime into its assembly",
    help: "usage: cargo xtask dotnet [--check]\n\n\
           Compiles runtimes/dotnet/source with Mono's compiler, which it installs on Debian, against .NET Core 3.1 from PyPI.\n\n  \
           --check   compile nothing; fail when the committed assembly is not that of the committed sources",
    run,
};

const ASSEMBLY: Committed = Committed {
    folder: "runtimes/dotnet",
    product: "Hearth.Runtime.dll",
    sums: "Hearth.Runtime.sha256",
    sources: &["source", "compile"],
    command: COMMAND.name,
};

fn run(root: &Path, arguments: &[String]) -> Outcome {
    if ASSEMBLY.is_check(arguments)? {
        return Ok(ASSEMBLY.check(root)?);
    }
    compile(root)?;
    Ok(ASSEMBLY.record(root)?)
}

fn compile(root: &Path) -> Outcome {
    let directory = root.join(ASSEMBLY.folder);
    tools::mono()?;
    let framework = Tools::new(root).dotnet()?.framework;
    let mut script = std::process::Command::new("sh");
    script.arg(directory.join("compile/compile.sh")).arg(framework);
    script.arg(directory.join(ASSEMBLY.product)).arg("exe").args(ASSEMBLY.sources(root, "source")?);
    process::status(&mut script)?;
    Ok(())
}
