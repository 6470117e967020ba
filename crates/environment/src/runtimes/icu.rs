//! Whether there is an ICU that a .NET can load: its data of cultures come from there, and without one it does not start
//! unless it is told to do without cultures.
//!
//! It looks at the names of libraries, at every start, since one may have been installed. It refuses to load any.

use super::Interpreter;
use crate::Language;
use std::path::Path;

/// Where the dynamic loader finds libraries, and cages show them.
const DIRECTORIES: [&str; 6] = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/local/lib64",
    "/usr/local/lib",
];
/// The library of ICU that all others of it stand on.
const LIBRARY: &str = "libicuuc.so.";
/// The oldest version that any .NET looks for.
const OLDEST: u16 = 50;
/// The newest that versions before .NET 5 look for.
const NEWEST_FOR_CORE: u16 = 70;

/// Marks every .NET that finds none.
pub(super) fn mark(found: &mut [Interpreter]) {
    if !found.iter().any(|interpreter| interpreter.language == Language::DotNet) {
        return;
    }
    let names = DIRECTORIES.iter().filter_map(|path| Path::new(path).read_dir().ok()).flatten();
    let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let versions: Vec<u16> = names.filter_map(|name| version(&name)).collect();
    for interpreter in found.iter_mut().filter(|interpreter| interpreter.language == Language::DotNet) {
        let (major, ..) = interpreter.version;
        interpreter.lacks_cultures = !versions.iter().any(|version| suits(*version, major));
    }
}

/// `72` of `libicuuc.so.72.1`.
fn version(name: &str) -> Option<u16> {
    name.strip_prefix(LIBRARY)?.split('.').next()?.parse().ok()
}

fn suits(version: u16, major: u16) -> bool {
    version >= OLDEST && (major >= 5 || version <= NEWEST_FOR_CORE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_by_their_names() {
        for (name, expected) in [
            ("libicuuc.so.72", Some(72)),
            ("libicuuc.so.66.1", Some(66)),
            ("libicuuc.so", None),
            ("libicuuc.a", None),
            ("libicui18n.so.72", None),
        ] {
            assert_eq!(version(name), expected, "{name}");
        }
        assert!(suits(72, 8) && suits(66, 3) && !suits(72, 3) && !suits(49, 8));
    }
}
