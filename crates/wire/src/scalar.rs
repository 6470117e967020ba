//! Scalars written as text: in headers, URIs, query parameters, forms and XML. Lists, maps and structures are not its
//! business.

use crate::malformed::Malformed;
use crate::schema::{Kind, Member, TimestampFormat};
use crate::timestamp;
use crate::value::Value;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

/// Reads the text of a scalar member.
pub(crate) fn read(text: &str, member: &Member, place: TimestampFormat) -> Result<Value, Malformed> {
    let malformed = || Malformed::text(member.shape);
    match &member.shape.kind {
        Kind::String => Ok(Value::String(text.to_owned())),
        Kind::Boolean => match text {
            "true" => Ok(Value::Boolean(true)),
            "false" => Ok(Value::Boolean(false)),
            _ => Err(malformed()),
        },
        Kind::Integer => text.parse().map(Value::Integer).map_err(|_| malformed()),
        Kind::Double => read_double(text).map(Value::Double).ok_or_else(malformed),
        Kind::Blob { .. } => {
            STANDARD.decode(text).map(|bytes| Value::Blob(Bytes::from(bytes))).map_err(|_| malformed())
        }
        Kind::Timestamp(_) => timestamp::read(text, timestamp::format_of(member, place))
            .map(Value::Timestamp)
            .ok_or_else(malformed),
        Kind::List { .. } | Kind::Map { .. } | Kind::Structure(_) | Kind::Document => Err(malformed()),
    }
}

/// The text of a scalar; none for lists, maps, structures and null.
pub(crate) fn write(value: &Value, member: &Member, place: TimestampFormat) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Boolean(flag) => Some(flag.to_string()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Double(number) => Some(write_double(*number)),
        Value::Blob(bytes) => Some(STANDARD.encode(bytes)),
        Value::Timestamp(moment) => Some(timestamp::write(*moment, timestamp::format_of(member, place))),
        _ => None,
    }
}

/// Reads a decimal number or one of Smithy's three names for what is none. Rust's own names (`inf`, `nan`) are refused.
fn read_double(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ if text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) => {
            text.parse().ok()
        }
        _ => None,
    }
}

/// `1.5`, `1`, `NaN`, `Infinity`.
fn write_double(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else {
        format!("{number:?}")
    }
}
