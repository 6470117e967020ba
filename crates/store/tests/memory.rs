//! The in-memory engine's own: its bound, its reset, and the faults that tests inject.
#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

use futures_util::FutureExt;
use hearth_base::{Timestamp, VirtualClock};
use hearth_store::memory::{Fault, Memory, Options};
use hearth_store::{
    Batch, CommitError, Engine, Error, Expect, Key, Keyspace, LeaseError, Range, Revision, Shard,
};
use std::sync::Arc;
use std::time::Duration;

fn memory(bytes_max: usize) -> (Arc<VirtualClock>, Memory) {
    let clock = Arc::new(VirtualClock::new(Timestamp::from_seconds(1_700_000_000)));
    (clock.clone(), Memory::new(clock, Options { bytes_max }))
}

fn shard() -> Shard {
    Shard::new(Keyspace::Queues, "test")
}

fn put(name: &str) -> Batch {
    Batch::new(shard()).put(Key::of(&[name]), "value")
}

async fn names(memory: &Memory) -> Vec<String> {
    let scan = memory.scan(Keyspace::Queues, Range::prefix(&Key::default())).await.unwrap();
    scan.rows.iter().map(|(key, _)| key.to_string()).collect()
}

#[tokio::test]
async fn it_holds_no_more_than_it_may() {
    let (_, memory) = memory(10_000);
    let mut count = 0u64;
    let error = loop {
        match memory.commit(Batch::new(shard()).put(Key::of(&["k"]).with_number(count), "v")).await {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, CommitError::Full { .. }));
    assert!((10..100).contains(&count), "{count}");
    memory.commit(Batch::new(shard()).delete(Key::of(&["k"]).with_number(0))).await.unwrap();
    memory.commit(put("k")).await.unwrap();
    // Writing over and deleting gives back as much as was taken.
    memory.clear();
    for _ in 0..1_000 {
        memory.commit(put("k")).await.unwrap();
        memory.commit(put("l")).await.unwrap();
        memory.commit(Batch::new(shard()).delete(Key::of(&["l"]))).await.unwrap();
    }
}

#[tokio::test]
async fn clearing_forgets_all_and_voids_what_others_hold() {
    let (_, memory) = memory(1 << 20);
    let old = memory.commit(put("a")).await.unwrap();
    let fence = memory.acquire(&shard(), "one", Duration::from_secs(10)).await.unwrap();
    let mut watch = memory.watch(Keyspace::Queues, &Key::of(&["a"]));
    memory.clear();
    watch.changed().now_or_never().unwrap();
    assert_eq!(names(&memory).await, [] as [&str; 0]);
    assert!(memory.commit(Batch::fenced(fence.clone())).await.is_err());
    assert!(matches!(memory.renew(&fence, Duration::ZERO).await, Err(LeaseError::Lost { .. })));
    memory.acquire(&shard(), "two", Duration::from_secs(10)).await.unwrap();
    memory.commit(put("a")).await.unwrap();
    let stale = put("a").expect(Key::of(&["a"]), Expect::Revision(Revision::from(old)));
    assert!(memory.commit(stale).await.is_err());
}

#[tokio::test]
async fn the_nth_commit_fails_as_asked() {
    let (_, memory) = memory(1 << 20);
    for (fault, applied) in [(Fault::Full, false), (Fault::Failed, false), (Fault::FailedButApplied, true)] {
        memory.clear();
        memory.faults().fail(2, fault);
        memory.commit(put("a")).await.unwrap();
        let error = memory.commit(put("b")).await.unwrap_err();
        assert_eq!(matches!(error, CommitError::Full { .. }), fault == Fault::Full, "{error}");
        memory.commit(put("c")).await.unwrap();
        let expected: &[&str] = if applied { &["a", "b", "c"] } else { &["a", "c"] };
        assert_eq!(names(&memory).await, expected, "{fault:?}");
    }
    memory.faults().fail(1, Fault::Failed);
    let refused = memory.acquire(&shard(), "one", Duration::from_secs(10)).await;
    assert!(matches!(refused, Err(LeaseError::Commit(_))));
    memory.acquire(&shard(), "two", Duration::from_secs(10)).await.unwrap();
}

#[tokio::test]
async fn commits_wait_for_the_clock_or_to_be_let_go() {
    let (clock, memory) = memory(1 << 20);
    memory.faults().delay(Duration::from_secs(1));
    let mut slow = memory.commit(put("slow"));
    assert!((&mut slow).now_or_never().is_none());
    clock.advance(Duration::from_millis(999));
    assert!((&mut slow).now_or_never().is_none());
    assert_eq!(names(&memory).await, [] as [&str; 0]);
    clock.advance(Duration::from_millis(1));
    slow.await.unwrap();

    memory.faults().delay(Duration::ZERO);
    memory.faults().hold();
    let mut held = memory.commit(put("held"));
    assert!((&mut held).now_or_never().is_none());
    memory.faults().resume();
    held.await.unwrap();
    assert_eq!(names(&memory).await, ["held", "slow"]);
}

#[tokio::test]
async fn a_crash_discards_what_was_not_acknowledged_and_nothing_else() {
    let (_, memory) = memory(1 << 20);
    memory.commit(put("acknowledged")).await.unwrap();
    let fence = memory.acquire(&shard(), "one", Duration::from_secs(10)).await.unwrap();
    memory.faults().hold();
    let mut lost = memory.commit(put("in flight"));
    assert!((&mut lost).now_or_never().is_none());
    memory.faults().crash();
    memory.faults().resume();
    assert!(matches!(lost.await, Err(CommitError::Failed(Error::Stopped { .. }))));
    assert_eq!(names(&memory).await, ["acknowledged"]);
    memory.commit(Batch::fenced(fence).put(Key::of(&["later"]), "v")).await.unwrap();
}
