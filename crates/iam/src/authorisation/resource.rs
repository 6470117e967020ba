//! From an operation's table and its input to the ARNs that the action is on, and to the values of condition keys.
//!
//! What is authorised must be what the handler then uses: a resolver reads names exactly as the service does.

use super::Asker;
use hearth_api::Principal;
use hearth_api::authorisation::{Part, Path, Resolver, Resource};
use hearth_base::function::function_arn;
use hearth_base::{FunctionReference, Qualifier};
use hearth_wire::Value;
use std::borrow::Cow;

/// The ARNs that an action is on: at least one, `*` when nothing names any.
pub(super) fn resources(resource: &Resource, asker: &Asker<'_>, input: &Value) -> Vec<String> {
    let made = match resource {
        Resource::Any => Vec::new(),
        Resource::Made(texts) => texts
            .iter()
            .find_map(|parts| made(parts, asker, input).filter(|texts| !texts.is_empty()))
            .unwrap_or_default(),
        Resource::Resolved(resolver, members) => resolved(*resolver, asker, (members, input)),
    };
    if made.is_empty() { vec!["*".to_owned()] } else { made }
}

/// A text with the members put in; several when a member has several values. None when a member is not given, or the
/// text begins with one that is no ARN.
fn made(parts: &[Part], asker: &Asker<'_>, input: &Value) -> Option<Vec<String>> {
    let mut texts = vec![String::new()];
    for (place, part) in parts.iter().enumerate() {
        let values: Vec<Cow<'_, str>> = match part {
            Part::Text(text) => vec![Cow::Borrowed(*text)],
            Part::Partition => vec![asker.region.partition().into()],
            Part::Region => vec![asker.region.as_str().into()],
            Part::Account => vec![Cow::Owned(asker.account.to_string())],
            Part::Member(path) => {
                let values = values(input, path);
                if values.is_empty() || (place == 0 && values.iter().any(|value| !value.starts_with("arn:")))
                {
                    return None;
                }
                values
            }
        };
        texts =
            texts.iter().flat_map(|text| values.iter().map(move |value| format!("{text}{value}"))).collect();
    }
    Some(texts)
}

/// Every value of a member: of a list each item's, of a map each key.
pub(super) fn values<'a>(input: &'a Value, path: Path) -> Vec<Cow<'a, str>> {
    let mut found = Vec::new();
    collect(input, path, &mut found);
    found
}

fn collect<'a>(value: &'a Value, path: &[u16], found: &mut Vec<Cow<'a, str>>) {
    match (value, path) {
        (Value::List(items), _) => items.iter().for_each(|item| collect(item, path, found)),
        (Value::Structure(slots), [place, rest @ ..]) => {
            if let Some(Some(inner)) = slots.get(usize::from(*place)) {
                collect(inner, rest, found);
            }
        }
        (Value::String(text), []) => found.push(text.into()),
        (Value::Integer(number), []) => found.push(number.to_string().into()),
        (Value::Boolean(truth), []) => found.push(truth.to_string().into()),
        (Value::Map(entries), []) => found.extend(entries.iter().map(|(key, _)| Cow::from(key))),
        // A list of structures, such as tags, is given when it has items, whatever is in them.
        (Value::Structure(_), []) => found.push("".into()),
        _ => {}
    }
}

/// The tags that a member holds: a map, or a list of structures of a key and a value.
pub(super) fn tags(input: &Value, path: Path) -> Vec<(&str, &str)> {
    let mut member = input;
    for place in path {
        let Value::Structure(slots) = member else { return Vec::new() };
        let Some(Some(inner)) = slots.get(usize::from(*place)) else { return Vec::new() };
        member = inner;
    }
    match member {
        Value::Map(entries) => {
            entries.iter().filter_map(|(key, value)| Some((key.as_str(), text(value)?))).collect()
        }
        Value::List(items) => items.iter().filter_map(pair).collect(),
        _ => Vec::new(),
    }
}

fn pair(tag: &Value) -> Option<(&str, &str)> {
    let Value::Structure(slots) = tag else { return None };
    let [Some(key), value, ..] = slots.as_slice() else { return None };
    Some((text(key)?, value.as_ref().and_then(text).unwrap_or_default()))
}

fn text(value: &Value) -> Option<&str> {
    if let Value::String(text) = value { Some(text) } else { None }
}

fn resolved(resolver: Resolver, asker: &Asker<'_>, (members, input): (&[Path], &Value)) -> Vec<String> {
    let value = |place: usize| members.get(place).and_then(|path| values(input, path).into_iter().next());
    match (resolver, value(0)) {
        (Resolver::Function, Some(name)) => vec![function(asker, &name, value(1).as_deref())],
        (Resolver::Queue, Some(url)) => vec![queue(asker, &url)],
        (Resolver::User, None) => vec![asker.caller_arn()],
        (Resolver::User, Some(name)) => vec![asker.identity_arn("user", &name)],
        (Resolver::Role, Some(name)) => vec![asker.identity_arn("role", &name)],
        (Resolver::Group, Some(name)) => vec![asker.identity_arn("group", &name)],
        (Resolver::EventBus, name) => vec![event_bus(asker, name.as_deref())],
        (Resolver::EventBuses, _) => event_buses(asker, members, input),
        (Resolver::Rule, Some(name)) => vec![rule(asker, &name, value(1).as_deref())],
        (_, None) => Vec::new(),
    }
}

/// A function is named by its name, a part of its ARN or its ARN, each with a qualifier or with one beside it.
fn function(asker: &Asker<'_>, name: &str, beside: Option<&str>) -> String {
    let Ok(reference) = FunctionReference::parse(name) else {
        return function_arn(asker.region, asker.account, name);
    };
    let region = reference.region.as_ref().unwrap_or(asker.region);
    let arn = function_arn(region, reference.account.unwrap_or(asker.account), &reference.name);
    let qualifier = beside.map(str::to_owned).or(reference.qualifier.as_ref().map(Qualifier::to_string));
    match qualifier {
        Some(qualifier) => format!("{arn}:{qualifier}"),
        None => arn,
    }
}

/// `http://host/123456789012/name`; a name alone is a queue of the caller's.
fn queue(asker: &Asker<'_>, url: &str) -> String {
    let (before, name) = url.rsplit_once('/').unwrap_or(("", url));
    let account = before.rsplit('/').next().and_then(|account| account.parse().ok()).unwrap_or(asker.account);
    format!("arn:{}:sqs:{}:{account}:{name}", asker.region.partition(), asker.region)
}

/// A bus is named by its name or its ARN; the default one need not be named.
fn event_bus(asker: &Asker<'_>, name: Option<&str>) -> String {
    match name.unwrap_or("default") {
        arn if arn.starts_with("arn:") => arn.to_owned(),
        name => {
            let (region, account) = (asker.region, asker.account);
            format!("arn:{}:events:{region}:{account}:event-bus/{name}", region.partition())
        }
    }
}

/// Each bus that events are for, once.
fn event_buses(asker: &Asker<'_>, members: &[Path], input: &Value) -> Vec<String> {
    let [named, events] = members else { return Vec::new() };
    let named = values(input, named);
    let mut buses: Vec<String> = named.iter().map(|name| event_bus(asker, Some(name))).collect();
    if named.len() < values(input, events).len() {
        buses.push(event_bus(asker, None));
    }
    buses.sort();
    buses.dedup();
    buses
}

/// A rule of the default bus has no bus in its ARN.
fn rule(asker: &Asker<'_>, name: &str, bus: Option<&str>) -> String {
    let bus = event_bus(asker, bus);
    match bus.split_once(":event-bus/") {
        Some((before, "default")) => format!("{before}:rule/{name}"),
        Some((before, bus)) => format!("{before}:rule/{bus}/{name}"),
        None => bus,
    }
}

impl Asker<'_> {
    /// The ARN of a user, a role or a group, with the path that it has.
    fn identity_arn(&self, kind: &str, name: &str) -> String {
        let (account, identities) = (self.account, self.sources.identities());
        let known = identities.and_then(|identities| match kind {
            "user" => identities.user(account, name).map(|user| user.arn.clone()),
            "role" => identities.role(account, name).map(|role| role.arn.clone()),
            _ => identities.group(account, name),
        });
        match known {
            Some(arn) => arn.to_string(),
            None => format!("arn:{}:iam::{account}:{kind}/{name}", self.region.partition()),
        }
    }

    fn caller_arn(&self) -> String {
        match (self.principal, &self.known) {
            (Principal::User { .. }, Some(known)) => known.arn.to_string(),
            _ => self.principal.arn(self.region.partition()),
        }
    }
}
