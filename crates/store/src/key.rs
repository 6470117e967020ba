//! Keys and the keyspaces they live in: how names become bytes that sort.
//!
//! It refuses to give a key a meaning; layouts belong to the layers that own them.

use bytes::Bytes;
use std::fmt;

/// The four keyspaces. Each is a file of its own in the embedded engine, with its own writer, so that a flood of log
/// events does not hold up the control plane. A batch stays within one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Keyspace {
    /// What the control planes know: functions, roles, queues' attributes.
    Metadata,
    /// Messages and events on their way.
    Queues,
    /// Records of streams.
    Streams,
    /// Log events and their indexes.
    Logs,
}

impl Keyspace {
    /// All of them.
    pub const ALL: [Keyspace; 4] = [Keyspace::Metadata, Keyspace::Queues, Keyspace::Streams, Keyspace::Logs];

    /// The name in lower case; also the file's.
    pub fn name(self) -> &'static str {
        match self {
            Keyspace::Metadata => "metadata",
            Keyspace::Queues => "queues",
            Keyspace::Streams => "streams",
            Keyspace::Logs => "logs",
        }
    }
}

impl fmt::Display for Keyspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A key: bytes that sort as they stand. At most [`KEY_BYTES_MAX`](crate::limits::KEY_BYTES_MAX) of them.
///
/// Keys are built from parts. Each part ends with a zero byte; inside a part a byte 0 is written `01 01` and a byte 1
/// `01 02`. So `["a"]` is a prefix of `["a", "b"]` and never of `["ab"]`, whatever the parts hold, and keys sort as
/// the lists of their parts do.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Key(Bytes);

const END: u8 = 0;
const ESCAPE: u8 = 1;

impl Key {
    /// A key of these parts.
    pub fn of(parts: &[&str]) -> Self {
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 1).sum());
        for part in parts {
            push_escaped(&mut bytes, part);
            bytes.push(END);
        }
        Self(bytes.into())
    }

    /// A key of bytes laid out by the caller.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// This key with one more part.
    pub fn with(&self, part: &str) -> Self {
        let mut bytes = self.0.to_vec();
        push_escaped(&mut bytes, part);
        bytes.push(END);
        Self(bytes.into())
    }

    /// This key with a number as one more part: sixteen hexadecimal digits, so that numbers sort as numbers.
    pub fn with_number(&self, number: u64) -> Self {
        self.with(&format!("{number:016x}"))
    }

    /// This key with the beginning of one more part: not a whole key but a prefix, for scans by the beginning of a name.
    pub fn with_beginning(&self, beginning: &str) -> Self {
        let mut bytes = self.0.to_vec();
        push_escaped(&mut bytes, beginning);
        Self(bytes.into())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this key begins with all of `prefix`'s bytes.
    pub fn starts_with(&self, prefix: &Key) -> bool {
        self.0.starts_with(&prefix.0)
    }

    /// The parts that follow `prefix`, or `None` when the key does not begin with it or was not built from parts.
    pub fn parts_after(&self, prefix: &Key) -> Option<Vec<String>> {
        parts_of(self.0.strip_prefix(&*prefix.0)?)
    }

    /// The parts, or `None` when the key was not built from parts.
    pub fn parts(&self) -> Option<Vec<String>> {
        parts_of(&self.0)
    }

    /// The least key greater than this one.
    pub fn successor(&self) -> Self {
        let mut bytes = self.0.to_vec();
        bytes.push(0);
        Self(bytes.into())
    }

    /// The least key greater than every key that begins with this one; `None` when there is no such key.
    pub fn prefix_end(&self) -> Option<Self> {
        let mut bytes = self.0.to_vec();
        while let Some(last) = bytes.pop() {
            if last < 0xff {
                bytes.push(last + 1);
                return Some(Self(bytes.into()));
            }
        }
        None
    }
}

fn push_escaped(bytes: &mut Vec<u8>, part: &str) {
    for byte in part.bytes() {
        match byte {
            END | ESCAPE => bytes.extend([ESCAPE, byte + 1]),
            other => bytes.push(other),
        }
    }
}

fn parts_of(bytes: &[u8]) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    let mut rest = bytes.iter().copied();
    while let Some(byte) = rest.next() {
        match byte {
            END => parts.push(String::from_utf8(std::mem::take(&mut part)).ok()?),
            ESCAPE => part.push(rest.next()?.checked_sub(1).filter(|byte| *byte <= ESCAPE)?),
            other => part.push(other),
        }
    }
    part.is_empty().then_some(parts)
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Key {
    /// The parts with slashes between them; what is not text is escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts() {
            Some(parts) => f.write_str(&parts.join("/")),
            None => write!(f, "{}", self.0.escape_ascii()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_part_is_never_mistaken_for_a_longer_one() {
        assert!(Key::of(&["a", "b"]).starts_with(&Key::of(&["a"])));
        assert!(!Key::of(&["ab"]).starts_with(&Key::of(&["a"])));
        assert!(Key::of(&["ab"]).starts_with(&Key::default().with_beginning("a")));
        assert!(!Key::of(&["a\0b"]).starts_with(&Key::of(&["a"])));
    }

    #[test]
    fn the_end_of_a_prefix_lies_behind_all_its_keys() {
        for (prefix, end) in
            [(&b"a"[..], Some(&b"b"[..])), (b"a\xff\xff", Some(b"b")), (b"\xff", None), (b"", None)]
        {
            let expected = end.map(|end| Key::from_bytes(end.to_vec()));
            assert_eq!(Key::from_bytes(prefix.to_vec()).prefix_end(), expected, "{prefix:?}");
        }
    }

    #[test]
    fn numbers_sort_as_numbers() {
        let keys: Vec<Key> =
            [0, 9, 10, 255, 256, u64::MAX].iter().map(|n| Key::of(&["q"]).with_number(*n)).collect();
        assert!(keys.is_sorted());
    }

    proptest! {
        #[test]
        fn parts_read_back_and_sort_as_lists_do(
            left in prop::collection::vec("[\0\u{1}\u{2}aé]{0,3}", 0..4),
            right in prop::collection::vec("[\0\u{1}\u{2}aé]{0,3}", 0..4),
        ) {
            let key = |parts: &[String]| Key::of(&parts.iter().map(String::as_str).collect::<Vec<_>>());
            prop_assert_eq!(key(&left).parts(), Some(left.clone()));
            prop_assert_eq!(key(&left).cmp(&key(&right)), left.cmp(&right));
            let is_prefix = right.starts_with(&left);
            prop_assert_eq!(key(&right).parts_after(&key(&left)).is_some(), is_prefix);
        }
    }
}
