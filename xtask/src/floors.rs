//! `cargo xtask floors`: a crate imports crates on strictly lower floors, never sideways and never up.
//!
//! The order of the floors is the table below; ARCHITECTURE.md explains it. A crate without a floor is refused, so that
//! a new one is given its place before it is used.

use crate::repository::{self, Member};
use crate::{Command, Outcome};
use std::error::Error as StdError;
use std::fmt;
use std::path::Path;

/// `cargo xtask floors`.
pub const COMMAND: Command = Command {
    name: "floors",
    summary: "check that every crate imports from lower floors only",
    help: "usage: cargo xtask floors",
    run,
};

/// Folders and their floors. A folder that ends in `/` gives its floor to every crate in it.
const FLOORS: &[(&str, u8)] = &[
    ("crates/base", 0),
    ("crates/wire", 1),
    ("crates/store", 1),
    ("crates/sandbox", 1),
    ("crates/pattern", 1),
    ("crates/schedule", 1),
    ("crates/api", 2),
    ("crates/iam", 3),
    ("crates/environment", 3),
    ("crates/gateway", 4),
    ("crates/lambda", 4),
    ("services/", 4),
    ("crates/delivery", 4),
    ("crates/invoke", 5),
    ("crates/event-source", 5),
    ("server", 6),
    // It meets the server as a client does; of the house it needs only how a date is written.
    ("bench", 1),
];

/// Crates that stand beside the house: they import none of it.
const OUTSIDE: &[&str] = &["xtask"];

/// The order of the floors is broken.
#[derive(Debug)]
pub struct Breaches(Vec<String>);

impl fmt::Display for Breaches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the order of the floors is broken:")?;
        self.0.iter().try_for_each(|breach| write!(f, "\n  {breach}"))
    }
}

impl StdError for Breaches {}

fn run(root: &Path, arguments: &[String]) -> Outcome {
    repository::no_arguments("floors", arguments)?;
    let members = repository::members(root)?;
    let breaches: Vec<String> = members.iter().flat_map(|member| breaches(member, &members)).collect();
    if !breaches.is_empty() {
        return Err(Box::new(Breaches(breaches)));
    }
    println!("{} crates stand on their floors", members.len());
    Ok(())
}

fn floor(folder: &str) -> Option<u8> {
    let holds = |place: &str| folder == place || (place.ends_with('/') && folder.starts_with(place));
    FLOORS.iter().find(|(place, _)| holds(place)).map(|(_, floor)| *floor)
}

/// What one crate's manifest breaks.
fn breaches(member: &Member, members: &[Member]) -> Vec<String> {
    let outside = OUTSIDE.contains(&member.folder.as_str());
    let Some(own) = floor(&member.folder).or(outside.then_some(0)) else {
        return vec![format!("{} has no floor: give it one in xtask/src/floors.rs", member.folder)];
    };
    let mut breaches = Vec::new();
    for (section, name) in member.dependencies() {
        let Some(imported) = members.iter().find(|other| other.package == name) else { continue };
        let Some(other) = floor(&imported.folder) else {
            breaches.push(format!("{} imports {name}, which has no floor ({section})", member.package));
            continue;
        };
        if outside || other >= own {
            breaches.push(format!(
                "{} (floor {own}) imports {name} (floor {other}) in [{section}]: only lower floors are open to it",
                member.package
            ));
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(folder: &str, package: &str, manifest: &str) -> Member {
        Member { folder: folder.to_owned(), package: package.to_owned(), manifest: manifest.parse().unwrap() }
    }

    #[test]
    fn only_lower_floors_are_open() {
        let members = [
            member("crates/base", "hearth-base", ""),
            member("crates/wire", "hearth-wire", ""),
            member("services/sqs", "hearth-sqs", ""),
            member("attic", "hearth-attic", ""),
        ];
        let cases = [
            ("crates/wire", "[dependencies]\nhearth-base.workspace = true", 0),
            ("crates/store", "[dependencies]\nhearth-wire.workspace = true", 1),
            ("crates/base", "[dev-dependencies]\nhearth-wire = { path = '../wire' }", 1),
            ("services/logs", "[dependencies]\nqueue = { package = 'hearth-sqs', path = '../sqs' }", 1),
            ("services/logs", "[target.'cfg(unix)'.dependencies]\nhearth-sqs.workspace = true", 1),
            ("server", "[dependencies]\nhearth-sqs.workspace = true\nserde.workspace = true", 0),
            ("server", "[dependencies]\nhearth-attic.workspace = true", 1),
            ("xtask", "[dependencies]\nhearth-base.workspace = true", 1),
            ("attic", "", 1),
        ];
        for (folder, manifest, expected) in cases {
            let found = breaches(&member(folder, "hearth-subject", manifest), &members);
            assert_eq!(found.len(), expected, "{folder} with {manifest:?}: {found:?}");
        }
    }
}
