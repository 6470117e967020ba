//! Checks an input against its model and says what is wrong in AWS's own words, all of it at once.
//!
//! Only what the model states is checked here; what an operation checks beyond its model is its handler's business.

mod pattern;
mod text;

pub use pattern::compiles;

use crate::failure::Failure;
use crate::schema::{Kind, Service, Shape, Structure};
use crate::value::Value;
use std::fmt::{self, Write as _};

/// The most violations that one answer lists: what a bad request can make the server write is bounded.
const VIOLATIONS_MAX: usize = 100;

/// Checks `value` against `shape`, a structure.
///
/// # Errors
/// A failure with the service's validation code that lists every violation, such as `1 validation error detected: Value
/// 'a b' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: …`.
pub fn validate(service: &'static Service, shape: &'static Shape, value: &Value) -> Result<(), Failure> {
    let (Value::Structure(slots), Kind::Structure(structure)) = (value, &shape.kind) else { return Ok(()) };
    let mut walk = Walk { path: Vec::new(), violations: Vec::new() };
    walk.structure(structure, slots);
    let count = walk.violations.len();
    if count == 0 {
        return Ok(());
    }
    let errors = if count == 1 { "error" } else { "errors" };
    let message = format!("{count} validation {errors} detected: {}", walk.violations.join("; "));
    Err(Failure::sender(service.validation_code, 400, message))
}

/// A walk along a value and its shape.
struct Walk<'a> {
    /// Where it stands; written out only when there is something to report.
    path: Vec<Step<'a>>,
    violations: Vec<String>,
}

/// One step of a path.
#[derive(Clone, Copy)]
enum Step<'a> {
    /// Into a member of a structure.
    Member(&'static str),
    /// Into an item of a list, counted from 1.
    Item(usize),
    /// Into a value of a map.
    Key(&'a str),
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(name) => f.write_str(&decapitalised(name)),
            Self::Item(number) => write!(f, "{number}.member"),
            Self::Key(key) => write!(f, "{key}.member"),
        }
    }
}

impl<'a> Walk<'a> {
    fn structure(&mut self, structure: &Structure, slots: &'a [Option<Value>]) {
        for (member, slot) in structure.members.iter().zip(slots) {
            self.path.push(Step::Member(member.name));
            match slot {
                Some(value) => self.member(member.shape, value),
                None if member.required => self.report(None, member.shape, "Member must not be null"),
                None => {}
            }
            self.path.pop();
        }
    }

    fn member(&mut self, shape: &'static Shape, value: &'a Value) {
        for constraint in broken(shape, value) {
            self.report(Some(value), shape, &constraint);
        }
        self.inside(shape, value);
    }

    /// Goes into lists, maps and structures.
    fn inside(&mut self, shape: &'static Shape, value: &'a Value) {
        match (value, &shape.kind) {
            (Value::Structure(slots), Kind::Structure(structure)) => self.structure(structure, slots),
            (Value::List(items), Kind::List { item, .. }) => {
                if items.iter().any(|value| breaks(item.shape, value)) {
                    let constraint = format!("Member must satisfy constraint: [{}]", all(item.shape, true));
                    self.report(Some(value), shape, &constraint);
                }
                for (index, value) in items.iter().enumerate() {
                    self.step(Step::Item(index + 1), item.shape, value);
                }
            }
            (Value::Map(entries), Kind::Map { key, value: item, .. }) => {
                if entries.iter().any(|(text, _)| breaks_text(key.shape, text)) {
                    let constraint = format!("Map keys must satisfy constraint: [{}]", all(key.shape, false));
                    self.report(Some(value), shape, &constraint);
                }
                if entries.iter().any(|(_, value)| breaks(item.shape, value)) {
                    let constraint =
                        format!("Map value must satisfy constraint: [{}]", all(item.shape, true));
                    self.report(Some(value), shape, &constraint);
                }
                for (key, value) in entries {
                    self.step(Step::Key(key), item.shape, value);
                }
            }
            _ => {}
        }
    }

    fn step(&mut self, step: Step<'a>, shape: &'static Shape, value: &'a Value) {
        if self.is_full() {
            return;
        }
        self.path.push(step);
        self.inside(shape, value);
        self.path.pop();
    }

    fn is_full(&self) -> bool {
        self.violations.len() >= VIOLATIONS_MAX
    }

    fn report(&mut self, value: Option<&Value>, shape: &Shape, constraint: &str) {
        if self.is_full() {
            return;
        }
        let mut violation = String::from("Value ");
        match value {
            // AWS: the value of a sensitive shape is left out, with its quotes.
            Some(_) if shape.sensitive => {}
            Some(value) => {
                let _ = write!(violation, "'{}' ", text::of(value, shape));
            }
            None => violation.push_str("null "),
        }
        let path: Vec<String> = self.path.iter().map(Step::to_string).collect();
        let _ = write!(violation, "at '{}' failed to satisfy constraint: {constraint}", path.join("."));
        self.violations.push(violation);
    }
}

/// AWS: paths write a member's name with its first letter small: `kMSKeyArn`, `code.s3Bucket`.
fn decapitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// The constraints of its own shape that a value breaks, as AWS puts them.
fn broken(shape: &Shape, value: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    if !is_constrained(shape) {
        return broken;
    }
    let (size, noun) = match value {
        Value::String(text) => {
            if !shape.values.is_empty() && !shape.values.contains(&text.as_str()) {
                broken.push(enumeration(shape));
            }
            if !shape.pattern.is_empty() && !pattern::matches(shape.pattern, text) {
                broken.push(regular_expression(shape));
            }
            (length(text.chars().count()), "length")
        }
        Value::Blob(bytes) => (length(bytes.len()), "length"),
        Value::List(items) => (length(items.len()), "length"),
        Value::Map(entries) => (length(entries.len()), "length"),
        Value::Integer(number) => (*number, "value"),
        Value::Double(number) => {
            let beyond = |bound: Option<i64>, past: fn(&f64, &f64) -> bool| {
                bound.is_some_and(|bound| past(number, &(bound as f64)))
            };
            // A saturating cast keeps to which side of a bound the number is on.
            let size = if beyond(shape.max, f64::gt) {
                i64::MAX
            } else if beyond(shape.min, f64::lt) {
                i64::MIN
            } else {
                return broken;
            };
            (size, "value")
        }
        _ => return broken,
    };
    if shape.max.is_some_and(|max| size > max) {
        broken.push(at_most(shape, noun));
    }
    if shape.min.is_some_and(|min| size < min) {
        broken.push(at_least(shape, noun));
    }
    broken
}

fn is_constrained(shape: &Shape) -> bool {
    shape.min.is_some() || shape.max.is_some() || !shape.pattern.is_empty() || !shape.values.is_empty()
}

/// Whether an item of a list or a value of a map breaks its shape. Null always does.
fn breaks(shape: &Shape, value: &Value) -> bool {
    matches!(value, Value::Null) || !broken(shape, value).is_empty()
}

fn breaks_text(shape: &Shape, text: &str) -> bool {
    // A shape without constraints is not worth a copy of the text.
    is_constrained(shape) && !broken(shape, &Value::String(text.to_owned())).is_empty()
}

/// All constraints of a shape, as AWS lists them for items, keys and values.
fn all(shape: &Shape, not_null: bool) -> String {
    let noun = match shape.kind {
        Kind::Integer | Kind::Double => "value",
        _ => "length",
    };
    let constraints = [
        shape.max.map(|_| at_most(shape, noun)),
        shape.min.map(|_| at_least(shape, noun)),
        (!shape.values.is_empty()).then(|| enumeration(shape)),
        (!shape.pattern.is_empty()).then(|| regular_expression(shape)),
        not_null.then(|| "Member must not be null".to_owned()),
    ];
    constraints.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn at_most(shape: &Shape, noun: &str) -> String {
    format!("Member must have {noun} less than or equal to {}", shape.max.unwrap_or(i64::MAX))
}

fn at_least(shape: &Shape, noun: &str) -> String {
    format!("Member must have {noun} greater than or equal to {}", shape.min.unwrap_or(i64::MIN))
}

fn enumeration(shape: &Shape) -> String {
    format!("Member must satisfy enum value set: [{}]", shape.values.join(", "))
}

fn regular_expression(shape: &Shape) -> String {
    format!("Member must satisfy regular expression pattern: {}", shape.pattern)
}

fn length(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
