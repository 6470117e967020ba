//! A JSON parser that follows the schema as it goes. Bounded by [`DEPTH_MAX`] and by the body it is given.

use super::{Names, plain_length};
use crate::bounds::{Budget, DEPTH_MAX};
use crate::malformed::{Found, Malformed, Wanted};
use crate::schema::{Kind, Location, Member, Shape, Structure, TimestampFormat};
use crate::timestamp;
use crate::value::Value;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use std::borrow::Cow;

type Read<T> = Result<T, Malformed>;

/// A place in a JSON text.
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    budget: Budget,
    names: Names,
}

impl<'a> Reader<'a> {
    /// Begins to read a body.
    pub(crate) fn new(body: &'a [u8], names: Names) -> Read<Self> {
        let text = std::str::from_utf8(body).map_err(|error| Malformed::Syntax {
            format: "JSON",
            offset: error.valid_up_to(),
            problem: "text is not UTF-8",
        })?;
        Ok(Self { text, at: 0, depth: 0, budget: Budget::default(), names })
    }

    /// Reads a whole document as the value of `member`. Null gives `Value::Null`.
    pub(crate) fn document(mut self, member: &Member) -> Read<Value> {
        let value = self.value(member)?;
        self.end()?;
        Ok(value)
    }

    /// Reads a whole document as a structure's members that stand in the body, into their slots. A document of
    /// nothing but white space is the empty structure.
    pub(crate) fn body_members(self, structure: &Structure, slots: &mut [Option<Value>]) -> Read<()> {
        self.root(structure, slots, true)
    }

    /// The same with all members, wherever REST bindings would put them.
    pub(crate) fn all_members(self, structure: &Structure, slots: &mut [Option<Value>]) -> Read<()> {
        self.root(structure, slots, false)
    }

    fn root(mut self, structure: &Structure, slots: &mut [Option<Value>], body_only: bool) -> Read<()> {
        match self.peek() {
            None => {}
            Some(b'{') => self.members(structure, slots, body_only)?,
            Some(b'n') => self.word("null")?,
            _ => return Err(Malformed::Type { found: self.found()?, wanted: Wanted::Structure }),
        }
        self.end()
    }

    fn end(&mut self) -> Read<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.error("text after the end of the document")),
        }
    }

    fn error(&self, problem: &'static str) -> Malformed {
        Malformed::Syntax { format: "JSON", offset: self.at, problem }
    }

    /// The next byte that is no white space, left where it is.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                byte => return Some(*byte),
            }
        }
        None
    }

    fn expect(&mut self, byte: u8, problem: &'static str) -> Read<()> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.error(problem))
    }

    fn word(&mut self, word: &'static str) -> Read<()> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        Err(self.error("no JSON value"))
    }

    fn descend(&mut self) -> Read<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(Malformed::TooDeep) } else { Ok(()) }
    }

    fn value(&mut self, member: &Member) -> Read<Value> {
        let shape = member.shape;
        let Some(first) = self.peek() else {
            return Err(self.error("the text ends where a value should be"));
        };
        if matches!(shape.kind, Kind::Document) {
            return match first {
                b'n' => self.word("null").map(|()| Value::Null),
                _ => self.any().map(Value::Document),
            };
        }
        match (first, &shape.kind) {
            (b'n', _) => self.word("null").map(|()| Value::Null),
            (b'"', _) => {
                let text = self.string()?;
                text_value(text, member)
            }
            (b't', Kind::Boolean) => self.word("true").map(|()| Value::Boolean(true)),
            (b'f', Kind::Boolean) => self.word("false").map(|()| Value::Boolean(false)),
            (b'[', Kind::List { item, .. }) => self.list(item),
            (b'{', Kind::Map { value, .. }) => self.map(value),
            (b'{', Kind::Structure(structure)) => self.structure(shape, structure),
            (b'-' | b'0'..=b'9', _) => {
                let number = self.number()?;
                number_value(number, member)
            }
            _ => Err(Malformed::found(self.found()?, shape)),
        }
    }

    /// What kind of value begins here.
    fn found(&mut self) -> Read<Found> {
        match self.peek() {
            Some(b'"') => Ok(Found::String),
            Some(b't') => self.word("true").map(|()| Found::True),
            Some(b'f') => self.word("false").map(|()| Found::False),
            Some(b'n') => self.word("null").map(|()| Found::Null),
            Some(b'[') => Ok(Found::List),
            Some(b'{') => Ok(Found::Map),
            Some(b'-' | b'0'..=b'9') => Ok(Found::Number),
            _ => Err(self.error("no JSON value")),
        }
    }

    fn list(&mut self, item: &Member) -> Read<Value> {
        let mut items = Vec::new();
        self.elements(|reader| {
            items.push(reader.value(item)?);
            Ok(())
        })?;
        Ok(Value::List(items))
    }

    fn map(&mut self, value: &Member) -> Read<Value> {
        let mut entries: Vec<(String, Value)> = Vec::new();
        self.fields(|reader, key| {
            let key = key.into_owned();
            entries.push((key, reader.value(value)?));
            Ok(())
        })?;
        Ok(Value::Map(entries))
    }

    fn structure(&mut self, shape: &Shape, structure: &Structure) -> Read<Value> {
        let mut slots = self.budget.slots(structure)?;
        self.members(structure, &mut slots, false)?;
        if structure.union && slots.iter().flatten().count() != 1 {
            return Err(Malformed::Union { shape: shape.name });
        }
        Ok(Value::Structure(slots))
    }

    fn members(&mut self, structure: &Structure, slots: &mut [Option<Value>], body_only: bool) -> Read<()> {
        let names = self.names;
        self.fields(|reader, name| match names.find(structure, &name) {
            Some((index, member)) if !body_only || member.location == Location::Body => {
                slots[index] = match reader.value(member)? {
                    Value::Null => None,
                    value => Some(value),
                };
                Ok(())
            }
            _ => reader.skip(),
        })
    }

    /// Walks the items of a list; `each` stands before an item.
    fn elements(&mut self, mut each: impl FnMut(&mut Self) -> Read<()>) -> Read<()> {
        self.expect(b'[', "a list should begin")?;
        self.descend()?;
        if self.peek() == Some(b']') {
            self.at += 1;
        } else {
            loop {
                self.budget.take(1)?;
                each(self)?;
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b']') => {
                        self.at += 1;
                        break;
                    }
                    _ => return Err(self.error("neither a comma nor the end of the list")),
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Walks the fields of an object; `each` stands before the value of the name it is given.
    fn fields(&mut self, mut each: impl FnMut(&mut Self, Cow<'a, str>) -> Read<()>) -> Read<()> {
        self.expect(b'{', "an object should begin")?;
        self.descend()?;
        if self.peek() == Some(b'}') {
            self.at += 1;
        } else {
            loop {
                if self.peek() != Some(b'"') {
                    return Err(self.error("a name should be here"));
                }
                let name = self.string()?;
                self.expect(b':', "no colon after a name")?;
                self.budget.take(1)?;
                each(self, name)?;
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b'}') => {
                        self.at += 1;
                        break;
                    }
                    _ => return Err(self.error("neither a comma nor the end of the object")),
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Passes over a value that nobody wants.
    fn skip(&mut self) -> Read<()> {
        match self.peek() {
            Some(b'{') => self.fields(|reader, _| reader.skip()),
            Some(b'[') => self.elements(Self::skip),
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number().map(drop),
            _ => self.found().map(drop),
        }
    }

    /// Reads any JSON.
    fn any(&mut self) -> Read<serde_json::Value> {
        Ok(match self.peek() {
            Some(b'{') => {
                let mut object = serde_json::Map::new();
                self.fields(|reader, name| {
                    object.insert(name.into_owned(), reader.any()?);
                    Ok(())
                })?;
                serde_json::Value::Object(object)
            }
            Some(b'[') => {
                let mut items = Vec::new();
                self.elements(|reader| {
                    items.push(reader.any()?);
                    Ok(())
                })?;
                serde_json::Value::Array(items)
            }
            Some(b'"') => serde_json::Value::String(self.string()?.into_owned()),
            Some(b'-' | b'0'..=b'9') => {
                let offset = self.at;
                let number = any_number(self.number()?);
                serde_json::Value::Number(number.ok_or(Malformed::Syntax {
                    format: "JSON",
                    offset,
                    problem: "a number out of range",
                })?)
            }
            _ => match self.found()? {
                Found::True => serde_json::Value::Bool(true),
                Found::False => serde_json::Value::Bool(false),
                _ => serde_json::Value::Null,
            },
        })
    }

    /// Reads a number as its text, by the grammar of RFC 8259.
    fn number(&mut self) -> Read<&'a str> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        let mut at = start + usize::from(bytes[start] == b'-');
        let whole = at;
        at = digits(at);
        let mut valid = at > whole && (bytes[whole] != b'0' || at == whole + 1);
        if bytes.get(at) == Some(&b'.') {
            let fraction = at + 1;
            at = digits(fraction);
            valid &= at > fraction;
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            let exponent = at + 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            at = digits(exponent);
            valid &= at > exponent;
        }
        if !valid {
            return Err(self.error("no JSON number"));
        }
        self.at = at;
        Ok(&self.text[start..at])
    }

    /// Reads a string, borrowed unless it has escapes.
    fn string(&mut self) -> Read<Cow<'a, str>> {
        self.at += 1;
        let start = self.at;
        let end = self.plain_end()?;
        if self.text.as_bytes()[end] == b'"' {
            self.at = end + 1;
            return Ok(Cow::Borrowed(&self.text[start..end]));
        }
        let mut text = String::with_capacity(end - start + 16);
        loop {
            let from = self.at;
            let end = self.plain_end()?;
            text.push_str(&self.text[from..end]);
            self.at = end + 1;
            if self.text.as_bytes()[end] == b'"' {
                return Ok(Cow::Owned(text));
            }
            text.push(self.escape()?);
        }
    }

    /// Where the next quote or backslash stands.
    fn plain_end(&mut self) -> Read<usize> {
        let rest = &self.text.as_bytes()[self.at..];
        let length = plain_length(rest);
        if length == rest.len() {
            self.at = self.text.len();
            return Err(self.error("a string without an end"));
        }
        if rest[length] < 0x20 {
            self.at += length;
            return Err(self.error("a control character in a string"));
        }
        Ok(self.at + length)
    }

    /// Reads what follows a backslash.
    fn escape(&mut self) -> Read<char> {
        let Some(byte) = self.text.as_bytes().get(self.at).copied() else {
            return Err(self.error("a string without an end"));
        };
        let plain = match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                return self.unicode_escape();
            }
            _ => return Err(self.error("no JSON escape")),
        };
        self.at += 1;
        Ok(plain)
    }

    /// Reads the four digits after `\u`, and the second half of a surrogate pair. Half a pair becomes U+FFFD.
    fn unicode_escape(&mut self) -> Read<char> {
        let first = self.four_digits()?;
        if !(0xd800..0xdc00).contains(&first) {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        if !self.text.as_bytes()[self.at..].starts_with(b"\\u") {
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        let before_second = self.at;
        self.at += 2;
        let second = self.four_digits()?;
        if !(0xdc00..0xe000).contains(&second) {
            self.at = before_second;
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        let scalar = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        Ok(char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn four_digits(&mut self) -> Read<u32> {
        let digits = self.text.get(self.at..self.at + 4);
        let number = digits
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let Some(number) = number else { return Err(self.error("no four hexadecimal digits")) };
        self.at += 4;
        Ok(number)
    }
}

fn text_value(text: Cow<'_, str>, member: &Member) -> Read<Value> {
    let shape = member.shape;
    match &shape.kind {
        Kind::String => Ok(Value::String(text.into_owned())),
        Kind::Blob { .. } => STANDARD
            .decode(text.as_bytes())
            .map(|bytes| Value::Blob(Bytes::from(bytes)))
            .map_err(|_| Malformed::text(shape)),
        Kind::Timestamp(_) => match timestamp::format_of(member, TimestampFormat::UnixTimestamp) {
            TimestampFormat::UnixTimestamp => Err(Malformed::found(Found::String, shape)),
            format => {
                timestamp::read(&text, format).map(Value::Timestamp).ok_or_else(|| Malformed::text(shape))
            }
        },
        Kind::Double => match text.as_ref() {
            "NaN" => Ok(Value::Double(f64::NAN)),
            "Infinity" => Ok(Value::Double(f64::INFINITY)),
            "-Infinity" => Ok(Value::Double(f64::NEG_INFINITY)),
            _ => Err(Malformed::found(Found::String, shape)),
        },
        _ => Err(Malformed::found(Found::String, shape)),
    }
}

fn number_value(number: &str, member: &Member) -> Read<Value> {
    let shape = member.shape;
    let wrong = || Malformed::found(Found::Number, shape);
    match &shape.kind {
        Kind::Integer => integer(number).map(Value::Integer).ok_or_else(wrong),
        // A number too large for 64 bits of floating point reads as infinite, and is none then.
        Kind::Double => {
            number.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Double).ok_or_else(wrong)
        }
        Kind::Timestamp(_)
            if timestamp::format_of(member, TimestampFormat::UnixTimestamp)
                == TimestampFormat::UnixTimestamp =>
        {
            number.parse().ok().and_then(timestamp::from_seconds).map(Value::Timestamp).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

/// A number of a document, exact to the last bit, which serde_json's own parser is not.
fn any_number(number: &str) -> Option<serde_json::Number> {
    let signed = || number.parse::<i64>().ok().map(serde_json::Number::from);
    let unsigned = || number.parse::<u64>().ok().map(serde_json::Number::from);
    let float = || serde_json::Number::from_f64(number.parse().ok()?);
    signed().or_else(unsigned).or_else(float)
}

/// A whole number, also when written with a fraction of zero or an exponent: `1.0`, `1e3`.
fn integer(number: &str) -> Option<i64> {
    // Up to here every whole number has an exact floating point form.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    number.parse().ok().or_else(|| {
        if !number.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
            return None;
        }
        let float: f64 = number.parse().ok()?;
        (float.fract() == 0.0 && float.abs() <= EXACT_MAX).then_some(float as i64)
    })
}
