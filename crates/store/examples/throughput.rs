//! How fast the embedded engine commits and reads on this machine. Run it with `--release`; the first argument is the
//! directory to write to (a temporary one otherwise), which decides the disk.
//!
//! It refuses to be a promise: syncs differ by a factor of fifty between disks, so the bare cost of one is printed too.
#![allow(clippy::unwrap_used, reason = "a measurement stops where it fails")]

use hearth_base::{Rng, SystemClock, SystemRng};
use hearth_store::sqlite::{Options, Sqlite};
use hearth_store::{Batch, Engine, Key, Keyspace, Range, Shard};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const VALUE_BYTES: usize = 512;
const TASKS: u64 = 64;
const DURATION: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() {
    let temporary = tempfile::tempdir().unwrap();
    let named = std::env::args_os().nth(1);
    let directory = named.as_deref().map_or(temporary.path(), Path::new);
    println!("one write and sync: {:?}", sync_time(directory));
    let opened = Instant::now();
    let store = Sqlite::open(&directory.join("store"), Arc::new(SystemClock), Options::default()).unwrap();
    println!("open, empty: {:?}", opened.elapsed());
    let store = Arc::new(store);
    let shard = |keyspace| Shard::new(keyspace, "measured");
    let value = vec![0xa5; VALUE_BYTES];

    let counter = Arc::new(AtomicU64::new(0));
    let put = |keyspace, key| Batch::new(shard(keyspace)).put(key, value.clone());
    let next = || Key::of(&["k"]).with_number(counter.fetch_add(1, Ordering::Relaxed));
    let random = || Key::of(&["k"]).with_number(SystemRng.next_u64());
    for (name, tasks) in [("1 writer", 1), ("64 writers", TASKS)] {
        let commit = || store.commit(put(Keyspace::Metadata, next()));
        measure(&format!("commits, time-ordered keys, {name}"), tasks, async || {
            commit().await.unwrap();
        })
        .await;
    }
    let commit = || store.commit(put(Keyspace::Logs, random()));
    measure("commits, random keys, 64 writers", TASKS, async || {
        commit().await.unwrap();
    })
    .await;
    measure("put and delete cycles, 64 writers", TASKS, async || {
        let key = next();
        store.commit(put(Keyspace::Queues, key.clone())).await.unwrap();
        store.commit(Batch::new(shard(Keyspace::Queues)).delete(key)).await.unwrap();
    })
    .await;

    let written = counter.load(Ordering::Relaxed);
    for (name, tasks) in [("1 reader", 1), ("64 readers", TASKS)] {
        measure(&format!("gets, {name}"), tasks, async || {
            let key = Key::of(&["k"]).with_number(SystemRng.next_u64() % written);
            drop(store.get(Keyspace::Metadata, &key).await.unwrap());
        })
        .await;
    }
    measure("scans of 100 rows, 64 readers", TASKS, async || {
        let start = Key::of(&["k"]).with_number(SystemRng.next_u64() % written);
        let range = Range::between(start, None).limit(100);
        drop(store.scan(Keyspace::Metadata, range).await.unwrap());
    })
    .await;
    let closed = Instant::now();
    drop(store);
    println!("close: {:?}", closed.elapsed());
    let opened = Instant::now();
    drop(Sqlite::open(&directory.join("store"), Arc::new(SystemClock), Options::default()).unwrap());
    println!("open and close, written: {:?}", opened.elapsed());
}

/// Runs an operation from many places at once and prints how often it was done and how long it took.
async fn measure(name: &str, tasks: u64, operation: impl AsyncFn()) {
    let start = Instant::now();
    let work = (0..tasks).map(|_| async {
        let mut times = Vec::new();
        while start.elapsed() < DURATION {
            let began = Instant::now();
            operation().await;
            times.push(began.elapsed());
        }
        times
    });
    let mut times: Vec<Duration> = futures_util::future::join_all(work).await.concat();
    let rate = times.len() as f64 / start.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    println!("{name}: {rate:.0}/s, p50 {:?}, p99 {:?}, max {:?}", at(0.5), at(0.99), at(1.0));
}

fn sync_time(directory: &Path) -> Duration {
    let path = directory.join("sync");
    let mut file = std::fs::File::create(&path).unwrap();
    let start = Instant::now();
    for _ in 0..100 {
        file.write_all(&[0; 4096]).unwrap();
        file.sync_data().unwrap();
    }
    let each = start.elapsed() / 100;
    std::fs::remove_file(path).unwrap();
    each
}
