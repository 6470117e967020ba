//! Reads an XML document into a tree of elements, and values out of the tree.

use crate::bounds::{Budget, DEPTH_MAX};
use crate::form::{element_name, is_flattened};
use crate::malformed::Malformed;
use crate::scalar;
use crate::schema::{Kind, Location, Member, Structure, TimestampFormat};
use crate::value::Value;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

/// The most elements of one document: ten thousand parts of an upload have seven each.
const ELEMENTS_MAX: usize = 250_000;

/// An element and all that is in it.
#[derive(Debug, Default)]
pub(crate) struct Element {
    /// The name without its prefix.
    name: String,
    /// Names with their prefixes, `xsi:type`, and values.
    attributes: Vec<(String, String)>,
    children: Vec<Element>,
    text: String,
}

impl Element {
    /// Reads a document.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Malformed> {
        let syntax = |offset: usize, problem| Malformed::Syntax { format: "XML", offset, problem };
        let text =
            std::str::from_utf8(body).map_err(|error| syntax(error.valid_up_to(), "text is not UTF-8"))?;
        let mut reader = quick_xml::Reader::from_str(text);
        reader.config_mut().check_end_names = true;
        let mut open: Vec<Element> = Vec::new();
        let mut root = None;
        let mut count = 0;
        loop {
            let offset = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            let event = reader.read_event().map_err(|_| syntax(offset, "the markup is broken"))?;
            count += usize::from(matches!(event, Event::Start(_) | Event::Empty(_)));
            let closed = match event {
                Event::Start(start) => {
                    open.push(Self::begin(&start).ok_or(syntax(offset, "an attribute is broken"))?);
                    None
                }
                Event::Empty(start) => {
                    Some(Self::begin(&start).ok_or(syntax(offset, "an attribute is broken"))?)
                }
                Event::End(_) => open.pop(),
                Event::Text(text) => {
                    let text = text.xml10_content();
                    match open.last_mut() {
                        Some(element) => element.text.push_str(&text),
                        None if text.trim().is_empty() => {}
                        None => return Err(syntax(offset, "text outside the root element")),
                    }
                    None
                }
                Event::CData(text) => {
                    let element = open.last_mut().ok_or(syntax(offset, "text outside the root element"))?;
                    element.text.push_str(&text.xml10_content());
                    None
                }
                Event::GeneralRef(reference) => {
                    let character = resolve(&reference).ok_or(syntax(offset, "an unknown entity"))?;
                    let element = open.last_mut().ok_or(syntax(offset, "text outside the root element"))?;
                    element.text.push(character);
                    None
                }
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => None,
                Event::DocType(_) => return Err(syntax(offset, "a document type declaration")),
                Event::Eof => break,
            };
            if open.len() > 2 * DEPTH_MAX {
                return Err(Malformed::TooDeep);
            }
            if count > ELEMENTS_MAX {
                return Err(Malformed::TooMany { what: "elements", max: ELEMENTS_MAX });
            }
            match (closed, open.last_mut()) {
                (Some(element), Some(parent)) => parent.children.push(element),
                (Some(_), None) if root.is_some() => return Err(syntax(offset, "a second root element")),
                (Some(element), None) => root = Some(element),
                (None, _) => {}
            }
        }
        match root {
            Some(root) if open.is_empty() => Ok(root),
            _ => Err(syntax(body.len(), "the document ends too early")),
        }
    }

    fn begin(start: &BytesStart<'_>) -> Option<Self> {
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.ok()?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
            attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
        }
        Some(Self {
            name: start.local_name().as_ref().to_owned(),
            attributes,
            children: Vec::new(),
            text: String::new(),
        })
    }

    /// Refuses a root element of another name. An empty name allows any.
    pub(crate) fn expect_name(&self, names: &[&str]) -> Result<(), Malformed> {
        if names.iter().any(|name| name.is_empty() || *name == self.name) {
            return Ok(());
        }
        Err(Malformed::Syntax {
            format: "XML",
            offset: 0,
            problem: "another root element than the operation's",
        })
    }

    /// Reads the members of a structure that stand in the body into their slots.
    pub(crate) fn members(
        &self,
        structure: &Structure,
        slots: &mut [Option<Value>],
    ) -> Result<(), Malformed> {
        self.members_within(structure, slots, &mut Budget::default())
    }

    fn members_within(
        &self,
        structure: &Structure,
        slots: &mut [Option<Value>],
        budget: &mut Budget,
    ) -> Result<(), Malformed> {
        for (member, slot) in structure.members.iter().zip(slots) {
            if member.location != Location::Body {
                continue;
            }
            *slot = if member.xml_attribute {
                let attribute = self.attributes.iter().find(|(name, _)| name == member.wire_name);
                attribute.map(|(_, text)| scalar::read(text, member, TimestampFormat::Iso8601)).transpose()?
            } else {
                self.member(member, budget)?
            };
        }
        Ok(())
    }

    fn member(&self, member: &Member, budget: &mut Budget) -> Result<Option<Value>, Malformed> {
        let name = element_name(member);
        let mut named = self.children.iter().filter(|child| child.name == name).peekable();
        if named.peek().is_none() {
            return Ok(None);
        }
        match &member.shape.kind {
            Kind::List { item, .. } if is_flattened(member) => named
                .map(|child| child.value_within(item, budget))
                .collect::<Result<_, _>>()
                .map(Value::List)
                .map(Some),
            Kind::Map { key, value, .. } if is_flattened(member) => named
                .map(|child| child.entry(key, value, budget))
                .collect::<Result<_, _>>()
                .map(Value::Map)
                .map(Some),
            _ => named.next().map(|child| child.value_within(member, budget)).transpose(),
        }
    }

    /// Reads this element as a value of `member`'s shape.
    pub(crate) fn value(&self, member: &Member) -> Result<Value, Malformed> {
        self.value_within(member, &mut Budget::default())
    }

    fn value_within(&self, member: &Member, budget: &mut Budget) -> Result<Value, Malformed> {
        budget.take(1)?;
        match &member.shape.kind {
            Kind::Structure(structure) => {
                let mut slots = budget.slots(structure)?;
                self.members_within(structure, &mut slots, budget)?;
                if structure.union && slots.iter().flatten().count() != 1 {
                    return Err(Malformed::Union { shape: member.shape.name });
                }
                Ok(Value::Structure(slots))
            }
            Kind::List { item, .. } => {
                let items = self.children.iter().filter(|child| child.name == item.wire_name);
                items.map(|child| child.value_within(item, budget)).collect::<Result<_, _>>().map(Value::List)
            }
            Kind::Map { key, value, .. } => {
                let entries = self.children.iter().filter(|child| child.name == "entry");
                entries.map(|child| child.entry(key, value, budget)).collect::<Result<_, _>>().map(Value::Map)
            }
            Kind::String => Ok(Value::String(self.text.clone())),
            _ => scalar::read(self.text.trim(), member, TimestampFormat::Iso8601),
        }
    }

    fn entry(&self, key: &Member, value: &Member, budget: &mut Budget) -> Result<(String, Value), Malformed> {
        let child = |name: &str| self.children.iter().find(|child| child.name == name);
        let text = child(key.wire_name).ok_or_else(|| Malformed::text(key.shape))?.text.clone();
        let value = match child(value.wire_name) {
            Some(child) => child.value_within(value, budget)?,
            None => Value::Null,
        };
        Ok((text, value))
    }
}

/// The character that a reference stands for: one by number, or one of XML's own five.
fn resolve(reference: &quick_xml::events::BytesRef<'_>) -> Option<char> {
    if let Some(character) = reference.resolve_char_ref().ok()? {
        return Some(character);
    }
    quick_xml::escape::resolve_xml_entity(&reference.xml10_content())?.chars().next()
}
