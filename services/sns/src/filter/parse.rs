//! Filter policies as they are written, and what AWS refuses of them.
//! <https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html>

use super::{Comparison, Node, Object, Policy, Scope, Test};
use crate::failures::invalid;
use hearth_api::sns::errors;
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
                Value::Array(choices) if key == "$or" && is_either(choices) => {
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

/// AWS: `$or` is an operator only as a list of two or more objects, none of which has the keys of operators only.
fn is_either(choices: &[Value]) -> bool {
    const OPERATORS: [&str; 7] =
        ["anything-but", "prefix", "suffix", "equals-ignore-case", "numeric", "exists", "cidr"];
    choices.len() >= 2
        && choices.iter().all(|choice| {
            choice.as_object().is_some_and(|choice| {
                !choice.is_empty() && !choice.keys().any(|key| OPERATORS.contains(&key.as_str()))
            })
        })
}

fn test(value: &Value) -> Result<Test, Failure> {
    match value {
        Value::String(text) => Ok(Test::Text(text.clone())),
        Value::Number(number) => Ok(Test::Number(number.clone())),
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
        "equals-ignore-case" => Ok(Test::IgnoreCase(text()?)),
        "exists" => operand
            .as_bool()
            .map(Test::Exists)
            .ok_or_else(|| refuse("exists match pattern must be either true or false.")),
        "cidr" => cidr(&text()?),
        "numeric" => numeric(operand),
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

fn numeric(operand: &Value) -> Result<Test, Failure> {
    let Value::Array(parts) = operand else {
        return Err(refuse("Value of numeric must be an array."));
    };
    if parts.is_empty() || parts.len() > 4 {
        return Err(refuse("Too many elements in numeric expression"));
    }
    let mut bounds = Vec::new();
    for pair in parts.chunks(2) {
        let comparison = match pair[0].as_str() {
            Some("=") => Comparison::Equal,
            Some("<") => Comparison::Less,
            Some("<=") => Comparison::LessOrEqual,
            Some(">") => Comparison::Greater,
            Some(">=") => Comparison::GreaterOrEqual,
            Some(other) => return Err(refuse(&format!("Unrecognized numeric range operator: {other}"))),
            None => return Err(refuse("Invalid member in numeric match: must be a string operator")),
        };
        let Some(number) = pair.get(1).and_then(Value::as_f64) else {
            return Err(refuse(&format!(
                "Value of {} must be numeric",
                pair[0].as_str().unwrap_or_default()
            )));
        };
        bounds.push((comparison, number));
    }
    let lower = |it: &(Comparison, f64)| matches!(it.0, Comparison::Greater | Comparison::GreaterOrEqual);
    let upper = |it: &(Comparison, f64)| matches!(it.0, Comparison::Less | Comparison::LessOrEqual);
    match bounds[..] {
        [_] => Ok(Test::Range(bounds)),
        [ref low, ref high] if lower(low) && upper(high) => {
            if low.1 >= high.1 {
                return Err(refuse("Bottom must be less than top"));
            }
            Ok(Test::Range(bounds))
        }
        _ => Err(refuse("Too many terms in numeric range expression")),
    }
}

fn cidr(text: &str) -> Result<Test, Failure> {
    let wrong = || refuse(&format!("Malformed CIDR, one '/' required: {text}"));
    let (address, bits) = text.split_once('/').ok_or_else(wrong)?;
    let address: std::net::IpAddr = address.parse().map_err(|_| wrong())?;
    let bits: u8 = bits.parse().map_err(|_| wrong())?;
    let length = if address.is_ipv4() { 32 } else { 128 };
    if bits > length { Err(wrong()) } else { Ok(Test::Cidr(address, bits)) }
}
