//! The right side of a condition, `= "text*"`, `>= 5`, `!= %regex%`, and boolean expressions of conditions.
//!
//! It refuses to know where the left side comes from: a JSON selector or a field of a line.

use super::scanner::Scanner;
use super::{InvalidFilterPattern, NESTING_MAX};
use regex::bytes::Regex;
use std::cmp::Ordering;

/// Conditions joined by `&&`, `||` and parentheses; `&&` binds tighter.
#[derive(Debug)]
pub(super) enum Boolean<C> {
    Condition(C),
    All(Vec<Boolean<C>>),
    Any(Vec<Boolean<C>>),
}

/// Reads one condition.
type ReadCondition<'f, 'a, C> = dyn FnMut(&mut Scanner<'a>) -> Result<C, InvalidFilterPattern> + 'f;

impl<C> Boolean<C> {
    /// Reads an expression whose single conditions `condition` reads.
    pub(super) fn parse<'a>(
        scanner: &mut Scanner<'a>,
        condition: &mut ReadCondition<'_, 'a, C>,
    ) -> Result<Self, InvalidFilterPattern> {
        Self::parse_any(scanner, condition, 0)
    }

    fn parse_any<'a>(
        scanner: &mut Scanner<'a>,
        condition: &mut ReadCondition<'_, 'a, C>,
        depth: usize,
    ) -> Result<Self, InvalidFilterPattern> {
        let mut any = vec![Self::parse_all(scanner, condition, depth)?];
        while scanner.take("||") {
            any.push(Self::parse_all(scanner, condition, depth)?);
        }
        Ok(Self::Any(any))
    }

    fn parse_all<'a>(
        scanner: &mut Scanner<'a>,
        condition: &mut ReadCondition<'_, 'a, C>,
        depth: usize,
    ) -> Result<Self, InvalidFilterPattern> {
        let mut all = Vec::new();
        loop {
            scanner.skip_space();
            if scanner.take("(") {
                if depth == NESTING_MAX {
                    return Err(InvalidFilterPattern::Syntax);
                }
                all.push(Self::parse_any(scanner, condition, depth + 1)?);
                if !scanner.take(")") {
                    return Err(InvalidFilterPattern::Syntax);
                }
            } else {
                all.push(Self::Condition(condition(scanner)?));
            }
            scanner.skip_space();
            if !scanner.take("&&") {
                return Ok(Self::All(all));
            }
        }
    }

    /// Whether the expression holds when `holds` says which conditions do.
    pub(super) fn holds(&self, holds: &dyn Fn(&C) -> bool) -> bool {
        match self {
            Self::Condition(condition) => holds(condition),
            Self::All(all) => all.iter().all(|part| part.holds(holds)),
            Self::Any(any) => any.iter().any(|part| part.holds(holds)),
        }
    }
}

/// An operator with what a value is compared to.
#[derive(Debug)]
pub(super) enum Comparison {
    Equal(Operand),
    NotEqual(Operand),
    Less(Number),
    LessOrEqual(Number),
    Greater(Number),
    GreaterOrEqual(Number),
}

/// What `=` and `!=` compare to.
#[derive(Debug)]
pub(super) enum Operand {
    /// Text that may begin and end with `*`, and the number it spells unless it was in quotes.
    Text {
        wildcard: Wildcard,
        number: Option<Number>,
    },
    Regex(Regex),
}

/// AWS: an asterisk stands for any text at the beginning and at the end; in the middle it is itself.
#[derive(Debug)]
pub(super) struct Wildcard {
    text: String,
    open_start: bool,
    open_end: bool,
}

/// A number, kept whole when it is whole: account ids and the like must not be rounded.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Whole(i128),
    Fraction(f64),
}

/// A value that conditions look at.
pub(super) struct Scalar<'a> {
    pub text: &'a str,
    pub number: Option<Number>,
}

impl Comparison {
    pub(super) fn parse(scanner: &mut Scanner<'_>) -> Result<Self, InvalidFilterPattern> {
        scanner.skip_space();
        type Build = fn(Operand) -> Result<Comparison, InvalidFilterPattern>;
        let operators: [(&str, Build); 6] = [
            ("!=", |operand| Ok(Self::NotEqual(operand))),
            ("<=", |operand| operand.number().map(Self::LessOrEqual)),
            (">=", |operand| operand.number().map(Self::GreaterOrEqual)),
            ("=", |operand| Ok(Self::Equal(operand))),
            ("<", |operand| operand.number().map(Self::Less)),
            (">", |operand| operand.number().map(Self::Greater)),
        ];
        for (operator, build) in operators {
            if scanner.take(operator) {
                scanner.skip_space();
                return build(Operand::parse(scanner)?);
            }
        }
        Err(InvalidFilterPattern::Syntax)
    }

    pub(super) fn holds(&self, value: &Scalar<'_>) -> bool {
        let ordering = |number: &Number| value.number.and_then(|value| value.compare(*number));
        match self {
            Self::Equal(operand) => operand.equals(value),
            Self::NotEqual(operand) => !operand.equals(value),
            Self::Less(number) => ordering(number).is_some_and(Ordering::is_lt),
            Self::LessOrEqual(number) => ordering(number).is_some_and(Ordering::is_le),
            Self::Greater(number) => ordering(number).is_some_and(Ordering::is_gt),
            Self::GreaterOrEqual(number) => ordering(number).is_some_and(Ordering::is_ge),
        }
    }
}

impl Operand {
    fn parse(scanner: &mut Scanner<'_>) -> Result<Self, InvalidFilterPattern> {
        match scanner.peek() {
            Some('%') => scanner.regex().map(Self::Regex),
            Some('"') => Ok(Self::Text { wildcard: Wildcard::new(&scanner.quoted('"')?), number: None }),
            _ => {
                // AWS: text with other characters must be in quotes.
                let bare = |c: char| c.is_alphanumeric() || "_-.*:/+".contains(c);
                let text = scanner.take_while(bare);
                if text.is_empty() {
                    return Err(InvalidFilterPattern::Syntax);
                }
                Ok(Self::Text { wildcard: Wildcard::new(text), number: Number::parse(text) })
            }
        }
    }

    fn number(self) -> Result<Number, InvalidFilterPattern> {
        match self {
            Self::Text { number: Some(number), .. } => Ok(number),
            _ => Err(InvalidFilterPattern::Syntax),
        }
    }

    fn equals(&self, value: &Scalar<'_>) -> bool {
        match self {
            Self::Regex(regex) => regex.is_match(value.text.as_bytes()),
            Self::Text { wildcard, number } => match (number, value.number) {
                (Some(number), Some(value)) => value.compare(*number) == Some(Ordering::Equal),
                _ => wildcard.matches(value.text),
            },
        }
    }
}

impl Wildcard {
    fn new(text: &str) -> Self {
        let (open_start, text) = text.strip_prefix('*').map_or((false, text), |rest| (true, rest));
        let (open_end, text) =
            text.strip_suffix('*').map_or((open_start && text.is_empty(), text), |rest| (true, rest));
        Self { text: text.to_owned(), open_start, open_end }
    }

    fn matches(&self, value: &str) -> bool {
        match (self.open_start, self.open_end) {
            (true, true) => value.contains(&self.text),
            (true, false) => value.ends_with(&self.text),
            (false, true) => value.starts_with(&self.text),
            (false, false) => value == self.text,
        }
    }
}

impl Number {
    /// Reads digits with an optional sign, fraction and exponent; nothing else, so that neither `inf` nor `1_000` is a number.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        if !digits.starts_with(|c: char| c.is_ascii_digit()) && !digits.starts_with('.') {
            return None;
        }
        if digits.bytes().all(|byte| byte.is_ascii_digit())
            && let Ok(whole) = text.parse()
        {
            return Some(Self::Whole(whole));
        }
        let allowed = |byte: u8| byte.is_ascii_digit() || b".eE+-".contains(&byte);
        if !digits.bytes().all(allowed) {
            return None;
        }
        text.parse().ok().filter(|number: &f64| number.is_finite()).map(Self::Fraction)
    }

    fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(left), Self::Whole(right)) => Some(left.cmp(&right)),
            (left, right) => left.as_f64().partial_cmp(&right.as_f64()),
        }
    }

    fn as_f64(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Fraction(fraction) => fraction,
        }
    }
}
