//! What holds for dependencies: a reason for each, a permissive licence, one version, and the house's lints in every
//! crate of ours.

use super::exception::{Exceptions, Rule};
use super::{Breach, Error};
use crate::process;
use crate::repository::Member;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Licences that ask for nothing but their notice.
const PERMISSIVE: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "OpenSSL",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

/// The target whose dependencies are looked at: Hearth runs on Linux alone.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Dependencies of the workspace whose line has no comment above it.
pub fn without_reason(manifest: &str) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut in_dependencies = false;
    let mut before = "";
    for (index, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            in_dependencies = line == "[workspace.dependencies]";
        } else if in_dependencies
            && line.contains(" = ")
            && !line.starts_with(['#', ' ', '}', ']'])
            && !line.starts_with("hearth-")
            && !before.starts_with('#')
        {
            let name = line.split(' ').next().unwrap_or(line);
            let message = format!("{name} has no reason: write its licence, owner and purpose above it");
            breaches.push(Breach::at_line("Cargo.toml", index + 1, message));
        }
        before = line;
    }
    breaches
}

/// A crate of ours that does not take the workspace's lints. `sandbox` states its own, with unsafe code among them.
pub fn without_lints(member: &Member) -> Option<Breach> {
    let lints = member.manifest.get("lints").and_then(|lints| lints.get("workspace"));
    let inherits = lints.and_then(toml::Value::as_bool) == Some(true);
    let exempt = member.folder == "crates/sandbox";
    (!inherits && !exempt).then(|| {
        Breach::new(format!("{}/Cargo.toml", member.folder), "it does not take the lints of the workspace")
    })
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
}

/// What the resolved dependencies break.
pub fn breaches(root: &Path, exceptions: &Exceptions) -> Result<Vec<Breach>, Box<dyn std::error::Error>> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["metadata", "--format-version", "1", "--filter-platform", TARGET]);
    let told = process::output(&mut cargo)?;
    let metadata: Metadata = serde_json::from_slice(&told).map_err(Error::Metadata)?;
    let resolved: BTreeSet<&str> = metadata.resolve.nodes.iter().map(|node| node.id.as_str()).collect();
    let strangers: Vec<&Package> = metadata
        .packages
        .iter()
        .filter(|package| package.source.is_some() && resolved.contains(package.id.as_str()))
        .collect();
    let mut breaches = Vec::new();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in strangers {
        versions.entry(&package.name).or_default().insert(&package.version);
        let licence = package.license.as_deref().unwrap_or("no licence");
        if !is_permissive(licence) && !exceptions.excepts(Rule::Licence, &package.name) {
            let message = format!("{licence} is not on the list of permissive licences");
            breaches.push(Breach::new(format!("the dependency {}", package.name), message));
        }
    }
    for (name, versions) in versions.into_iter().filter(|(_, versions)| versions.len() > 1) {
        if !exceptions.excepts(Rule::Duplicate, name) {
            let listed: Vec<&str> = versions.into_iter().collect();
            let message = format!("it is built {} times: {}", listed.len(), listed.join(", "));
            breaches.push(Breach::new(format!("the dependency {name}"), message));
        }
    }
    Ok(breaches)
}

/// Whether an SPDX expression lets us choose licences that are all permissive. `A/B` is how crates once wrote `A OR B`.
fn is_permissive(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let permissive = any_of(&mut words);
    permissive && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words<'_>) -> bool {
    let mut permissive = all_of(words);
    while words.next_if_eq(&"OR").is_some() {
        // Read on even when the choice is made: the words have to be taken.
        permissive |= all_of(words);
    }
    permissive
}

fn all_of(words: &mut Words<'_>) -> bool {
    let mut permissive = one(words);
    while words.next_if_eq(&"AND").is_some() {
        permissive &= one(words);
    }
    permissive
}

fn one(words: &mut Words<'_>) -> bool {
    match words.next() {
        Some("(") => {
            let permissive = any_of(words);
            words.next_if_eq(&")").is_some() && permissive
        }
        Some(name) => {
            // An exception takes conditions away, it never adds any.
            if words.next_if_eq(&"WITH").is_some() {
                words.next();
            }
            PERMISSIVE.contains(&name)
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_read_as_expressions() {
        for (expression, expected) in [
            ("MIT", true),
            ("MIT OR Apache-2.0", true),
            ("MIT/Apache-2.0", true),
            ("Apache-2.0 WITH LLVM-exception OR MIT", true),
            ("GPL-3.0 OR MIT", true),
            ("GPL-3.0 AND MIT", false),
            ("ISC AND (Apache-2.0 OR GPL-2.0)", true),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("MPL-2.0", false),
            ("no licence", false),
            ("(MIT", false),
            ("", false),
        ] {
            assert_eq!(is_permissive(expression), expected, "{expression}");
        }
    }

    #[test]
    fn every_dependency_has_a_reason() {
        let manifest = "[workspace.dependencies]\nhearth-base = { path = \"b\" }\n\n# MIT, x; y\nbytes = \"1\"\n\
                        http = \"1\"\n[profile.dev]\ndebug = false\n";
        let places: Vec<String> = without_reason(manifest).into_iter().map(|breach| breach.place).collect();
        assert_eq!(places, ["Cargo.toml:6"]);
    }
}
