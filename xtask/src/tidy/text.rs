//! What no tracked text may hold: names that say nothing, work left undone, paths and hosts of one machine.

use super::Breach;
use crate::repository::TextFile;

/// Names that a file or folder may not have: they say nothing of what is in it.
const EMPTY_NAMES: &[&str] = &["common", "util", "utils", "helper", "helpers", "manager", "misc"];

/// Words for work left undone. Written in two halves, so that this file does not break its own rule.
const UNDONE: &[&str] =
    &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!("), concat!("unimplemented", "!(")];

/// Folders that are somebody's own machine.
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];

/// Hosts that a lock file may fetch from.
const PUBLIC_REGISTRIES: &[&str] =
    &["github.com", "registry.npmjs.org", "pypi.org", "files.pythonhosted.org"];

/// What breaks the rules in one file.
pub fn breaches(file: &TextFile) -> Vec<Breach> {
    let mut breaches = empty_names(&file.path);
    let locked = matches!(file.path.rsplit('/').next(), Some(name) if name.contains("lock"));
    for (index, line) in file.text.lines().enumerate() {
        let mut breach = |message: String| breaches.push(Breach::at_line(&file.path, index + 1, message));
        if let Some(word) = UNDONE.iter().find(|word| !locked && holds_word(line, word)) {
            breach(format!("{word}: what is not done is refused with an error or stands in an issue"));
        }
        if let Some(path) = MACHINE_PATHS.iter().find(|path| holds_path(line, path)) {
            breach(format!("{path} is a path of one machine"));
        }
        for host in hosts(line) {
            if locked && !PUBLIC_REGISTRIES.contains(&host) {
                breach(format!("{host} is not a public registry"));
            } else if is_private(host) {
                breach(format!("{host} is a host of one network"));
            }
        }
    }
    breaches
}

fn empty_names(path: &str) -> Vec<Breach> {
    let mut parts = path.split('/').map(|part| part.split('.').next().unwrap_or(part));
    let found = parts.find(|part| EMPTY_NAMES.contains(part));
    found
        .map(|name| Breach::new(path, format!("{name:?} says nothing of what is in it")))
        .into_iter()
        .collect()
}

/// Whether the word stands in the line by itself.
fn holds_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let letter = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        !letter(line[..at].chars().next_back())
            && (word.ends_with('(') || !letter(line[at + word.len()..].chars().next()))
    })
}

/// Whether an absolute path begins so in the line.
fn holds_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| {
            c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '}' | ')' | '*' | '/')
        })
    })
}

/// The hosts of the URLs in a line.
fn hosts(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("://").filter_map(|(at, mark)| {
        let rest = &line[at + mark.len()..];
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '@')))
            .unwrap_or(rest.len());
        rest[..end].rsplit('@').next().filter(|host| !host.is_empty())
    })
}

/// Whether a host is in a private network: by its address, or by a domain that the internet does not have.
fn is_private(host: &str) -> bool {
    if let Ok(address) = host.parse::<std::net::Ipv4Addr>() {
        return address.is_private();
    }
    [".internal", ".lan", ".corp", ".svc", ".intranet"].iter().any(|end| host.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(path: &str, text: &str) -> usize {
        breaches(&TextFile { path: path.to_owned(), text: text.to_owned() }).len()
    }

    #[test]
    fn one_machine_is_not_named() {
        let work = MACHINE_PATHS[0];
        let cases = [
            ("a.md", format!("see {work}main"), 1),
            ("a.md", format!("docs/net{work}main and https://example.com{work}x"), 0),
            ("a.md", format!("fetch http://{}:8080/simple", "10.1.2.3"), 1),
            ("a.md", format!("https://mirror{}/simple and https://pypi.org/simple", ".corp"), 1),
            ("a.md", "http://127.0.0.1:4566 and http://localhost:4566".to_owned(), 0),
            ("Cargo.lock", "source = \"registry+https://mirror.example.com/index\"".to_owned(), 1),
            (
                "Cargo.lock",
                "source = \"registry+https://github.com/rust-lang/crates.io-index\"".to_owned(),
                0,
            ),
            ("package-lock.json", "\"resolved\": \"https://user@registry.npmjs.org/a\"".to_owned(), 0),
        ];
        for (path, text, expected) in cases {
            assert_eq!(broken(path, &text), expected, "{text}");
        }
    }

    #[test]
    fn undone_work_is_found_as_a_word() {
        let word = UNDONE[0];
        for (text, expected) in
            [(format!("// {word}: later"), 1), (format!("{word}S"), 0), (format!("x.{}x)", UNDONE[2]), 1)]
        {
            assert_eq!(broken("a.rs", &text), expected, "{text}");
        }
    }

    #[test]
    fn names_say_what_is_inside() {
        for (path, expected) in
            [("crates/common/src/lib.rs", 1), ("src/utils.rs", 1), ("src/utility.rs", 0), ("src/misc", 1)]
        {
            assert_eq!(broken(path, ""), expected, "{path}");
        }
    }
}
