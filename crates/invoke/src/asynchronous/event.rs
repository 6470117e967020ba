//! An event that waits for its invocation, as it is stored, and its key.
//!
//! ```text
//! asynchronous / account / region / function / due in milliseconds / id     a header in JSON, a line feed, the payload
//! ```
//!
//! Keys of one function sort by when they are due, so that the next ones are found without reading the others.

use bytes::Bytes;
use hearth_base::{RequestId, Timestamp};
use hearth_lambda::FunctionKey;
use hearth_store::Key;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The format of the header. A header of a later one is not read.
const FORMAT: u32 = 1;
/// The first part of every key.
const TABLE: &str = "asynchronous";

/// An event that was accepted, and how far it has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// All but the payload.
    pub header: Header,
    /// What the function gets, as it came.
    pub payload: Bytes,
}

/// All of an event but its payload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    format: u32,
    /// The id of the request that brought it: every attempt has the same.
    pub request_id: String,
    /// The version or alias that was asked for; none for the function itself.
    pub qualifier: Option<String>,
    /// When it was accepted.
    pub accepted: Timestamp,
    /// Invocations that ended in an error of the function.
    pub failures: u32,
    /// The client context, as JSON text.
    pub client_context: Option<String>,
    /// The trace it belongs to.
    pub trace_header: Option<String>,
}

/// What lies under a key is no event.
#[derive(Debug)]
pub enum EventError {
    /// There is no header.
    Headless,
    /// The header cannot be read.
    Header(serde_json::Error),
    /// It was written by a later version of Hearth.
    Newer(u32),
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Headless => f.write_str("the event has no header"),
            Self::Header(_) => f.write_str("the header of the event cannot be read"),
            Self::Newer(format) => {
                write!(f, "the event is of format {format}, and this version of Hearth knows {FORMAT}")
            }
        }
    }
}

impl std::error::Error for EventError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Header(source) => Some(source),
            Self::Headless | Self::Newer(_) => None,
        }
    }
}

/// What a new event is made of.
pub struct NewEvent {
    /// The id of the request that brings it.
    pub request_id: RequestId,
    /// The version or alias that is asked for.
    pub qualifier: Option<String>,
    /// Now.
    pub accepted: Timestamp,
    /// The client context, as JSON text.
    pub client_context: Option<String>,
    /// The trace it belongs to.
    pub trace_header: Option<String>,
    /// What the function is to get.
    pub payload: Bytes,
}

impl From<NewEvent> for Event {
    fn from(new: NewEvent) -> Self {
        let NewEvent { request_id, qualifier, accepted, client_context, trace_header, payload } = new;
        let header = Header {
            format: FORMAT,
            request_id: request_id.to_string(),
            qualifier,
            accepted,
            failures: 0,
            client_context,
            trace_header,
        };
        Self { header, payload }
    }
}

impl Event {
    /// As it is stored.
    pub fn write(&self) -> Bytes {
        let mut bytes = serde_json::to_vec(&self.header).expect("a header is text and numbers");
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.payload);
        bytes.into()
    }

    /// Reads what [`Event::write`] wrote.
    ///
    /// # Errors
    /// When that is something else.
    pub fn read(stored: &Bytes) -> Result<Self, EventError> {
        let end = stored.iter().position(|byte| *byte == b'\n').ok_or(EventError::Headless)?;
        let header: Header = serde_json::from_slice(&stored[..end]).map_err(EventError::Header)?;
        if header.format > FORMAT {
            return Err(EventError::Newer(header.format));
        }
        Ok(Self { header, payload: stored.slice(end + 1..) })
    }
}

/// The beginning of all keys.
pub fn all() -> Key {
    Key::of(&[TABLE])
}

/// The beginning of the keys of a function's events.
pub fn of_function(function: &FunctionKey) -> Key {
    Key::of(&[TABLE, function.account.as_str(), function.region.as_str(), &function.name])
}

/// The key of an event that is due at a time; `id` tells it from others of the same millisecond.
pub fn key(function: &FunctionKey, due: Timestamp, id: &str) -> Key {
    of_function(function).with_number(due.millis().max(0).unsigned_abs()).with(id)
}

/// Whose event a key is, and when that is due.
pub fn read_key(key: &Key) -> Option<(FunctionKey, Timestamp)> {
    let parts = key.parts()?;
    let [table, account, region, name, due, _] = parts.as_slice() else { return None };
    if table != TABLE {
        return None;
    }
    let function =
        FunctionKey { account: account.parse().ok()?, region: region.parse().ok()?, name: name.clone() };
    let due = i64::try_from(u64::from_str_radix(due, 16).ok()?).ok()?;
    Some((function, Timestamp::from_millis(due)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_base::{AccountId, SeededRng};

    pub fn function(name: &str) -> FunctionKey {
        FunctionKey {
            account: AccountId::DEVELOPMENT,
            region: "us-east-1".parse().unwrap(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn events_read_back_as_written() {
        for payload in ["{}", "{\n\"a\": 1\n}", ""] {
            let event = Event::from(NewEvent {
                request_id: RequestId::new(&SeededRng::new(1)),
                qualifier: Some("live".to_owned()),
                accepted: Timestamp::from_millis(12_345),
                client_context: Some("{\"a\":\"\\n\"}".to_owned()),
                trace_header: None,
                payload: Bytes::from(payload),
            });
            assert_eq!(Event::read(&event.write()).unwrap(), event);
        }
    }

    #[test]
    fn what_is_no_event_is_told() {
        for (stored, told) in [
            ("{}", "no header"),
            ("nonsense\n{}", "cannot be read"),
            (
                "{\"format\":2,\"request_id\":\"\",\"qualifier\":null,\"accepted\":1,\"failures\":0,\
                 \"client_context\":null,\"trace_header\":null}\n",
                "format 2",
            ),
        ] {
            let error = Event::read(&Bytes::from(stored)).unwrap_err();
            assert!(error.to_string().contains(told), "{error}");
        }
    }

    #[test]
    fn keys_tell_whose_and_when_and_sort_by_that() {
        let due = Timestamp::from_millis(1_700_000_000_000);
        let first = key(&function("f"), due, "A");
        assert_eq!(read_key(&first), Some((function("f"), due)));
        assert!(first < key(&function("f"), Timestamp::from_millis(1_700_000_000_001), "0"));
        assert!(first.starts_with(&of_function(&function("f"))));
        assert!(!first.starts_with(&of_function(&function("fu"))));
        assert_eq!(read_key(&Key::of(&["else"])), None);
    }
}
