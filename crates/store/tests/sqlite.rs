//! What only the embedded engine has: files, a bounded queue before each, and strangers that lock them.
#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

use futures_util::FutureExt;
use futures_util::future::join_all;
use hearth_base::SystemClock;
use hearth_store::limits::{COMMITS_WAITING_BYTES_MAX, COMMITS_WAITING_MAX, VALUE_BYTES_MAX};
use hearth_store::sqlite::{Options, Sqlite};
use hearth_store::{Batch, CommitError, Engine, Key, Keyspace, Range, Shard};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn open(directory: &Path) -> Sqlite {
    Sqlite::open(directory, Arc::new(SystemClock), Options::default()).unwrap()
}

fn batch() -> Batch {
    Batch::new(Shard::new(Keyspace::Metadata, "test"))
}

fn key(number: usize) -> Key {
    Key::of(&["k"]).with_number(number as u64)
}

/// Holds the write lock of a keyspace's file, as someone at SQLite's shell may.
fn lock(directory: &Path, keyspace: Keyspace) -> rusqlite::Connection {
    let stranger = rusqlite::Connection::open(directory.join(format!("{keyspace}.db"))).unwrap();
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    stranger
}

/// The write-ahead log of older versions can lose commits: <https://sqlite.org/wal.html#walresetbug>.
#[test]
fn the_bundled_library_is_new_enough() {
    assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
}

#[tokio::test]
async fn a_full_queue_is_told_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let stranger = lock(directory.path(), Keyspace::Metadata);
    let mut waiting = Vec::new();
    let busy = loop {
        let mut commit = store.commit(batch().put(key(waiting.len()), "v"));
        match (&mut commit).now_or_never() {
            None => waiting.push(commit),
            Some(answer) => break answer.unwrap_err(),
        }
    };
    assert!(matches!(busy, CommitError::Busy), "{busy}");
    // The writer holds a group of its own beside the queue.
    assert!((COMMITS_WAITING_MAX..COMMITS_WAITING_MAX + 1024).contains(&waiting.len()), "{}", waiting.len());
    // Other keyspaces do not notice.
    store.commit(Batch::new(Shard::new(Keyspace::Logs, "test")).put(key(0), "v")).await.unwrap();

    drop(stranger);
    assert!(join_all(waiting).await.iter().all(Result::is_ok));
    store.commit(batch().put(key(0), "v")).await.unwrap();
}

#[tokio::test]
async fn the_queue_is_bounded_in_bytes_too() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let stranger = lock(directory.path(), Keyspace::Metadata);
    let value = vec![0; VALUE_BYTES_MAX];
    let commits = (0..2 * COMMITS_WAITING_BYTES_MAX / VALUE_BYTES_MAX)
        .map(|number| store.commit(batch().put(key(number), value.clone())));
    let mut waiting: Vec<_> = commits.map(FutureExt::boxed).collect();
    let answered = waiting.iter_mut().filter_map(|commit| commit.now_or_never());
    let busy = answered.inspect(|answer| assert!(matches!(answer, Err(CommitError::Busy)))).count();
    assert!(busy >= waiting.len() / 3, "{busy}");
    drop(stranger);
    while store.commit(batch().put(key(0), "v")).await.is_err() {}
}

#[tokio::test]
async fn a_stranger_who_keeps_the_lock_fails_commits_but_breaks_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.commit(batch().put(key(0), "before")).await.unwrap();
    let stranger = lock(directory.path(), Keyspace::Metadata);
    let error = store.commit(batch().put(key(0), "during")).await.unwrap_err();
    assert!(matches!(error, CommitError::Failed(_)), "{error}");
    assert!(error.to_string().contains("metadata.db"), "{error}");
    let entry = store.get(Keyspace::Metadata, &key(0)).await.unwrap().unwrap();
    assert_eq!(entry.value, "before");
    drop(stranger);
    store.commit(batch().put(key(0), "after")).await.unwrap();
}

#[tokio::test]
async fn dropping_waits_for_the_commits_that_were_taken() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let stranger = lock(directory.path(), Keyspace::Metadata);
    for number in 0..500 {
        assert!(store.commit(batch().put(key(number), "v")).now_or_never().is_none());
    }
    drop(stranger);
    drop(store);
    let scan = open(directory.path()).scan(Keyspace::Metadata, Range::prefix(&Key::default())).await;
    assert_eq!(scan.unwrap().rows.len(), 500);
    assert!(!directory.path().join("metadata.db-wal").exists(), "a clean end leaves no log behind");
}

#[test]
fn the_log_stays_bounded_while_readers_never_pause() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = Options::default();
    options.checkpoint_bytes = 64 << 10;
    let store = Sqlite::open(directory.path(), Arc::new(SystemClock), options).unwrap();
    let file = directory.path().join("metadata.db");
    let log_bytes = || std::fs::metadata(directory.path().join("metadata.db-wal")).unwrap().len();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Hand over hand: one is always in the middle of the log, which keeps SQLite from starting it over by itself.
        scope.spawn(|| {
            let readers = [(); 2].map(|()| rusqlite::Connection::open(&file).unwrap());
            let begin = |reader: &rusqlite::Connection| {
                reader.execute_batch("BEGIN").unwrap();
                // Some commits' time.
                for _ in 0..200 {
                    reader.query_row("SELECT sum(length(value)) FROM entry", [], |_| Ok(())).unwrap();
                }
            };
            begin(&readers[0]);
            for turn in 0.. {
                begin(&readers[(turn + 1) % 2]);
                readers[turn % 2].execute_batch("COMMIT").unwrap();
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let commits = async {
            for number in 0..3_000 {
                store.commit(batch().put(key(number % 50), vec![0; 2_000])).await.unwrap();
            }
            // A look that finds readers slow leaves the log to the next: it is bounded when one of them has its way.
            for number in 0..3_000 {
                if log_bytes() < 8 << 20 {
                    break;
                }
                store.commit(batch().put(key(number % 50), vec![0; 2_000])).await.unwrap();
            }
        };
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(commits);
        done.store(true, Ordering::Relaxed);
    });
    let log = log_bytes();
    assert!(log < 8 << 20, "{log}");
}
