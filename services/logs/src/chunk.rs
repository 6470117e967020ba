//! How events are stored: several in one value, so that a request of many lines is few rows.
//!
//! The events of a chunk come from one request, lie less than [`SPAN_MS`] apart and within one activity bucket. Its key
//! begins with its earliest event's time, so that a reader knows which chunks a time can be in.
//!
//! It refuses to know streams and groups: keys are completed in [`crate::table`].

use crate::position::{Id, Position};
use bytes::{Buf, Bytes};
use std::fmt;

/// Two events of a chunk are less apart than this.
pub const SPAN_MS: u64 = 1_000;
/// Streams are noted as active in buckets of this length.
pub const BUCKET_MS: u64 = 600_000;
/// Bytes of messages after which a chunk is closed.
const CHUNK_BYTES: usize = 32 << 10;
/// The format written now, the first byte of every chunk.
const FORMAT: u8 = 1;

/// An event on its way into storage.
#[derive(Debug, Clone, Copy)]
pub struct NewEvent<'a> {
    /// Milliseconds since the epoch.
    pub timestamp: u64,
    /// Its number in the request.
    pub index: u32,
    /// The message.
    pub message: &'a str,
}

/// Where a chunk stands: the position of its first event. Chunks sort by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChunkKey(pub Position);

/// A stored event. Its message shares the chunk's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Where it stands.
    pub position: Position,
    /// The message, UTF-8.
    pub message: Bytes,
}

impl StoredEvent {
    /// The message. It was text when it was written.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.message).into_owned()
    }
}

/// A chunk that does not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkError {
    /// A newer server wrote it.
    Newer {
        /// Its format.
        format: u8,
    },
    /// Its bytes make no sense.
    Damaged,
}

impl ChunkKey {
    /// Bytes of a chunk's own part of a key.
    pub const BYTES: usize = 28;

    /// Sorts as chunks do.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.0.timestamp.to_be_bytes());
        bytes[8..24].copy_from_slice(&self.0.request.to_bytes());
        bytes[24..].copy_from_slice(&self.0.index.to_be_bytes());
        bytes
    }

    /// Reads it back.
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        if bytes.len() != Self::BYTES {
            return None;
        }
        let (timestamp, request) = (bytes.get_u64(), Id(bytes.get_u128()));
        Some(Self(Position { timestamp, request, index: bytes.get_u32() }))
    }
}

/// The bucket a time is in.
pub fn bucket(timestamp: u64) -> u64 {
    timestamp / BUCKET_MS
}

/// Packs a request's events, in order of time, into chunks.
pub fn pack(request: Id, events: &[NewEvent<'_>]) -> Vec<(ChunkKey, Bytes)> {
    let mut chunks = Vec::new();
    let mut rest = events;
    while let Some(first) = rest.first() {
        let mut bytes = 0;
        let fits = |event: &&NewEvent<'_>| {
            let room = bytes < CHUNK_BYTES;
            bytes += event.message.len();
            room && event.timestamp - first.timestamp < SPAN_MS
                && bucket(event.timestamp) == bucket(first.timestamp)
        };
        let (chunk, after) = rest.split_at(rest.iter().take_while(fits).count());
        let position = Position { timestamp: first.timestamp, request, index: first.index };
        chunks.push((ChunkKey(position), encode(first, chunk)));
        rest = after;
    }
    chunks
}

fn encode(first: &NewEvent<'_>, events: &[NewEvent<'_>]) -> Bytes {
    let messages: usize = events.iter().map(|event| event.message.len() + 4).sum();
    let mut bytes = Vec::with_capacity(1 + messages);
    bytes.push(FORMAT);
    let mut index = first.index;
    for event in events {
        put_number(&mut bytes, event.timestamp - first.timestamp);
        // Events that were refused leave gaps.
        put_number(&mut bytes, u64::from(event.index - index));
        put_number(&mut bytes, event.message.len() as u64);
        bytes.extend_from_slice(event.message.as_bytes());
        index = event.index + 1;
    }
    bytes.into()
}

/// Reads a chunk's events, in order.
pub fn unpack(key: ChunkKey, mut chunk: Bytes) -> Result<Vec<StoredEvent>, ChunkError> {
    match chunk.try_get_u8() {
        Ok(FORMAT) => {}
        Ok(format) => return Err(ChunkError::Newer { format }),
        Err(_) => return Err(ChunkError::Damaged),
    }
    let mut events = Vec::new();
    let mut index = u64::from(key.0.index);
    while chunk.has_remaining() {
        let timestamp = get_number(&mut chunk)?.checked_add(key.0.timestamp).ok_or(ChunkError::Damaged)?;
        index = get_number(&mut chunk)?.checked_add(index).ok_or(ChunkError::Damaged)?;
        let length = usize::try_from(get_number(&mut chunk)?).map_err(|_| ChunkError::Damaged)?;
        if length > chunk.remaining() {
            return Err(ChunkError::Damaged);
        }
        let message = chunk.split_to(length);
        let number = u32::try_from(index).map_err(|_| ChunkError::Damaged)?;
        events.push(StoredEvent { position: Position { timestamp, index: number, ..key.0 }, message });
        index += 1;
    }
    Ok(events)
}

/// Seven bits a byte, the least first; the top bit says that more follow.
fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number as u8 & 0x7f) | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn get_number(bytes: &mut Bytes) -> Result<u64, ChunkError> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let byte = bytes.try_get_u8().map_err(|_| ChunkError::Damaged)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(ChunkError::Damaged)
}

impl fmt::Display for ChunkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer { format } => write!(f, "events are stored in format {format}, newer than {FORMAT}"),
            Self::Damaged => f.write_str("stored events do not read"),
        }
    }
}

impl std::error::Error for ChunkError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REQUEST: Id = Id(7 << 80);

    fn positions(chunks: &[(ChunkKey, Bytes)]) -> Vec<Vec<StoredEvent>> {
        chunks.iter().map(|(key, bytes)| unpack(*key, bytes.clone()).unwrap()).collect()
    }

    #[test]
    fn chunks_end_at_the_span_the_bucket_and_the_size() {
        let large = "x".repeat(CHUNK_BYTES);
        let edge = 5 * BUCKET_MS;
        type Events<'a> = &'a [(u64, &'a str)];
        let cases: [(Events<'_>, &[usize]); 5] = [
            (&[(edge, "a"), (edge, "b"), (edge + SPAN_MS - 1, "c")], &[3]),
            (&[(edge, "a"), (edge + SPAN_MS, "b")], &[1, 1]),
            (&[(edge - 1, "a"), (edge, "b")], &[1, 1]),
            (&[(edge, "a"), (edge, &large), (edge, "b")], &[2, 1]),
            (&[], &[]),
        ];
        for (events, sizes) in cases {
            let numbered = (0..).zip(events);
            let events: Vec<NewEvent<'_>> = numbered
                .map(|(index, (timestamp, message))| NewEvent { timestamp: *timestamp, index, message })
                .collect();
            let found: Vec<usize> = positions(&pack(REQUEST, &events)).iter().map(Vec::len).collect();
            assert_eq!(found, sizes);
        }
    }

    proptest! {
        #[test]
        fn events_read_back(steps in prop::collection::vec((0u64..3 * SPAN_MS, 1u32..4, ".{0,20}"), 0..60)) {
            let (mut timestamp, mut index) = (3 * BUCKET_MS - 500, 0);
            let mut events = Vec::new();
            for (wait, step, message) in &steps {
                timestamp += wait;
                index += step;
                events.push(NewEvent { timestamp, index, message });
            }
            let chunks = pack(REQUEST, &events);
            prop_assert!(chunks.is_sorted_by_key(|(key, _)| key.to_bytes()));
            let read: Vec<StoredEvent> = positions(&chunks).concat();
            prop_assert_eq!(read.len(), events.len());
            for (read, event) in read.iter().zip(&events) {
                prop_assert_eq!(read.position, Position { timestamp: event.timestamp, request: REQUEST, index: event.index });
                prop_assert_eq!(&read.message[..], event.message.as_bytes());
            }
            for (key, _) in &chunks {
                prop_assert_eq!(ChunkKey::from_bytes(&key.to_bytes()), Some(*key));
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = unpack(ChunkKey(Position::at(5)), [&[FORMAT], &bytes[..]].concat().into());
        }
    }
}
