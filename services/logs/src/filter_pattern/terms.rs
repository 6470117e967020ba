//! Patterns of terms, for messages without structure: `ERROR "two words" -debug`, `?ERROR ?WARN`, `%regex%`.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/matching-terms-unstructured-log-events.html>

use super::InvalidFilterPattern;
use super::scanner::Scanner;
use regex::bytes::Regex;

/// Terms that must, may and must not occur.
#[derive(Debug, Default)]
pub(super) struct Terms {
    required: Vec<Term>,
    optional: Vec<Term>,
    excluded: Vec<Term>,
}

#[derive(Debug)]
enum Term {
    Text(String),
    Regex(Regex),
}

impl Terms {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidFilterPattern> {
        let mut terms = Self::default();
        let mut scanner = Scanner::new(text);
        while !scanner.at_end() {
            let list = if scanner.take("?") {
                &mut terms.optional
            } else if scanner.take("-") {
                // The guide writes an excluded term also with a space behind its sign.
                scanner.skip_space();
                &mut terms.excluded
            } else {
                &mut terms.required
            };
            list.push(Term::parse(&mut scanner)?);
            if !scanner.at_end() && !scanner.at_space() {
                return Err(InvalidFilterPattern::Syntax);
            }
            scanner.skip_space();
        }
        Ok(terms)
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        // AWS: next to other terms, those with a question mark are ignored.
        let combined = !self.required.is_empty() || !self.excluded.is_empty();
        let optional = self.optional.is_empty() || self.optional.iter().any(|term| term.is_in(message));
        self.required.iter().all(|term| term.is_in(message))
            && !self.excluded.iter().any(|term| term.is_in(message))
            && (combined || optional)
    }
}

impl Term {
    fn parse(scanner: &mut Scanner<'_>) -> Result<Self, InvalidFilterPattern> {
        match scanner.peek() {
            Some('"') => {
                let text = scanner.quoted('"')?;
                // AWS: a phrase of nothing but spaces matches everything.
                Ok(Term::Text(if text.trim().is_empty() { String::new() } else { text }))
            }
            Some('%') => scanner.regex().map(Term::Regex),
            _ => {
                let term = scanner.take_while(|c| !c.is_whitespace());
                if term.is_empty() || !term.chars().all(|c| c.is_alphanumeric() || c == '_') {
                    return Err(InvalidFilterPattern::Characters { term: term.to_owned() });
                }
                Ok(Term::Text(term.to_owned()))
            }
        }
    }

    fn is_in(&self, message: &str) -> bool {
        match self {
            Term::Text(text) => message.contains(text.as_str()),
            Term::Regex(regex) => regex.is_match(message.as_bytes()),
        }
    }
}
