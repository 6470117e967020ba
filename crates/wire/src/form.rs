//! The forms of the query protocols: `Filters.member.1.Name=x&…` becomes [`Value`]s along the schema.

use crate::bounds::DEPTH_MAX;
use crate::malformed::Malformed;
use crate::scalar;
use crate::schema::{Kind, Location, Member, Structure, TimestampFormat};
use crate::uri::parameters;
use crate::value::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The most parameters of one request.
pub const PARAMETERS_MAX: usize = 20_000;

/// The parameters of a form, decoded, in their order.
pub(crate) type Parameters<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Whose rules names follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// awsQuery.
    Aws,
    /// ec2Query: lists are always flattened and names begin with a capital.
    Ec2,
}

/// A form as a tree: `a.b.1` is a path.
#[derive(Debug, Default)]
pub(crate) struct Node<'a> {
    text: Option<&'a str>,
    children: BTreeMap<&'a str, Node<'a>>,
}

/// Reads the parameters of a form or a query.
pub(crate) fn read(text: &str) -> Result<Parameters<'_>, Malformed> {
    let found: Parameters<'_> = parameters(text).take(PARAMETERS_MAX + 1).collect();
    if found.len() > PARAMETERS_MAX {
        return Err(Malformed::TooMany { what: "parameters", max: PARAMETERS_MAX });
    }
    Ok(found)
}

impl<'a> Node<'a> {
    /// Makes the tree.
    pub(crate) fn tree(parameters: &'a Parameters<'_>) -> Result<Self, Malformed> {
        let mut root = Node::default();
        for (name, text) in parameters {
            let mut node = &mut root;
            for (depth, step) in name.split('.').enumerate() {
                // A level of the schema takes up to three steps: `Name.entry.1.value`.
                if depth >= 3 * DEPTH_MAX {
                    return Err(Malformed::TooDeep);
                }
                node = node.children.entry(step).or_default();
            }
            node.text = Some(text);
        }
        Ok(root)
    }

    /// Reads the members of a structure that stands here.
    pub(crate) fn structure(&self, structure: &Structure, dialect: Dialect) -> Result<Value, Malformed> {
        let mut slots = Vec::with_capacity(structure.members.len());
        for member in structure.members {
            let name = dialect.name(member);
            slots.push(match self.children.get(name.as_ref()) {
                Some(node) if member.location == Location::Body => node.value(member, dialect)?,
                _ => None,
            });
        }
        Ok(Value::Structure(slots))
    }

    fn value(&self, member: &Member, dialect: Dialect) -> Result<Option<Value>, Malformed> {
        match &member.shape.kind {
            Kind::Structure(structure) => self.structure(structure, dialect).map(Some),
            Kind::List { item, .. } => {
                let flattened = dialect == Dialect::Ec2 || is_flattened(member);
                let items = if flattened { Some(self) } else { self.children.get(item.wire_name) };
                let nodes = items.map(Node::numbered).unwrap_or_default();
                if nodes.is_empty() && !(dialect == Dialect::Aws && self.text == Some("")) {
                    return Ok(None);
                }
                let mut values = Vec::with_capacity(nodes.len());
                for node in nodes {
                    values.push(node.value(item, dialect)?.unwrap_or(Value::Null));
                }
                Ok(Some(Value::List(values)))
            }
            Kind::Map { key, value, .. } => {
                let entries = if is_flattened(member) { Some(self) } else { self.children.get("entry") };
                let nodes = entries.map(Node::numbered).unwrap_or_default();
                if nodes.is_empty() && self.text != Some("") {
                    return Ok(None);
                }
                let mut entries = Vec::with_capacity(nodes.len());
                for node in nodes {
                    let name = node.children.get(key.wire_name).and_then(|node| node.text);
                    let value = match node.children.get(value.wire_name) {
                        Some(node) => node.value(value, dialect)?,
                        None => None,
                    };
                    entries.push((name.unwrap_or_default().to_owned(), value.unwrap_or(Value::Null)));
                }
                Ok(Some(Value::Map(entries)))
            }
            _ => match self.text {
                Some(text) => scalar::read(text, member, TimestampFormat::Iso8601).map(Some),
                None => Ok(None),
            },
        }
    }

    /// The children with numbers for names, in the order of the numbers.
    fn numbered(&self) -> Vec<&Self> {
        let mut nodes: Vec<(u32, &Self)> =
            self.children.iter().filter_map(|(name, node)| Some((name.parse().ok()?, node))).collect();
        nodes.sort_by_key(|(number, _)| *number);
        nodes.into_iter().map(|(_, node)| node).collect()
    }
}

/// Whether XML and query leave out the element around the list or map that a member holds.
pub(crate) fn is_flattened(member: &Member) -> bool {
    member.flattened
        || match member.shape.kind {
            Kind::List { flattened, .. } | Kind::Map { flattened, .. } => flattened,
            _ => false,
        }
}

/// The name of a member in forms and XML. The items of a flattened list may have a name of their own, which then stands
/// for the member's: the model puts it on the list, not on the member.
pub(crate) fn element_name(member: &Member) -> &'static str {
    match &member.shape.kind {
        Kind::List { item, .. } if is_flattened(member) && item.wire_name != "member" => item.wire_name,
        _ => member.wire_name,
    }
}

impl Dialect {
    fn name(self, member: &Member) -> Cow<'static, str> {
        match self {
            Self::Aws => Cow::Borrowed(element_name(member)),
            Self::Ec2 if !member.query_name.is_empty() => Cow::Borrowed(member.query_name),
            Self::Ec2 => capitalised(member.wire_name),
        }
    }
}

fn capitalised(name: &'static str) -> Cow<'static, str> {
    match name.chars().next() {
        Some(first) if first.is_lowercase() => {
            let rest = &name[first.len_utf8()..];
            Cow::Owned(first.to_uppercase().chain(rest.chars()).collect())
        }
        _ => Cow::Borrowed(name),
    }
}

#[cfg(test)]
mod tests;
