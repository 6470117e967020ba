//! `application/vnd.amazon.eventstream`: the framing of messages, to bytes and back. What a message means is the
//! protocol's business. <https://smithy.io/2.0/aws/amazon-eventstream.html#amazon-eventstream-specification>

mod crc32;

use crate::failure::Failure;
use crate::value::Value;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::stream::BoxStream;
use hearth_base::Timestamp;
use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of all headers of one message.
pub const HEADERS_BYTES_MAX: usize = 128 << 10;
/// Bytes of the payload of one message.
pub const PAYLOAD_BYTES_MAX: usize = 16 << 20;

/// Length, headers' length and checksum.
const PRELUDE_BYTES: usize = 12;
const CHECKSUM_BYTES: usize = 4;

/// One message.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Message {
    /// Names of 1 to 255 bytes and their values, in order.
    pub headers: Vec<(Cow<'static, str>, HeaderValue)>,
    /// The payload, at most [`PAYLOAD_BYTES_MAX`].
    pub payload: Bytes,
}

/// The value of a header.
#[derive(Debug, Clone, PartialEq)]
pub enum HeaderValue {
    /// true or false.
    Boolean(bool),
    /// 8 bits.
    Byte(i8),
    /// 16 bits.
    Short(i16),
    /// 32 bits.
    Integer(i32),
    /// 64 bits.
    Long(i64),
    /// Up to 32,767 bytes.
    Bytes(Bytes),
    /// Up to 32,767 bytes of text.
    String(Cow<'static, str>),
    /// Milliseconds since the epoch.
    Timestamp(Timestamp),
    /// A UUID.
    Uuid([u8; 16]),
}

/// Why a frame could not be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokenFrame {
    /// The lengths do not fit each other or their bounds.
    Length,
    /// The checksum of the prelude is wrong.
    PreludeChecksum,
    /// The checksum of the message is wrong.
    MessageChecksum,
    /// A header's name, type or value is broken or out of its bounds.
    Header,
}

impl fmt::Display for BrokenFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "the lengths of an event message are out of bounds",
            Self::PreludeChecksum => "the checksum of an event message's prelude is wrong",
            Self::MessageChecksum => "the checksum of an event message is wrong",
            Self::Header => "a header of an event message is broken",
        })
    }
}

impl std::error::Error for BrokenFrame {}

impl Message {
    /// A header's text, when it has this header and the header is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|(other, value)| match value {
            HeaderValue::String(text) if other == name => Some(text.as_ref()),
            _ => None,
        })
    }

    /// Writes the message as one frame.
    ///
    /// # Errors
    /// When headers or payload are over their bounds.
    pub fn encode(&self) -> Result<Bytes, BrokenFrame> {
        let mut frame = BytesMut::with_capacity(PRELUDE_BYTES + 256 + self.payload.len() + CHECKSUM_BYTES);
        frame.put_bytes(0, PRELUDE_BYTES);
        for (name, value) in &self.headers {
            let length = u8::try_from(name.len()).map_err(|_| BrokenFrame::Header)?;
            if length == 0 {
                return Err(BrokenFrame::Header);
            }
            frame.put_u8(length);
            frame.put_slice(name.as_bytes());
            value.encode(&mut frame)?;
        }
        let headers = frame.len() - PRELUDE_BYTES;
        if headers > HEADERS_BYTES_MAX || self.payload.len() > PAYLOAD_BYTES_MAX {
            return Err(BrokenFrame::Length);
        }
        frame.put_slice(&self.payload);
        let total = u32::try_from(frame.len() + CHECKSUM_BYTES).map_err(|_| BrokenFrame::Length)?;
        let headers = u32::try_from(headers).map_err(|_| BrokenFrame::Length)?;
        frame[..4].copy_from_slice(&total.to_be_bytes());
        frame[4..8].copy_from_slice(&headers.to_be_bytes());
        let prelude = crc32::of(&frame[..8]);
        frame[8..PRELUDE_BYTES].copy_from_slice(&prelude.to_be_bytes());
        let checksum = crc32::of(&frame);
        frame.put_u32(checksum);
        Ok(frame.freeze())
    }

    /// Takes the first message off `buffer`; none when it is not all there yet.
    ///
    /// # Errors
    /// What makes the rest of the stream unreadable. The prelude is checked before anything waits for the rest.
    pub fn decode(buffer: &mut BytesMut) -> Result<Option<Self>, BrokenFrame> {
        let Some(mut prelude) = buffer.get(..PRELUDE_BYTES) else { return Ok(None) };
        if crc32::of(&prelude[..8]) != u32::from_be_bytes([prelude[8], prelude[9], prelude[10], prelude[11]])
        {
            return Err(BrokenFrame::PreludeChecksum);
        }
        let mut length = || usize::try_from(prelude.get_u32()).map_err(|_| BrokenFrame::Length);
        let (total, headers) = (length()?, length()?);
        let around = PRELUDE_BYTES + CHECKSUM_BYTES;
        if headers > HEADERS_BYTES_MAX
            || total < around + headers
            || total - around - headers > PAYLOAD_BYTES_MAX
        {
            return Err(BrokenFrame::Length);
        }
        if buffer.len() < total {
            return Ok(None);
        }
        let mut frame = buffer.split_to(total).freeze();
        let mut checksum = frame.split_off(total - CHECKSUM_BYTES);
        if crc32::of(&frame) != checksum.get_u32() {
            return Err(BrokenFrame::MessageChecksum);
        }
        frame.advance(PRELUDE_BYTES);
        let mut names = frame.split_to(headers);
        let mut headers = Vec::new();
        while names.has_remaining() {
            let length = usize::from(names.get_u8());
            let name = text(&mut names, length)?;
            if name.is_empty() {
                return Err(BrokenFrame::Header);
            }
            headers.push((Cow::Owned(name), HeaderValue::decode(&mut names)?));
        }
        Ok(Some(Self { headers, payload: frame }))
    }
}

impl HeaderValue {
    fn encode(&self, frame: &mut BytesMut) -> Result<(), BrokenFrame> {
        let length = |length: usize| {
            i16::try_from(length).map(|length| length.unsigned_abs()).map_err(|_| BrokenFrame::Header)
        };
        match self {
            Self::Boolean(flag) => frame.put_u8(if *flag { 0 } else { 1 }),
            Self::Byte(number) => {
                frame.put_u8(2);
                frame.put_i8(*number);
            }
            Self::Short(number) => {
                frame.put_u8(3);
                frame.put_i16(*number);
            }
            Self::Integer(number) => {
                frame.put_u8(4);
                frame.put_i32(*number);
            }
            Self::Long(number) => {
                frame.put_u8(5);
                frame.put_i64(*number);
            }
            Self::Bytes(bytes) => {
                frame.put_u8(6);
                frame.put_u16(length(bytes.len())?);
                frame.put_slice(bytes);
            }
            Self::String(text) => {
                frame.put_u8(7);
                frame.put_u16(length(text.len())?);
                frame.put_slice(text.as_bytes());
            }
            Self::Timestamp(moment) => {
                frame.put_u8(8);
                frame.put_i64(moment.millis());
            }
            Self::Uuid(bytes) => {
                frame.put_u8(9);
                frame.put_slice(bytes);
            }
        }
        Ok(())
    }

    fn decode(bytes: &mut Bytes) -> Result<Self, BrokenFrame> {
        let broken = |_| BrokenFrame::Header;
        Ok(match bytes.try_get_u8().map_err(broken)? {
            0 => Self::Boolean(true),
            1 => Self::Boolean(false),
            2 => Self::Byte(bytes.try_get_i8().map_err(broken)?),
            3 => Self::Short(bytes.try_get_i16().map_err(broken)?),
            4 => Self::Integer(bytes.try_get_i32().map_err(broken)?),
            5 => Self::Long(bytes.try_get_i64().map_err(broken)?),
            6 => {
                let length = usize::from(bytes.try_get_u16().map_err(broken)?);
                Self::Bytes(take(bytes, length)?)
            }
            7 => {
                let length = usize::from(bytes.try_get_u16().map_err(broken)?);
                Self::String(Cow::Owned(text(bytes, length)?))
            }
            8 => Self::Timestamp(Timestamp::from_millis(bytes.try_get_i64().map_err(broken)?)),
            9 => Self::Uuid(bytes.try_get_u128().map_err(broken)?.to_be_bytes()),
            _ => return Err(BrokenFrame::Header),
        })
    }
}

fn take(bytes: &mut Bytes, length: usize) -> Result<Bytes, BrokenFrame> {
    if length > bytes.len() { Err(BrokenFrame::Header) } else { Ok(bytes.split_to(length)) }
}

fn text(bytes: &mut Bytes, length: usize) -> Result<String, BrokenFrame> {
    String::from_utf8(take(bytes, length)?.to_vec()).map_err(|_| BrokenFrame::Header)
}

/// What comes of a stream of events: events, and at most one failure at its end.
pub type EventStream = BoxStream<'static, Result<Value, Failure>>;

/// The events of an answer, still to come: the value of a member whose shape is a stream of events. Each is a
/// [`Value::Structure`] of that shape with one slot set. A failure is told to the client and ends the stream.
///
/// Copies share the stream: whoever takes it first has it.
#[derive(Clone)]
pub struct Events(Arc<Mutex<Option<EventStream>>>);

impl Events {
    /// Events from a stream.
    pub fn new(stream: EventStream) -> Self {
        Self(Arc::new(Mutex::new(Some(stream))))
    }

    /// Takes the stream, once.
    pub fn take(&self) -> Option<EventStream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl PartialEq for Events {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}

#[cfg(test)]
mod tests;
