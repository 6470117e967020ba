//! Patterns for space-delimited messages: `[ip, user, ..., status = 4* && status != 404, bytes > 1000]`.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/matching-terms-space-delimited-log-events.html>

use super::InvalidFilterPattern;
use super::operand::{Boolean, Comparison, Number, Scalar};
use super::scanner::Scanner;

/// What stands between the brackets: fields before and behind the ellipsis.
#[derive(Debug, Default)]
pub(super) struct Fields {
    leading: Vec<Field>,
    /// The fields behind an ellipsis; without one the message must have as many fields as the pattern.
    trailing: Option<Vec<Field>>,
}

/// A field's conditions; `None` takes any text.
type Field = Option<Boolean<Comparison>>;

impl Fields {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidFilterPattern> {
        let mut fields = Self::default();
        let mut scanner = Scanner::new(text);
        loop {
            scanner.skip_space();
            if scanner.take("...") {
                if fields.trailing.replace(Vec::new()).is_some() {
                    return Err(InvalidFilterPattern::Syntax);
                }
            } else {
                let field = parse_field(&mut scanner)?;
                fields.trailing.as_mut().unwrap_or(&mut fields.leading).push(field);
            }
            scanner.skip_space();
            if scanner.at_end() {
                return Ok(fields);
            }
            if !scanner.take(",") {
                return Err(InvalidFilterPattern::Syntax);
            }
        }
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        let values: Vec<&str> = match self.trailing {
            Some(_) => split(message).collect(),
            // One more than there are fields is enough to know that there are too many.
            None => split(message).take(self.leading.len() + 1).collect(),
        };
        let trailing = self.trailing.as_deref().unwrap_or(&[]);
        let enough = match self.trailing {
            Some(_) => values.len() >= self.leading.len() + trailing.len(),
            None => values.len() == self.leading.len(),
        };
        enough
            && self.leading.iter().zip(&values).all(|(field, value)| field_holds(field, value))
            && trailing.iter().rev().zip(values.iter().rev()).all(|(field, value)| field_holds(field, value))
    }
}

/// Reads nothing, a name, or conditions that all begin with the field's name.
fn parse_field(scanner: &mut Scanner<'_>) -> Result<Field, InvalidFilterPattern> {
    let mut ahead = scanner.clone();
    take_name(&mut ahead);
    ahead.skip_space();
    if matches!(ahead.peek(), None | Some(',')) {
        *scanner = ahead;
        return Ok(None);
    }
    let mut field = None;
    let expression = Boolean::parse(scanner, &mut |scanner| {
        let name = take_name(scanner);
        let known = *field.get_or_insert(name);
        // AWS: names are taken in any case; its guide writes `[w1=ERROR || W1=WARNING, w2]`.
        if name.is_empty() || !known.eq_ignore_ascii_case(name) {
            return Err(InvalidFilterPattern::Syntax);
        }
        Comparison::parse(scanner)
    })?;
    Ok(Some(expression))
}

fn take_name<'a>(scanner: &mut Scanner<'a>) -> &'a str {
    scanner.take_while(|c| c.is_alphanumeric() || c == '_' || c == '-' || c == '$')
}

fn field_holds(field: &Field, value: &str) -> bool {
    field.as_ref().is_none_or(|expression| {
        let scalar = Scalar { text: value, number: Number::parse(value) };
        expression.holds(&|comparison| comparison.holds(&scalar))
    })
}

/// The fields of a line: words, and what stands between brackets or double quotes without them.
fn split(message: &str) -> impl Iterator<Item = &str> {
    let mut rest = message;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let close = match rest.chars().next()? {
            '[' => Some(']'),
            '"' => Some('"'),
            _ => None,
        };
        if let Some(close) = close
            && let Some(length) = rest[1..].find(close)
        {
            let field = &rest[1..=length];
            rest = &rest[length + 2..];
            return Some(field);
        }
        let (field, after) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
        rest = after;
        Some(field)
    })
}
