//! Reading a pattern from left to right: the tokens that all three kinds of pattern share.
//!
//! It refuses to know what a token means.

use super::{InvalidFilterPattern, REGEXES_MAX};
use regex::bytes::{Regex, RegexBuilder};

/// Bytes a compiled regular expression may take.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// A place in a pattern.
#[derive(Clone)]
pub(super) struct Scanner<'a> {
    rest: &'a str,
    regexes: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text, regexes: 0 }
    }

    pub(super) fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    pub(super) fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn at_space(&self) -> bool {
        self.rest.starts_with(char::is_whitespace)
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Takes `token` when it comes next.
    pub(super) fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes a word when it comes next, in any case, and no letter follows it.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let matches = self.rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        if !matches || self.rest[word.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            return false;
        }
        self.rest = &self.rest[word.len()..];
        true
    }

    /// Takes characters as long as they are `allowed`; maybe none.
    pub(super) fn take_while(&mut self, allowed: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !allowed(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// Takes a text in quotes; a backslash escapes a quote or a backslash.
    pub(super) fn quoted(&mut self, quote: char) -> Result<String, InvalidFilterPattern> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1).peekable();
        while let Some((index, character)) = characters.next() {
            match character {
                '\\' if matches!(characters.peek(), Some((_, next)) if *next == quote || *next == '\\') => {
                    text.extend(characters.next().map(|(_, escaped)| escaped));
                }
                _ if character == quote => {
                    self.rest = &self.rest[index + quote.len_utf8()..];
                    return Ok(text);
                }
                _ => text.push(character),
            }
        }
        Err(InvalidFilterPattern::Syntax)
    }

    /// Takes a regular expression between percent signs.
    pub(super) fn regex(&mut self) -> Result<Regex, InvalidFilterPattern> {
        let body = self.rest.strip_prefix('%').ok_or(InvalidFilterPattern::Syntax)?;
        let (source, rest) = body.split_once('%').ok_or(InvalidFilterPattern::Syntax)?;
        self.regexes += 1;
        if self.regexes > REGEXES_MAX || source.is_empty() {
            return Err(InvalidFilterPattern::Syntax);
        }
        if !regex_is_supported(source) {
            return Err(InvalidFilterPattern::Characters { term: format!("%{source}%") });
        }
        self.rest = rest;
        RegexBuilder::new(source)
            .unicode(false)
            .size_limit(REGEX_BYTES_MAX)
            .build()
            .map_err(|_| InvalidFilterPattern::Syntax)
    }
}

/// AWS: only these characters and escapes; parentheses and multi-byte characters are refused.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/regex-expressions.html>
fn regex_is_supported(source: &str) -> bool {
    let mut characters = source.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('d' | 'D' | 's' | 'S' | 'w' | 'W' | 'x') => {}
                Some(escaped) if escaped.is_ascii_punctuation() => {}
                _ => return false,
            },
            ' ' | ':' | '_' | '#' | '=' | '@' | '/' | ';' | ',' | '-' => {}
            '^' | '$' | '?' | '[' | ']' | '{' | '}' | '|' | '*' | '+' | '.' => {}
            _ if character.is_ascii_alphanumeric() => {}
            _ => return false,
        }
    }
    true
}
