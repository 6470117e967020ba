//! A document as JSON again, in one canonical form: what was one value or a list of one is one value.

use super::document::{Choice, Document, Effect, Statement, Version};
use super::pattern::Pattern;
use super::principal::{Kind, Principals};
use serde_json::{Map, Value, json};
use std::fmt;

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = match self.version {
            Version::V2008 => "2008-10-17",
            Version::V2012 => "2012-10-17",
        };
        let mut members = Map::new();
        members.insert("Version".to_owned(), json!(version));
        if let Some(id) = &self.id {
            members.insert("Id".to_owned(), json!(id));
        }
        members.insert("Statement".to_owned(), self.statements.iter().map(statement).collect());
        write!(f, "{}", Value::Object(members))
    }
}

fn statement(statement: &Statement) -> Value {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    if let Some(sid) = &statement.sid {
        put("Sid", json!(sid));
    }
    put("Effect", json!(if statement.effect == Effect::Allow { "Allow" } else { "Deny" }));
    if let Some(who) = &statement.principals {
        put(if who.negated { "NotPrincipal" } else { "Principal" }, principals(who));
    }
    let named =
        |choice: &Choice, name: &str| if choice.negated { format!("Not{name}") } else { name.to_owned() };
    put(&named(&statement.actions, "Action"), patterns(&statement.actions.patterns));
    if let Some(resources) = &statement.resources {
        put(&named(resources, "Resource"), patterns(&resources.patterns));
    }
    if !statement.conditions.is_empty() {
        let mut operators = Map::new();
        for condition in &statement.conditions {
            let keys = operators.entry(condition.operator()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(keys) = keys {
                keys.insert(condition.key().to_owned(), patterns(condition.values()));
            }
        }
        put("Condition", Value::Object(operators));
    }
    Value::Object(members)
}

fn principals(principals: &Principals) -> Value {
    if principals.bare {
        return json!("*");
    }
    let of_kind = |kind: Kind| {
        let texts = principals.entries.iter().filter(|entry| entry.kind == kind);
        let texts: Vec<&str> = texts.map(|entry| entry.text.as_str()).collect();
        (!texts.is_empty()).then(|| (kind.as_str().to_owned(), one_or_many(texts)))
    };
    Value::Object(Kind::ALL.into_iter().filter_map(of_kind).collect())
}

fn patterns(patterns: &[Pattern]) -> Value {
    one_or_many(patterns.iter().map(Pattern::as_str).collect())
}

fn one_or_many(texts: Vec<&str>) -> Value {
    match texts.as_slice() {
        [text] => json!(text),
        texts => json!(texts),
    }
}
