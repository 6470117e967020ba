//! Filter policies: whether a subscription wants a message.
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html>
//!
//! It refuses what AWS refuses when a policy is set, so that a stored one always reads.

mod parse;
#[cfg(test)]
mod tests;

use crate::model::{Attribute, Message};
use hearth_pattern::tree::Object;
use serde_json::{Map, Number, Value};

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

/// Reads a policy; nothing for one that is empty.
pub fn read(text: &str, scope: Scope) -> Result<Option<Policy>, hearth_wire::Failure> {
    parse::policy(text, scope)
}
