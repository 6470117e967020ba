//! The storage contract: what every engine does and every layer may rely on.
//!
//! It refuses to say how. The suite in `tests/contract.rs` is this contract's other half.

use crate::limits::{SCAN_BYTES_MAX, SCAN_ROWS_MAX};
use crate::{Batch, CommitError, Error, Fence, Key, Keyspace, LeaseError, Revision, Sequence, Shard, Watch};
use bytes::Bytes;
use hearth_base::BoxFuture;
use std::sync::Arc;
use std::time::Duration;

/// A store, whichever engine is under it.
pub type Store = Arc<dyn Engine>;

/// An ordered key-value store with atomic, fenced, compare-and-set batches.
///
/// - What `commit` acknowledged is durable and is seen by every read that starts afterwards.
/// - A batch is applied whole or not at all, also through a crash.
/// - A read sees one moment: never half of a batch.
/// - Dropping a future that was polled does not take back what it asked for.
pub trait Engine: Send + Sync + 'static {
    /// Applies a batch and resolves once it is durable.
    ///
    /// On [`CommitError::Failed`] the outcome is unknown until the key is read again: the batch may come to
    /// light after a restart. Every other error means that nothing of it was applied or will be.
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Sequence, CommitError>>;

    /// The value of a key.
    fn get<'a>(&'a self, keyspace: Keyspace, key: &'a Key) -> BoxFuture<'a, Result<Option<Entry>, Error>>;

    /// The entries of a range in order, as many as the range's limit and [`SCAN_BYTES_MAX`] allow.
    fn scan(&self, keyspace: Keyspace, range: Range) -> BoxFuture<'_, Result<Scan, Error>>;

    /// Makes `owner` the owner of a shard for `ttl`, unless another's ownership has not yet expired. An owner that
    /// acquires again gets a new fence, and its old one is void: that is how a restarted node shuts out its former self.
    fn acquire<'a>(
        &'a self,
        shard: &'a Shard,
        owner: &'a str,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<Fence, LeaseError>>;

    /// Moves a fence's expiry to `ttl` from now. [`LeaseError::Lost`] when another has acquired the shard or it was released.
    fn renew<'a>(&'a self, fence: &'a Fence, ttl: Duration) -> BoxFuture<'a, Result<Fence, LeaseError>>;

    /// Gives a shard up; its fence is void from then on. [`LeaseError::Lost`] when it already was.
    fn release<'a>(&'a self, fence: &'a Fence) -> BoxFuture<'a, Result<(), LeaseError>>;

    /// Hints that keys beginning with `prefix` have changed. A hint may be late, merged with others, or for nothing:
    /// always scan again. Changes committed after this call returns are hinted.
    fn watch(&self, keyspace: Keyspace, prefix: &Key) -> Watch;
}

/// A value and the write that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The bytes that were put.
    pub value: Bytes,
    /// Which write it was.
    pub revision: Revision,
}

/// What a scan found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// The entries, in the order asked for.
    pub rows: Vec<(Key, Entry)>,
    /// Whether the range holds more: go on with [`Range::after`] the last key.
    pub more: bool,
}

/// Which keys to scan, from which end, and how many at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    start: Key,
    end: Option<Key>,
    resume: Option<Key>,
    reverse: bool,
    keys_only: bool,
    limit: usize,
}

impl Range {
    /// All keys that begin with `prefix`.
    pub fn prefix(prefix: &Key) -> Self {
        Self::between(prefix.clone(), prefix.prefix_end())
    }

    /// The keys from `start` up to but not including `end`; to the last key when `end` is `None`.
    pub fn between(start: Key, end: Option<Key>) -> Self {
        Self { start, end, resume: None, reverse: false, keys_only: false, limit: SCAN_ROWS_MAX }
    }

    /// From the last key to the first.
    pub fn reverse(mut self) -> Self {
        self.reverse = true;
        self
    }

    /// Only what comes after `key` in the direction of the scan.
    pub fn after(mut self, key: Key) -> Self {
        self.resume = Some(key);
        self
    }

    /// At most `rows` rows; never more than [`SCAN_ROWS_MAX`].
    pub fn limit(mut self, rows: usize) -> Self {
        self.limit = rows.min(SCAN_ROWS_MAX);
        self
    }

    /// Without the values: for counting and removing.
    pub fn keys_only(mut self) -> Self {
        self.keys_only = true;
        self
    }

    pub(crate) fn is_keys_only(&self) -> bool {
        self.keys_only
    }

    pub(crate) fn rows_max(&self) -> usize {
        self.limit
    }

    pub(crate) fn is_reverse(&self) -> bool {
        self.reverse
    }

    /// First key, end key (exclusive); the resumption point taken in.
    pub(crate) fn bounds(&self) -> (Key, Option<Key>) {
        let (start, end) = (self.start.clone(), self.end.clone());
        match &self.resume {
            None => (start, end),
            Some(key) if self.reverse => {
                let end = end.map_or_else(|| key.clone(), |end| end.min(key.clone()));
                (start, Some(end))
            }
            Some(key) => (start.max(key.successor()), end),
        }
    }

    /// Takes rows until a limit is reached: the one place that says where a scan ends, for every engine.
    pub(crate) fn collect<E>(&self, rows: impl Iterator<Item = Result<(Key, Entry), E>>) -> Result<Scan, E> {
        let mut scan = Scan { rows: Vec::new(), more: false };
        let mut bytes = 0;
        for row in rows {
            if scan.rows.len() == self.limit || bytes >= SCAN_BYTES_MAX {
                scan.more = true;
                break;
            }
            let (key, mut entry) = row?;
            if self.keys_only {
                entry.value = Bytes::new();
            }
            bytes += entry.value.len();
            scan.rows.push((key, entry));
        }
        Ok(scan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resuming_narrows_the_range_from_the_side_the_scan_comes_from() {
        let key = |text: &str| Key::from_bytes(text.as_bytes().to_vec());
        let whole = Range::between(key("b"), Some(key("f")));
        let forward = whole.clone().after(key("c")).bounds();
        assert_eq!(forward, (key("c\0"), Some(key("f"))));
        assert_eq!(whole.clone().after(key("a")).bounds(), (key("b"), Some(key("f"))));
        assert_eq!(whole.clone().after(key("c")).reverse().bounds(), (key("b"), Some(key("c"))));
        assert_eq!(whole.reverse().after(key("z")).bounds(), (key("b"), Some(key("f"))));
    }
}
