//! Where events are written to: the group and stream of a name, remembered so that writing reads nothing.
//!
//! What is remembered may be out of date. Whoever writes expects the remembered revisions, and when the store answers
//! that they are not so, forgets the target and looks again.

use crate::model::{LogGroup, LogStream};
use crate::scope::Scope;
use crate::table::Tables;
use hearth_store::{Key, Record};
use hearth_wire::Failure;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Targets remembered; when there are more, all are forgotten.
const TARGETS_MAX: usize = 8_192;

/// A group and a stream as they were when they were looked up.
pub struct Target {
    /// The group's key.
    pub group_key: Key,
    /// The group.
    pub group: Record<LogGroup>,
    /// The stream's key.
    pub stream_key: Key,
    /// The stream.
    pub stream: Record<LogStream>,
    /// The stream's name.
    pub stream_name: String,
    /// The bucket in which the stream was last noted as active, plus one; zero when none is known.
    active: AtomicU64,
}

/// The targets remembered, by account, region, group and stream.
#[derive(Default)]
pub struct Targets(Mutex<HashMap<[String; 4], Arc<Target>>>);

/// A target and whether it comes from memory.
pub struct Found {
    /// The target.
    pub target: Arc<Target>,
    /// Whether it was remembered and may be out of date.
    pub remembered: bool,
}

impl Target {
    /// Whether the stream is known to be noted as active in a bucket.
    pub fn is_active(&self, bucket: u64) -> bool {
        self.active.load(Ordering::Relaxed) == bucket + 1
    }

    /// Remembers that it is.
    pub fn set_active(&self, bucket: u64) {
        self.active.store(bucket + 1, Ordering::Relaxed);
    }
}

impl Targets {
    /// The target of a group's and a stream's name.
    pub async fn find(
        &self,
        tables: &Tables,
        scope: &Scope,
        (group_name, stream_name): (&str, &str),
    ) -> Result<Found, Failure> {
        let name = target_name(scope, group_name, stream_name);
        if let Some(target) = self.lock().get(&name).cloned() {
            return Ok(Found { target, remembered: true });
        }
        let group = tables.group(scope, group_name).await?;
        let stream = tables.stream(group.value.id, stream_name).await?;
        let target = Arc::new(Target {
            group_key: tables.groups.key(&scope.group_name(group_name)),
            stream_key: tables.streams.key(&[&group.value.id.to_string(), stream_name]),
            group,
            stream,
            stream_name: stream_name.to_owned(),
            active: AtomicU64::new(0),
        });
        let mut targets = self.lock();
        if targets.len() >= TARGETS_MAX {
            targets.clear();
        }
        targets.insert(name, target.clone());
        Ok(Found { target, remembered: false })
    }

    /// Forgets a target.
    pub fn forget(&self, scope: &Scope, (group_name, stream_name): (&str, &str)) {
        self.lock().remove(&target_name(scope, group_name, stream_name));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[String; 4], Arc<Target>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn target_name(scope: &Scope, group: &str, stream: &str) -> [String; 4] {
    let [account, region, group] = scope.group_name(group);
    [account.to_owned(), region.to_owned(), group.to_owned(), stream.to_owned()]
}
