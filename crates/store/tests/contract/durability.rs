//! What a restart finds. Kills are in `tests/crash.rs`.

use crate::subject::{Subject, batch, key};
use futures_util::FutureExt;
use hearth_store::{Expect, Key, Keyspace, Range, Revision};

pub async fn keeps_what_was_acknowledged(subject: Subject) {
    for number in 0..20 {
        subject.put(&format!("k{number:02}"), "v").await;
    }
    subject.store.commit(batch().delete(key("k07"))).await.unwrap();
    let before = subject.store.scan(Keyspace::Metadata, Range::prefix(&Key::default())).await.unwrap();
    let subject = subject.restart();
    let after = subject.store.scan(Keyspace::Metadata, Range::prefix(&Key::default())).await.unwrap();
    assert_eq!(after.rows.len(), 19);
    assert_eq!(after, before);
}

pub async fn goes_on_counting(subject: Subject) {
    let first = subject.store.commit(batch().put(key("k"), "v")).await.unwrap();
    let last = subject.store.commit(batch().delete(key("k"))).await.unwrap();
    assert!(last > first);
    let subject = subject.restart();
    let next = subject.store.commit(batch().put(key("k"), "v")).await.unwrap();
    assert!(next > last, "{next:?} after {last:?}");
    let stale = batch().expect(key("k"), Expect::Revision(Revision::from(first)));
    assert!(subject.store.commit(stale).await.is_err());
}

pub async fn finishes_what_was_taken(subject: Subject) {
    // A caller that goes away takes nothing back: each batch is there whole, and the engine works on.
    for number in 0..100 {
        let pair =
            batch().put(key("left").with_number(number), "v").put(key("right").with_number(number), "v");
        let _ = subject.store.commit(pair).now_or_never();
    }
    let subject = subject.restart();
    for side in ["left", "right"] {
        let scan = subject.store.scan(Keyspace::Metadata, Range::prefix(&key(side))).await.unwrap();
        assert_eq!(scan.rows.len(), 100, "{side}");
    }
}
