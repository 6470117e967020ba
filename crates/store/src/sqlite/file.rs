//! One SQLite file: how it is made, opened and kept from growing.
//!
//! It refuses to know what a batch is; the writer and the readers hold the statements.

use super::Options;
use crate::Error;
use rusqlite::{Connection, OpenFlags};
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long commits are held up for readers to leave the log. Ours take less; a stranger may take for ever.
const LOG_WAIT: Duration = Duration::from_millis(50);
/// Bytes of a page. Set when a file is made; it never changes afterwards.
const PAGE_BYTES: u32 = 4096;
/// How long to wait for someone who looks at the file with SQLite's own shell.
const FOREIGN_LOCK_WAIT: Duration = Duration::from_secs(5);
/// How many times the checkpoint's size the log may reach before readers are waited for.
const LOG_GROWTH_MAX: u64 = 4;
/// Groups of commits between two looks at the log's size.
const LOG_LOOK_GROUPS: u32 = 256;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS entry (
        key BLOB PRIMARY KEY, revision INTEGER NOT NULL, value BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS lease (
        shard TEXT PRIMARY KEY, token INTEGER NOT NULL, owner TEXT, expires INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY CHECK (id = 0), sequence INTEGER NOT NULL) STRICT;
    INSERT OR IGNORE INTO counter VALUES (0, 0);
";

pub(super) fn make_directory(path: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| failed("make", path, source))?;
    path.parent().map_or(Ok(()), sync_directory)
}

pub(super) fn sync_directory(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(|source| failed("sync", path, source))
}

/// The connection of a file's only writer.
pub(super) fn open_writer(path: &Path, options: &Options) -> Result<Connection, Error> {
    let open = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(FOREIGN_LOCK_WAIT)?;
        connection.pragma_update(None, "page_size", PAGE_BYTES)?;
        // The journal mode answers with a row, which tells whether it was taken.
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0))?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "cache_size", cache_size(options.writer_cache_bytes))?;
        connection.pragma_update(None, "wal_autocheckpoint", options.checkpoint_bytes / PAGE_BYTES)?;
        connection.pragma_update(None, "journal_size_limit", options.checkpoint_bytes)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        connection.execute_batch(&format!("BEGIN IMMEDIATE; {SCHEMA} COMMIT;"))?;
        Ok(connection)
    };
    open().map_err(|source: rusqlite::Error| failed("open", path, source))
}

/// A connection that only reads.
pub(super) fn open_reader(path: &Path, options: &Options) -> rusqlite::Result<Connection> {
    // Opened for writing all the same: readers of a write-ahead log write their marks into its index.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(FOREIGN_LOCK_WAIT)?;
    connection.pragma_update(None, "cache_size", cache_size(options.reader_cache_bytes))?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// SQLite takes a negative cache size as KiB.
fn cache_size(bytes: u32) -> i64 {
    -i64::from(bytes / 1024)
}

pub(super) fn failed(
    act: &'static str,
    path: &Path,
    source: impl std::error::Error + Send + Sync + 'static,
) -> Error {
    Error::Failed { act, object: path.display().to_string(), source: Arc::new(source) }
}

/// Keeps the write-ahead log bounded. SQLite starts it over after a checkpoint only when no reader is in it at that
/// moment; under reads without a gap that moment must be waited for.
pub(super) struct Log {
    path: PathBuf,
    bytes_max: u64,
    groups: u32,
}

impl Log {
    pub(super) fn new(file: &Path, checkpoint_bytes: u32) -> Self {
        let mut path = file.as_os_str().to_owned();
        path.push("-wal");
        Self { path: path.into(), bytes_max: u64::from(checkpoint_bytes) * LOG_GROWTH_MAX, groups: 0 }
    }

    /// Called after every group of commits.
    pub(super) fn bound(&mut self, connection: &Connection) {
        self.groups += 1;
        if self.groups < LOG_LOOK_GROUPS {
            return;
        }
        self.groups = 0;
        if !fs::metadata(&self.path).is_ok_and(|metadata| metadata.len() > self.bytes_max) {
            return;
        }
        // Nothing is lost when it does not succeed: everything is in the log, and the next look tries again.
        if let Err(error) = start_over(connection) {
            tracing::warn!(log = %self.path.display(), %error, "the write-ahead log could not be started over");
        }
    }
}

fn start_over(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(LOG_WAIT)?;
    let result = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    connection.busy_timeout(FOREIGN_LOCK_WAIT)?;
    result
}
