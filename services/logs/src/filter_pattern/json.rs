//! Patterns for JSON messages: `{ $.user.id = 1 && ($.errors[0] NOT EXISTS || $.flag IS TRUE) }`.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/matching-terms-json-log-events.html>

use super::InvalidFilterPattern;
use super::operand::{Boolean, Comparison, Number, Scalar};
use super::scanner::Scanner;
use serde_json::Value;

/// What stands between the braces.
#[derive(Debug)]
pub(super) struct Expression(Boolean<Condition>);

#[derive(Debug)]
struct Condition {
    selector: Vec<Step>,
    test: Test,
}

#[derive(Debug)]
enum Step {
    Property(String),
    Element(usize),
    AnyElement,
}

#[derive(Debug)]
enum Test {
    Compare(Comparison),
    Is(Value),
    NotExists,
}

impl Expression {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidFilterPattern> {
        let mut scanner = Scanner::new(text);
        let expression = Boolean::parse(&mut scanner, &mut Condition::parse)?;
        scanner.skip_space();
        if scanner.at_end() { Ok(Self(expression)) } else { Err(InvalidFilterPattern::Syntax) }
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        let trimmed = message.trim_start();
        if !trimmed.starts_with(['{', '[']) {
            return false;
        }
        let Ok(document) = serde_json::from_str::<Value>(trimmed) else { return false };
        self.0.holds(&|condition| condition.holds(&document))
    }
}

impl Condition {
    fn parse(scanner: &mut Scanner<'_>) -> Result<Self, InvalidFilterPattern> {
        let selector = parse_selector(scanner)?;
        scanner.skip_space();
        let test = if scanner.take_word("IS") {
            scanner.skip_space();
            let values = [("TRUE", Value::Bool(true)), ("FALSE", Value::Bool(false)), ("NULL", Value::Null)];
            let value = values.into_iter().find(|(word, _)| scanner.take_word(word));
            Test::Is(value.ok_or(InvalidFilterPattern::Syntax)?.1)
        } else if scanner.take_word("NOT") {
            scanner.skip_space();
            if !scanner.take_word("EXISTS") {
                return Err(InvalidFilterPattern::Syntax);
            }
            Test::NotExists
        } else {
            Test::Compare(Comparison::parse(scanner)?)
        };
        Ok(Self { selector, test })
    }

    fn holds(&self, document: &Value) -> bool {
        match &self.test {
            Test::NotExists => !any_selected(document, &self.selector, &|_| true),
            Test::Is(expected) => any_selected(document, &self.selector, &|value| value == expected),
            Test::Compare(comparison) => {
                any_selected(document, &self.selector, &|value| compare(comparison, value))
            }
        }
    }
}

/// AWS: a selector that is missing, or that points to an array, an object or null, meets neither `=` nor `!=`.
fn compare(comparison: &Comparison, value: &Value) -> bool {
    match value {
        Value::String(text) => comparison.holds(&Scalar { text, number: None }),
        Value::Number(number) => {
            let text = number.to_string();
            comparison.holds(&Scalar { text: &text, number: Number::parse(&text) })
        }
        Value::Bool(flag) => {
            comparison.holds(&Scalar { text: if *flag { "true" } else { "false" }, number: None })
        }
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// Whether the selector points to at least one value that passes. A selector has at most as many steps as a pattern has
/// characters, and only `[*]` makes it point to several.
fn any_selected(value: &Value, selector: &[Step], passes: &dyn Fn(&Value) -> bool) -> bool {
    let Some((step, rest)) = selector.split_first() else { return passes(value) };
    match step {
        Step::Property(name) => value.get(name).is_some_and(|next| any_selected(next, rest, passes)),
        Step::Element(index) => value.get(index).is_some_and(|next| any_selected(next, rest, passes)),
        Step::AnyElement => {
            value.as_array().is_some_and(|all| all.iter().any(|next| any_selected(next, rest, passes)))
        }
    }
}

/// Reads `$.name`, `$.list[0].name`, `$.list[*]`, `$.['any name']`.
fn parse_selector(scanner: &mut Scanner<'_>) -> Result<Vec<Step>, InvalidFilterPattern> {
    if !scanner.take("$") {
        return Err(InvalidFilterPattern::Syntax);
    }
    let mut steps = Vec::new();
    loop {
        let dot = scanner.take(".");
        if scanner.take("[") {
            steps.push(parse_bracket(scanner)?);
        } else if dot {
            let name = scanner.take_while(|c| c.is_alphanumeric() || c == '_' || c == '-');
            if name.is_empty() {
                return Err(InvalidFilterPattern::Syntax);
            }
            steps.push(Step::Property(name.to_owned()));
        } else {
            return if steps.is_empty() { Err(InvalidFilterPattern::Syntax) } else { Ok(steps) };
        }
    }
}

fn parse_bracket(scanner: &mut Scanner<'_>) -> Result<Step, InvalidFilterPattern> {
    let step = match scanner.peek() {
        Some(quote @ ('"' | '\'')) => Step::Property(scanner.quoted(quote)?),
        Some('*') if scanner.take("*") => Step::AnyElement,
        _ => {
            let digits = scanner.take_while(|c| c.is_ascii_digit());
            Step::Element(digits.parse().map_err(|_| InvalidFilterPattern::Syntax)?)
        }
    };
    if scanner.take("]") { Ok(step) } else { Err(InvalidFilterPattern::Syntax) }
}
