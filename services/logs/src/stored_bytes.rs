//! How many bytes of events each group holds.
//!
//! AWS: the number is brought up to date from time to time, not with each write. So here: what was written and removed since is
//! kept in memory, counted in when asked for, and stored by the background task. A crash loses at most what one turn of it would store.

use crate::position::Id;
use crate::table::{TableError, Tables, stored_bytes_key};
use hearth_store::{CommitError, Expect, Revision};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Groups whose changes wait to be stored.
const GROUPS_MAX: usize = 8_192;

/// Changes not yet stored, by group.
#[derive(Debug, Default)]
pub struct StoredBytes(Mutex<HashMap<Id, i64>>);

impl StoredBytes {
    /// Counts bytes written, or removed when negative.
    pub fn add(&self, group: Id, bytes: i64) {
        let mut changes = self.lock();
        if changes.len() < GROUPS_MAX || changes.contains_key(&group) {
            *changes.entry(group).or_default() += bytes;
        }
    }

    /// The bytes of a group's events.
    pub async fn get(&self, tables: &Tables, group: Id) -> Result<i64, TableError> {
        let waiting = self.lock().get(&group).copied().unwrap_or(0);
        Ok((read(tables, group).await?.0 + waiting).max(0))
    }

    /// Forgets a group that is gone.
    pub fn forget(&self, group: Id) {
        self.lock().remove(&group);
    }

    /// Stores all changes.
    pub async fn store(&self, tables: &Tables) -> Result<(), TableError> {
        let changes = std::mem::take(&mut *self.lock());
        let mut failed = None;
        for (group, change) in changes {
            if let Err(error) = self.store_one(tables, group, change).await {
                // What could not be stored now waits for the next turn.
                self.add(group, change);
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn store_one(&self, tables: &Tables, group: Id, change: i64) -> Result<(), TableError> {
        let key = stored_bytes_key(group);
        loop {
            let (bytes, revision) = read(tables, group).await?;
            let total = (bytes + change).max(0);
            let batch = tables.batch().expect(key.clone(), Expect::from(revision));
            match tables.commit(batch.put(key.clone(), total.to_string())).await {
                Err(CommitError::Conflict { .. }) => {}
                other => return Ok(other?),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(tables: &Tables, group: Id) -> Result<(i64, Option<Revision>), TableError> {
    let Some(entry) = tables.get(&stored_bytes_key(group)).await? else { return Ok((0, None)) };
    let bytes = std::str::from_utf8(&entry.value).ok().and_then(|text| text.parse().ok());
    Ok((bytes.unwrap_or(0), Some(entry.revision)))
}
