//! Writes [`Value`]s as CBOR, with the shortest lengths and numbers.

use super::EPOCH_TAG;
use crate::schema::{Kind, Member, Structure};
use crate::value::Value;
use hearth_base::Timestamp;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const LIST: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;
const DOUBLE: u8 = 0xfb;

/// CBOR being written.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// What was written.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.out
    }

    /// Writes a structure as a map of the members that are set, and of some texts before them.
    pub(crate) fn structure(
        &mut self,
        texts: &[(&str, &str)],
        structure: &Structure,
        slots: &[Option<Value>],
    ) {
        let set =
            structure.members.iter().zip(slots).filter_map(|(member, slot)| Some((member, slot.as_ref()?)));
        self.head(MAP, set.clone().count() + texts.len());
        for (name, text) in texts {
            self.text(name);
            self.text(text);
        }
        for (member, value) in set {
            self.text(member.name);
            self.value(value, member);
        }
    }

    fn value(&mut self, value: &Value, member: &Member) {
        match (value, &member.shape.kind) {
            (Value::Boolean(flag), _) => self.out.push(if *flag { TRUE } else { FALSE }),
            (Value::Integer(number), _) => self.integer(*number),
            (Value::Double(number), _) => self.double(*number),
            (Value::String(text), _) => self.text(text),
            (Value::Blob(bytes), _) => {
                self.head(BYTES, bytes.len());
                self.out.extend_from_slice(bytes);
            }
            (Value::Timestamp(moment), _) => self.timestamp(*moment),
            (Value::List(items), Kind::List { item, .. }) => {
                self.head(LIST, items.len());
                for value in items {
                    self.value(value, item);
                }
            }
            (Value::Map(entries), Kind::Map { value: item, .. }) => {
                self.head(MAP, entries.len());
                for (key, value) in entries {
                    self.text(key);
                    self.value(value, item);
                }
            }
            (Value::Structure(slots), Kind::Structure(structure)) => self.structure(&[], structure, slots),
            // Null, a document, which the protocol cannot hold, and a value that is not of its shape, which generated
            // types cannot make.
            _ => self.out.push(NULL),
        }
    }

    fn timestamp(&mut self, moment: Timestamp) {
        self.argument(TAG, EPOCH_TAG);
        if moment.millis() % 1000 == 0 {
            self.integer(moment.seconds());
        } else {
            self.double(moment.fractional_seconds());
        }
    }

    fn text(&mut self, text: &str) {
        self.head(TEXT, text.len());
        self.out.extend_from_slice(text.as_bytes());
    }

    fn integer(&mut self, number: i64) {
        if number >= 0 {
            self.argument(UNSIGNED, number.unsigned_abs());
        } else {
            self.argument(NEGATIVE, number.unsigned_abs() - 1);
        }
    }

    fn double(&mut self, number: f64) {
        self.out.push(DOUBLE);
        self.out.extend_from_slice(&number.to_be_bytes());
    }

    fn head(&mut self, major: u8, length: usize) {
        self.argument(major, u64::try_from(length).expect("a length in memory fits 64 bits"));
    }

    fn argument(&mut self, major: u8, argument: u64) {
        let major = major << 5;
        let bytes = argument.to_be_bytes();
        match argument {
            0..=23 => self.out.push(major | bytes[7]),
            24..=0xff => self.out.extend_from_slice(&[major | 24, bytes[7]]),
            0x100..=0xffff => {
                self.out.push(major | 25);
                self.out.extend_from_slice(&bytes[6..]);
            }
            0x1_0000..=0xffff_ffff => {
                self.out.push(major | 26);
                self.out.extend_from_slice(&bytes[4..]);
            }
            _ => {
                self.out.push(major | 27);
                self.out.extend_from_slice(&bytes);
            }
        }
    }
}
