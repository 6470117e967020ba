//! The filter pattern language: which log events a FilterLogEvents request asks for.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html>
//!
//! A pattern is read once and then matched against each message. It refuses to panic or to run without bound, whatever
//! the pattern or the message: patterns are short, regular expressions run in linear time, nesting is limited.

mod fields;
mod json;
mod operand;
mod scanner;
mod terms;
#[cfg(test)]
mod tests;

use std::fmt;

/// Characters of a pattern, as the service model has it.
pub const PATTERN_CHARS_MAX: usize = 1_024;
/// Regular expressions of one pattern.
pub const REGEXES_MAX: usize = 2;
/// Parentheses within parentheses.
const NESTING_MAX: usize = 64;

/// A pattern ready to match.
#[derive(Debug)]
pub struct FilterPattern(Kind);

#[derive(Debug)]
enum Kind {
    Everything,
    Terms(terms::Terms),
    Json(json::Expression),
    Fields(fields::Fields),
}

/// The text is no filter pattern. It displays as AWS's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidFilterPattern {
    /// The text does not follow the grammar.
    Syntax,
    /// A brace or bracket at the beginning has no partner at the end.
    Unclosed {
        /// The one at the beginning.
        open: char,
        /// The one that is missing.
        close: char,
    },
    /// A term holds characters that need quotes, or that a regular expression may not have.
    Characters {
        /// The term.
        term: String,
    },
}

impl FilterPattern {
    /// Reads a pattern. One that starts with a brace is for JSON, with a bracket for space-delimited fields, any other
    /// holds terms; an empty one matches everything.
    pub fn parse(text: &str) -> Result<Self, InvalidFilterPattern> {
        if text.chars().count() > PATTERN_CHARS_MAX {
            return Err(InvalidFilterPattern::Syntax);
        }
        let text = text.trim();
        let kind = match text.chars().next() {
            None => Kind::Everything,
            Some('{') => Kind::Json(json::Expression::parse(enclosed(text, '{', '}')?)?),
            Some('[') => Kind::Fields(fields::Fields::parse(enclosed(text, '[', ']')?)?),
            Some(_) => Kind::Terms(terms::Terms::parse(text)?),
        };
        Ok(Self(kind))
    }

    /// Whether a message is asked for.
    pub fn matches(&self, message: &str) -> bool {
        match &self.0 {
            Kind::Everything => true,
            Kind::Terms(terms) => terms.matches(message),
            Kind::Json(expression) => expression.matches(message),
            Kind::Fields(fields) => fields.matches(message),
        }
    }
}

fn enclosed(text: &str, open: char, close: char) -> Result<&str, InvalidFilterPattern> {
    text.strip_prefix(open)
        .and_then(|rest| rest.strip_suffix(close))
        .ok_or(InvalidFilterPattern::Unclosed { open, close })
}

impl fmt::Display for InvalidFilterPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax => f.write_str("Invalid filter pattern"),
            Self::Unclosed { open, close } => {
                write!(f, "If a filter pattern starts with '{open}' it must end with '{close}'")
            }
            Self::Characters { term } => write!(f, "Invalid character(s) in term '{term}'"),
        }
    }
}

impl std::error::Error for InvalidFilterPattern {}
