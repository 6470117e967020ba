//! The members of REST requests and answers that stand outside the body: in the URI, the query, the headers and the
//! status. What stands in the body belongs to the format's own codec.

use crate::malformed::Malformed;
use crate::message::Request;
use crate::scalar;
use crate::schema::{Kind, Location, Member, Structure, TimestampFormat};
use crate::timestamp;
use crate::uri::{Labels, parameters};
use crate::value::Value;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use std::borrow::Cow;

type Slots = [Option<Value>];

/// Fills the slots of all members that stand outside the body.
pub(crate) fn decode(
    structure: &Structure,
    labels: &Labels,
    request: &Request,
    slots: &mut Slots,
) -> Result<(), Malformed> {
    let query = request.uri.query().unwrap_or_default();
    let mut query: Option<Vec<(Cow<'_, str>, Cow<'_, str>)>> =
        (!query.is_empty()).then(|| parameters(query).collect());
    let query = query.get_or_insert_default();
    for (member, slot) in structure.members.iter().zip(slots) {
        *slot = match member.location {
            Location::Body | Location::StatusCode => continue,
            Location::Uri => labels
                .iter()
                .find(|(name, _)| *name == member.wire_name)
                .map(|(_, text)| scalar::read(text, member, TimestampFormat::Iso8601))
                .transpose()?,
            Location::Query => decode_query(structure, member, query)?,
            Location::Header => decode_header(member, &request.headers)?,
            Location::Headers => decode_prefixed(member, &request.headers),
        };
    }
    Ok(())
}

fn decode_query(
    structure: &Structure,
    member: &Member,
    query: &[(Cow<'_, str>, Cow<'_, str>)],
) -> Result<Option<Value>, Malformed> {
    let place = TimestampFormat::Iso8601;
    let own = |name: &str| name == member.wire_name;
    match &member.shape.kind {
        Kind::List { item, .. } => {
            let texts = query.iter().filter(|(name, _)| own(name));
            let items: Vec<Value> =
                texts.map(|(_, text)| scalar::read(text, item, place)).collect::<Result<_, _>>()?;
            Ok((!items.is_empty()).then_some(Value::List(items)))
        }
        Kind::Map { value, .. } => {
            // A map takes every parameter that no other member has.
            let taken = |name: &str| {
                let mut others = structure.members.iter().filter(|other| other.location == Location::Query);
                others.any(|other| !matches!(other.shape.kind, Kind::Map { .. }) && other.wire_name == name)
            };
            let mut entries: Vec<(String, Value)> = Vec::new();
            for (name, text) in query.iter().filter(|(name, _)| !taken(name)) {
                let known = entries.iter_mut().find(|(key, _)| key == name);
                match (&value.shape.kind, known) {
                    (Kind::List { item, .. }, Some((_, Value::List(items)))) => {
                        items.push(scalar::read(text, item, place)?);
                    }
                    (Kind::List { item, .. }, _) => {
                        let items = vec![scalar::read(text, item, place)?];
                        entries.push((name.to_string(), Value::List(items)));
                    }
                    (_, Some(_)) => {}
                    (_, None) => entries.push((name.to_string(), scalar::read(text, value, place)?)),
                }
            }
            Ok((!entries.is_empty()).then_some(Value::Map(entries)))
        }
        _ => query
            .iter()
            .find(|(name, _)| own(name))
            .map(|(_, text)| scalar::read(text, member, place))
            .transpose(),
    }
}

fn decode_header(member: &Member, headers: &HeaderMap) -> Result<Option<Value>, Malformed> {
    let mut texts = headers.get_all(member.wire_name).iter().map(header_text).peekable();
    if texts.peek().is_none() {
        return Ok(None);
    }
    let place = TimestampFormat::Rfc822;
    if let Kind::List { item, .. } = &member.shape.kind {
        let dates = matches!(item.shape.kind, Kind::Timestamp(_))
            && timestamp::format_of(item, place) == TimestampFormat::Rfc822;
        let mut items = Vec::new();
        for text in texts {
            for text in split_header(&text, dates) {
                items.push(scalar::read(&text, item, place)?);
            }
        }
        return Ok((!items.is_empty()).then_some(Value::List(items)));
    }
    let text = texts.next().unwrap_or_default();
    if member.json_value {
        let bytes = STANDARD.decode(text.as_bytes()).map_err(|_| Malformed::text(member.shape))?;
        let json = String::from_utf8(bytes).map_err(|_| Malformed::text(member.shape))?;
        return Ok(Some(Value::String(json)));
    }
    scalar::read(&text, member, place).map(Some)
}

fn decode_prefixed(member: &Member, headers: &HeaderMap) -> Option<Value> {
    let prefix = member.wire_name.to_ascii_lowercase();
    let mut entries: Vec<(String, Value)> = Vec::new();
    for name in headers.keys() {
        let Some(key) = name.as_str().strip_prefix(&prefix) else { continue };
        let texts: Vec<Cow<'_, str>> = headers.get_all(name).iter().map(header_text).collect();
        entries.push((key.to_owned(), Value::String(texts.join(","))));
    }
    (!entries.is_empty()).then_some(Value::Map(entries))
}

fn header_text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// Splits a header's list at its commas, outside quotes. A date of RFC 822 has a comma of its own.
fn split_header(text: &str, dates: bool) -> Vec<String> {
    let mut items = Vec::new();
    let mut item = String::new();
    let (mut quoted, mut commas) = (false, 0);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => quoted = !quoted,
            '\\' if quoted => item.extend(characters.next()),
            ',' if !quoted => {
                commas += 1;
                if dates && commas % 2 == 1 {
                    item.push(',');
                } else {
                    items.push(std::mem::take(&mut item).trim().to_owned());
                }
            }
            other => item.push(other),
        }
    }
    items.push(item.trim().to_owned());
    items.retain(|item| !item.is_empty());
    items
}

/// Writes the members that stand in headers, and gives the status when a member sets it.
pub(crate) fn encode(structure: &Structure, slots: &Slots, headers: &mut HeaderMap) -> Option<StatusCode> {
    let mut status = None;
    for (member, slot) in structure.members.iter().zip(slots) {
        let Some(value) = slot else { continue };
        match (member.location, value) {
            (Location::StatusCode, Value::Integer(code)) => {
                status = u16::try_from(*code).ok().and_then(|code| StatusCode::from_u16(code).ok());
            }
            (Location::Header, value) => {
                if let Some(text) = encode_header(value, member) {
                    insert(headers, member.wire_name, &text);
                }
            }
            (Location::Headers, Value::Map(entries)) => {
                for (key, value) in entries {
                    if let Value::String(text) = value {
                        insert(headers, &format!("{}{key}", member.wire_name), text);
                    }
                }
            }
            _ => {}
        }
    }
    status
}

fn encode_header(value: &Value, member: &Member) -> Option<String> {
    let place = TimestampFormat::Rfc822;
    match (value, &member.shape.kind) {
        (Value::List(items), Kind::List { item, .. }) => {
            let texts: Vec<String> = items
                .iter()
                .filter_map(|value| {
                    let text = scalar::write(value, item, place)?;
                    let plain = !matches!(value, Value::String(_)) || !text.contains([',', '"']);
                    Some(if plain {
                        text
                    } else {
                        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
                    })
                })
                .collect();
            (!texts.is_empty()).then(|| texts.join(", "))
        }
        (Value::String(text), _) if member.json_value => Some(STANDARD.encode(text)),
        _ => scalar::write(value, member, place),
    }
}

/// Adds a header. What no header can hold (line breaks, other control characters) is left out: a client is better
/// served by an answer without the header than by none.
pub(crate) fn insert(headers: &mut HeaderMap, name: &str, text: &str) {
    if let (Ok(name), Ok(value)) =
        (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(text.as_bytes()))
    {
        headers.insert(name, value);
    }
}
