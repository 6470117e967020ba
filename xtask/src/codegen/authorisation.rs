//! `authorisation.toml` as read, and the static table made of it: what each operation of a service needs leave for.

use super::model::{Model, Shape};
use super::operations::ServiceEntry;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The whole file: services by IAM prefix.
pub type Authorisations = BTreeMap<String, ServiceAuthorisation>;

/// One service.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceAuthorisation {
    /// How ARNs are made, by the names that the operations use.
    resources: BTreeMap<String, Texts>,
    /// What each operation needs.
    operations: BTreeMap<String, Need>,
}

/// One text or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<String>),
}

/// What an operation needs.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Need {
    /// Its own action on this resource.
    Resource(Texts),
    Full(Box<FullNeed>),
}

/// The same, with all there is to say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FullNeed {
    action: Option<String>,
    resource: Option<Texts>,
    #[serde(default)]
    keys: BTreeMap<String, String>,
    when: Option<String>,
    token: Option<String>,
    #[serde(default)]
    also: Vec<FullNeed>,
}

/// `pub static AUTHORISATION`, in the order of the service's operations.
pub fn table(
    key: &str,
    entry: &ServiceEntry,
    (model, authorisations): (&Model, &Authorisations),
) -> Result<String, String> {
    let nothing = || format!("authorisation.toml has no section for {key}");
    let lines = authorisations.get(key).ok_or_else(nothing)?;
    if let Some(stranger) = lines.operations.keys().find(|name| !model.operations.contains_key(*name)) {
        return Err(format!("authorisation.toml has a line for {stranger}, which the model has not"));
    }
    let mut names: Vec<&String> = entry.operations.iter().collect();
    names.sort();
    let mut out = String::from(
        "/// What each operation needs leave for, in their order.\n\
         pub static AUTHORISATION: &[crate::authorisation::Authorisation] = {\n\
         use crate::authorisation::{Authorisation, Key, Part, Requirement, Resolver, Resource, Source};\n\n&[\n",
    );
    for name in names {
        let need = lines
            .operations
            .get(name)
            .ok_or_else(|| format!("authorisation.toml has no line for {key}:{name}"))?;
        let operation = Operation { service: key, name, model, lines };
        let requirements = operation.requirements(need).map_err(|message| format!("{name}: {message}"))?;
        let _ = writeln!(out, "Authorisation {{ operation: {name:?}, requirements: &[{requirements}] }},");
    }
    out.push_str("]\n};\n\n");
    Ok(out)
}

/// An operation while its line is written.
struct Operation<'a> {
    service: &'a str,
    name: &'a str,
    model: &'a Model,
    lines: &'a ServiceAuthorisation,
}

impl Operation<'_> {
    fn requirements(&self, need: &Need) -> Result<String, String> {
        let full = match need {
            Need::Resource(Texts::One(text)) if text == "none" => return Ok(String::new()),
            Need::Resource(resource) => FullNeed {
                action: None,
                resource: Some(resource.clone()),
                keys: BTreeMap::new(),
                when: None,
                token: None,
                also: Vec::new(),
            },
            Need::Full(full) => return self.with_others(full),
        };
        self.with_others(&full)
    }

    fn with_others(&self, full: &FullNeed) -> Result<String, String> {
        let mut out = self.requirement(full, full)?;
        for also in &full.also {
            if !also.also.is_empty() {
                return Err("what is needed also needs nothing more".to_owned());
            }
            out.push_str(&self.requirement(also, full)?);
        }
        Ok(out)
    }

    /// One requirement. What another leaves out is as in the first.
    fn requirement(&self, need: &FullNeed, first: &FullNeed) -> Result<String, String> {
        let action = need.action.as_deref().unwrap_or(self.name);
        let action =
            if action.contains(':') { action.to_owned() } else { format!("{}:{action}", self.service) };
        let resource = need.resource.as_ref().or(first.resource.as_ref()).ok_or("there is no resource")?;
        let keys = if need.keys.is_empty() { &first.keys } else { &need.keys };
        let keys = keys.iter().map(|(name, source)| self.key(name, source)).collect::<Result<String, _>>()?;
        let when = match &need.when {
            Some(member) => format!("Some({})", self.path(member)?.ok_or_else(|| absent(member))?),
            None => "None".to_owned(),
        };
        let by_token = match &need.token {
            Some(member) => self.path(member)?.map(|_| true).ok_or_else(|| absent(member))?,
            None => false,
        };
        let resource = self.resource(resource)?;
        Ok(format!(
            "Requirement {{ action: {action:?}, resource: {resource}, keys: &[{keys}], when: {when}, \
             by_token: {by_token} }},"
        ))
    }

    fn resource(&self, texts: &Texts) -> Result<String, String> {
        let texts = match texts {
            Texts::One(text) if text == "*" => return Ok("Resource::Any".to_owned()),
            Texts::One(text) => match self.lines.resources.get(text) {
                Some(named) => named,
                None => texts,
            },
            Texts::Many(_) => texts,
        };
        let texts = match texts {
            Texts::One(text) => std::slice::from_ref(text),
            Texts::Many(texts) => texts.as_slice(),
        };
        if let [text] = texts
            && let Some((resolver, members)) = call(text)
        {
            return self.resolved(resolver, members);
        }
        let mut templates = String::new();
        for text in texts {
            if let Some(parts) = self.template(text)? {
                let _ = write!(templates, "&[{parts}],");
            }
        }
        if templates.is_empty() {
            return Err(format!("the input has no member that {texts:?} needs"));
        }
        Ok(format!("Resource::Made(&[{templates}])"))
    }

    /// A call of a resolver. Members that the operation does not have are left out.
    fn resolved(&self, resolver: &str, members: &str) -> Result<String, String> {
        let mut paths = String::new();
        for member in members.split(',').map(str::trim) {
            if let Some(path) = self.path(member)? {
                let _ = write!(paths, "{path},");
            }
        }
        Ok(format!("Resource::Resolved(Resolver::{}, &[{paths}])", super::name::pascal(resolver)))
    }

    /// The parts of a text; none when the operation does not have one of its members.
    fn template(&self, text: &str) -> Result<Option<String>, String> {
        if text.contains('(') {
            return Err(format!("{text} is neither a text nor a call of a resolver"));
        }
        let mut parts = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let (member, after) =
                behind.split_once('}').ok_or_else(|| format!("{text} has an open brace"))?;
            if !before.is_empty() {
                let _ = write!(parts, "Part::Text({before:?}),");
            }
            match member {
                "partition" => parts.push_str("Part::Partition,"),
                "region" => parts.push_str("Part::Region,"),
                "account" => parts.push_str("Part::Account,"),
                member => match self.path(member)? {
                    Some(path) => {
                        let _ = write!(parts, "Part::Member({path}),");
                    }
                    None => return Ok(None),
                },
            }
            rest = after;
        }
        if !rest.is_empty() {
            let _ = write!(parts, "Part::Text({rest:?}),");
        }
        Ok(Some(parts))
    }

    fn key(&self, name: &str, source: &str) -> Result<String, String> {
        let source = if let Some(word) = source.strip_prefix('\'') {
            format!("Source::Word({:?})", word.trim_end_matches('\''))
        } else if call(source).is_some() || source.contains('{') {
            format!("Source::Resource({})", self.resource(&Texts::One(source.to_owned()))?)
        } else {
            let path = self.path(source)?.ok_or_else(|| absent(source))?;
            if name == "aws:RequestTag" {
                format!("Source::Tags({path})")
            } else {
                format!("Source::Member({path})")
            }
        };
        Ok(format!("Key {{ name: {:?}, source: {source} }},", name.to_ascii_lowercase()))
    }

    /// The places of a member and of those inside it; none when the operation's input does not have it.
    fn path(&self, text: &str) -> Result<Option<String>, String> {
        let Some(input) = &self.model.operation(self.name)?.input else { return Ok(None) };
        let mut shape = self.model.shape(&input.shape)?;
        let mut places = Vec::new();
        for name in text.split('.') {
            shape = self.inside(shape)?;
            let Some(place) = shape.members.0.iter().position(|(known, _)| known == name) else {
                return Ok(None);
            };
            places.push(place);
            shape = self.model.shape(&shape.members.0[place].1.shape)?;
        }
        Ok(Some(format!("&{places:?}")))
    }

    /// The structure that a list holds.
    fn inside<'b>(&'b self, shape: &'b Shape) -> Result<&'b Shape, String> {
        match &shape.member {
            Some(item) => self.model.shape(&item.shape),
            None => Ok(shape),
        }
    }
}

fn absent(member: &str) -> String {
    format!("the input has no member {member}")
}

/// `name(members)`, taken apart.
fn call(text: &str) -> Option<(&str, &str)> {
    let (name, members) = text.strip_suffix(')')?.split_once('(')?;
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    (!name.is_empty() && name.bytes().all(lower)).then_some((name, members))
}
