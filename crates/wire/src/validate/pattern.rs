//! The models' regular expressions: compiled once at their first use, matched against the whole text.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Bytes of memory that one compiled pattern may take.
const COMPILED_BYTES_MAX: usize = 64 << 20;

/// A compiled pattern.
enum Pattern {
    /// One that runs in linear time.
    Plain(regex::Regex),
    /// One that looks around, and may give up.
    Fancy(fancy_regex::Regex),
    /// One that neither crate understands.
    Unreadable,
}

/// All patterns used so far: there are no more than the models have.
static PATTERNS: RwLock<Option<HashMap<&'static str, Arc<Pattern>>>> = RwLock::new(None);

/// Whether the whole of `text` matches. A pattern that does not compile refuses nothing: see [`compiles`].
pub(super) fn matches(pattern: &'static str, text: &str) -> bool {
    match &*compiled(pattern) {
        Pattern::Plain(regex) => regex.is_match(text),
        // It gives up on a text that makes it go back a million times: no name or ARN does.
        Pattern::Fancy(regex) => regex.is_match(text).unwrap_or(false),
        Pattern::Unreadable => true,
    }
}

/// Whether a pattern can be checked at all. For the tests of the tables, which keep a list of those that cannot.
pub fn compiles(pattern: &'static str) -> bool {
    !matches!(*compiled(pattern), Pattern::Unreadable)
}

fn compiled(pattern: &'static str) -> Arc<Pattern> {
    let known = PATTERNS.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = known.as_ref().and_then(|patterns| patterns.get(pattern)) {
        return Arc::clone(found);
    }
    drop(known);
    let compiled = Arc::new(compile(pattern));
    let mut known = PATTERNS.write().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(known.get_or_insert_default().entry(pattern).or_insert(compiled))
}

fn compile(pattern: &str) -> Pattern {
    let whole = format!(r"\A(?:{})\z", translated(pattern));
    if let Ok(regex) = regex::RegexBuilder::new(&whole).size_limit(COMPILED_BYTES_MAX).build() {
        return Pattern::Plain(regex);
    }
    match fancy_regex::RegexBuilder::new(&whole).delegate_size_limit(COMPILED_BYTES_MAX).build() {
        Ok(regex) => Pattern::Fancy(regex),
        Err(_) => Pattern::Unreadable,
    }
}

/// The models are written for Java: its `\d`, `\w` and `\s` mean ASCII where Rust's mean all of Unicode, and it writes
/// characters beyond 16 bits as two.
fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    while let Some((before, escape)) = rest.split_once('\\') {
        out.push_str(before);
        if let Some((character, after)) = surrogates(escape) {
            out.push_str(&format!(r"\x{{{character:X}}}"));
            rest = after;
            continue;
        }
        let mut characters = escape.chars();
        match characters.next() {
            Some('d') => out.push_str("[0-9]"),
            Some('D') => out.push_str("[^0-9]"),
            Some('w') => out.push_str("[a-zA-Z0-9_]"),
            Some('W') => out.push_str("[^a-zA-Z0-9_]"),
            Some('s') => out.push_str(r"[ \t\n\x0B\x0C\r]"),
            Some('S') => out.push_str(r"[^ \t\n\x0B\x0C\r]"),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
    out
}

/// Reads `uD83D\uDE00` behind a backslash as one character.
fn surrogates(escape: &str) -> Option<(u32, &str)> {
    let half = |text: &str| u32::from_str_radix(text, 16).ok();
    let first = half(escape.strip_prefix('u')?.get(..4)?)?;
    let rest = escape[5..].strip_prefix(r"\u")?;
    let second = half(rest.get(..4)?)?;
    let pair = (0xd800..0xdc00).contains(&first) && (0xdc00..0xe000).contains(&second);
    pair.then(|| (0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), &rest[4..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_the_whole_text_as_java_does() {
        let function = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-gov)?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?";
        let alias = r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)";
        let cases = [
            (function, "f", true),
            (function, "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST", true),
            (function, "a b", false),
            (function, "f\n", false),
            (function, "", false),
            (alias, "live", true),
            (alias, "12", false),
            (alias, "12a", true),
            (r"\d+", "١٢", false),
            (r"\w+", "é", false),
            (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", "naïve 1", true),
            (r"[\w+=,.@-]+", "a@b-c", true),
            (r"[\w-.]+", "a-b.c", true),
            (r"[\S\s]*", "a\u{a0}b\n", true),
            (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*", "a é😀\n", true),
            (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*", "\u{1}", false),
            (r"^s3://([^/]+)/(.*?([^/]+)/?)$", "s3://b/k", true),
        ];
        for (pattern, text, expected) in cases {
            assert!(compiles(pattern), "{pattern}");
            assert_eq!(matches(pattern, text), expected, "{pattern} {text:?}");
        }
    }
}
