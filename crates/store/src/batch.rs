//! What a caller asks an engine to commit, and the numbers that come back.
//!
//! It refuses to touch storage: these are values.

use crate::limits::{BATCH_BYTES_MAX, BATCH_OPERATIONS_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::{CommitError, Key, Keyspace};
use bytes::Bytes;
use hearth_base::Timestamp;
use std::fmt;
use std::sync::Arc;

/// The number of a commit in its keyspace. Later commits have greater numbers; numbers may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

/// Which write of a key this is: the [`Sequence`] of the commit that wrote it. Never used twice for a key, not even when
/// the key is deleted and written again, so that a compare-and-set cannot mistake a new record for the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl From<Sequence> for Revision {
    fn from(sequence: Sequence) -> Self {
        Self(sequence.0)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What one node can own: a name within a keyspace. Two shards' keys never mix in a batch; where they lie is up to the
/// layer that cuts its data into shards.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard {
    /// Where the shard's keys are.
    pub keyspace: Keyspace,
    /// The name. Bounded like a key.
    pub name: Arc<str>,
}

impl Shard {
    /// The shard of this name.
    pub fn new(keyspace: Keyspace, name: &str) -> Self {
        Self { keyspace, name: Arc::from(name) }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.keyspace, self.name)
    }
}

/// Proof that a shard was acquired. It stays good until another acquires the shard, even past its expiry: an owner that
/// was slow has lost nothing as long as nobody took over, and the first commit after a takeover is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// What is owned.
    pub shard: Shard,
    /// Grows with every acquisition of the shard.
    pub token: u64,
    /// When another owner may take over.
    pub expires: Timestamp,
}

/// What a key must be for a batch to be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// The key has no value.
    Absent,
    /// The key's value is of this revision.
    Revision(Revision),
}

impl From<Option<Revision>> for Expect {
    fn from(revision: Option<Revision>) -> Self {
        revision.map_or(Expect::Absent, Expect::Revision)
    }
}

/// One atomic change: all of it is applied, durably, or none.
///
/// Expectations are checked first, against what stood before the batch; then the deletes are done, then the puts in their order.
#[derive(Debug, Clone)]
pub struct Batch {
    /// What the batch belongs to. All its keys are in the shard's keyspace.
    pub shard: Shard,
    /// With a fence the batch is refused once another owns the shard. Without one it claims no ownership and is
    /// taken whoever owns the shard: that is right for enqueuing and for records guarded by revisions.
    pub fence: Option<Fence>,
    /// What must hold.
    pub expects: Vec<(Key, Expect)>,
    /// What is written.
    pub puts: Vec<(Key, Bytes)>,
    /// What is removed; an absent key is no error.
    pub deletes: Vec<Key>,
}

impl Batch {
    /// An empty batch that claims no ownership.
    pub fn new(shard: Shard) -> Self {
        Self { shard, fence: None, expects: Vec::new(), puts: Vec::new(), deletes: Vec::new() }
    }

    /// An empty batch of the shard's owner.
    pub fn fenced(fence: Fence) -> Self {
        Self { fence: Some(fence.clone()), ..Self::new(fence.shard) }
    }

    /// Adds an expectation.
    pub fn expect(mut self, key: Key, expect: Expect) -> Self {
        self.expects.push((key, expect));
        self
    }

    /// Adds a put.
    pub fn put(mut self, key: Key, value: impl Into<Bytes>) -> Self {
        self.puts.push((key, value.into()));
        self
    }

    /// Adds a delete.
    pub fn delete(mut self, key: Key) -> Self {
        self.deletes.push(key);
        self
    }

    /// The bytes of its keys and values.
    pub(crate) fn bytes(&self) -> usize {
        let expects: usize = self.expects.iter().map(|(key, _)| key.as_bytes().len()).sum();
        let puts: usize = self.puts.iter().map(|(key, value)| key.as_bytes().len() + value.len()).sum();
        let deletes: usize = self.deletes.iter().map(|key| key.as_bytes().len()).sum();
        expects + puts + deletes
    }

    /// Refuses what no engine takes: a batch beyond the limits, an empty key, a fence of another shard.
    pub(crate) fn check(&self) -> Result<(), CommitError> {
        let over = |what, found, limit| Err(CommitError::TooLarge { what, found, limit });
        let operations = self.expects.len() + self.puts.len() + self.deletes.len();
        if operations > BATCH_OPERATIONS_MAX {
            return over("operations of a batch", operations, BATCH_OPERATIONS_MAX);
        }
        let bytes = self.bytes();
        if bytes > BATCH_BYTES_MAX {
            return over("bytes of a batch", bytes, BATCH_BYTES_MAX);
        }
        if self.shard.name.len() > KEY_BYTES_MAX {
            return over("bytes of a shard's name", self.shard.name.len(), KEY_BYTES_MAX);
        }
        if let Some(value) = self.puts.iter().map(|(_, value)| value.len()).find(|n| *n > VALUE_BYTES_MAX) {
            return over("bytes of a value", value, VALUE_BYTES_MAX);
        }
        let expected = self.expects.iter().map(|(key, _)| key);
        let put = self.puts.iter().map(|(key, _)| key);
        for key in expected.chain(put).chain(&self.deletes) {
            match key.as_bytes().len() {
                0 => return Err(CommitError::EmptyKey),
                1..=KEY_BYTES_MAX => {}
                long => return over("bytes of a key", long, KEY_BYTES_MAX),
            }
        }
        match &self.fence {
            Some(fence) if fence.shard != self.shard => {
                Err(CommitError::Fenced { shard: self.shard.clone() })
            }
            _ => Ok(()),
        }
    }
}
