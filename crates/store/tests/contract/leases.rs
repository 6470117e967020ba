//! Ownership of shards: one at a time, and whoever lost it can no longer write.

use crate::subject::{Subject, key, shard};
use hearth_store::{Batch, CommitError, Fence, Keyspace, LeaseError, Shard};
use std::time::Duration;

const TTL: Duration = Duration::from_secs(10);

async fn acquire(subject: &Subject, owner: &str) -> Result<Fence, LeaseError> {
    subject.store.acquire(&shard(), owner, TTL).await
}

async fn writes(subject: &Subject, fence: &Fence) -> bool {
    match subject.store.commit(Batch::fenced(fence.clone()).put(key("k"), "v")).await {
        Ok(_) => true,
        Err(CommitError::Fenced { shard: refused }) => {
            assert_eq!(refused, fence.shard);
            false
        }
        Err(other) => panic!("{other}"),
    }
}

pub async fn belongs_to_one_owner_at_a_time(subject: Subject) {
    let fence = acquire(&subject, "one").await.unwrap();
    assert!(writes(&subject, &fence).await);
    match acquire(&subject, "two").await {
        Err(LeaseError::Held { shard: held, owner, expires }) => {
            assert_eq!((held, owner.as_str(), expires), (shard(), "one", fence.expires));
        }
        other => panic!("{other:?}"),
    }
    subject.clock.advance(TTL - Duration::from_millis(1));
    assert!(acquire(&subject, "two").await.is_err());
    let renewed = subject.store.renew(&fence, TTL).await.unwrap();
    assert_eq!(renewed.token, fence.token);
    assert!(renewed.expires > fence.expires);
    subject.clock.advance(TTL - Duration::from_millis(1));
    assert!(acquire(&subject, "two").await.is_err());
    subject.clock.advance(Duration::from_millis(1));
    assert!(acquire(&subject, "two").await.is_ok());
}

pub async fn shuts_out_the_former_owner(subject: Subject) {
    let old = acquire(&subject, "one").await.unwrap();
    subject.clock.advance(TTL);
    let new = acquire(&subject, "two").await.unwrap();
    assert!(new.token > old.token);
    assert!(!writes(&subject, &old).await);
    assert!(writes(&subject, &new).await);
    assert!(matches!(subject.store.renew(&old, TTL).await, Err(LeaseError::Lost { .. })));
    assert!(matches!(subject.store.release(&old).await, Err(LeaseError::Lost { .. })));
    // An owner that starts again shuts out what it was before, without waiting.
    let again = acquire(&subject, "two").await.unwrap();
    assert!(!writes(&subject, &new).await);
    assert!(writes(&subject, &again).await);
}

pub async fn is_good_until_taken_over(subject: Subject) {
    let fence = acquire(&subject, "slow").await.unwrap();
    subject.clock.advance(TTL * 100);
    assert!(writes(&subject, &fence).await);
    assert!(subject.store.renew(&fence, TTL).await.is_ok());
    assert!(acquire(&subject, "other").await.is_err());
}

pub async fn is_void_after_release(subject: Subject) {
    let fence = acquire(&subject, "one").await.unwrap();
    subject.store.release(&fence).await.unwrap();
    assert!(!writes(&subject, &fence).await);
    assert!(matches!(subject.store.release(&fence).await, Err(LeaseError::Lost { .. })));
    assert!(matches!(subject.store.renew(&fence, TTL).await, Err(LeaseError::Lost { .. })));
    let next = acquire(&subject, "two").await.unwrap();
    assert!(next.token > fence.token);
}

pub async fn survives_a_restart(subject: Subject) {
    let released = acquire(&subject, "one").await.unwrap();
    subject.store.release(&released).await.unwrap();
    let subject = subject.restart();
    let fence = acquire(&subject, "one").await.unwrap();
    assert!(fence.token > released.token);
    let subject = subject.restart();
    assert!(matches!(acquire(&subject, "two").await, Err(LeaseError::Held { .. })));
    assert!(writes(&subject, &fence).await);
}

pub async fn guards_its_shard_only(subject: Subject) {
    let fence = acquire(&subject, "one").await.unwrap();
    // Whoever claims no ownership may write: that is how others enqueue.
    subject.store.commit(Batch::new(shard()).put(key("k"), "v")).await.unwrap();
    for other in [Shard::new(Keyspace::Metadata, "other"), Shard::new(Keyspace::Queues, "test")] {
        let mut borrowed = Batch::fenced(fence.clone());
        borrowed.shard = other.clone();
        assert!(matches!(subject.store.commit(borrowed).await, Err(CommitError::Fenced { .. })));
        let forged = Fence { shard: other.clone(), ..fence.clone() };
        assert!(!writes(&subject, &forged).await);
        let own = subject.store.acquire(&other, "two", TTL).await.unwrap();
        assert!(writes(&subject, &own).await);
    }
    assert!(writes(&subject, &fence).await);
}
