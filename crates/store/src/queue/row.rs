//! How a queue lies in the store: the keys and values of entries, of claims and of tokens.
//!
//! ```text
//! <name> / waiting , queue, id           an entry, in the order of enqueuing; written once
//! <name> / delayed , queue, due, id      an entry that waits for its time, and stays here afterwards
//! <name> / claimed , queue, id           what has become of an entry since it was first claimed
//! <name> / once , queue, bucket, token   a token that was used in this bucket of time, and the entry it stands for
//! <name> / gone , queue                  a tombstone: the queue's rows are to be removed
//! ```

use crate::Key;
use bytes::{Buf, BufMut, Bytes};
use hearth_base::{Rng, Timestamp};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The format written now, the first byte of every value.
const FORMAT: u8 = 1;
/// Tokens are kept in buckets of this length, so that old ones are removed together.
pub const BUCKET_MS: u64 = 300_000;

/// The id of an entry or of a queue: 48 bits of milliseconds, 16 that count within one, 64 that are random. Ids made
/// later by one process are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EntryId(pub u128);

/// In records ids are hexadecimal: JSON readers lose digits of large numbers.
impl serde::Serialize for EntryId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for EntryId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        u128::from_str_radix(&text, 16).map(EntryId).map_err(serde::de::Error::custom)
    }
}

/// Makes [`EntryId`]s.
pub struct Ids {
    rng: Arc<dyn Rng>,
    last: Mutex<u64>,
}

impl Ids {
    pub(super) fn new(rng: Arc<dyn Rng>) -> Self {
        Self { rng, last: Mutex::new(0) }
    }

    /// The next id, of this moment; within one millisecond, and when the clock steps back, ids count on.
    pub(super) fn next(&self, now: Timestamp) -> EntryId {
        let fresh = millis(now) << 16;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = fresh.max(*last + 1);
        EntryId(u128::from(*last) << 64 | u128::from(self.rng.next_u64()))
    }

    /// Makes later ids greater than one that was found.
    pub(super) fn raise(&self, found: EntryId) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = found.ordinal().max(*last);
    }

    pub(super) fn nonce(&self) -> u64 {
        self.rng.next_u64()
    }
}

impl EntryId {
    /// The least id of a moment.
    pub fn at(millis: u64) -> Self {
        Self(u128::from(millis) << 80)
    }

    /// Milliseconds since the epoch when the entry was enqueued.
    pub fn millis(self) -> u64 {
        self.ordinal() >> 16
    }

    /// What grows from entry to entry: time and count.
    pub fn ordinal(self) -> u64 {
        (self.0 >> 64) as u64
    }

    /// As bytes that sort.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Reads it back.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(u128::from_be_bytes(bytes.try_into().ok()?)))
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Milliseconds since the epoch, none before it.
pub fn millis(time: Timestamp) -> u64 {
    time.millis().max(0).unsigned_abs()
}

/// The keys of one queue.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Prefix of the entries that wait.
    pub waiting: Key,
    /// Prefix of the entries that were delayed.
    pub delayed: Key,
    /// Prefix of what was claimed.
    pub claimed: Key,
    /// Prefix of tokens.
    pub once: Key,
    /// The tombstone.
    pub gone: Key,
}

impl Keys {
    /// The keys of a queue under a name.
    pub fn new(name: &str, queue: EntryId) -> Self {
        let prefix = |kind| join(&Key::of(&[name, kind]), &[&queue.to_bytes()]);
        Self {
            waiting: prefix("waiting"),
            delayed: prefix("delayed"),
            claimed: prefix("claimed"),
            once: prefix("once"),
            gone: prefix("gone"),
        }
    }

    /// Where all tombstones lie.
    pub fn all_gone(name: &str) -> Key {
        Key::of(&[name, "gone"])
    }

    /// Where an entry lies: `place` is zero, or the time for which it was delayed.
    pub fn entry(&self, place: u64, id: EntryId) -> Key {
        match place {
            0 => join(&self.waiting, &[&id.to_bytes()]),
            due => join(&self.delayed, &[&due.to_be_bytes(), &id.to_bytes()]),
        }
    }

    /// Where the claims of an entry are kept.
    pub fn claim(&self, id: EntryId) -> Key {
        join(&self.claimed, &[&id.to_bytes()])
    }

    /// Where a token of this bucket lies.
    pub fn token(&self, bucket: u64, token: &[u8]) -> Key {
        join(&self.once, &[&bucket.to_be_bytes(), token])
    }

    /// Where a bucket of tokens begins.
    pub fn bucket(&self, bucket: u64) -> Key {
        join(&self.once, &[&bucket.to_be_bytes()])
    }
}

/// A prefix with more bytes behind it.
pub fn join(prefix: &Key, parts: &[&[u8]]) -> Key {
    let mut bytes = prefix.as_bytes().to_vec();
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    Key::from_bytes(bytes)
}

/// The id at the end of a key.
pub fn id_of(key: &Key) -> Option<EntryId> {
    let bytes = key.as_bytes();
    EntryId::from_bytes(bytes.get(bytes.len().checked_sub(16)?..)?)
}

/// The time before the id of a delayed entry's key.
pub fn due_of(key: &Key) -> Option<u64> {
    let bytes = key.as_bytes();
    let end = bytes.len().checked_sub(16)?;
    Some(u64::from_be_bytes(bytes.get(end.checked_sub(8)?..end)?.try_into().ok()?))
}

/// An entry as it is stored: its group and its value.
pub fn encode_entry(group: Option<&Bytes>, value: &[u8]) -> Bytes {
    let group = group.map_or(&[][..], |group| &group[..]);
    let mut bytes = Vec::with_capacity(3 + group.len() + value.len());
    bytes.put_u8(FORMAT);
    bytes.put_u16(u16::try_from(group.len()).unwrap_or(u16::MAX));
    bytes.put_slice(&group[..group.len().min(usize::from(u16::MAX))]);
    bytes.put_slice(value);
    bytes.into()
}

/// Reads an entry; none when it makes no sense or is of a newer format.
pub fn decode_entry(mut bytes: Bytes) -> Option<(Option<Bytes>, Bytes)> {
    let group = take_group(&mut bytes)?;
    Some((group, bytes))
}

fn take_group(bytes: &mut Bytes) -> Option<Option<Bytes>> {
    if bytes.try_get_u8().ok()? != FORMAT {
        return None;
    }
    let length = usize::from(bytes.try_get_u16().ok()?);
    if length > bytes.remaining() {
        return None;
    }
    let group = bytes.split_to(length);
    Some((length > 0).then_some(group))
}

/// What has become of an entry since it was enqueued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    /// When it may be claimed (again).
    pub due: u64,
    /// How often it was claimed.
    pub claims: u32,
    /// When it was first claimed; zero before.
    pub first: u64,
    /// When it was last claimed.
    pub last: u64,
    /// Proof of the last claim.
    pub nonce: u64,
    /// Zero, or the time in the key of an entry that was delayed.
    pub place: u64,
    /// Whether whoever claimed it has not given it back since.
    pub held: bool,
}

/// A claim as it is stored. The group is repeated so that claims are read without their entries.
pub fn encode_claim(group: Option<&Bytes>, state: &State) -> Bytes {
    let mut rest = Vec::with_capacity(45);
    rest.put_u64(state.due);
    rest.put_u32(state.claims);
    rest.put_u64(state.first);
    rest.put_u64(state.last);
    rest.put_u64(state.nonce);
    rest.put_u64(state.place);
    rest.put_u8(u8::from(state.held));
    encode_entry(group, &rest)
}

/// Reads a claim.
pub fn decode_claim(bytes: Bytes) -> Option<(Option<Bytes>, State)> {
    let (group, mut rest) = decode_entry(bytes)?;
    // Earlier rows do not tell whether they are held.
    if !(44..=45).contains(&rest.remaining()) {
        return None;
    }
    let state = State {
        due: rest.get_u64(),
        claims: rest.get_u32(),
        first: rest.get_u64(),
        last: rest.get_u64(),
        nonce: rest.get_u64(),
        place: rest.get_u64(),
        held: rest.has_remaining() && rest.get_u8() != 0,
    };
    Some((group, state))
}

/// A token as it is stored: when it was used, the entry it stands for and what its enqueuer called it.
pub fn encode_token(at: u64, id: EntryId, label: &[u8]) -> Bytes {
    [&[FORMAT][..], &at.to_be_bytes(), &id.to_bytes(), label].concat().into()
}

/// Reads a token.
pub fn decode_token(mut bytes: Bytes) -> Option<(u64, EntryId, Bytes)> {
    if bytes.remaining() < 25 || bytes.get_u8() != FORMAT {
        return None;
    }
    let (at, id) = (bytes.get_u64(), EntryId(bytes.get_u128()));
    Some((at, id, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_base::SeededRng;
    use proptest::prelude::*;

    #[test]
    fn ids_grow_also_when_the_clock_steps_back() {
        let ids = Ids::new(Arc::new(SeededRng::new(1)));
        let made: Vec<EntryId> =
            [5_000, 5_000, 4_000, 6_000].map(|at| ids.next(Timestamp::from_millis(at))).into();
        assert!(made.is_sorted());
        assert_eq!(made[3].millis(), 6_000);
        ids.raise(EntryId::at(9_000));
        assert!(ids.next(Timestamp::from_millis(7_000)) > EntryId::at(9_000));
    }

    proptest! {
        #[test]
        fn rows_read_back(group in prop::option::of("[a-z]{1,128}"), value in prop::collection::vec(any::<u8>(), 0..50), n in any::<u64>()) {
            let group = group.map(Bytes::from);
            let row = encode_entry(group.as_ref(), &value);
            prop_assert_eq!(decode_entry(row), Some((group.clone(), Bytes::from(value))));
            let state = State { due: n, claims: 3, first: n ^ 1, last: n ^ 4, nonce: n ^ 2, place: n ^ 3, held: n % 2 == 0 };
            prop_assert_eq!(decode_claim(encode_claim(group.as_ref(), &state)), Some((group, state)));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = decode_entry(bytes.clone().into());
            let _ = decode_claim(bytes.clone().into());
            let _ = decode_token(bytes.into());
        }
    }
}
