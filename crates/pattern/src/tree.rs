//! The conditions that a pattern or a filter policy comes to once it is read, and whether a document fulfils them.
//!
//! Several services have patterns of this form, and each its own rules for what may be written: they read, this decides.
//! Matching is linear in the document and in the conditions.

use serde_json::{Map, Number, Value};
use std::net::IpAddr;

/// The bounds of numbers in comparisons.
const NUMBER_MAX: f64 = 5.0e9;
/// A condition, by the key that begins it.
const OPERATORS: [&str; 9] = [
    "anything-but",
    "prefix",
    "suffix",
    "equals-ignore-case",
    "wildcard",
    "numeric",
    "exists",
    "cidr",
    "$or",
];

/// Keys that must all match, and choices of which one must.
#[derive(Debug, Clone, Default)]
pub struct Object {
    /// Each of these must be there and match.
    pub keys: Vec<(String, Node)>,
    /// Of each of these, one must match.
    pub either: Vec<Vec<Object>>,
}

#[derive(Debug, Clone)]
/// What a key holds.
pub enum Node {
    /// An object, whose keys are looked at.
    Object(Object),
    /// One of these must match.
    Tests(Vec<Test>),
}

/// A condition on a value.
#[derive(Debug, Clone)]
pub enum Test {
    /// This text.
    Text(String),
    /// This number, written the same.
    Number(Number),
    /// `true`, `false` or `null`.
    Literal(Value),
    /// A value for which none of these holds.
    AnythingBut(Vec<Test>),
    /// A text that begins so.
    Prefix(String),
    /// The same in lower case, whatever the text's case.
    PrefixIgnoringCase(String),
    /// A text that ends so.
    Suffix(String),
    /// The same in lower case, whatever the text's case.
    SuffixIgnoringCase(String),
    /// This text in lower case, whatever the text's case.
    IgnoringCase(String),
    /// The parts between asterisks.
    Wildcard(Vec<String>),
    /// A number for which all of these hold.
    Range(Vec<(Comparison, f64)>),
    /// Whether there is a value at all.
    Exists(bool),
    /// An address in this network, of which so many bits are given.
    Cidr(IpAddr, u8),
}

/// How a number compares to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Comparison {
    /// `=`.
    Equal,
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
}

/// AWS: `$or` is an operator only as a list of two or more objects that are no conditions; otherwise it is a key as any other.
pub fn are_choices(choices: &[Value]) -> bool {
    choices.len() >= 2
        && choices.iter().all(|choice| {
            choice.as_object().is_some_and(|choice| {
                !choice.is_empty()
                    && !choice.keys().any(|key| key != "$or" && OPERATORS.contains(&key.as_str()))
            })
        })
}

impl Object {
    /// Whether one of the objects at this place of the event has it all.
    pub fn matches(&self, found: &[&Map<String, Value>]) -> bool {
        let key = |(key, node): &(String, Node)| {
            let values: Vec<&Value> = found.iter().filter_map(|object| object.get(key)).collect();
            node.matches(&values)
        };
        self.keys.iter().all(key)
            && self.either.iter().all(|choices| choices.iter().any(|choice| choice.matches(found)))
    }
}

impl Node {
    fn matches(&self, values: &[&Value]) -> bool {
        let mut flat = Vec::new();
        values.iter().for_each(|value| flatten(value, &mut flat));
        match self {
            Self::Object(object) => {
                let objects: Vec<_> = flat.into_iter().filter_map(Value::as_object).collect();
                object.matches(&objects)
            }
            Self::Tests(tests) => {
                // AWS: an object is no value; only its members are.
                flat.retain(|value| !value.is_object());
                tests.iter().any(|test| match test {
                    Test::Exists(wanted) => *wanted != flat.is_empty(),
                    test => flat.iter().any(|value| test.matches(value)),
                })
            }
        }
    }
}

fn flatten<'a>(value: &'a Value, flat: &mut Vec<&'a Value>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| flatten(value, flat)),
        value => flat.push(value),
    }
}

impl Test {
    /// The operand of `numeric`: comparisons and numbers in turns. The error is AWS's reason.
    pub fn numeric(operand: &Value) -> Result<Self, String> {
        let Value::Array(parts) = operand else {
            return Err("Value of numeric must be an array.".to_owned());
        };
        if parts.is_empty() {
            return Err("Invalid member in numeric match: ]".to_owned());
        }
        let mut bounds = Vec::new();
        for pair in parts.chunks(2) {
            let operator =
                pair[0].as_str().ok_or("Invalid member in numeric match: must be a string operator")?;
            let comparison = match operator {
                "=" => Comparison::Equal,
                "<" => Comparison::Less,
                "<=" => Comparison::LessOrEqual,
                ">" => Comparison::Greater,
                ">=" => Comparison::GreaterOrEqual,
                other => return Err(format!("Unrecognized numeric range operator: {other}")),
            };
            let number = pair.get(1).and_then(Value::as_f64);
            let number = number.ok_or_else(|| format!("Value of {operator} must be numeric"))?;
            if number.abs() > NUMBER_MAX {
                return Err(format!("Value must be between {} and {NUMBER_MAX}, inclusive", -NUMBER_MAX));
            }
            bounds.push((comparison, number));
        }
        let is_lower =
            |it: &(Comparison, f64)| matches!(it.0, Comparison::Greater | Comparison::GreaterOrEqual);
        let is_upper = |it: &(Comparison, f64)| matches!(it.0, Comparison::Less | Comparison::LessOrEqual);
        match bounds[..] {
            [_] => Ok(Self::Range(bounds)),
            [ref low, ref high] if is_lower(low) && is_upper(high) => {
                if low.1 >= high.1 {
                    return Err("Bottom must be less than top".to_owned());
                }
                Ok(Self::Range(bounds))
            }
            _ => Err("Too many terms in numeric range expression".to_owned()),
        }
    }

    /// The operand of `cidr`. The error is AWS's reason.
    pub fn cidr(text: &str) -> Result<Self, String> {
        let wrong = || format!("Malformed CIDR, one '/' required: {text}");
        let (address, bits) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| format!("Nonstandard IP address: {address}"))?;
        let length = if address.is_ipv4() { 32 } else { 128 };
        let bits: u8 = bits
            .parse()
            .ok()
            .filter(|bits| *bits <= length)
            .ok_or("Malformed CIDR, mask bits must be an integer")?;
        Ok(Self::Cidr(address, bits))
    }

    fn matches(&self, value: &Value) -> bool {
        let text = |is: &dyn Fn(&str) -> bool| value.as_str().is_some_and(is);
        match self {
            Self::Text(wanted) => text(&|text| text == wanted),
            // AWS: numbers are the same when they are written the same.
            Self::Number(wanted) => value.as_number() == Some(wanted),
            Self::Literal(wanted) => value == wanted,
            Self::AnythingBut(tests) => !tests.iter().any(|test| test.matches(value)),
            Self::Prefix(start) => text(&|text| text.starts_with(start.as_str())),
            Self::PrefixIgnoringCase(start) => text(&|text| text.to_lowercase().starts_with(start.as_str())),
            Self::Suffix(end) => text(&|text| text.ends_with(end.as_str())),
            Self::SuffixIgnoringCase(end) => text(&|text| text.to_lowercase().ends_with(end.as_str())),
            Self::IgnoringCase(wanted) => text(&|text| text.to_lowercase() == *wanted),
            Self::Wildcard(parts) => text(&|text| matches_parts(text, parts)),
            Self::Range(bounds) => {
                value.as_f64().is_some_and(|number| bounds.iter().all(|bound| is_within(number, bound)))
            }
            Self::Cidr(network, bits) => {
                text(&|text| text.parse().is_ok_and(|address| is_in_network(address, (*network, *bits))))
            }
            // It is about all values of a key at once.
            Self::Exists(_) => false,
        }
    }
}

/// The first part begins the text, the last one ends it, and those between come in their order.
fn matches_parts(text: &str, parts: &[String]) -> bool {
    let [first, between @ .., last] = parts else {
        return parts.first().is_some_and(|whole| whole == text);
    };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
    for part in between {
        let Some(place) = rest.find(part.as_str()) else { return false };
        rest = &rest[place + part.len()..];
    }
    rest.ends_with(last.as_str())
}

fn is_within(number: f64, (comparison, bound): &(Comparison, f64)) -> bool {
    match comparison {
        Comparison::Equal => number == *bound,
        Comparison::Less => number < *bound,
        Comparison::LessOrEqual => number <= *bound,
        Comparison::Greater => number > *bound,
        Comparison::GreaterOrEqual => number >= *bound,
    }
}

fn is_in_network(address: IpAddr, (network, bits): (IpAddr, u8)) -> bool {
    let (address, network, length) = match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            (u128::from(address.to_bits()), u128::from(network.to_bits()), 32)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => (address.to_bits(), network.to_bits(), 128),
        _ => return false,
    };
    let shift = u32::from(length - bits);
    address.checked_shr(shift).unwrap_or(0) == network.checked_shr(shift).unwrap_or(0)
}
