//! Filter policies: whether a subscription wants a message.
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html>
//!
//! It refuses what AWS refuses when a policy is set, so that a stored one always reads.

mod parse;
#[cfg(test)]
mod tests;

use crate::model::{Attribute, Message};
use serde_json::{Map, Number, Value};
use std::net::IpAddr;

/// What a policy looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Attributes,
    Body,
}

/// A filter policy, read.
#[derive(Debug, Clone)]
pub struct Policy {
    scope: Scope,
    root: Object,
}

/// Keys that must all match, and alternatives of which one must.
#[derive(Debug, Clone, Default)]
struct Object {
    keys: Vec<(String, Node)>,
    either: Vec<Vec<Object>>,
}

#[derive(Debug, Clone)]
enum Node {
    Object(Object),
    /// One of these must match.
    Tests(Vec<Test>),
}

#[derive(Debug, Clone)]
enum Test {
    Text(String),
    Number(Number),
    Literal(Value),
    AnythingBut(Vec<Test>),
    Prefix(String),
    Suffix(String),
    IgnoreCase(String),
    Range(Vec<(Comparison, f64)>),
    Exists(bool),
    Cidr(IpAddr, u8),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Policy {
    /// Whether a message is wanted.
    pub fn matches(&self, message: &Message, text: &str) -> bool {
        match self.scope {
            Scope::Attributes => {
                let values =
                    message.attributes.iter().filter_map(|(name, it)| Some((name.clone(), value(it)?)));
                self.root.matches(&[&values.collect()])
            }
            // AWS: a body that is no JSON object matches nothing.
            Scope::Body => {
                serde_json::from_str::<Map<String, Value>>(text).is_ok_and(|body| self.root.matches(&[&body]))
            }
        }
    }
}

/// What a policy sees of an attribute: nothing of binary ones.
fn value(attribute: &Attribute) -> Option<Value> {
    let Attribute { data_type, value } = attribute;
    match data_type.split('.').next() {
        _ if data_type == "String.Array" => {
            serde_json::from_str(value).ok().or_else(|| Some(Value::String(value.clone())))
        }
        Some("Number") => serde_json::from_str::<Number>(value).ok().map(Value::Number),
        Some("Binary") => None,
        _ => Some(Value::String(value.clone())),
    }
}

impl Object {
    /// Whether one of the objects at this place in the message has it all.
    fn matches(&self, found: &[&Map<String, Value>]) -> bool {
        self.keys.iter().all(|(key, node)| {
            let values: Vec<&Value> = found.iter().filter_map(|object| object.get(key)).collect();
            node.matches(&values)
        }) && self.either.iter().all(|choices| choices.iter().any(|choice| choice.matches(found)))
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
    fn matches(&self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Self::Text(wanted) => text == Some(wanted),
            Self::Number(wanted) => value.as_f64().is_some() && value.as_f64() == wanted.as_f64(),
            Self::Literal(wanted) => value == wanted,
            Self::AnythingBut(tests) => !tests.iter().any(|test| test.matches(value)),
            Self::Prefix(beginning) => text.is_some_and(|text| text.starts_with(beginning)),
            Self::Suffix(end) => text.is_some_and(|text| text.ends_with(end)),
            Self::IgnoreCase(wanted) => text.is_some_and(|text| text.to_lowercase() == wanted.to_lowercase()),
            Self::Range(bounds) => {
                value.as_f64().is_some_and(|number| bounds.iter().all(|bound| within(number, bound)))
            }
            Self::Cidr(network, bits) => {
                text.and_then(|text| text.parse().ok()).is_some_and(|ip| in_network(ip, *network, *bits))
            }
            // It is about all values of a key at once.
            Self::Exists(_) => false,
        }
    }
}

fn within(number: f64, (comparison, bound): &(Comparison, f64)) -> bool {
    match comparison {
        Comparison::Equal => number == *bound,
        Comparison::Less => number < *bound,
        Comparison::LessOrEqual => number <= *bound,
        Comparison::Greater => number > *bound,
        Comparison::GreaterOrEqual => number >= *bound,
    }
}

fn in_network(ip: IpAddr, network: IpAddr, bits: u8) -> bool {
    let (ip, network, length) = match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            (u128::from(ip.to_bits()), u128::from(network.to_bits()), 32)
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => (ip.to_bits(), network.to_bits(), 128),
        _ => return false,
    };
    let shift = u32::from(length - bits);
    ip.checked_shr(shift).unwrap_or(0) == network.checked_shr(shift).unwrap_or(0)
}

/// Reads a policy; nothing for one that is empty.
pub fn read(text: &str, scope: Scope) -> Result<Option<Policy>, hearth_wire::Failure> {
    parse::policy(text, scope)
}
