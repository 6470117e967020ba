//! Writes [`Value`]s as XML elements.

use crate::failure::Failure;
use crate::form::{element_name, is_flattened};
use crate::scalar;
use crate::schema::{Kind, Location, Member, Structure, TimestampFormat};
use crate::value::Value;

type Slots = [Option<Value>];

/// XML being written. Whoever opens an element closes it.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    out: String,
}

impl Writer {
    /// Begins with the XML declaration.
    pub(crate) fn with_declaration() -> Self {
        Self { out: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned() }
    }

    /// What was written.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.out.into_bytes()
    }

    /// Opens an element.
    pub(crate) fn open(&mut self, name: &str) {
        self.out.extend(["<", name, ">"]);
    }

    /// Opens an element in a namespace (`uri` or `prefix=uri`), or in none when it is empty.
    pub(crate) fn open_in_namespace(&mut self, name: &str, namespace: &str) {
        self.out.extend(["<", name]);
        self.namespace(namespace);
        self.out.push('>');
    }

    /// Opens the element of a structure with its attributes.
    pub(crate) fn open_structure(
        &mut self,
        name: &str,
        namespace: &str,
        (structure, slots): (&Structure, &Slots),
    ) {
        self.out.extend(["<", name]);
        self.namespace(namespace);
        for (member, slot) in structure.members.iter().zip(slots) {
            if !member.xml_attribute {
                continue;
            }
            let text = slot.as_ref().and_then(|value| scalar::write(value, member, TimestampFormat::Iso8601));
            if let Some(text) = text {
                self.out.extend([" ", member.wire_name, "=\""]);
                self.escaped(&text);
                self.out.push('"');
            }
        }
        self.out.push('>');
    }

    /// Closes an element.
    pub(crate) fn close(&mut self, name: &str) {
        self.out.extend(["</", name, ">"]);
    }

    /// An element with text in it.
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.open(name);
        self.escaped(text);
        self.close(name);
    }

    /// The members of a structure that stand in the body as elements.
    pub(crate) fn members(&mut self, structure: &Structure, slots: &Slots) {
        for (member, slot) in structure.members.iter().zip(slots) {
            if let Some(value) = slot
                && member.location == Location::Body
                && !member.xml_attribute
            {
                self.member(element_name(member), member, value);
            }
        }
    }

    /// The element `Error` of the query protocols; without a `Type` when `fault` is empty.
    pub(crate) fn error(&mut self, fault: &str, failure: &Failure, (structure, slots): (&Structure, &Slots)) {
        self.open("Error");
        if !fault.is_empty() {
            self.text("Type", fault);
        }
        self.error_members(failure, (structure, slots));
        self.close("Error");
    }

    /// Code, message, and what else the error's shape has.
    pub(crate) fn error_members(&mut self, failure: &Failure, (structure, slots): (&Structure, &Slots)) {
        self.text("Code", &failure.code);
        self.text("Message", &failure.message);
        for (member, slot) in structure.members.iter().zip(slots) {
            let told = member.name.eq_ignore_ascii_case("message") || matches!(member.name, "Type" | "Code");
            if let Some(value) = slot
                && member.location == Location::Body
                && !told
            {
                self.member(element_name(member), member, value);
            }
        }
    }

    fn member(&mut self, name: &str, member: &Member, value: &Value) {
        match (value, &member.shape.kind) {
            (Value::Null, _) => {}
            (Value::List(items), Kind::List { item, .. }) => {
                let flattened = is_flattened(member);
                if !flattened {
                    self.open(name);
                }
                for value in items {
                    self.member(if flattened { name } else { item.wire_name }, item, value);
                }
                if !flattened {
                    self.close(name);
                }
            }
            (Value::Map(entries), Kind::Map { key, value: item, .. }) => {
                let flattened = is_flattened(member);
                let entry = if flattened { name } else { "entry" };
                if !flattened {
                    self.open(name);
                }
                for (text, value) in entries {
                    self.open(entry);
                    self.text(key.wire_name, text);
                    self.member(item.wire_name, item, value);
                    self.close(entry);
                }
                if !flattened {
                    self.close(name);
                }
            }
            (Value::Structure(slots), Kind::Structure(structure)) => {
                self.open_structure(name, structure.xml_namespace, (structure, slots));
                self.members(structure, slots);
                self.close(name);
            }
            _ => {
                if let Some(text) = scalar::write(value, member, TimestampFormat::Iso8601) {
                    self.text(name, &text);
                }
            }
        }
    }

    fn namespace(&mut self, namespace: &str) {
        if namespace.is_empty() {
            return;
        }
        self.out.push_str(" xmlns");
        // A URI holds a colon before any equals sign; a prefix never does.
        let uri = match namespace.split_once('=') {
            Some((prefix, uri)) if !prefix.contains(':') => {
                self.out.extend([":", prefix]);
                uri
            }
            _ => namespace,
        };
        self.out.push_str("=\"");
        self.escaped(uri);
        self.out.push('"');
    }

    /// Text of elements and attributes. Line breaks and tabs in attributes would be read back as spaces, and a lone
    /// carriage return as a line feed: all of them are written as references.
    fn escaped(&mut self, text: &str) {
        let mut written = 0;
        for (index, byte) in text.bytes().enumerate() {
            let reference = match byte {
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'&' => "&amp;",
                b'"' => "&quot;",
                b'\r' => "&#xD;",
                b'\n' => "&#xA;",
                // XML 1.0 has no way at all to hold the other control characters.
                0..=8 | 0xb | 0xc | 0xe..=0x1f => "\u{fffd}",
                _ => continue,
            };
            self.out.push_str(&text[written..index]);
            self.out.push_str(reference);
            written = index + 1;
        }
        self.out.push_str(&text[written..]);
    }
}
