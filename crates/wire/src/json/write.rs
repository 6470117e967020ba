//! Writes [`Value`]s as JSON, straight into the bytes of the answer.

use super::{Names, plain_length};
use crate::schema::{Kind, Location, Member, Structure, TimestampFormat};
use crate::timestamp;
use crate::value::Value;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::Write as _;

/// JSON being written.
pub(crate) struct Writer {
    out: Vec<u8>,
    names: Names,
}

impl Writer {
    /// Begins with nothing written.
    pub(crate) fn new(names: Names) -> Self {
        Self { out: Vec::with_capacity(256), names }
    }

    /// What was written.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.out
    }

    /// Writes a document of the members that stand in the body.
    pub(crate) fn body_members(&mut self, structure: &Structure, slots: &[Option<Value>]) {
        self.out.push(b'{');
        self.members(set(structure, slots).filter(in_body), &mut true);
        self.out.push(b'}');
    }

    /// Writes a document of all members, wherever REST bindings would put them.
    pub(crate) fn all_members(&mut self, structure: &Structure, slots: &[Option<Value>]) {
        self.out.push(b'{');
        self.members(set(structure, slots), &mut true);
        self.out.push(b'}');
    }

    /// Writes a document of some texts, and after them the members that stand in the body.
    pub(crate) fn error(&mut self, texts: &[(&str, &str)], structure: &Structure, slots: &[Option<Value>]) {
        self.out.push(b'{');
        let mut first = true;
        for (name, text) in texts {
            self.name(name, &mut first);
            self.string(text);
        }
        self.members(set(structure, slots).filter(in_body), &mut first);
        self.out.push(b'}');
    }

    /// Writes a value of `member`'s shape.
    pub(crate) fn value(&mut self, value: &Value, member: &Member) {
        match (value, &member.shape.kind) {
            (Value::Boolean(flag), _) => self.raw(if *flag { "true" } else { "false" }),
            (Value::Integer(number), _) => self.display(number),
            (Value::Double(number), _) => self.double(*number),
            (Value::String(text), _) => self.string(text),
            (Value::Blob(bytes), _) => {
                self.out.push(b'"');
                let start = self.out.len();
                let length = base64::encoded_len(bytes.len(), true).expect("a body's base64 fits in memory");
                self.out.resize(start + length, 0);
                let written = STANDARD.encode_slice(bytes, &mut self.out[start..]);
                self.out.truncate(start + written.expect("the slice is as long as the encoding"));
                self.out.push(b'"');
            }
            (Value::Timestamp(moment), _) => {
                let format = timestamp::format_of(member, TimestampFormat::UnixTimestamp);
                let text = timestamp::write(*moment, format);
                match format {
                    TimestampFormat::UnixTimestamp => self.raw(&text),
                    _ => self.string(&text),
                }
            }
            (Value::List(items), Kind::List { item, .. }) => {
                self.out.push(b'[');
                for (index, value) in items.iter().enumerate() {
                    if index > 0 {
                        self.out.push(b',');
                    }
                    self.value(value, item);
                }
                self.out.push(b']');
            }
            (Value::Map(entries), Kind::Map { value: item, .. }) => {
                self.out.push(b'{');
                let mut first = true;
                for (key, value) in entries {
                    self.name(key, &mut first);
                    self.value(value, item);
                }
                self.out.push(b'}');
            }
            (Value::Structure(slots), Kind::Structure(structure)) => {
                self.out.push(b'{');
                self.members(set(structure, slots), &mut true);
                self.out.push(b'}');
            }
            (Value::Document(document), _) => serde_json::to_writer(&mut self.out, document)
                .expect("a JSON value always has a text, and a vector takes all of it"),
            // Null, and a value that is not of its shape, which generated types cannot make.
            _ => self.raw("null"),
        }
    }

    fn members<'v>(&mut self, set: impl Iterator<Item = (&'v Member, &'v Value)>, first: &mut bool) {
        for (member, value) in set {
            self.name(self.names.of(member), first);
            self.value(value, member);
        }
    }

    fn name(&mut self, name: &str, first: &mut bool) {
        if !std::mem::replace(first, false) {
            self.out.push(b',');
        }
        self.string(name);
        self.out.push(b':');
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn display(&mut self, value: impl std::fmt::Display) {
        write!(self.out, "{value}").expect("a vector takes all that is written");
    }

    fn double(&mut self, number: f64) {
        if number.is_finite() {
            write!(self.out, "{number:?}").expect("a vector takes all that is written");
        } else if number.is_nan() {
            self.raw("\"NaN\"");
        } else {
            self.raw(if number > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" });
        }
    }

    fn string(&mut self, text: &str) {
        self.out.push(b'"');
        let mut rest = text.as_bytes();
        loop {
            let length = plain_length(rest);
            self.out.extend_from_slice(&rest[..length]);
            let Some(byte) = rest.get(length) else { break };
            match byte {
                b'"' => self.raw("\\\""),
                b'\\' => self.raw("\\\\"),
                b'\n' => self.raw("\\n"),
                b'\r' => self.raw("\\r"),
                b'\t' => self.raw("\\t"),
                _ => write!(self.out, "\\u{byte:04x}").expect("a vector takes all that is written"),
            }
            rest = &rest[length + 1..];
        }
        self.out.push(b'"');
    }
}

/// The members that are set.
fn set<'v>(
    structure: &'v Structure,
    slots: &'v [Option<Value>],
) -> impl Iterator<Item = (&'v Member, &'v Value)> {
    structure.members.iter().zip(slots).filter_map(|(member, slot)| Some((member, slot.as_ref()?)))
}

fn in_body((member, _): &(&Member, &Value)) -> bool {
    member.location == Location::Body
}
