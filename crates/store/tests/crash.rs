//! Kills: a child process writes and reports what was acknowledged; SIGKILL comes at a random point, again and again
//! on the same files. Afterwards the store holds exactly what the reports allow.
//!
//! Each writer of the child takes numbered steps, one in flight at a time, and each step changes several keys in one
//! batch. So the whole content of a store follows from each writer's last step, and that can only be the last one
//! acknowledged or the one after it: anything else is loss, and any other content a torn batch.
//!
//! `HEARTH_CRASH_ROUNDS` sets how many kills there are.

#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

use hearth_base::{Rng, SeededRng, SystemClock, SystemRng, id};
use hearth_store::sqlite::{Options, Sqlite};
use hearth_store::{
    Batch, BlobHash, Blobs, CommitError, Engine, Expect, Key, Keyspace, Range, Revision, Shard,
};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const ROUNDS_DEFAULT: usize = 2_000;
const ROUNDS_VARIABLE: &str = "HEARTH_CRASH_ROUNDS";
/// Tells this binary, started again, that it is the child, and where to write.
const CHILD_VARIABLE: &str = "HEARTH_CRASH_CHILD";
const WRITERS: u64 = 8;
/// Keys that each writer goes around.
const SLOTS: u64 = 16;
/// Reports after which the kill comes, at most. Counting them, not time, makes a run as hard on a busy machine as on an idle one.
const REPORTS_MAX: u64 = 32;
/// One child in so many is killed by time alone, from its start on: while it opens and recovers what the last kill left.
const LIVES_WITHOUT_REPORTS: u64 = 4;
const START_MICROSECONDS_MAX: u64 = 10_000;
/// From the last report waited for to the kill, at most: some commits' time.
const LINGER_MICROSECONDS_MAX: u64 = 1_000;
/// One round in so many ends with a look at every key.
const ROUNDS_BETWEEN_LOOKS: usize = 8;
const LEASE: Duration = Duration::from_secs(3600);

#[test]
fn kills_lose_nothing_acknowledged() {
    let rounds = std::env::var(ROUNDS_VARIABLE).map_or(ROUNDS_DEFAULT, |text| text.parse().unwrap());
    let left = AtomicUsize::new(rounds);
    let lanes = std::thread::available_parallelism().map_or(2, |count| count.get().clamp(2, 8));
    let totals: Vec<Lane> = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..lanes).map(|_| scope.spawn(|| kill_repeatedly(&left))).collect();
        lanes.into_iter().map(|lane| lane.join().unwrap()).collect()
    });
    let sum = |count: fn(&Lane) -> u64| totals.iter().map(count).sum::<u64>();
    let (acknowledged, unreported) = (sum(|lane| lane.acknowledged), sum(|lane| lane.unreported));
    println!("{rounds} kills; {acknowledged} commits acknowledged, {unreported} more found applied");
    // A run that killed before anything was written, or never between a commit and its report, would show nothing.
    assert!(acknowledged > rounds as u64, "too few commits: {acknowledged}");
}

/// What the parent knows of one directory.
#[derive(Default)]
struct Lane {
    /// The last step of each writer that was acknowledged or found applied.
    last: BTreeMap<u64, u64>,
    blobs: Vec<BlobHash>,
    acknowledged: u64,
    unreported: u64,
}

fn kill_repeatedly(left: &AtomicUsize) -> Lane {
    let seed = SystemRng.next_u64();
    let rng = SeededRng::new(seed);
    println!("seed {seed:#x}");
    let directory = tempfile::tempdir().unwrap();
    let mut lane = Lane::default();
    let mut round = 0;
    while left.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        round += 1;
        lane.take(&live_and_die(directory.path(), &rng));
        // Mostly the next child finds the files as the kill left them, so that kills hit recovery too.
        if round % ROUNDS_BETWEEN_LOOKS == 0 {
            lane.look(directory.path());
        }
    }
    lane.look(directory.path());
    lane
}

/// One child from start to kill; its reports.
fn live_and_die(directory: &Path, rng: &SeededRng) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(CHILD_VARIABLE, directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reports = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    let microseconds = if rng.next_u64().is_multiple_of(LIVES_WITHOUT_REPORTS) {
        rng.next_u64() % START_MICROSECONDS_MAX
    } else {
        for _ in 0..rng.next_u64() % REPORTS_MAX {
            reports.read_line(&mut text).unwrap();
        }
        rng.next_u64() % LINGER_MICROSECONDS_MAX
    };
    std::thread::sleep(Duration::from_micros(microseconds));
    child.kill().unwrap();
    child.wait().unwrap();
    reports.read_to_string(&mut text).unwrap();
    text
}

impl Lane {
    /// Checks a child's reports against what earlier ones allow.
    fn take(&mut self, report: &str) {
        // A line without its end was cut off by the kill: it says nothing, as no answer says nothing to a caller.
        for line in report.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let words: Vec<&str> = line.split(' ').collect();
            let number = |index: usize| words[index].parse::<u64>().unwrap();
            match words[0] {
                "found" => self.found(number(1), number(2)),
                "done" => {
                    let last = self.last.entry(number(1)).or_default();
                    assert_eq!(number(2), *last + 1, "steps come one after the other");
                    *last += 1;
                    self.acknowledged += 1;
                }
                "blob" => self.blobs.push(words[1].parse().unwrap()),
                _ => panic!("the child says: {report}"),
            }
        }
    }

    /// A writer's last step as it was found in the store.
    fn found(&mut self, writer: u64, step: u64) {
        let last = self.last.entry(writer).or_default();
        assert!(
            step == *last || step == *last + 1,
            "writer {writer}: {step} is stored, {last} was acknowledged"
        );
        self.unreported += step - *last;
        *last = step;
    }

    /// Opens the store and compares every key with what the writers' last steps make of it.
    fn look(&mut self, directory: &Path) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = open(directory);
            let mut expected = BTreeMap::new();
            for writer in 0..WRITERS {
                let (step, _) = last_step(&store, writer).await;
                self.found(writer, step);
                content(writer, step, &mut expected);
            }
            let mut stored = BTreeMap::new();
            for keyspace in Keyspace::ALL {
                let scan = store.scan(keyspace, Range::prefix(&Key::default())).await.unwrap();
                assert!(!scan.more);
                for (key, entry) in scan.rows {
                    stored.insert((keyspace, key), entry.value.to_vec());
                }
            }
            let differing = expected.iter().find(|(at, value)| stored.get(*at) != Some(*value));
            assert!(differing.is_none(), "{:?} is torn", differing.map(|(at, _)| at));
            assert_eq!(stored.len(), expected.len(), "nothing else is stored");

            let blobs = Blobs::open(&directory.join("blobs"), Arc::new(SystemClock)).unwrap();
            for hash in self.blobs.drain(..) {
                blobs.verify(&hash).await.unwrap();
                blobs.delete(&hash).await.unwrap();
            }
            let unfinished = std::fs::read_dir(directory.join("blobs/unfinished")).unwrap();
            assert_eq!(unfinished.count(), 0);
        });
    }
}

/// The child: it writes until it is killed. Started as an ordinary test it does nothing.
#[test]
fn child() {
    let Some(directory) = std::env::var_os(CHILD_VARIABLE).map(PathBuf::from) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = Arc::new(open(&directory));
    runtime.block_on(async {
        let mut work = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            work.spawn(write_steps(store.clone(), writer));
        }
        work.spawn(write_blobs(directory.join("blobs")));
        work.join_all().await;
    });
}

async fn write_steps(store: Arc<Sqlite>, writer: u64) {
    let (mut step, mut revision) = last_step(&store, writer).await;
    report(&format!("found {writer} {step}"));
    // Every life takes the shard over from the one before it.
    let fence = store.acquire(&shard(writer), "child", LEASE).await.unwrap();
    loop {
        step += 1;
        let mut batch = Batch::fenced(fence.clone())
            .expect(last_key(writer), Expect::from(revision))
            .put(last_key(writer), step.to_string());
        let slot = step % SLOTS;
        for side in ["left", "right"] {
            batch = match value(writer, step) {
                Some(value) => batch.put(slot_key(side, writer, slot), value),
                None => batch.delete(slot_key(side, writer, slot)),
            };
        }
        match store.commit(batch).await {
            Ok(sequence) => revision = Some(Revision::from(sequence)),
            Err(CommitError::Busy) => unreachable!("each writer has one commit in flight"),
            Err(error) => panic!("{error}"),
        }
        report(&format!("done {writer} {step}"));
    }
}

async fn write_blobs(directory: PathBuf) {
    let blobs = Blobs::open(&directory, Arc::new(SystemClock)).unwrap();
    loop {
        let content = id::random_hex(&SystemRng, 30_000);
        let hash = blobs.put(content.into()).await.unwrap();
        report(&format!("blob {hash}"));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// One line in one write: a pipe takes it whole.
fn report(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

fn open(directory: &Path) -> Sqlite {
    let mut options = Options::default();
    // Small, so that kills hit checkpoints as well.
    options.checkpoint_bytes = 256 << 10;
    Sqlite::open(&directory.join("store"), Arc::new(SystemClock), options).unwrap()
}

async fn last_step(store: &Sqlite, writer: u64) -> (u64, Option<Revision>) {
    match store.get(shard(writer).keyspace, &last_key(writer)).await.unwrap() {
        None => (0, None),
        Some(entry) => (std::str::from_utf8(&entry.value).unwrap().parse().unwrap(), Some(entry.revision)),
    }
}

/// All that a writer has stored after its step number `last`.
fn content(writer: u64, last: u64, expected: &mut BTreeMap<(Keyspace, Key), Vec<u8>>) {
    let keyspace = shard(writer).keyspace;
    if last > 0 {
        expected.insert((keyspace, last_key(writer)), last.to_string().into_bytes());
    }
    for step in last.saturating_sub(SLOTS - 1).max(1)..=last {
        for side in ["left", "right"] {
            if let Some(value) = value(writer, step) {
                expected.insert((keyspace, slot_key(side, writer, step % SLOTS)), value);
            }
        }
    }
}

/// What a step writes: a few bytes up to more than a page, different in every step. Every fifth deletes.
fn value(writer: u64, step: u64) -> Option<Vec<u8>> {
    if step.is_multiple_of(5) {
        return None;
    }
    let rng = SeededRng::new((step * WRITERS + writer).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut value = vec![0; (rng.next_u64() % 6_000) as usize];
    rng.fill(&mut value);
    Some(value)
}

fn shard(writer: u64) -> Shard {
    Shard::new(Keyspace::ALL[writer as usize % Keyspace::ALL.len()], &format!("writer-{writer}"))
}

fn last_key(writer: u64) -> Key {
    Key::of(&["last"]).with_number(writer)
}

fn slot_key(side: &str, writer: u64, slot: u64) -> Key {
    Key::of(&[side]).with_number(writer).with_number(slot)
}
