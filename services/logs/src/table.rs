//! How groups, streams and events lie in the store, and the reads and writes that others build on.
//!
//! All of it is in the keyspace `Logs`, which is this crate's alone: a batch stays within one keyspace, and an event must
//! not be written to a group that is being deleted in the same moment.
//!
//! ```text
//! log-group / account / region / name          the group
//! log-stream / group id / name                 the stream; never changes
//! event / group id, stream id, chunk key       a chunk of events: a stream's are in order of time
//! activity / group id, bucket, stream id       the stream's name: it has events in this bucket of time
//! resource-policy / account / region / name    a resource policy
//! stored-bytes / group id                      how many bytes of events the group holds, about
//! deleted / group id                           a tombstone: the group is to be removed
//! deleted / group id / stream id               the same of a stream; holds the key of its group
//! ```

use crate::chunk::{self, ChunkError, ChunkKey, StoredEvent};
use crate::model::{LogGroup, LogStream, ResourcePolicyRecord};
use crate::position::Id;
use crate::scope::Scope;
use bytes::{Buf, Bytes};
use hearth_api::logs::errors;
use hearth_store::records::RecordError;
use hearth_store::{
    Batch, CommitError, Entry, Error, Key, Keyspace, Range, Record, Scan, Shard, Store, Table,
};
use hearth_wire::Failure;
use std::collections::HashSet;
use std::fmt;

/// All that the crate stores.
pub struct Tables {
    store: Store,
    shard: Shard,
    /// Log groups by account, region and name.
    pub groups: Table<LogGroup>,
    /// Log streams by group id and name.
    pub streams: Table<LogStream>,
    /// Resource policies by account, region and name.
    pub policies: Table<ResourcePolicyRecord>,
}

/// A row of the activity index.
#[derive(Debug, Clone)]
pub struct Activity {
    /// Which bucket of time.
    pub bucket: u64,
    /// The stream that has events in it.
    pub stream: Id,
    /// The stream's name.
    pub name: String,
}

/// What cannot be read or written.
#[derive(Debug)]
pub enum TableError {
    /// A group or stream.
    Record(RecordError),
    /// Anything by key.
    Read(Error),
    /// A batch.
    Commit(CommitError),
    /// Events that were read.
    Events {
        /// The chunk's key.
        key: Key,
        /// What is wrong with it.
        source: ChunkError,
    },
}

impl Tables {
    pub(crate) fn new(store: Store) -> Self {
        let shard = Shard::new(Keyspace::Logs, "logs");
        let groups = Table::new(store.clone(), shard.clone(), "log-group");
        let streams = Table::new(store.clone(), shard.clone(), "log-stream");
        let policies = Table::new(store.clone(), shard.clone(), "resource-policy");
        Self { store, shard, groups, streams, policies }
    }

    /// The group of a name; the failure AWS answers when there is none.
    pub async fn group(&self, scope: &Scope, name: &str) -> Result<Record<LogGroup>, Failure> {
        let found = self.groups.get(&scope.group_name(name)).await.map_err(TableError::from)?;
        found.ok_or_else(no_such_group)
    }

    /// Changes the group of a name, again from the start when another changed it in between.
    pub async fn update_group(
        &self,
        scope: &Scope,
        name: &str,
        mut change: impl FnMut(&mut LogGroup) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let name = scope.group_name(name);
        let changed = self.groups.update(&name, |group| change(group).map_err(Refused)).await;
        changed.map(drop).map_err(|Refused(failure)| failure)
    }

    /// The stream of a name; the failure AWS answers when there is none.
    pub async fn stream(&self, group: Id, name: &str) -> Result<Record<LogStream>, Failure> {
        let found = self.streams.get(&[&group.to_string(), name]).await.map_err(TableError::from)?;
        found.ok_or_else(|| errors::resource_not_found("The specified log stream does not exist."))
    }

    /// An empty batch.
    pub fn batch(&self) -> Batch {
        Batch::new(self.shard.clone())
    }

    /// Writes a batch.
    pub async fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        self.store.commit(batch).await.map(drop)
    }

    /// Reads a key.
    pub async fn get(&self, key: &Key) -> Result<Option<Entry>, TableError> {
        Ok(self.store.get(Keyspace::Logs, key).await?)
    }

    /// Reads a range.
    pub async fn scan(&self, range: Range) -> Result<Scan, TableError> {
        Ok(self.store.scan(Keyspace::Logs, range).await?)
    }

    /// The streams of a group that are deleted but whose events are not all removed yet.
    pub async fn deleted_streams(&self, group: Id) -> Result<HashSet<Id>, TableError> {
        let prefix = deleted_group_key(group);
        let mut deleted = HashSet::new();
        let mut range = Range::prefix(&prefix);
        loop {
            let scan = self.scan(range.clone()).await?;
            deleted.extend(scan.rows.iter().filter_map(|(key, _)| deleted_stream(key, &prefix)));
            match scan.rows.last() {
                Some((last, _)) if scan.more => range = range.after(last.clone()),
                _ => return Ok(deleted),
            }
        }
    }
}

/// Why a group was not changed.
struct Refused(Failure);

impl From<RecordError> for Refused {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Missing { .. } => Self(no_such_group()),
            other => Self(TableError::from(other).into()),
        }
    }
}

/// What AWS answers when a group is not there.
pub fn no_such_group() -> Failure {
    errors::resource_not_found("The specified log group does not exist.")
}

fn binary_key(table: &str, parts: &[&[u8]]) -> Key {
    let mut bytes = Key::of(&[table]).as_bytes().to_vec();
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    Key::from_bytes(bytes)
}

/// The prefix of all events of a group.
pub fn events_of_group(group: Id) -> Key {
    binary_key("event", &[&group.to_bytes()])
}

/// The prefix of all events of a stream.
pub fn events_of_stream(group: Id, stream: Id) -> Key {
    binary_key("event", &[&group.to_bytes(), &stream.to_bytes()])
}

/// The key of a chunk of a stream's events.
pub fn event_key(stream: &Key, chunk: ChunkKey) -> Key {
    Key::from_bytes([stream.as_bytes(), &chunk.to_bytes()].concat())
}

/// The stream and the chunk of an event's key.
pub fn read_event_key(key: &Key) -> Option<(Id, ChunkKey)> {
    let bytes = key.as_bytes();
    let at = bytes.len().checked_sub(ChunkKey::BYTES)?;
    let mut stream = bytes.get(at.checked_sub(16)?..at)?;
    Some((Id(stream.get_u128()), ChunkKey::from_bytes(&bytes[at..])?))
}

/// Reads the events of a chunk.
pub fn read_events(key: &Key, value: Bytes) -> Result<Vec<StoredEvent>, TableError> {
    let damaged = |source| TableError::Events { key: key.clone(), source };
    let (_, chunk) = read_event_key(key).ok_or_else(|| damaged(ChunkError::Damaged))?;
    chunk::unpack(chunk, value).map_err(damaged)
}

/// The prefix of a group's activity index.
pub fn activity_of_group(group: Id) -> Key {
    binary_key("activity", &[&group.to_bytes()])
}

/// The prefix of a group's activity in a bucket of time; also where the bucket begins in the index.
pub fn activity_of_bucket(group: Id, bucket: u64) -> Key {
    binary_key("activity", &[&group.to_bytes(), &bucket.to_be_bytes()])
}

/// The key of a stream's activity in a bucket of time.
pub fn activity_key(group: Id, bucket: u64, stream: Id) -> Key {
    binary_key("activity", &[&group.to_bytes(), &bucket.to_be_bytes(), &stream.to_bytes()])
}

/// Reads a row of the activity index.
pub fn read_activity(group: Id, (key, entry): &(Key, Entry)) -> Option<Activity> {
    let mut rest = key.as_bytes().strip_prefix(activity_of_group(group).as_bytes())?;
    if rest.len() != 24 {
        return None;
    }
    let name = std::str::from_utf8(&entry.value).ok()?.to_owned();
    Some(Activity { bucket: rest.get_u64(), stream: Id(rest.get_u128()), name })
}

/// Where a group's bytes are counted.
pub fn stored_bytes_key(group: Id) -> Key {
    Key::of(&["stored-bytes", &group.to_string()])
}

/// The tombstone of a group, and the prefix of its streams' tombstones.
pub fn deleted_group_key(group: Id) -> Key {
    Key::of(&["deleted", &group.to_string()])
}

/// The tombstone of a stream.
pub fn deleted_stream_key(group: Id, stream: Id) -> Key {
    deleted_group_key(group).with(&stream.to_string())
}

/// All tombstones.
pub fn deleted() -> Key {
    Key::of(&["deleted"])
}

fn deleted_stream(key: &Key, prefix: &Key) -> Option<Id> {
    read_id(key.parts_after(prefix)?.first()?)
}

/// Reads an id out of a key.
pub fn read_id(text: &str) -> Option<Id> {
    u128::from_str_radix(text, 16).ok().map(Id)
}

impl From<RecordError> for TableError {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl From<Error> for TableError {
    fn from(error: Error) -> Self {
        Self::Read(error)
    }
}

impl From<CommitError> for TableError {
    fn from(error: CommitError) -> Self {
        Self::Commit(error)
    }
}

impl From<TableError> for Failure {
    /// What went wrong stays in the server's log; the client is told that it may try again.
    fn from(error: TableError) -> Self {
        tracing::error!(%error, "CloudWatch Logs storage failed");
        errors::service_unavailable("The service cannot complete the request.")
    }
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(error) => fmt::Display::fmt(error, f),
            Self::Read(error) => fmt::Display::fmt(error, f),
            Self::Commit(error) => fmt::Display::fmt(error, f),
            Self::Events { key, source } => write!(f, "{key}: {source}"),
        }
    }
}

impl std::error::Error for TableError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Record(error) => std::error::Error::source(error),
            Self::Read(error) => std::error::Error::source(error),
            Self::Commit(error) => std::error::Error::source(error),
            Self::Events { source, .. } => Some(source),
        }
    }
}
