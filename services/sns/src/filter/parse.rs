//! Filter policies as they are written, and what AWS refuses of them.
//! <https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html>

use super::{Policy, Scope};
use crate::failures::invalid;
use hearth_api::sns::errors;
use hearth_pattern::tree::{Comparison, Node, Object, Test, are_choices};
use hearth_wire::Failure;
use serde_json::{Map, Value};

/// Keys of a policy that stand in its leaves.
const KEYS_MAX: usize = 5;
/// Combinations of values: those of each key, times each other, and times its depth.
const COMBINATIONS_MAX: u64 = 150;
/// Bytes of a policy.
const BYTES_MAX: usize = 256 << 10;

/// What a policy has so far.
struct Reader {
    scope: Scope,
    keys: usize,
    combinations: u64,
}

pub fn policy(text: &str, scope: Scope) -> Result<Option<Policy>, Failure> {
    if text.len() > BYTES_MAX {
        return Err(errors::filter_policy_limit_exceeded("Filter policy exceeds the size limit of 256 KB"));
    }
    let value: Value = serde_json::from_str(text).map_err(|_| refuse("failed to parse JSON."))?;
    let Value::Object(object) = value else {
        return Err(refuse("Filter must be a JSON object"));
    };
    if object.is_empty() {
        return Ok(None);
    }
    let mut reader = Reader { scope, keys: 0, combinations: 1 };
    let root = reader.object(&object, 1)?;
    if reader.keys > KEYS_MAX {
        return Err(refuse(&format!("Filter policy can not have more than {KEYS_MAX} keys")));
    }
    if reader.combinations > COMBINATIONS_MAX {
        return Err(refuse("Filter policy is too complex"));
    }
    Ok(Some(Policy { scope, root }))
}

fn refuse(reason: &str) -> Failure {
    invalid(format!("FilterPolicy: {reason}"))
}

impl Reader {
    fn object(&mut self, object: &Map<String, Value>, depth: u64) -> Result<Object, Failure> {
        let mut read = Object::default();
        for (key, value) in object {
            match value {
                Value::Array(choices) if key == "$or" && are_choices(choices) => {
                    let choices = choices.iter().filter_map(Value::as_object);
                    let choices: Result<_, Failure> =
                        choices.map(|choice| self.object(choice, depth)).collect();
                    read.either.push(choices?);
                }
                Value::Array(tests) => {
                    if tests.is_empty() {
                        return Err(refuse("Empty arrays are not allowed"));
                    }
                    self.keys += 1;
                    self.combinations =
                        self.combinations.saturating_mul(tests.len() as u64).saturating_mul(depth);
                    let tests: Result<_, Failure> = tests.iter().map(test).collect();
                    read.keys.push((key.clone(), Node::Tests(tests?)));
                }
                Value::Object(_) if self.scope == Scope::Attributes => {
                    return Err(invalid(
                        "Filter policy scope MessageAttributes does not support nested filter policy",
                    ));
                }
                Value::Object(inner) if inner.is_empty() => {
                    return Err(refuse("Empty objects are not allowed"));
                }
                Value::Object(inner) => {
                    read.keys.push((key.clone(), Node::Object(self.object(inner, depth + 1)?)));
                }
                _ => return Err(refuse(&format!("\"{key}\" must be an object or an array"))),
            }
        }
        Ok(read)
    }
}

fn test(value: &Value) -> Result<Test, Failure> {
    match value {
        Value::String(text) => Ok(Test::Text(text.clone())),
        // AWS: `301.5` is also `3.015e2` here.
        Value::Number(number) => {
            Ok(Test::Range(vec![(Comparison::Equal, number.as_f64().unwrap_or_default())]))
        }
        Value::Bool(_) | Value::Null => Ok(Test::Literal(value.clone())),
        Value::Array(_) => Err(refuse("Match value must be String, number, true, false, or null")),
        Value::Object(object) => {
            let mut entries = object.iter();
            match (entries.next(), entries.next()) {
                (Some((operator, operand)), None) => operation(operator, operand),
                _ => Err(refuse("Only one key allowed in match expression")),
            }
        }
    }
}

fn operation(operator: &str, operand: &Value) -> Result<Test, Failure> {
    let text = || {
        let text = operand.as_str().filter(|text| !text.is_empty());
        text.map(str::to_owned).ok_or_else(|| refuse(&format!("{operator} match pattern must be a string")))
    };
    match operator {
        "prefix" => Ok(Test::Prefix(text()?)),
        "suffix" => Ok(Test::Suffix(text()?)),
        "equals-ignore-case" => Ok(Test::IgnoringCase(text()?.to_lowercase())),
        "exists" => operand
            .as_bool()
            .map(Test::Exists)
            .ok_or_else(|| refuse("exists match pattern must be either true or false.")),
        "cidr" => Test::cidr(&text()?).map_err(|reason| refuse(&reason)),
        "numeric" => Test::numeric(operand).map_err(|reason| refuse(&reason)),
        "anything-but" => anything_but(operand),
        other => Err(refuse(&format!("Unrecognized match type {other}"))),
    }
}

fn anything_but(operand: &Value) -> Result<Test, Failure> {
    let tests: Result<Vec<Test>, Failure> = match operand {
        Value::Array(values) if values.is_empty() => {
            return Err(refuse("Empty arrays are not allowed"));
        }
        Value::Array(values) => values
            .iter()
            .map(|value| match value {
                Value::String(_) | Value::Number(_) => test(value),
                _ => Err(refuse("Inside anything but list, start|null|boolean is not supported.")),
            })
            .collect(),
        Value::Object(object) => match object.iter().next() {
            Some((operator, _)) if !["prefix", "suffix", "equals-ignore-case"].contains(&&**operator) => {
                Err(refuse(&format!("Unsupported anything-but pattern: {operator}")))
            }
            _ => test(operand).map(|test| vec![test]),
        },
        Value::String(_) | Value::Number(_) => test(operand).map(|test| vec![test]),
        _ => Err(refuse("Value of anything-but must be an array or single string/number value.")),
    };
    Ok(Test::AnythingBut(tests?))
}
