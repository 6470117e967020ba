//! What every Rust file keeps to: it says what it owns, it stays readable, and it leaves unsafe code and grants to the
//! crates that answer for them.
//!
//! It reads lines, not syntax: the files are as rustfmt leaves them, which makes that enough.

use super::Breach;
use super::exception::{Exceptions, Rule};
use crate::repository::TextFile;

/// The most lines a file has, its tests not counted.
const FILE_LINES: usize = 600;
/// The most lines a function has. A screen is about 70: what is a little over is left to its reader.
const FUNCTION_LINES: usize = 100;
/// Where generated code lies. It is as long as the models make it.
const GENERATED: &str = "crates/api/src/generated/";

/// What breaks the rules in one file.
pub fn breaches(file: &TextFile, exceptions: &Exceptions) -> Vec<Breach> {
    let path = file.path.as_str();
    let mut breaches = Vec::new();
    if !file.text.starts_with("//!") {
        breaches.push(Breach::new(
            path,
            "it does not begin with //!: say what it owns and what it refuses to do",
        ));
    }
    breaches.extend(misplaced(file));
    if path.starts_with(GENERATED) || is_test(path) {
        return breaches;
    }
    let lines = lines_without_tests(&file.text);
    if lines > FILE_LINES && !exceptions.excepts(Rule::LongFile, path) {
        breaches.push(Breach::new(path, format!("{lines} lines without tests: cut it at {FILE_LINES}")));
    }
    for function in functions(&file.text).into_iter().filter(|function| function.lines > FUNCTION_LINES) {
        if !exceptions.excepts(Rule::LongFunction, &format!("{path} {}", function.name)) {
            let message = format!("{} has {} lines: cut it to about a screen", function.name, function.lines);
            breaches.push(Breach::at_line(path, function.line, message));
        }
    }
    breaches
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// Unsafe code and grants where they may not be.
fn misplaced(file: &TextFile) -> Vec<Breach> {
    let path = file.path.as_str();
    let in_any = |folders: &[&str]| folders.iter().any(|folder| path.starts_with(folder));
    let may_be_unsafe = in_any(&["crates/sandbox/"]);
    // A test has to make the grants that it hands to a handler.
    let tests = if is_test(path) { 0 } else { lines_without_tests(&file.text) };
    let may_grant = |line: usize| in_any(&["crates/iam/", "crates/api/"]) || line > tests;
    let unsafe_code = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "unsafe trait", "unsafe("];
    let grant = concat!("Grant::", "issue");
    let mut breaches = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let number = index + 1;
        let code = line.split("//").next().unwrap_or(line);
        let text_of_rule = path == "xtask/src/tidy/source.rs";
        if !may_be_unsafe && !text_of_rule && unsafe_code.iter().any(|mark| code.contains(mark)) {
            breaches.push(Breach::at_line(path, number, "unsafe code belongs in crates/sandbox"));
        }
        if code.contains(grant) && !may_grant(number) {
            breaches.push(Breach::at_line(path, number, "only crates/iam makes grants"));
        }
    }
    breaches
}

/// The lines of a file up to the tests at its end.
fn lines_without_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].ends_with("tests {"));
    tests.unwrap_or(lines.len())
}

/// A function as it stands in a file.
struct Function {
    name: String,
    /// Where it begins, from 1.
    line: usize,
    /// From its signature to its closing brace.
    lines: usize,
}

/// The functions of a file that are not in its tests.
fn functions(text: &str) -> Vec<Function> {
    let lines: Vec<&str> = text.lines().take(lines_without_tests(text)).collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = &line[..line.len() - line.trim_start().len()];
        let end = lines[index..].iter().position(|line| {
            // A method of a trait may end in a semicolon and have no body.
            let rest = line.strip_prefix(indent);
            rest == Some("}") || rest.is_some_and(|rest| !rest.starts_with(' ') && rest.ends_with(';'))
        });
        if let Some(end) = end {
            found.push(Function { name: name.to_owned(), line: index + 1, lines: end + 1 });
        }
    }
    found
}

/// The name of the function whose signature begins on this line.
fn function_name(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    loop {
        let (word, after) = rest.split_once(' ')?;
        match word {
            "fn" => return after.split(['(', '<']).next(),
            "pub" | "const" | "async" | "unsafe" | "extern" | "\"C\"" => rest = after,
            word if word.starts_with("pub(") => rest = after,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(path: &str, text: &str) -> Vec<String> {
        let file = TextFile { path: path.to_owned(), text: format!("//! It owns.\n{text}") };
        breaches(&file, &Exceptions::default()).into_iter().map(|breach| breach.place).collect()
    }

    #[test]
    fn long_functions_are_found_where_they_stand() {
        let body = "    let x = 1;\n".repeat(FUNCTION_LINES);
        assert_eq!(broken("a.rs", &format!("pub(crate) async fn long<T>() {{\n{body}}}\n")), ["a.rs:2"]);
        assert!(
            broken("a.rs", &format!("trait T {{\n    fn short();\n}}\nstruct S {{\n{body}}}\n")).is_empty()
        );
        assert!(
            broken("a.rs", &format!("#[cfg(test)]\nmod tests {{\n    fn t() {{\n{body}    }}\n}}\n"))
                .is_empty()
        );
    }

    #[test]
    fn long_files_are_counted_without_tests() {
        let lines = "const A: u8 = 1;\n".repeat(FILE_LINES);
        assert_eq!(broken("src/a.rs", &lines), ["src/a.rs"]);
        assert!(broken("src/tests.rs", &lines).is_empty());
        assert!(broken("src/a.rs", &format!("#[cfg(test)]\nmod tests {{\n{lines}}}\n")).is_empty());
    }

    #[test]
    fn unsafe_code_and_grants_have_their_places() {
        let unsafe_code = "fn f() { unsafe { g() } }\n";
        assert_eq!(broken("crates/lambda/src/a.rs", unsafe_code), ["crates/lambda/src/a.rs:2"]);
        assert!(broken("crates/sandbox/src/a.rs", unsafe_code).is_empty());
        assert!(broken("crates/lambda/src/a.rs", "// unsafe { } is refused\n").is_empty());
        let grant = concat!("fn f() { Grant::", "issue(parts) }\n");
        assert_eq!(broken("crates/gateway/src/a.rs", grant), ["crates/gateway/src/a.rs:2"]);
        assert!(broken("crates/iam/src/a.rs", grant).is_empty());
        assert!(broken("crates/gateway/src/tests.rs", grant).is_empty());
    }

    #[test]
    fn every_file_says_what_it_owns() {
        let file = TextFile { path: "a.rs".to_owned(), text: "use std::fmt;\n".to_owned() };
        assert_eq!(breaches(&file, &Exceptions::default()).len(), 1);
    }
}
