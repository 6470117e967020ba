//! Event patterns: which events a rule is for.
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>
//!
//! It refuses what AWS refuses when a pattern is put, so that a stored one always reads.

pub mod tree;

use serde_json::{Map, Value};
use tree::{Node, Object, Test, are_choices};

/// Alternatives that the `$or`s of a pattern may make together.
const ALTERNATIVES_MAX: usize = 1_000;

/// A pattern, read.
#[derive(Debug, Clone)]
pub struct Pattern(Object);

impl Pattern {
    /// Reads a pattern. The error is AWS's reason.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let Value::Object(object) = value else { return Err("Filter is not an object".to_owned()) };
        if object.is_empty() {
            return Err("Empty objects are not allowed".to_owned());
        }
        let mut alternatives = 1;
        let read = read(&object, &mut alternatives)?;
        if alternatives > ALTERNATIVES_MAX {
            return Err(format!(
                "Too many combinations of $or: {alternatives} are more than {ALTERNATIVES_MAX}"
            ));
        }
        Ok(Self(read))
    }

    /// Whether it is for this event.
    pub fn matches(&self, event: &Value) -> bool {
        event.as_object().is_some_and(|event| self.0.matches(&[event]))
    }
}

fn read(object: &Map<String, Value>, alternatives: &mut usize) -> Result<Object, String> {
    let mut found = Object::default();
    for (key, value) in object {
        match value {
            Value::Array(choices) if key == "$or" && are_choices(choices) => {
                *alternatives = alternatives.saturating_mul(choices.len());
                let objects = choices.iter().filter_map(Value::as_object);
                let objects: Result<_, String> = objects.map(|choice| read(choice, alternatives)).collect();
                found.either.push(objects?);
            }
            Value::Array(tests) if tests.is_empty() => {
                return Err("Empty arrays are not allowed".to_owned());
            }
            Value::Array(tests) => {
                let tests: Result<_, String> = tests.iter().map(test).collect();
                found.keys.push((key.clone(), Node::Tests(tests?)));
            }
            Value::Object(inner) if inner.is_empty() => {
                return Err("Empty objects are not allowed".to_owned());
            }
            Value::Object(inner) => {
                found.keys.push((key.clone(), Node::Object(read(inner, alternatives)?)));
            }
            _ => return Err(format!("\"{key}\" must be an object or an array")),
        }
    }
    Ok(found)
}

fn test(value: &Value) -> Result<Test, String> {
    match value {
        Value::Array(_) => Err("Match value must be String, number, true, false, or null".to_owned()),
        Value::Object(object) => {
            let mut entries = object.iter();
            match (entries.next(), entries.next()) {
                (Some((operator, operand)), None) => operation(operator, operand),
                _ => Err("Only one key allowed in match expression".to_owned()),
            }
        }
        plain => Ok(literal(plain)),
    }
}

fn literal(value: &Value) -> Test {
    match value {
        Value::String(text) => Test::Text(text.clone()),
        Value::Number(number) => Test::Number(number.clone()),
        other => Test::Literal(other.clone()),
    }
}

fn operation(operator: &str, operand: &Value) -> Result<Test, String> {
    match operator {
        "prefix" | "suffix" => affix(operator, operand),
        "equals-ignore-case" => {
            text_of(operator, operand).map(|text| Test::IgnoringCase(text.to_lowercase()))
        }
        "wildcard" => wildcard(&text_of(operator, operand)?),
        "exists" => operand
            .as_bool()
            .map(Test::Exists)
            .ok_or_else(|| "exists match pattern must be either true or false.".to_owned()),
        "cidr" => Test::cidr(&text_of(operator, operand)?),
        "numeric" => Test::numeric(operand),
        "anything-but" => anything_but(operand),
        other => Err(format!("Unrecognized match type {other}")),
    }
}

fn text_of(operator: &str, operand: &Value) -> Result<String, String> {
    let text = operand.as_str().map(str::to_owned);
    text.ok_or_else(|| format!("{operator} match pattern must be a string"))
}

/// `{"prefix": "a"}` or `{"prefix": {"equals-ignore-case": "a"}}`.
fn affix(operator: &str, operand: &Value) -> Result<Test, String> {
    let prefix = operator == "prefix";
    if let Some(object) = operand.as_object() {
        let inner = object.get("equals-ignore-case").filter(|_| object.len() == 1);
        let inner = inner.ok_or_else(|| format!("Unsupported {operator} pattern"))?;
        let text = text_of(operator, inner)?.to_lowercase();
        return Ok(if prefix { Test::PrefixIgnoringCase(text) } else { Test::SuffixIgnoringCase(text) });
    }
    let text = text_of(operator, operand)?;
    Ok(if prefix { Test::Prefix(text) } else { Test::Suffix(text) })
}

fn anything_but(operand: &Value) -> Result<Test, String> {
    let plain = |value: &Value| match value {
        Value::String(_) | Value::Number(_) => Ok(literal(value)),
        _ => Err("Inside anything but list, start|null|boolean is not supported.".to_owned()),
    };
    let tests: Result<Vec<Test>, String> = match operand {
        Value::Array(values) if values.is_empty() => Err("Empty arrays are not allowed".to_owned()),
        Value::Array(values) => values.iter().map(plain).collect(),
        Value::Object(object) => {
            let mut entries = object.iter();
            match (entries.next(), entries.next()) {
                (Some((operator, operand)), None)
                    if ["prefix", "suffix", "equals-ignore-case", "wildcard"]
                        .contains(&operator.as_str()) =>
                {
                    match operand {
                        Value::Array(values) if values.is_empty() => {
                            Err("Empty arrays are not allowed".to_owned())
                        }
                        Value::Array(values) => {
                            values.iter().map(|value| operation(operator, value)).collect()
                        }
                        one => operation(operator, one).map(|test| vec![test]),
                    }
                }
                (Some((operator, _)), None) => Err(format!("Unsupported anything-but pattern: {operator}")),
                _ => Err("Only one key allowed in match expression".to_owned()),
            }
        }
        Value::String(_) | Value::Number(_) => Ok(vec![literal(operand)]),
        _ => Err("Value of anything-but must be an array or single string/number value.".to_owned()),
    };
    Ok(Test::AnythingBut(tests?))
}

/// Asterisks stand for anything; a backslash before one, or before another backslash, has it stand for itself.
fn wildcard(text: &str) -> Result<Test, String> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let mut characters = text.char_indices().peekable();
    while let Some((place, character)) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some((_, escaped @ ('*' | '\\'))) => part.push(escaped),
                _ => return Err(format!("Invalid escape character at pos {place}")),
            },
            '*' => {
                if characters.peek().is_some_and(|(_, next)| *next == '*') {
                    return Err(format!("Consecutive wildcard characters at pos {place}"));
                }
                parts.push(std::mem::take(&mut part));
            }
            other => part.push(other),
        }
    }
    parts.push(part);
    Ok(Test::Wildcard(parts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event() -> Value {
        json!({
            "version": "0", "source": "aws.ec2", "detail-type": "EC2 Instance State-change Notification", "region": "us-west-2",
            "resources": ["arn:aws:ec2:us-west-2:123456789012:instance/i-12345678", "arn:aws:ec2:other"],
            "detail": {
                "state": "terminated", "instance": {"size": 4, "weight": 3.5, "empty": "", "none": null, "on": true},
                "ip": "10.0.0.123", "six": "2001:db8::1", "path": "dir/sub/file.PNG", "list": [1, "two", [3]],
                "items": [{"name": "a", "size": 1}, {"name": "b", "size": 2}], "star": "a*b",
            },
        })
    }

    fn matches(pattern: Value) -> bool {
        let text = pattern.to_string();
        Pattern::parse(&text).unwrap_or_else(|reason| panic!("{text}: {reason}")).matches(&event())
    }

    #[test]
    fn patterns_match_as_aws_s_examples_say() {
        let detail = |key: &str, test: Value| json!({"detail": {key: [test]}});
        for (pattern, expected) in [
            (json!({"source": ["aws.ec2"]}), true),
            (json!({"source": ["aws.s3", "aws.ec2"], "region": ["us-west-2"]}), true),
            (json!({"source": ["aws.ec2"], "region": ["us-east-1"]}), false),
            (json!({"resources": ["arn:aws:ec2:other"]}), true),
            (json!({"detail": {"instance": {"size": [4]}}}), true),
            (json!({"detail": {"instance": {"size": [4.0]}}}), false),
            (json!({"detail": {"instance": {"none": [null], "on": [true], "empty": [""]}}}), true),
            (json!({"detail": {"list": [3]}}), true),
            (json!({"detail": {"items": {"name": ["b"]}}}), true),
            (json!({"detail": {"instance": ["size"]}}), false),
            (detail("state", json!({"prefix": "term"})), true),
            (detail("state", json!({"prefix": {"equals-ignore-case": "TERM"}})), true),
            (detail("path", json!({"suffix": ".png"})), false),
            (detail("path", json!({"suffix": {"equals-ignore-case": ".png"}})), true),
            (detail("state", json!({"equals-ignore-case": "TermInated"})), true),
            (detail("state", json!({"anything-but": "running"})), true),
            (detail("state", json!({"anything-but": ["running", "terminated"]})), false),
            (detail("state", json!({"anything-but": {"prefix": "run"}})), true),
            (detail("state", json!({"anything-but": {"prefix": ["run", "term"]}})), false),
            (detail("path", json!({"anything-but": {"suffix": ".PNG"}})), false),
            (detail("state", json!({"anything-but": {"equals-ignore-case": ["TERMINATED", "x"]}})), false),
            (detail("path", json!({"anything-but": {"wildcard": "*/sub/*"}})), false),
            (json!({"detail": {"instance": {"size": [{"anything-but": [4, 5]}]}}}), false),
            (json!({"detail": {"instance": {"size": [{"numeric": [">", 0, "<=", 4]}]}}}), true),
            (json!({"detail": {"instance": {"size": [{"numeric": [">", 4]}]}}}), false),
            (json!({"detail": {"instance": {"weight": [{"numeric": ["=", 3.5]}]}}}), true),
            (detail("state", json!({"numeric": ["=", 3]})), false),
            (detail("state", json!({"exists": true})), true),
            (detail("missing", json!({"exists": false})), true),
            (detail("missing", json!({"exists": true})), false),
            (json!({"detail": {"gone": {"inside": [{"exists": false}]}}}), true),
            (detail("ip", json!({"cidr": "10.0.0.0/24"})), true),
            (detail("ip", json!({"cidr": "10.0.1.0/24"})), false),
            (detail("ip", json!({"cidr": "0.0.0.0/0"})), true),
            (detail("six", json!({"cidr": "2001:db8::/32"})), true),
            (detail("six", json!({"cidr": "10.0.0.0/8"})), false),
            (detail("path", json!({"wildcard": "dir/*.PNG"})), true),
            (detail("path", json!({"wildcard": "*"})), true),
            (detail("path", json!({"wildcard": "d*s*f*"})), true),
            (detail("path", json!({"wildcard": "dir/*PNG*x"})), false),
            (detail("path", json!({"wildcard": "dir/sub/file.PNG*file.PNG"})), false),
            (detail("star", json!({"wildcard": "a\\*b"})), true),
            (detail("path", json!({"wildcard": "dir\\*"})), false),
            (json!({"$or": [{"source": ["x"]}, {"region": ["us-west-2"]}]}), true),
            (json!({"$or": [{"source": ["x"]}, {"region": ["y"]}]}), false),
            (
                json!({"source": ["aws.ec2"], "detail": {"$or": [{"state": ["x"]}, {"instance": {"size": [{"numeric": ["<", 5]}]}}]}}),
                true,
            ),
            (
                json!({"$or": [{"$or": [{"source": ["x"]}, {"source": ["aws.ec2"]}]}, {"region": ["y"]}]}),
                true,
            ),
        ] {
            assert_eq!(matches(pattern.clone()), expected, "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_the_reason() {
        for (pattern, reason) in [
            ("", "EOF"),
            ("[]", "Filter is not an object"),
            ("{}", "Empty objects are not allowed"),
            (r#"{"a": {}}"#, "Empty objects are not allowed"),
            (r#"{"a": []}"#, "Empty arrays are not allowed"),
            (r#"{"a": "b"}"#, "\"a\" must be an object or an array"),
            (r#"{"a": [["b"]]}"#, "Match value must be"),
            (r#"{"a": [{"before": 1}]}"#, "Unrecognized match type before"),
            (r#"{"a": [{"prefix": 1}]}"#, "prefix match pattern must be a string"),
            (r#"{"a": [{"prefix": "a", "suffix": "b"}]}"#, "Only one key allowed"),
            (r#"{"a": [{"exists": "yes"}]}"#, "exists match pattern"),
            (r#"{"a": [{"anything-but": []}]}"#, "Empty arrays are not allowed"),
            (r#"{"a": [{"anything-but": [true]}]}"#, "Inside anything but list"),
            (
                r#"{"a": [{"anything-but": {"cidr": "10.0.0.0/8"}}]}"#,
                "Unsupported anything-but pattern: cidr",
            ),
            (r#"{"a": [{"numeric": "1"}]}"#, "must be an array"),
            (r#"{"a": [{"numeric": [">", "1"]}]}"#, "Value of > must be numeric"),
            (r#"{"a": [{"numeric": ["!", 1]}]}"#, "Unrecognized numeric range operator: !"),
            (r#"{"a": [{"numeric": [">", 5, "<", 1]}]}"#, "Bottom must be less than top"),
            (r#"{"a": [{"numeric": ["<", 5, ">", 1]}]}"#, "Too many terms"),
            (r#"{"a": [{"numeric": [">", 6000000000]}]}"#, "Value must be between"),
            (r#"{"a": [{"cidr": "10.0.0.0"}]}"#, "Malformed CIDR"),
            (r#"{"a": [{"cidr": "10.0.0.0/33"}]}"#, "mask bits"),
            (r#"{"a": [{"cidr": "x/8"}]}"#, "Nonstandard IP address"),
            (r#"{"a": [{"wildcard": "a**b"}]}"#, "Consecutive wildcard characters at pos 1"),
            (r#"{"a": [{"wildcard": "a\\b"}]}"#, "Invalid escape character at pos 1"),
        ] {
            let told = Pattern::parse(pattern).expect_err(pattern);
            assert!(told.contains(reason), "{pattern}: {told}");
        }
        let choices = (0..10).map(|n| format!(r#"{{"k{n}": ["v"]}}"#)).collect::<Vec<_>>().join(",");
        let object = |inner: &str| {
            format!(
                r#"{{"$or": [{choices}], "x": {{"$or": [{choices}]}}, "y": {{"$or": [{choices}]}}{inner}}}"#
            )
        };
        assert!(Pattern::parse(&object("")).is_ok());
        let many = object(&format!(r#", "z": {{"$or": [{choices}]}}"#));
        assert!(Pattern::parse(&many).unwrap_err().contains("Too many combinations"));
    }
}
