//! What a target gets of an event: all of it, a constant, a part, or a text with parts put in.
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html>
//!
//! It refuses to judge what comes out: a template can make a text that is no JSON, as on AWS.

use crate::model::{Event, Input};
use hearth_base::Timestamp;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The variables that need no path.
const RESERVED: [&str; 5] = [
    "aws.events.rule-arn",
    "aws.events.rule-name",
    "aws.events.event.ingestion-time",
    "aws.events.event",
    "aws.events.event.json",
];

/// A step of a JSON path.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
    All,
}

/// The rule in whose name an event is transformed.
pub struct Origin<'a> {
    pub arn: &'a str,
    pub name: &'a str,
}

/// What the target gets.
pub fn transform<'a>(input: &'a Input, event: &'a Event, origin: &Origin<'_>) -> Cow<'a, str> {
    match input {
        Input::Matched => Cow::Borrowed(&event.text),
        Input::Constant(text) => Cow::Borrowed(text),
        Input::Path(path) => {
            let found = parse_path(path).and_then(|steps| select(&document(event), &steps));
            Cow::Owned(found.unwrap_or(Value::Null).to_string())
        }
        Input::Template { paths, template } => Cow::Owned(fill(template, paths, (event, origin))),
    }
}

/// Whether a text is a path that can be followed.
pub fn is_path(text: &str) -> bool {
    parse_path(text).is_some()
}

/// Whether a name is one of AWS's own variables.
pub fn is_reserved(name: &str) -> bool {
    name.starts_with("aws.")
}

/// The variables of a template.
pub fn variables(template: &str) -> Vec<&str> {
    pieces(template)
        .filter_map(|piece| if let Piece::Variable { name, .. } = piece { Some(name) } else { None })
        .collect()
}

/// Whether a variable can be used: it has a path, or needs none.
pub fn is_known(name: &str, paths: &BTreeMap<String, String>) -> bool {
    paths.contains_key(name) || RESERVED.contains(&name)
}

fn document(event: &Event) -> Value {
    serde_json::from_str(&event.text).unwrap_or(Value::Null)
}

/// `$.detail.items[0].name`, with `*` for all of a list or an object.
fn parse_path(text: &str) -> Option<Vec<Step>> {
    let mut rest = text.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (key, behind) = after.split_at(end);
            let allowed = |it: char| it.is_alphanumeric() || "-_/:@$# ".contains(it);
            match key {
                "*" => steps.push(Step::All),
                key if !key.is_empty() && key.chars().all(allowed) => steps.push(Step::Key(key.to_owned())),
                _ => return None,
            }
            rest = behind;
            continue;
        }
        let (inside, behind) = rest.strip_prefix('[')?.split_once(']')?;
        steps.push(match inside {
            "*" => Step::All,
            _ => match inside.strip_prefix('\'').and_then(|quoted| quoted.strip_suffix('\'')) {
                Some(key) => Step::Key(key.to_owned()),
                None => Step::Index(inside.parse().ok()?),
            },
        });
        rest = behind;
    }
    Some(steps)
}

/// What a path finds; all that it finds, as a list, when it has a `*`.
fn select(document: &Value, steps: &[Step]) -> Option<Value> {
    let mut found = vec![document];
    for step in steps {
        found = found.into_iter().flat_map(|value| follow(value, step)).collect();
    }
    if steps.contains(&Step::All) {
        return (!found.is_empty()).then(|| found.into_iter().cloned().collect());
    }
    found.first().map(|value| (*value).clone())
}

fn follow<'a>(value: &'a Value, step: &Step) -> Vec<&'a Value> {
    match (step, value) {
        (Step::Key(key), _) => value.get(key).into_iter().collect(),
        (Step::Index(index), _) => value.get(*index).into_iter().collect(),
        (Step::All, Value::Array(items)) => items.iter().collect(),
        (Step::All, Value::Object(members)) => members.values().collect(),
        (Step::All, _) => Vec::new(),
    }
}

/// A piece of a template.
enum Piece<'a> {
    Text(&'a str),
    /// A variable, and whether it stands within quotation marks.
    Variable {
        name: &'a str,
        quoted: bool,
    },
}

/// The pieces of a template. What is in angle brackets and could be no name is text.
fn pieces(template: &str) -> impl Iterator<Item = Piece<'_>> {
    let (mut rest, mut quoted) = (template, false);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some((name, behind)) = rest.strip_prefix('<').and_then(|after| after.split_once('>'))
            && is_name(name)
        {
            rest = behind;
            return Some(Piece::Variable { name, quoted });
        }
        let mut escaped = false;
        let mut end = rest.len();
        for (place, character) in rest.char_indices() {
            match character {
                '<' if place > 0 => {
                    end = place;
                    break;
                }
                '"' if !escaped => quoted = !quoted,
                _ => {}
            }
            escaped = character == '\\' && !escaped;
        }
        let (text, behind) = rest.split_at(end);
        rest = behind;
        Some(Piece::Text(text))
    })
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn fill(template: &str, paths: &BTreeMap<String, String>, (event, origin): (&Event, &Origin<'_>)) -> String {
    let document = document(event);
    let mut filled = String::with_capacity(template.len());
    for piece in pieces(template) {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Variable { name, quoted } => {
                let value = match paths.get(name) {
                    Some(path) => parse_path(path).and_then(|steps| select(&document, &steps)),
                    None => reserved(name, &document, (event, origin)),
                };
                filled.push_str(&written(value, quoted));
            }
        }
    }
    filled
}

/// A value in a template. Outside of quotation marks a text gets some; within them it has none of its own.
fn written(value: Option<Value>, quoted: bool) -> String {
    // AWS: a variable whose path finds nothing is empty.
    let text = match value {
        None if quoted => return String::new(),
        None => return "\"\"".to_owned(),
        Some(value) if !quoted => return value.to_string(),
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
    };
    let escaped = Value::String(text).to_string();
    escaped[1..escaped.len() - 1].to_owned()
}

fn reserved(name: &str, document: &Value, (event, origin): (&Event, &Origin<'_>)) -> Option<Value> {
    let value = match name {
        "aws.events.rule-arn" => Value::from(origin.arn),
        "aws.events.rule-name" => Value::from(origin.name),
        "aws.events.event.ingestion-time" => Value::from(Timestamp::from_millis(event.at).date_time()),
        "aws.events.event.json" => document.clone(),
        "aws.events.event" => {
            let mut document = document.clone();
            if let Some(members) = document.as_object_mut() {
                members.remove("detail");
            }
            document
        }
        _ => return None,
    };
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"version":"0","id":"e","detail-type":"EC2 Instance State-change Notification","source":"aws.ec2","account":"123456789012","time":"2015-11-11T21:29:54Z","region":"us-east-1","resources":["arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111"],"detail":{"instance-id":"i-0123456789","state":"RUNNING","size":3,"tags":[{"k":"a"},{"k":"b"}],"quote":"say \"x\""}}"#;

    fn transformed(input: &Input) -> String {
        let event = Event { text: EVENT.to_owned(), at: 1_750_000_000_000, ..Event::default() };
        let origin = Origin { arn: "arn:aws:events:us-east-1:123456789012:rule/r", name: "r" };
        transform(input, &event, &origin).into_owned()
    }

    fn template(text: &str) -> String {
        let paths = [
            ("instance", "$.detail.instance-id"),
            ("state", "$.detail.state"),
            ("size", "$.detail.size"),
            ("tags", "$.detail.tags[*].k"),
            ("quote", "$.detail.quote"),
            ("none", "$.detail.nothing"),
            ("resource", "$.resources[0]"),
        ];
        let paths = paths.map(|(name, path)| (name.to_owned(), path.to_owned())).into();
        transformed(&Input::Template { paths, template: text.to_owned() })
    }

    #[test]
    fn a_target_gets_the_event_a_constant_or_a_part() {
        assert_eq!(transformed(&Input::Matched), EVENT);
        assert_eq!(transformed(&Input::Constant("{\"a\": 1}".to_owned())), "{\"a\": 1}");
        for (path, expected) in [
            ("$.detail.state", "\"RUNNING\""),
            ("$.detail.size", "3"),
            ("$.detail.tags[1]", "{\"k\":\"b\"}"),
            ("$.detail.tags[*].k", "[\"a\",\"b\"]"),
            ("$['detail']['state']", "\"RUNNING\""),
            ("$.detail.nothing", "null"),
        ] {
            assert_eq!(transformed(&Input::Path(path.to_owned())), expected, "{path}");
        }
    }

    #[test]
    fn templates_are_filled() {
        for (text, expected) in [
            (r#""<instance> is in state <state>""#, r#""i-0123456789 is in state RUNNING""#),
            (r#""<instance> is in state \"<state>\"""#, r#""i-0123456789 is in state \"RUNNING\"""#),
            (
                r#"{"instance": <instance>, "state": [9, <state>, true], "size": <size>}"#,
                r#"{"instance": "i-0123456789", "state": [9, "RUNNING", true], "size": 3}"#,
            ),
            (r#"{"text": "<quote>", "tags": <tags>}"#, r#"{"text": "say \"x\"", "tags": ["a","b"]}"#),
            (r#"{"a": <none>, "b": "<none>"}"#, r#"{"a": "", "b": ""}"#),
            (r#"{"rule": <aws.events.rule-name>}"#, r#"{"rule": "r"}"#),
            (r#""<aws.events.rule-arn>""#, r#""arn:aws:events:us-east-1:123456789012:rule/r""#),
            (r#"{"at": <aws.events.event.ingestion-time>}"#, r#"{"at": "2025-06-15T15:06:40Z"}"#),
            (r#""a < b and <no name>""#, r#""a < b and <no name>""#),
            ("<resource>", "\"arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111\""),
        ] {
            assert_eq!(template(text), expected, "{text}");
        }
        let whole: Value = serde_json::from_str(&template(r#"{"e": <aws.events.event.json>}"#)).unwrap();
        assert_eq!(whole["e"], serde_json::from_str::<Value>(EVENT).unwrap());
        let head: Value = serde_json::from_str(&template(r#"{"e": <aws.events.event>}"#)).unwrap();
        assert!(head["e"].get("detail").is_none() && head["e"]["source"] == "aws.ec2");
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for wrong in ["", "detail", "$detail", "$.", "$..a", "$.a[", "$.a[x]", "$.a[-1]", "$.a[?(@.b)]"] {
            assert!(!is_path(wrong), "{wrong}");
        }
        for right in ["$", "$.detail", "$.a-b_c.d[0]", "$.a/b", "$.a[*]", "$.*"] {
            assert!(is_path(right), "{right}");
        }
    }
}
