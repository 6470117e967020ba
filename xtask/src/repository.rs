//! What the checkout holds: its tracked files and the members of its workspace, as the checks read them.

use crate::process;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The checkout could not be read.
#[derive(Debug)]
pub enum Error {
    /// A file could not be read.
    Read(PathBuf, std::io::Error),
    /// A manifest is not TOML, or lacks what every manifest has.
    Manifest(PathBuf, String),
    /// git or cargo failed.
    Program(process::Error),
    /// An argument to a command that takes none.
    Argument(&'static str, String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, _) => write!(f, "cannot read {}", path.display()),
            Self::Manifest(path, message) => write!(f, "{} is no manifest: {message}", path.display()),
            Self::Program(_) => write!(f, "cannot list what the checkout holds"),
            Self::Argument(command, argument) => write!(f, "{command} takes no arguments, not {argument:?}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(_, source) => Some(source),
            Self::Program(source) => Some(source),
            Self::Manifest(..) | Self::Argument(..) => None,
        }
    }
}

/// Refuses arguments, for commands that take none.
pub fn no_arguments(command: &'static str, arguments: &[String]) -> Result<(), Error> {
    match arguments.first() {
        Some(argument) => Err(Error::Argument(command, argument.clone())),
        None => Ok(()),
    }
}

/// A tracked file that is text.
pub struct TextFile {
    /// Its path from the root, with `/`.
    pub path: String,
    /// What it holds.
    pub text: String,
}

/// The files that git tracks, or would on the next `add`, and that are text. Files deleted but not yet committed are
/// left out.
pub fn text_files(root: &Path) -> Result<Vec<TextFile>, Error> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listed = process::output(&mut git).map_err(Error::Program)?;
    let mut files = Vec::new();
    for path in String::from_utf8_lossy(&listed).split('\0').filter(|path| !path.is_empty()) {
        let full = root.join(path);
        if !full.is_file() {
            continue;
        }
        let bytes = std::fs::read(&full).map_err(|source| Error::Read(full, source))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(TextFile { path: path.to_owned(), text });
        }
    }
    Ok(files)
}

/// A crate of the workspace.
pub struct Member {
    /// Its folder from the root, with `/`.
    pub folder: String,
    /// Its package's name.
    pub package: String,
    /// Its `Cargo.toml`.
    pub manifest: toml::Table,
}

/// The members of the workspace, in the order of their folders.
pub fn members(root: &Path) -> Result<Vec<Member>, Error> {
    let workspace = read_manifest(&root.join("Cargo.toml"))?;
    let patterns = workspace.get("workspace").and_then(|table| table.get("members"));
    let patterns = patterns.and_then(toml::Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut folders = Vec::new();
    for pattern in patterns.iter().filter_map(toml::Value::as_str) {
        match pattern.strip_suffix("/*") {
            Some(parent) => folders.extend(subfolders(root, parent)?),
            None => folders.push(pattern.to_owned()),
        }
    }
    folders.sort();
    folders.into_iter().map(|folder| read_member(root, folder)).collect()
}

fn subfolders(root: &Path, parent: &str) -> Result<Vec<String>, Error> {
    let folder = root.join(parent);
    let unreadable = |source| Error::Read(folder.clone(), source);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.path().join("Cargo.toml").exists() {
            found.push(format!("{parent}/{}", entry.file_name().to_string_lossy()));
        }
    }
    Ok(found)
}

fn read_member(root: &Path, folder: String) -> Result<Member, Error> {
    let path = root.join(&folder).join("Cargo.toml");
    let manifest = read_manifest(&path)?;
    let name = manifest.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
    let package = name.ok_or_else(|| Error::Manifest(path, "it names no package".to_owned()))?.to_owned();
    Ok(Member { folder, package, manifest })
}

fn read_manifest(path: &Path) -> Result<toml::Table, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Read(path.to_path_buf(), source))?;
    text.parse().map_err(|source: toml::de::Error| Error::Manifest(path.to_path_buf(), source.to_string()))
}

impl Member {
    /// The packages it depends on, of every kind and for every platform, each with its section.
    pub fn dependencies(&self) -> Vec<(String, String)> {
        let mut found = sections(&self.manifest, "");
        for (platform, table) in
            self.manifest.get("target").and_then(toml::Value::as_table).into_iter().flatten()
        {
            if let Some(table) = table.as_table() {
                found.extend(sections(table, &format!("target.{platform}.")));
            }
        }
        found
    }
}

fn sections(table: &toml::Table, prefix: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (name, value) in table.get(section).and_then(toml::Value::as_table).into_iter().flatten() {
            let package = value.get("package").and_then(toml::Value::as_str).unwrap_or(name);
            found.push((format!("{prefix}{section}"), package.to_owned()));
        }
    }
    found
}
