//! What goes on in the background: removing what was deleted and what has expired, and storing the count of bytes.
//!
//! Everything is removed in batches of bounded size. A crash in the middle loses nothing: tombstones and the activity index say what is left to do.

use crate::Inner;
use crate::Service;
use crate::chunk::{self, BUCKET_MS, ChunkKey};
use crate::model::LogGroup;
use crate::ops::EVENT_OVERHEAD_BYTES;
use crate::position::{Id, Position};
use crate::stored_bytes::{Counted, StoredBytes};
use crate::table::{self, Activity, TableError, Tables};
use hearth_store::{Key, Range};
use std::collections::HashSet;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Between two turns when nothing is deleted in between.
const INTERVAL: Duration = Duration::from_secs(60);
/// Rows that one batch removes.
const ROWS_MAX: usize = 500;

/// The running background work. Dropping it ends the work at once, [`Handle::stop`] in good order.
pub struct Handle {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Handle {
    /// Ends the work and stores what is in memory only. What was being removed is taken up again at the next start.
    pub async fn stop(mut self) {
        // Without a receiver the task has ended already.
        let _ = self.stop.send(true);
        let _ = (&mut self.task).await;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn start(service: Service) -> Handle {
    let (stop, mut stopped) = watch::channel(false);
    let task = tokio::spawn(async move {
        let inner = &service.inner;
        tokio::select! {
            () = work(inner) => {}
            _ = stopped.wait_for(|stop| *stop) => {}
        }
        if let Err(error) = inner.stored_bytes.store(&inner.tables).await {
            tracing::error!(%error, "cannot store how many bytes log groups hold");
        }
    });
    Handle { stop, task }
}

/// Does what there is to do, again and again.
async fn work(inner: &Inner) {
    loop {
        if let Err(error) = turn(inner).await {
            tracing::error!(%error, "cannot remove old log events; trying again");
        }
        tokio::select! {
            () = inner.clock.idle_until(inner.clock.now().after(INTERVAL)) => {}
            () = inner.deleted.notified() => {}
        }
    }
}

/// Does all there is to do once.
pub(crate) async fn turn(inner: &Inner) -> Result<(), TableError> {
    let Inner { tables, clock, stored_bytes, .. } = inner;
    remove_deleted(tables, stored_bytes).await?;
    remove_expired(tables, stored_bytes, clock.now()).await?;
    stored_bytes.store(tables).await
}

/// Removes what tombstones name, then the tombstones.
async fn remove_deleted(tables: &Tables, stored_bytes: &StoredBytes) -> Result<(), TableError> {
    let prefix = table::deleted();
    loop {
        let scan = tables.scan(Range::prefix(&prefix).limit(ROWS_MAX)).await?;
        if scan.rows.is_empty() {
            return Ok(());
        }
        for (tombstone, entry) in scan.rows {
            let ids: Vec<Id> = tombstone
                .parts_after(&prefix)
                .unwrap_or_default()
                .iter()
                .filter_map(|part| table::read_id(part))
                .collect();
            match ids[..] {
                [group] => remove_group(tables, stored_bytes, group).await?,
                [group, stream] => {
                    let range = Range::prefix(&table::events_of_stream(group, stream));
                    let group = Counted { id: group, key: Key::from_bytes(entry.value) };
                    let removal = Removal { group: &group, range, with_activity: true };
                    remove_events(tables, stored_bytes, removal).await?;
                }
                _ => {}
            }
            tables.commit(tables.batch().delete(tombstone)).await?;
        }
    }
}

async fn remove_group(tables: &Tables, stored_bytes: &StoredBytes, group: Id) -> Result<(), TableError> {
    let all = [
        table::events_of_group(group),
        table::activity_of_group(group),
        tables.streams.key(&[&group.to_string()]),
    ];
    for prefix in all {
        loop {
            let scan = tables.scan(Range::prefix(&prefix).limit(ROWS_MAX)).await?;
            if scan.rows.is_empty() {
                break;
            }
            remove(tables, scan.rows.into_iter().map(|(key, _)| key)).await?;
        }
    }
    stored_bytes.forget(group);
    remove(tables, [table::stored_bytes_key(group)]).await
}

/// Removes what is older than each group's retention.
async fn remove_expired(
    tables: &Tables,
    stored_bytes: &StoredBytes,
    now: hearth_base::Timestamp,
) -> Result<(), TableError> {
    let groups = tables.groups.key(&[]);
    let mut range = Range::prefix(&groups);
    loop {
        let scan = tables.scan(range.clone()).await?;
        for (key, entry) in &scan.rows {
            let group: LogGroup = tables.groups.decode(key, entry)?.value;
            let counted = Counted { id: group.id, key: key.clone() };
            remove_expired_of(tables, stored_bytes, (&counted, group.cutoff(now))).await?;
        }
        match scan.rows.last() {
            Some((last, _)) if scan.more => range = range.after(last.clone()),
            _ => return Ok(()),
        }
    }
}

/// Removes a group's buckets that lie wholly before the cutoff. What is younger in the bucket of the cutoff vanishes from answers by itself.
async fn remove_expired_of(
    tables: &Tables,
    stored_bytes: &StoredBytes,
    (counted, cutoff): (&Counted, u64),
) -> Result<(), TableError> {
    let group = counted.id;
    let first = table::activity_of_group(group);
    let end = table::activity_of_bucket(group, chunk::bucket(cutoff));
    if chunk::bucket(cutoff) == 0 {
        return Ok(());
    }
    loop {
        let range = Range::between(first.clone(), Some(end.clone())).limit(ROWS_MAX);
        let scan = tables.scan(range).await?;
        if scan.rows.is_empty() {
            return Ok(());
        }
        for row in &scan.rows {
            if let Some(Activity { bucket, stream, .. }) = table::read_activity(group, row) {
                let events = table::events_of_stream(group, stream);
                let at = |timestamp| table::event_key(&events, ChunkKey(Position::at(timestamp)));
                let range = Range::between(at(bucket * BUCKET_MS), Some(at((bucket + 1) * BUCKET_MS)));
                // The notes of activity go last: without them a crash would leave events that nobody finds any more.
                let removal = Removal { group: counted, range, with_activity: false };
                remove_events(tables, stored_bytes, removal).await?;
            }
        }
        remove(tables, scan.rows.into_iter().map(|(key, _)| key)).await?;
    }
}

/// Which events to remove.
struct Removal<'a> {
    group: &'a Counted,
    range: Range,
    /// Whether to remove also the notes of activity that these events were the reason for.
    with_activity: bool,
}

async fn remove_events(
    tables: &Tables,
    stored_bytes: &StoredBytes,
    Removal { group, range, with_activity }: Removal<'_>,
) -> Result<(), TableError> {
    loop {
        let scan = tables.scan(range.clone().limit(ROWS_MAX)).await?;
        if scan.rows.is_empty() {
            return Ok(());
        }
        let mut keys = HashSet::new();
        let mut bytes = 0;
        for (key, entry) in scan.rows {
            if let (true, Some((stream, ChunkKey(first)))) = (with_activity, table::read_event_key(&key)) {
                keys.insert(table::activity_key(group.id, chunk::bucket(first.timestamp), stream));
            }
            bytes += event_bytes(&key, entry.value);
            keys.insert(key);
        }
        remove(tables, keys).await?;
        stored_bytes.add(group, -bytes);
    }
}

/// What a chunk counted for; nothing when it does not read, which must not keep it from being removed.
fn event_bytes(key: &Key, value: bytes::Bytes) -> i64 {
    let events = table::read_events(key, value).unwrap_or_default();
    let bytes: usize = events.iter().map(|event| event.message.len() + EVENT_OVERHEAD_BYTES).sum();
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

async fn remove(tables: &Tables, keys: impl IntoIterator<Item = Key>) -> Result<(), TableError> {
    Ok(tables.commit(keys.into_iter().fold(tables.batch(), hearth_store::Batch::delete)).await?)
}
