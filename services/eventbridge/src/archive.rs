//! Archives: the events of a bus, kept; and replays, which put them on the bus once more.
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-archive.html>
//!
//! ```text
//! events.archived / archive's storage / time of the event, its id    an event
//! events.unarchived / archive's storage                              a tombstone: its events are to be removed
//! ```

use crate::Inner;
use crate::incoming::time_of;
use crate::model::{ArchiveRecord, ArchiveSize, Event, ReplayRecord, ReplayState};
use crate::naming::Name;
use crate::registry::Archive;
use hearth_base::Timestamp;
use hearth_store::queue::{EntryId, New, QueueError};
use hearth_store::{Batch, CommitError, Key, Keyspace, Range};
use hearth_wire::Failure;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Events that are replayed or removed in one go.
const AT_ONCE: usize = 100;
/// Bytes after which a batch of archived events is written, and another begun.
const BATCH_BYTES: usize = 8 << 20;
/// After this long storage is asked again when it failed.
const PAUSE: Duration = Duration::from_secs(1);
/// AWS: replays are listed for 90 days.
const REPLAY_KEPT: Duration = Duration::from_secs(90 * 86_400);

/// Where the events of an archive lie.
fn rows(storage: EntryId) -> Key {
    Key::of(&["events.archived", &storage.to_string()])
}

/// What says that the events of an archive that was deleted are to be removed.
pub fn tombstone(storage: EntryId) -> Key {
    Key::of(&["events.unarchived", &storage.to_string()])
}

fn row_at(storage: EntryId, time: Timestamp) -> Key {
    rows(storage).with_number(time.millis().max(0).unsigned_abs())
}

/// Events on their way into the archives of a bus.
pub struct Intake<'a> {
    inner: &'a Inner,
    archives: Vec<Archive>,
    /// Of each archive, by its storage.
    taken: HashMap<EntryId, Vec<(Key, Event)>>,
}

impl<'a> Intake<'a> {
    /// Of a bus.
    pub fn new(inner: &'a Inner, bus: &Name) -> Self {
        Self { inner, archives: inner.registry.archives_of(bus), taken: HashMap::new() }
    }

    /// Takes an event for the archives that want it. AWS: what was replayed is not archived again.
    pub fn take(&mut self, event: &Event, document: &Value) {
        if event.replayed {
            return;
        }
        let wants = |archive: &&Archive| match (&archive.record.pattern, &archive.pattern) {
            (None, _) => true,
            (Some(_), pattern) => pattern.as_ref().is_some_and(|pattern| pattern.matches(document)),
        };
        for archive in self.archives.iter().filter(wants) {
            let storage = archive.record.storage;
            let id = document["id"].as_str().unwrap_or_default();
            let key = row_at(storage, time_of(document, event)).with(id);
            self.taken.entry(storage).or_default().push((key, event.clone()));
        }
    }

    /// Writes what was taken.
    pub async fn commit(self) -> Result<(), CommitError> {
        for (storage, events) in self.taken {
            let mut batch = Batch::new(self.inner.shard.clone());
            let (mut size, mut bytes) = (size(self.inner, storage).await, 0);
            for (key, event) in events {
                size.events += 1;
                size.bytes += event.text.len() as u64;
                let value = event.encode();
                bytes += value.len();
                batch = batch.put(key, value);
                if bytes > BATCH_BYTES {
                    let full = with_size(self.inner, batch, (storage, size));
                    self.inner.store.commit(full).await?;
                    (batch, bytes) = (Batch::new(self.inner.shard.clone()), 0);
                }
            }
            let batch = with_size(self.inner, batch, (storage, size));
            self.inner.store.commit(batch).await?;
        }
        Ok(())
    }
}

/// How much is in an archive.
pub async fn size(inner: &Inner, storage: EntryId) -> ArchiveSize {
    match inner.sizes.get(&[&storage.to_string()]).await {
        Ok(found) => found.map(|record| record.value).unwrap_or_default(),
        Err(error) => {
            tracing::error!(%error, "the size of an archive cannot be read and is counted anew");
            ArchiveSize::default()
        }
    }
}

fn with_size(inner: &Inner, batch: Batch, (storage, size): (EntryId, ArchiveSize)) -> Batch {
    let name = storage.to_string();
    match inner.sizes.encode(&[&name], &size) {
        Ok(value) => batch.put(inner.sizes.key(&[&name]), value),
        Err(_) => batch,
    }
}

/// Removes what archives keep no longer, what deleted ones kept, and replays of long ago.
pub async fn expire(inner: &Inner) {
    let now = inner.clock.now();
    for archive in inner.registry.archives() {
        let ArchiveRecord { storage, retention_days, .. } = *archive.record;
        if retention_days > 0 {
            let kept_s = i64::from(retention_days) * 86_400;
            let first = Timestamp::from_millis(now.millis() - kept_s * 1_000);
            remove(inner, storage, Some(row_at(storage, first))).await;
        }
    }
    let gone = Key::of(&["events.unarchived"]);
    if let Ok(found) = inner.store.scan(Keyspace::Queues, Range::prefix(&gone).keys_only()).await {
        for (key, _) in found.rows {
            let storage = key.parts().and_then(|parts| u128::from_str_radix(parts.get(1)?, 16).ok());
            if let Some(storage) = storage.map(EntryId)
                && remove(inner, storage, None).await
            {
                let sizes = inner.sizes.key(&[&storage.to_string()]);
                let batch = Batch::new(inner.shard.clone()).delete(key).delete(sizes);
                if let Err(error) = inner.store.commit(batch).await {
                    tracing::error!(%error, "cannot forget an archive; trying again");
                }
            }
        }
    }
    for (name, replay) in inner.registry.replays() {
        if replay.ended.is_some_and(|ended| now.since(ended) > REPLAY_KEPT)
            && let Err(error) = inner.registry.forget_replay(&name).await
        {
            tracing::error!(%error, "cannot forget a replay; trying again");
        }
    }
}

/// Removes the events of an archive up to a key. Whether none is left of them.
async fn remove(inner: &Inner, storage: EntryId, end: Option<Key>) -> bool {
    let start = rows(storage);
    let end = end.or_else(|| start.prefix_end());
    loop {
        let range = Range::between(start.clone(), end.clone()).limit(AT_ONCE);
        let found = match inner.store.scan(Keyspace::Queues, range).await {
            Ok(found) if found.rows.is_empty() => return true,
            Ok(found) => found,
            Err(error) => {
                tracing::error!(%error, "the events of an archive cannot be read; trying again");
                return false;
            }
        };
        let mut batch = Batch::new(inner.shard.clone());
        let mut size = size(inner, storage).await;
        for (key, entry) in found.rows {
            let bytes = Event::decode(&entry.value).map_or(0, |event| event.text.len() as u64);
            size.events = size.events.saturating_sub(1);
            size.bytes = size.bytes.saturating_sub(bytes);
            batch = batch.delete(key);
        }
        if let Err(error) = inner.store.commit(with_size(inner, batch, (storage, size))).await {
            tracing::error!(%error, "the events of an archive cannot be removed; trying again");
            return false;
        }
    }
}

/// Goes on with the replays that are not over.
pub fn start(inner: &Arc<Inner>) {
    for (name, replay) in inner.registry.replays() {
        if !replay.state.is_over() {
            start_replay(inner, name);
        }
    }
}

/// Starts the task of a replay.
pub fn start_replay(inner: &Arc<Inner>, name: Name) {
    inner.background.spawn(replay(Arc::clone(inner), name));
}

async fn replay(inner: Arc<Inner>, name: Name) {
    loop {
        match step(&inner, &name).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(failure) => {
                tracing::error!(replay = name.arn("replay"), %failure, "a replay cannot go on; trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Replays some events. Whether there is more to do.
async fn step(inner: &Arc<Inner>, name: &Name) -> Result<bool, Failure> {
    let Ok(record) = inner.registry.replay(name) else { return Ok(false) };
    if record.state == ReplayState::Cancelling {
        return end(inner, name, ReplayState::Cancelled).await;
    }
    let (first, last) = record.events;
    let range = Range::between(row_at(record.storage, first), Some(row_at(record.storage, last)));
    let range = match &record.last {
        Some((_, key)) => range.after(Key::from_bytes(key.clone())),
        None => range,
    };
    let found = inner.store.scan(Keyspace::Queues, range.limit(AT_ONCE)).await;
    let found = found.map_err(|error| crate::failures::storage(&error))?;
    let Some((last_key, last_entry)) = found.rows.last() else {
        return end(inner, name, ReplayState::Completed).await;
    };
    let (mut entries, mut last_time) = (Vec::new(), first);
    for (_, entry) in &found.rows {
        let Some(event) = Event::decode(&entry.value) else { continue };
        entries.push(New { value: again(inner, name, (&record, event)).encode(), ..New::default() });
    }
    if let Some(event) = Event::decode(&last_entry.value) {
        last_time = time_of(&serde_json::from_str(&event.text).unwrap_or_default(), &event);
    }
    let bus = name.place.clone().name(&record.bus);
    let Some(bus) = inner.registry.bus(&bus) else { return end(inner, name, ReplayState::Failed).await };
    match bus.queue.enqueue(entries).await {
        Ok(_) => {}
        Err(QueueError::Closed) => return end(inner, name, ReplayState::Failed).await,
        Err(error) => return Err(crate::failures::of_queue(error)),
    }
    let key = last_key.as_bytes().to_vec();
    let noted = inner.registry.put_replay(name, |found| {
        let mut record = found.cloned().ok_or_else(|| crate::failures::no_such("Replay", name))?;
        if record.state == ReplayState::Starting {
            record.state = ReplayState::Running;
        }
        record.last = Some((last_time, key));
        Ok(record)
    });
    noted.await.map(|_| true)
}

/// An archived event as it is replayed: with the name of the replay, and for its rules only.
fn again(inner: &Inner, name: &Name, (record, event): (&ReplayRecord, Event)) -> Event {
    let text = event.text.trim_end();
    let text = text.strip_suffix('}').unwrap_or(text);
    Event {
        text: format!("{text},\"replay-name\":{}}}", Value::from(name.name.as_str())),
        at: inner.clock.now().millis(),
        replayed: true,
        rules: record.rules.clone(),
        ..event
    }
}

async fn end(inner: &Inner, name: &Name, state: ReplayState) -> Result<bool, Failure> {
    let now = inner.clock.now();
    let ended = inner.registry.put_replay(name, |found| {
        let mut record = found.cloned().ok_or_else(|| crate::failures::no_such("Replay", name))?;
        // Cancelled at the last moment.
        record.state = if record.state == ReplayState::Cancelling { ReplayState::Cancelled } else { state };
        record.ended = Some(now);
        Ok(record)
    });
    ended.await.map(|_| false)
}
