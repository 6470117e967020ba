//! How many bytes of events each group holds.
//!
//! AWS: the number is brought up to date from time to time, not with each write. So here: what was written and removed since is
//! kept in memory, counted in when asked for, and stored by the background task. A crash loses at most what one turn of it would store.

use crate::position::Id;
use crate::table::{TableError, Tables, stored_bytes_key};
use hearth_store::{CommitError, Expect, Key, Revision};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Groups whose changes wait to be stored.
const GROUPS_MAX: usize = 8_192;

/// A group whose bytes are counted. With its key goes the proof that it still exists: a count of a group that is gone
/// would stay for ever.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Counted {
    /// The group.
    pub id: Id,
    /// The key of its record.
    pub key: Key,
}

/// Changes not yet stored, by group.
#[derive(Debug, Default)]
pub struct StoredBytes(Mutex<HashMap<Id, Change>>);

#[derive(Debug)]
struct Change {
    group_key: Key,
    bytes: i64,
}

impl StoredBytes {
    /// Counts bytes written, or removed when negative.
    pub fn add(&self, group: &Counted, bytes: i64) {
        let mut changes = self.lock();
        if let Some(change) = changes.get_mut(&group.id) {
            change.bytes += bytes;
        } else if changes.len() < GROUPS_MAX {
            changes.insert(group.id, Change { group_key: group.key.clone(), bytes });
        }
    }

    /// The bytes of a group's events.
    pub async fn get(&self, tables: &Tables, group: Id) -> Result<i64, TableError> {
        let waiting = self.lock().get(&group).map_or(0, |change| change.bytes);
        Ok((read(tables, group).await?.0 + waiting).max(0))
    }

    /// Forgets a group that is gone.
    pub fn forget(&self, group: Id) {
        self.lock().remove(&group);
    }

    /// Stores all changes.
    pub async fn store(&self, tables: &Tables) -> Result<(), TableError> {
        let counted = |(id, change): (&Id, &Change)| Counted { id: *id, key: change.group_key.clone() };
        let groups: Vec<Counted> = self.lock().iter().map(counted).collect();
        let mut failed = None;
        for group in groups {
            let Some(Change { bytes, .. }) = self.lock().remove(&group.id) else { continue };
            if let Err(error) = self.store_one(tables, &group, bytes).await {
                // What could not be stored now waits for the next turn.
                self.add(&group, bytes);
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn store_one(&self, tables: &Tables, group: &Counted, change: i64) -> Result<(), TableError> {
        let key = stored_bytes_key(group.id);
        loop {
            let Some(entry) = tables.get(&group.key).await? else { return Ok(()) };
            let record = tables.groups.decode(&group.key, &entry)?;
            if record.value.id != group.id {
                return Ok(());
            }
            let (bytes, revision) = read(tables, group.id).await?;
            let total = (bytes + change).max(0);
            let batch = tables
                .batch()
                .expect(group.key.clone(), Expect::Revision(record.revision))
                .expect(key.clone(), Expect::from(revision));
            match tables.commit(batch.put(key.clone(), total.to_string())).await {
                Err(CommitError::Conflict { .. }) => {}
                other => return Ok(other?),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Change>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(tables: &Tables, group: Id) -> Result<(i64, Option<Revision>), TableError> {
    let Some(entry) = tables.get(&stored_bytes_key(group)).await? else { return Ok((0, None)) };
    let bytes = std::str::from_utf8(&entry.value).ok().and_then(|text| text.parse().ok());
    Ok((bytes.unwrap_or(0), Some(entry.revision)))
}
