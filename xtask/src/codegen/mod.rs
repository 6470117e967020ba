//! `cargo xtask codegen`: writes `crates/api/src/generated/` from AWS's own service models.
//!
//! The models come from a pinned botocore and are never committed; what is written holds names, constraints and
//! structure, and none of AWS's prose. `operations.toml` says what is generated, and `authorisation.toml` what it needs
//! leave for: adding a service is adding lines there.

mod authorisation;
mod botocore;
mod constants;
mod graph;
mod model;
mod name;
mod operations;
mod overlay;
#[cfg(test)]
mod tests;
mod types;

use crate::{Command, Outcome};
use authorisation::Authorisations;
use model::Model;
use operations::{Operations, ServiceEntry};
use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// `cargo xtask codegen`.
pub const COMMAND: Command = Command {
    name: "codegen",
    summary: "write crates/api/src/generated from AWS's service models",
    help: "usage: cargo xtask codegen [--check]\n\n\
           Fetches the botocore that crates/api/operations.toml pins (once, into target/codegen), and writes one file\n\
           for each service listed there.\n\n  \
           --check   write nothing; fail when the committed files are not what would be written",
    run,
};

/// Generating failed.
#[derive(Debug)]
pub enum Error {
    /// An argument that `codegen` does not know.
    Argument(String),
    /// A file could not be read or written.
    File(&'static str, PathBuf, std::io::Error),
    /// A file is not what it should be.
    Parse(String, Box<dyn StdError>),
    /// Another program failed.
    Program(crate::process::Error),
    /// The model of a service holds what the generator has no place for, or the list names what is not in the model.
    Service(String, String),
    /// The committed files are not what the models give.
    Stale(Vec<PathBuf>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(argument) => write!(f, "codegen does not know {argument:?} (see --help)"),
            Self::File(act, path, _) => write!(f, "cannot {act} {}", path.display()),
            Self::Parse(what, _) => write!(f, "cannot read {what}"),
            Self::Program(_) => write!(f, "a program that codegen needs failed"),
            Self::Service(service, message) => write!(f, "{service}: {message}"),
            Self::Stale(paths) => {
                write!(f, "generated files are not current; run `cargo xtask codegen` and commit:")?;
                paths.iter().try_for_each(|path| write!(f, "\n  {}", path.display()))
            }
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::File(_, _, source) => Some(source),
            Self::Parse(_, source) => Some(source.as_ref()),
            Self::Program(source) => Some(source),
            Self::Argument(_) | Self::Service(..) | Self::Stale(_) => None,
        }
    }
}

impl From<crate::process::Error> for Error {
    fn from(source: crate::process::Error) -> Self {
        Self::Program(source)
    }
}

fn run(root: &Path, arguments: &[String]) -> Outcome {
    let check = match arguments {
        [] => false,
        [only] if only == "--check" => true,
        [first, ..] => return Err(Box::new(Error::Argument(first.clone()))),
    };
    let started = Instant::now();
    let files = generate(root)?;
    let folder = root.join("crates/api/src/generated");
    if check {
        refuse_stale(&folder, &files)?;
    } else {
        write(&folder, &files)?;
    }
    println!("{} generated files, {:.1} s", files.len(), started.elapsed().as_secs_f64());
    Ok(())
}

/// Gives the text of every generated file, by file name.
fn generate(root: &Path) -> Result<BTreeMap<String, String>, Error> {
    let list = root.join("crates/api/operations.toml");
    let text = std::fs::read_to_string(&list).map_err(|source| Error::File("read", list.clone(), source))?;
    let operations: Operations =
        toml::from_str(&text).map_err(|source| Error::Parse(list.display().to_string(), Box::new(source)))?;
    let authorisations = read_authorisations(root)?;
    let models = botocore::Models::fetch(&root.join("target/codegen"), &operations.botocore)?;
    let mut files = BTreeMap::new();
    for (key, entry) in &operations.service {
        let mut model = Model::parse(&models.read(&entry.model)?)
            .map_err(|source| Error::Parse(format!("the model {}", entry.model), Box::new(source)))?;
        overlay::lay(entry, &mut model).map_err(|message| Error::Service(key.clone(), message))?;
        let text = service_file(key, entry, (&model, &authorisations), &operations.botocore.version)
            .map_err(|message| Error::Service(key.clone(), message))?;
        files.insert(format!("{}.rs", name::module(key)), rustfmt(root, &text)?);
    }
    files.insert("mod.rs".to_owned(), rustfmt(root, &index_file(&operations))?);
    Ok(files)
}

fn read_authorisations(root: &Path) -> Result<Authorisations, Error> {
    let list = root.join("crates/api/authorisation.toml");
    let text = std::fs::read_to_string(&list).map_err(|source| Error::File("read", list.clone(), source))?;
    toml::from_str(&text).map_err(|source| Error::Parse(list.display().to_string(), Box::new(source)))
}

/// The text of one service's file, not yet formatted.
fn service_file(
    key: &str,
    entry: &ServiceEntry,
    (model, authorisations): (&Model, &Authorisations),
    version: &str,
) -> Result<String, String> {
    let scope = graph::Scope::of(model, &entry.operations)?;
    let mut out = format!(
        "//! GENERATED by `cargo xtask codegen` from botocore {version}, {}: the {} API. Do not edit.\n\n\
         #![allow(missing_docs, non_camel_case_types, non_upper_case_globals, unused_imports)]\n\n\
         use crate::slots::names::*;\n\n",
        entry.model, model.metadata.service_id
    );
    out.push_str(&types::traits(key, entry, model)?);
    out.push_str(&types::types(model, &scope)?);
    out.push_str(&types::errors(model, &scope)?);
    out.push_str(&constants::service(key, entry, model)?);
    out.push_str(&authorisation::table(key, entry, (model, authorisations))?);
    out.push_str(&constants::shapes(model, &scope)?);
    Ok(out)
}

/// The text of `mod.rs`.
fn index_file(operations: &Operations) -> String {
    let mut out = String::from(
        "//! GENERATED by `cargo xtask codegen`: one module for each service of `operations.toml`. Do not edit.\n\n",
    );
    let modules: Vec<String> = operations.service.keys().map(|key| name::module(key)).collect();
    for (key, module) in operations.service.keys().zip(&modules) {
        out.push_str(&format!("/// The {key} API.\npub mod {module};\n"));
    }
    let tables: Vec<String> = modules.iter().map(|module| format!("&{module}::SERVICE")).collect();
    out.push_str("\n/// Every service's table, in the order of their names.\n");
    out.push_str("pub static SERVICES: &[&hearth_wire::Service] = ");
    out.push_str(&format!("&[{}];\n", tables.join(", ")));
    out
}

/// Formats Rust text as the project formats its own.
fn rustfmt(root: &Path, text: &str) -> Result<String, Error> {
    let cache = root.join("target/codegen/unformatted.rs");
    std::fs::write(&cache, text).map_err(|source| Error::File("write", cache.clone(), source))?;
    let input = std::fs::File::open(&cache).map_err(|source| Error::File("read", cache.clone(), source))?;
    let mut command = std::process::Command::new("rustfmt");
    command.args(["--edition", "2024", "--quiet", "--config-path"]).arg(root.join("rustfmt.toml"));
    let formatted = crate::process::output_of(&mut command, input.into())?;
    String::from_utf8(formatted)
        .map_err(|source| Error::Parse("rustfmt's output".to_owned(), Box::new(source)))
}

fn write(folder: &Path, files: &BTreeMap<String, String>) -> Result<(), Error> {
    std::fs::create_dir_all(folder).map_err(|source| Error::File("make", folder.to_path_buf(), source))?;
    for stranger in strangers(folder, files)? {
        std::fs::remove_file(&stranger).map_err(|source| Error::File("remove", stranger.clone(), source))?;
    }
    for (name, text) in files {
        let path = folder.join(name);
        // A file that is already right keeps its time, so that nothing is compiled again.
        if std::fs::read_to_string(&path).is_ok_and(|old| old == *text) {
            continue;
        }
        std::fs::write(&path, text).map_err(|source| Error::File("write", path.clone(), source))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

fn refuse_stale(folder: &Path, files: &BTreeMap<String, String>) -> Result<(), Error> {
    let mut stale = strangers(folder, files)?;
    for (name, text) in files {
        let path = folder.join(name);
        if std::fs::read_to_string(&path).ok().as_deref() != Some(text) {
            stale.push(path);
        }
    }
    if stale.is_empty() { Ok(()) } else { Err(Error::Stale(stale)) }
}

/// Files in the folder that would not be generated: services that were taken off the list.
fn strangers(folder: &Path, files: &BTreeMap<String, String>) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |source| Error::File("list", folder.to_path_buf(), source);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut strangers = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_name().to_str().is_some_and(|name| files.contains_key(name)) {
            strangers.push(entry.path());
        }
    }
    Ok(strangers)
}
