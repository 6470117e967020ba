//! A CBOR parser that follows the schema as it goes. Bounded by [`DEPTH_MAX`] and by the body it is given.

use super::EPOCH_TAG;
use crate::bounds::{Budget, DEPTH_MAX};
use crate::malformed::{Found, Malformed, Wanted};
use crate::schema::{Kind, Member, Shape, Structure};
use crate::timestamp;
use crate::value::Value;
use bytes::Bytes;
use std::borrow::Cow;

type Read<T> = Result<T, Malformed>;

/// A place in a CBOR body.
pub(crate) struct Reader<'a> {
    body: &'a [u8],
    at: usize,
    depth: usize,
    budget: Budget,
}

/// What begins an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    /// A number of zero or more.
    Unsigned(u64),
    /// Minus one minus the number.
    Negative(u64),
    /// Bytes of this length; of chunks when there is none.
    Bytes(Option<u64>),
    /// Text of this length.
    Text(Option<u64>),
    /// A list of this many items.
    List(Option<u64>),
    /// A map of this many entries.
    Map(Option<u64>),
    /// A tag on the item that follows.
    Tag(u64),
    /// false or true.
    Boolean(bool),
    /// null or undefined.
    Null,
    /// The bits of a 64-bit floating point number.
    Double(u64),
    /// The end of what has no length.
    Break,
}

impl<'a> Reader<'a> {
    /// Begins to read a body.
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0, depth: 0, budget: Budget::default() }
    }

    /// Reads a whole body as a structure's members, into their slots. An empty body is the empty structure.
    pub(crate) fn members(mut self, structure: &Structure, slots: &mut [Option<Value>]) -> Read<()> {
        if self.body.is_empty() {
            return Ok(());
        }
        match self.untagged()? {
            Head::Map(count) => self.fields(count, structure, slots)?,
            head => return Err(Malformed::Type { found: found(head), wanted: Wanted::Structure }),
        }
        if self.at < self.body.len() {
            return Err(self.error("bytes after the end of the document"));
        }
        Ok(())
    }

    fn error(&self, problem: &'static str) -> Malformed {
        Malformed::Syntax { format: "CBOR", offset: self.at, problem }
    }

    fn take(&mut self, count: u64) -> Read<&'a [u8]> {
        let rest = &self.body[self.at..];
        let taken = usize::try_from(count).ok().and_then(|count| rest.get(..count));
        let Some(taken) = taken else { return Err(self.error("the body ends too early")) };
        self.at += taken.len();
        Ok(taken)
    }

    fn number(&mut self, width: u64) -> Read<u64> {
        Ok(self.take(width)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn head(&mut self) -> Read<Head> {
        let first = self.take(1)?[0];
        let (major, info) = (first >> 5, first & 0x1f);
        if major == 7 {
            return self.simple(info);
        }
        let argument = match info {
            0..=23 => Some(u64::from(info)),
            24..=27 => Some(self.number(1 << (info - 24))?),
            31 if (2..=5).contains(&major) => None,
            _ => return Err(self.error("a reserved length")),
        };
        Ok(match (major, argument) {
            (0, Some(number)) => Head::Unsigned(number),
            (1, Some(number)) => Head::Negative(number),
            (2, length) => Head::Bytes(length),
            (3, length) => Head::Text(length),
            (4, count) => Head::List(count),
            (5, count) => Head::Map(count),
            (_, Some(tag)) => Head::Tag(tag),
            (_, None) => return Err(self.error("a reserved length")),
        })
    }

    fn simple(&mut self, info: u8) -> Read<Head> {
        Ok(match info {
            20 => Head::Boolean(false),
            21 => Head::Boolean(true),
            22 | 23 => Head::Null,
            25 => {
                let bits = self.number(2)?;
                Head::Double(half(u16::try_from(bits).expect("two bytes fit 16 bits")).to_bits())
            }
            26 => {
                let bits = self.number(4)?;
                let float = f32::from_bits(u32::try_from(bits).expect("four bytes fit 32 bits"));
                Head::Double(f64::from(float).to_bits())
            }
            27 => Head::Double(self.number(8)?),
            31 => Head::Break,
            _ => return Err(self.error("a reserved simple value")),
        })
    }

    /// The next head that is no tag.
    fn untagged(&mut self) -> Read<Head> {
        loop {
            match self.head()? {
                Head::Tag(_) => {}
                head => return Ok(head),
            }
        }
    }

    fn descend(&mut self) -> Read<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(Malformed::TooDeep) } else { Ok(()) }
    }

    fn value(&mut self, member: &Member, head: Head) -> Read<Value> {
        let shape = member.shape;
        let mut head = head;
        let mut moment = matches!(shape.kind, Kind::Timestamp(_));
        while let Head::Tag(tag) = head {
            moment &= tag == EPOCH_TAG;
            head = self.head()?;
        }
        match (head, &shape.kind) {
            (Head::Null, _) => Ok(Value::Null),
            (Head::Boolean(flag), Kind::Boolean) => Ok(Value::Boolean(flag)),
            (Head::Unsigned(_) | Head::Negative(_), Kind::Integer) => {
                integer(head).map(Value::Integer).ok_or_else(|| Malformed::found(Found::Number, shape))
            }
            (Head::Unsigned(_) | Head::Negative(_) | Head::Double(_), Kind::Double) => {
                Ok(Value::Double(double(head)))
            }
            (Head::Unsigned(_) | Head::Negative(_) | Head::Double(_), Kind::Timestamp(_)) if moment => {
                timestamp::from_seconds(double(head))
                    .map(Value::Timestamp)
                    .ok_or_else(|| Malformed::text(shape))
            }
            (Head::Text(length), Kind::String) => Ok(Value::String(self.text(length)?.into_owned())),
            (Head::Bytes(length), Kind::Blob { .. }) => {
                Ok(Value::Blob(Bytes::copy_from_slice(&self.bytes(length)?)))
            }
            (Head::List(count), Kind::List { item, .. }) => {
                let mut items = Vec::new();
                self.each(count, |reader, head| {
                    items.push(reader.value(item, head)?);
                    Ok(())
                })?;
                Ok(Value::List(items))
            }
            (Head::Map(count), Kind::Map { value, .. }) => {
                let mut entries = Vec::new();
                self.each(count, |reader, head| {
                    let key = reader.key(head)?.into_owned();
                    let head = reader.head()?;
                    entries.push((key, reader.value(value, head)?));
                    Ok(())
                })?;
                Ok(Value::Map(entries))
            }
            (Head::Map(count), Kind::Structure(structure)) => self.structure(count, shape, structure),
            (Head::Break, _) => Err(self.error("an end where a value should be")),
            _ => Err(Malformed::found(found(head), shape)),
        }
    }

    fn structure(&mut self, count: Option<u64>, shape: &Shape, structure: &Structure) -> Read<Value> {
        let mut slots = self.budget.slots(structure)?;
        self.fields(count, structure, &mut slots)?;
        if structure.union && slots.iter().flatten().count() != 1 {
            return Err(Malformed::Union { shape: shape.name });
        }
        Ok(Value::Structure(slots))
    }

    fn fields(&mut self, count: Option<u64>, structure: &Structure, slots: &mut [Option<Value>]) -> Read<()> {
        self.each(count, |reader, head| {
            let name = reader.key(head)?;
            let head = reader.head()?;
            let Some((index, member)) = structure.member_by_name(&name) else { return reader.skip(head) };
            slots[index] = match reader.value(member, head)? {
                Value::Null => None,
                value => Some(value),
            };
            Ok(())
        })
    }

    /// Walks the items of a list or the entries of a map; `each` is given the head of the item or of the key.
    fn each(&mut self, count: Option<u64>, mut each: impl FnMut(&mut Self, Head) -> Read<()>) -> Read<()> {
        self.descend()?;
        let mut left = count;
        while left != Some(0) {
            match self.head()? {
                Head::Break if left.is_none() => break,
                head => {
                    self.budget.take(1)?;
                    each(self, head)?;
                }
            }
            left = left.map(|left| left - 1);
        }
        self.depth -= 1;
        Ok(())
    }

    fn key(&mut self, head: Head) -> Read<Cow<'a, str>> {
        match head {
            Head::Text(length) => self.text(length),
            _ => Err(self.error("a key that is no text")),
        }
    }

    fn text(&mut self, length: Option<u64>) -> Read<Cow<'a, str>> {
        let chunk = |reader: &mut Self, length| {
            let bytes = reader.take(length)?;
            std::str::from_utf8(bytes).map_err(|_| reader.error("text is not UTF-8"))
        };
        let Some(length) = length else {
            let mut text = String::new();
            loop {
                match self.head()? {
                    Head::Text(Some(length)) => text.push_str(chunk(self, length)?),
                    Head::Break => return Ok(Cow::Owned(text)),
                    _ => return Err(self.error("a chunk that is no text")),
                }
            }
        };
        chunk(self, length).map(Cow::Borrowed)
    }

    fn bytes(&mut self, length: Option<u64>) -> Read<Cow<'a, [u8]>> {
        let Some(length) = length else {
            let mut bytes = Vec::new();
            loop {
                match self.head()? {
                    Head::Bytes(Some(length)) => bytes.extend_from_slice(self.take(length)?),
                    Head::Break => return Ok(Cow::Owned(bytes)),
                    _ => return Err(self.error("a chunk that is no bytes")),
                }
            }
        };
        self.take(length).map(Cow::Borrowed)
    }

    /// Passes over an item that nobody wants.
    fn skip(&mut self, head: Head) -> Read<()> {
        match head {
            Head::Bytes(length) => self.bytes(length).map(drop),
            Head::Text(length) => self.text(length).map(drop),
            Head::List(count) => self.each(count, Self::skip),
            Head::Map(count) => self.each(count, |reader, head| {
                reader.skip(head)?;
                let head = reader.head()?;
                reader.skip(head)
            }),
            Head::Tag(_) => {
                let head = self.untagged()?;
                self.skip(head)
            }
            Head::Break => Err(self.error("an end where a value should be")),
            Head::Unsigned(_) | Head::Negative(_) | Head::Boolean(_) | Head::Null | Head::Double(_) => Ok(()),
        }
    }
}

fn found(head: Head) -> Found {
    match head {
        Head::Unsigned(_) | Head::Negative(_) | Head::Double(_) => Found::Number,
        Head::Bytes(_) => Found::Blob,
        Head::Text(_) => Found::String,
        Head::List(_) => Found::List,
        Head::Map(_) => Found::Map,
        Head::Tag(_) => Found::Timestamp,
        Head::Boolean(true) => Found::True,
        Head::Boolean(false) => Found::False,
        Head::Null | Head::Break => Found::Null,
    }
}

fn integer(head: Head) -> Option<i64> {
    match head {
        Head::Unsigned(number) => i64::try_from(number).ok(),
        Head::Negative(number) => i64::try_from(number).ok().map(|number| -1 - number),
        _ => None,
    }
}

fn double(head: Head) -> f64 {
    match head {
        Head::Unsigned(number) => number as f64,
        Head::Negative(number) => -1.0 - number as f64,
        Head::Double(bits) => f64::from_bits(bits),
        _ => f64::NAN,
    }
}

/// A 16-bit floating point number: one bit of sign, five of exponent, ten of fraction.
fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff);
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    }
}
