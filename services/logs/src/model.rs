//! What is stored of a log group and a log stream. Their events are in [`crate::chunk`].
//!
//! A stream's first and last event are not stored here but read from its events, so that writing events changes nothing else.

use crate::position::Id;
use hearth_base::Timestamp;
use hearth_store::Model;
use std::collections::BTreeMap;

/// A log group. Its name is its key.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LogGroup {
    /// In the keys of all that belongs to it: a group of the same name made later has another.
    pub id: Id,
    /// When it was created.
    pub created: Timestamp,
    /// After how many days events vanish; `None` keeps them for ever.
    pub retention_in_days: Option<u16>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A log stream. Its name is its key. It never changes, so that its revision tells that it still exists.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LogStream {
    /// In the keys of its events.
    pub id: Id,
    /// When it was created.
    pub created: Timestamp,
}

/// A resource policy. Account, region and its name are its key.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ResourcePolicyRecord {
    /// The policy as it was given.
    pub document: String,
    /// When it was put last.
    pub updated: Timestamp,
}

impl Model for ResourcePolicyRecord {
    const FORMAT: u32 = 1;
}

impl Model for LogGroup {
    const FORMAT: u32 = 1;
}

impl Model for LogStream {
    const FORMAT: u32 = 1;
}

impl LogGroup {
    /// The time before which events have vanished; zero when they are kept for ever.
    pub fn cutoff(&self, now: Timestamp) -> u64 {
        let now = now.millis().max(0).unsigned_abs();
        self.retention_in_days.map_or(0, |days| now.saturating_sub(u64::from(days) * DAY_MS))
    }
}

/// Milliseconds of a day.
pub const DAY_MS: u64 = 86_400_000;
