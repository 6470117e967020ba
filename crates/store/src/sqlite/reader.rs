//! The read side of a file: a bounded pool of connections, used off the async threads.
//!
//! It refuses to write. Each read sees one moment, at or after the last acknowledged commit.

use super::{Options, file};
use crate::{Entry, Error, Key, Range, Revision, Scan};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

pub(super) struct Readers {
    path: PathBuf,
    options: Options,
    /// One permit a connection, so that a reader who has a permit finds a connection idle or may open one.
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

/// A connection out of the pool; it goes back when dropped, also by a panic.
struct Lent<'a> {
    connection: Option<Connection>,
    readers: &'a Readers,
}

impl Readers {
    pub(super) fn new(path: PathBuf, options: Options) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(options.readers));
        Arc::new(Self { path, options, permits, idle: Mutex::default() })
    }

    pub(super) async fn get(self: &Arc<Self>, key: Key) -> Result<Option<Entry>, Error> {
        self.read(move |connection| {
            connection
                .prepare_cached("SELECT revision, value FROM entry WHERE key = ?1")?
                .query_row([key.as_bytes()], |row| entry(row, 0))
                .optional()
        })
        .await
    }

    pub(super) async fn scan(self: &Arc<Self>, range: Range) -> Result<Scan, Error> {
        self.read(move |connection| {
            let (start, end) = range.bounds();
            let order = if range.is_reverse() { "DESC" } else { "ASC" };
            let below = if end.is_some() { "AND key < ?2" } else { "AND ?2 IS NULL" };
            let value = if range.is_keys_only() { "x''" } else { "value" };
            let sql = format!(
                "SELECT key, revision, {value} FROM entry WHERE key >= ?1 {below} ORDER BY key {order} LIMIT ?3"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            // One more than asked for tells whether there is more.
            let limit = i64::try_from(range.rows_max() + 1).unwrap_or(i64::MAX);
            let end = end.as_ref().map(Key::as_bytes);
            let rows = statement.query_map(params![start.as_bytes(), end, limit], |row| {
                Ok((Key::from_bytes(row.get::<_, Vec<u8>>(0)?), entry(row, 1)?))
            })?;
            range.collect(rows)
        })
        .await
    }

    async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = self.permits.clone().acquire_owned().await.expect("the semaphore is never closed");
        let readers = self.clone();
        let read = move || {
            // The permit lives as long as the work, also when the caller gives up waiting.
            let _permit = permit;
            let lent = readers.lend()?;
            work(lent.connection.as_ref().expect("a lent connection is there until it is dropped"))
        };
        let failed = |source| file::failed("read", &self.path, source);
        match tokio::task::spawn_blocking(read).await {
            Ok(result) => result.map_err(failed),
            Err(join) => Err(file::failed("read", &self.path, join)),
        }
    }

    fn lend(&self) -> rusqlite::Result<Lent<'_>> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => file::open_reader(&self.path, &self.options)?,
        };
        Ok(Lent { connection: Some(connection), readers: self })
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let connection = self.connection.take();
        self.readers.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(connection);
    }
}

fn entry(row: &Row<'_>, first: usize) -> rusqlite::Result<Entry> {
    let revision = Revision(row.get::<_, i64>(first)?.unsigned_abs());
    Ok(Entry { revision, value: row.get::<_, Vec<u8>>(first + 1)?.into() })
}
