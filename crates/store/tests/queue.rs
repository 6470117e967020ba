//! Durable queues over both engines: what a claimer may rely on, also after the store was opened anew.

use bytes::Bytes;
use hearth_base::{BoxFuture, Clock, Rng, SeededRng, Timestamp, VirtualClock};
use hearth_store::memory::{self, Memory};
use hearth_store::queue::{
    Claim, Claimed, Claimers, Counts, Discipline, EntryId, Extension, New, Queue, QueueOptions, Queues, Settled,
};
use hearth_store::{DataDirectory, Keyspace, Shard, Store};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const START: i64 = 1_750_000_000_000;

/// A store that can be opened anew.
struct Ground {
    clock: Arc<VirtualClock>,
    directory: Option<tempfile::TempDir>,
    memory: Arc<Memory>,
    seed: u64,
}

impl Ground {
    fn all() -> [Self; 2] {
        let make = |directory| {
            let clock = Arc::new(VirtualClock::new(Timestamp::from_millis(START)));
            let memory = Arc::new(Memory::new(clock.clone(), memory::Options::default()));
            Self { clock, directory, memory, seed: 0 }
        };
        [make(None), make(Some(tempfile::tempdir().expect("a temporary directory can be made")))]
    }

    fn queues(&mut self) -> Queues {
        self.queues_of(Claimers::Elsewhere)
    }

    fn queues_of(&mut self, claimers: Claimers) -> Queues {
        self.seed += 1;
        let store: Store = match &self.directory {
            None => self.memory.clone(),
            Some(directory) => {
                let directory =
                    DataDirectory::open(&directory.path().join("data")).expect("the directory is free");
                directory.store(self.clock.clone()).expect("the store opens")
            }
        };
        Queues::new(QueueOptions {
            store,
            shard: Shard::new(Keyspace::Queues, "test"),
            name: "test",
            clock: self.clock.clone(),
            rng: Arc::new(SeededRng::new(self.seed)),
            claimers,
        })
    }

    fn claim(&self, max: usize) -> Claim {
        Claim {
            max,
            until: self.clock.now().after(Duration::from_secs(10)),
            since: Timestamp::default(),
            delay: Duration::ZERO,
            claimed_max: 1_000,
            dead: None,
            again: Vec::new(),
        }
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

fn new(value: &str) -> New {
    New { value: Bytes::from(value.to_owned()), ..New::default() }
}

fn values(claimed: &[Claimed]) -> Vec<String> {
    claimed
        .iter()
        .map(|claimed| String::from_utf8(claimed.value.to_vec()).expect("values are text here"))
        .collect()
}

async fn counts(queue: &Queue) -> Counts {
    queue.counts(Duration::ZERO).await.expect("the queue can be counted")
}

const ID: EntryId = EntryId(7);

/// A clock whose sleepers wake later than its time comes, as those of a busy machine do.
#[derive(Default)]
struct Lagging {
    millis: AtomicI64,
}

impl Clock for Lagging {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(START + self.millis.load(Ordering::Relaxed))
    }

    fn sleep_until(&self, _: Timestamp) -> BoxFuture<'static, ()> {
        // In these tests nobody's sleep ends by itself.
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn who_waits_is_told_of_what_others_have_found_to_be_back() {
    let clock = Arc::new(Lagging::default());
    let memory = Arc::new(Memory::new(clock.clone(), memory::Options::default()));
    let queues = Queues::new(QueueOptions {
        store: memory,
        shard: Shard::new(Keyspace::Queues, "test"),
        name: "test",
        clock: clock.clone(),
        rng: Arc::new(SeededRng::new(1)),
        claimers: Claimers::Elsewhere,
    });
    for find in ["count", "remove", "extend", "transfer"] {
        let queue = queues.queue(queues.next_id(), Discipline::Standard);
        let claim = |clock: &Lagging| Claim {
            max: 1,
            until: clock.now().after(Duration::from_secs(10)),
            since: Timestamp::default(),
            delay: Duration::ZERO,
            claimed_max: 1_000,
            dead: None,
            again: Vec::new(),
        };
        queue.enqueue(vec![new("a"), new("b")]).await.unwrap();
        let other = queue.claim(claim(&clock)).await.unwrap();
        queue.claim(claim(&clock)).await.unwrap();
        let (waiting, waiters_clock) = (queue.clone(), clock.clone());
        let waiter = tokio::spawn(async move {
            let never = Timestamp::from_millis(i64::MAX / 2);
            waiting.claim_within(never, || claim(&waiters_clock)).await.unwrap()
        });
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        clock.millis.fetch_add(11_000, Ordering::Relaxed);
        match find {
            "count" => drop(queue.counts(Duration::ZERO).await.unwrap()),
            "remove" => drop(queue.remove(vec![other[0].receipt]).await.unwrap()),
            "extend" => {
                let wait = Duration::from_secs(1);
                let extension = Extension { receipt: other[0].receipt, wait, total_max: wait };
                drop(queue.extend(vec![extension]).await.unwrap());
            }
            _ => drop(queue.transfer(0, Arc::new(|_| None)).await.unwrap()),
        }
        let found = tokio::time::timeout(Duration::from_secs(10), waiter).await;
        assert!(found.is_ok_and(|found| found.unwrap().len() == 1), "{find}");
    }
}

#[tokio::test]
async fn a_queue_is_at_rest_when_nothing_can_be_claimed_and_nobody_is_at_work() {
    for mut ground in Ground::all() {
        let queues = ground.queues();
        for discipline in [Discipline::Standard, Discipline::Grouped] {
            let queue = queues.queue(queues.next_id(), discipline);
            assert!(queue.is_at_rest().await);
            queue.enqueue(vec![new("a")]).await.unwrap();
            assert!(!queue.is_at_rest().await, "it can be claimed");
            let claimed = queue.claim(ground.claim(1)).await.unwrap();
            assert!(!queue.is_at_rest().await, "somebody is at work on it");
            let receipt = claimed[0].receipt;
            drop(claimed);
            assert!(queue.is_at_rest().await, "it waits for its claim to end");
            queue.enqueue(vec![new("b")]).await.unwrap();
            let waits_behind = discipline == Discipline::Grouped;
            assert_eq!(queue.is_at_rest().await, waits_behind);
            queue.remove(vec![receipt]).await.unwrap();
            assert!(!queue.is_at_rest().await);
        }
    }
}

#[tokio::test]
async fn entries_are_claimed_extended_given_back_and_removed_across_restarts() {
    for mut ground in Ground::all() {
        let queues = ground.queues();
        let queue = queues.queue(ID, Discipline::Standard);
        // The time is kept to a tenth of a second, and never later than asked for.
        let due = ground.clock.now().after(Duration::from_millis(5_099));
        let late = New { due: Some(due), ..new("late") };
        queue.enqueue(vec![new("a"), new("b"), late]).await.unwrap();
        assert_eq!(counts(&queue).await, Counts { ready: 2, claimable: true, claimed: 0, delayed: 1 });
        let first = queue.claim(ground.claim(1)).await.unwrap();
        assert_eq!(values(&first), ["a"]);
        drop((queue, queues));
        let queues = ground.queues();
        let queue = queues.queue(ID, Discipline::Standard);
        assert_eq!(counts(&queue).await, Counts { ready: 1, claimable: true, claimed: 1, delayed: 1 });
        let extension = |seconds| Extension {
            receipt: first[0].receipt,
            wait: Duration::from_secs(seconds),
            total_max: Duration::from_secs(100),
        };
        assert_eq!(
            queue.extend(vec![extension(20), extension(101)]).await.unwrap(),
            [Settled::Done, Settled::TooLong]
        );
        ground.advance(15);
        assert_eq!(values(&queue.claim(ground.claim(10)).await.unwrap()), ["b", "late"]);
        assert_eq!(queue.extend(vec![extension(0)]).await.unwrap(), [Settled::Done]);
        let again = queue.claim(ground.claim(10)).await.unwrap();
        assert_eq!((values(&again), again[0].claims), (vec!["a".to_owned()], 2));
        let (stale, fresh) = (first[0].receipt, again[0].receipt);
        assert_eq!(
            queue.remove(vec![stale, fresh, fresh]).await.unwrap(),
            [Settled::Stale, Settled::Done, Settled::Gone]
        );
        drop((queue, queues));
        let queue = ground.queues().queue(ID, Discipline::Standard);
        assert_eq!(counts(&queue).await, Counts { ready: 0, claimable: false, claimed: 2, delayed: 0 });
    }
}

#[tokio::test]
async fn what_tasks_held_that_are_gone_is_free_and_what_they_gave_back_waits() {
    for mut ground in Ground::all() {
        let queues = ground.queues_of(Claimers::Here);
        let queue = queues.queue(ID, Discipline::Standard);
        queue.enqueue(vec![new("held"), new("waits"), new("fresh")]).await.unwrap();
        let claimed = queue.claim(ground.claim(2)).await.unwrap();
        assert_eq!(values(&claimed), ["held", "waits"]);
        let wait = Duration::from_secs(20);
        let extension = Extension { receipt: claimed[1].receipt, wait, total_max: Duration::from_secs(100) };
        assert_eq!(queue.extend(vec![extension]).await.unwrap(), [Settled::Done]);
        drop((queue, queues, claimed));
        let queues = ground.queues_of(Claimers::Here);
        let queue = queues.queue(ID, Discipline::Standard);
        let found = queue.claim(ground.claim(10)).await.unwrap();
        let claims: Vec<u32> = found.iter().map(|claimed| claimed.claims).collect();
        assert_eq!((values(&found), claims), (vec!["held".to_owned(), "fresh".to_owned()], vec![2, 1]));
        drop((queue, queues));
        let queue = ground.queues().queue(ID, Discipline::Standard);
        assert!(queue.claim(ground.claim(10)).await.unwrap().is_empty(), "claims of others hold");
        ground.advance(20);
        assert_eq!(queue.claim(ground.claim(10)).await.unwrap().len(), 3);
    }
}

#[tokio::test]
async fn many_at_once_get_everything_once() {
    for mut ground in Ground::all() {
        let queue = ground.queues().queue(ID, Discipline::Standard);
        let mut tasks = Vec::new();
        for producer in 0..8 {
            let queue = queue.clone();
            tasks.push(tokio::spawn(async move {
                for number in 0..250 {
                    queue.enqueue(vec![new(&format!("{producer}-{number}"))]).await.unwrap();
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        let mut seen = BTreeSet::new();
        loop {
            let claimed = queue.claim(Claim { claimed_max: 10_000, ..ground.claim(7) }).await.unwrap();
            if claimed.is_empty() {
                break;
            }
            assert!(values(&claimed).into_iter().all(|value| seen.insert(value)));
        }
        assert_eq!(seen.len(), 2_000);
    }
}

#[tokio::test]
async fn groups_block_behind_what_is_claimed_and_tokens_enqueue_once() {
    for mut ground in Ground::all() {
        let queue = ground.queues().queue(ID, Discipline::Grouped);
        let grouped = |group: &'static str, value| New {
            group: Some(Bytes::from_static(group.as_bytes())),
            once: Some(Bytes::from_static(b"token")).filter(|_| value == "once"),
            ..new(value)
        };
        let entries = vec![
            grouped("g", "1"),
            grouped("g", "2"),
            grouped("h", "3"),
            grouped("h", "once"),
            grouped("h", "once"),
        ];
        let enqueued = queue.enqueue(entries).await.unwrap();
        assert_eq!(enqueued[3], enqueued[4]);
        let first = queue.claim(ground.claim(1)).await.unwrap();
        assert_eq!(values(&first), ["1"]);
        assert_eq!(values(&queue.claim(ground.claim(10)).await.unwrap()), ["3", "once"]);
        assert_eq!(queue.remove(vec![first[0].receipt]).await.unwrap(), [Settled::Done]);
        assert_eq!(values(&queue.claim(ground.claim(10)).await.unwrap()), ["2"]);
        drop(queue);
        let queue = ground.queues().queue(ID, Discipline::Grouped);
        ground.advance(10);
        assert_eq!(values(&queue.claim(ground.claim(10)).await.unwrap()), ["2", "3", "once"]);
        assert_eq!(queue.enqueue(vec![grouped("h", "once")]).await.unwrap(), [enqueued[3].clone()]);
    }
}

/// What a client knows of its entries when it was told of everything, and of some things only that they failed.
#[derive(Default)]
struct Known {
    acknowledged: BTreeSet<String>,
    removed: BTreeSet<String>,
    /// Removals that failed: they may have been done.
    perhaps_removed: BTreeSet<String>,
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_or_comes_back_when_commits_fail() {
    for seed in 0..200 {
        let [mut ground, _] = Ground::all();
        let rng = SeededRng::new(seed);
        let below = |bound: u64| usize::try_from(rng.next_u64() % bound).expect("it is small");
        let discipline = if seed % 2 == 0 { Discipline::Standard } else { Discipline::Grouped };
        let mut queue = ground.queues().queue(ID, discipline);
        let mut known = Known::default();
        for step in 0..200 {
            if below(4) == 0 {
                let faults = [memory::Fault::Full, memory::Fault::Failed, memory::Fault::FailedButApplied];
                ground.memory.faults().fail(1, faults[below(3)]);
            }
            match below(8) {
                0..4 => {
                    let value = format!("{}-{step:03}", below(3));
                    let group = Some(Bytes::from(value[..1].to_owned()));
                    let group = group.filter(|_| discipline == Discipline::Grouped);
                    if queue.enqueue(vec![New { group, ..new(&value) }]).await.is_ok() {
                        known.acknowledged.insert(value);
                    }
                }
                4..7 => {
                    let Ok(claimed) = queue.claim(ground.claim(2)).await else { continue };
                    for (value, entry) in values(&claimed).into_iter().zip(&claimed) {
                        assert!(!known.removed.contains(&value), "{seed}: {value} was removed and came back");
                        match queue.remove(vec![entry.receipt]).await {
                            Ok(settled) if settled == [Settled::Done] => drop(known.removed.insert(value)),
                            Ok(settled) => {
                                panic!("{seed}: {value} was claimed, and removing it is {settled:?}")
                            }
                            Err(_) => drop(known.perhaps_removed.insert(value)),
                        }
                    }
                }
                _ if below(4) == 0 => queue = ground.queues().queue(ID, discipline),
                _ => ground.advance(11),
            }
        }
        // A fault that waits for a commit must not meet the last ones.
        let _ = queue.enqueue(vec![new("last")]).await;
        let queue = ground.queues().queue(ID, discipline);
        let mut left = Vec::new();
        for _ in 0..200 {
            ground.advance(11);
            for entry in queue.claim(ground.claim(10)).await.unwrap() {
                left.extend(values(std::slice::from_ref(&entry)));
                queue.remove(vec![entry.receipt]).await.unwrap();
            }
        }
        let lost: Vec<_> = known
            .acknowledged
            .iter()
            .filter(|value| !known.removed.contains(*value) && !known.perhaps_removed.contains(*value))
            .filter(|value| !left.contains(value))
            .collect();
        assert!(lost.is_empty(), "{seed}: acknowledged and lost: {lost:?}");
        assert!(left.iter().all(|value| !known.removed.contains(value)), "{seed}: removed and there again");
        if discipline == Discipline::Grouped {
            for group in ["0", "1", "2"] {
                let of: Vec<_> = left.iter().filter(|value| value.starts_with(group)).collect();
                assert!(of.is_sorted(), "{seed}: out of order: {of:?}");
            }
        }
    }
}
