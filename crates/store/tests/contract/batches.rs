//! Batches: atomic, checked, bounded.

use crate::subject::{Subject, batch, key};
use bytes::Bytes;
use hearth_store::limits::{
    BATCH_BYTES_MAX, BATCH_OPERATIONS_MAX, KEY_BYTES_MAX, SCAN_ROWS_MAX, VALUE_BYTES_MAX,
};
use hearth_store::{Batch, CommitError, Expect, Key, Keyspace, Range, Revision, Shard};

pub async fn reads_back_what_was_put(subject: Subject) {
    assert_eq!(subject.store.get(Keyspace::Metadata, &key("a")).await.unwrap(), None);
    for value in [&b""[..], b"text", b"\0\xff\0"] {
        let sequence = subject.store.commit(batch().put(key("a"), value)).await.unwrap();
        let entry = subject.store.get(Keyspace::Metadata, &key("a")).await.unwrap().unwrap();
        assert_eq!(entry.value, value);
        assert_eq!(entry.revision, Revision::from(sequence));
    }
}

pub async fn applies_all_or_nothing(subject: Subject) {
    subject.put("old", "1").await;
    let refused = batch()
        .expect(key("absent"), Expect::Absent)
        .expect(key("old"), Expect::Absent)
        .put(key("new"), "2")
        .put(key("old"), "2")
        .delete(key("old"));
    let error = subject.store.commit(refused).await.unwrap_err();
    assert!(matches!(error, CommitError::Conflict { key: found, .. } if found == key("old")));
    assert_eq!(subject.value("new").await, None);
    assert_eq!(subject.value("old").await, Some("1".into()));
}

pub async fn checks_every_expectation(subject: Subject) {
    let first = Revision::from(subject.store.commit(batch().put(key("k"), "1")).await.unwrap());
    let second = Revision::from(subject.store.commit(batch().put(key("k"), "2")).await.unwrap());
    assert!(second > first);
    let none = Revision(first.0 + 1_000_000);
    for (name, expect, conflict) in [
        ("k", Expect::Revision(second), None),
        ("k", Expect::Revision(first), Some(Some(second))),
        ("k", Expect::Revision(none), Some(Some(second))),
        ("k", Expect::Absent, Some(Some(second))),
        ("gone", Expect::Absent, None),
        ("gone", Expect::Revision(first), Some(None)),
    ] {
        let answer = subject.store.commit(batch().expect(key(name), expect)).await;
        match (answer, conflict) {
            (Ok(_), None) => {}
            (Err(CommitError::Conflict { key: at, found }), Some(expected)) => {
                assert_eq!((at, found), (key(name), expected), "{name} {expect:?}");
            }
            (answer, _) => panic!("{name} {expect:?}: {answer:?}"),
        }
    }
}

pub async fn deletes_before_it_puts(subject: Subject) {
    subject.put("k", "1").await;
    let change = batch().put(key("k"), "2").put(key("k"), "3").delete(key("k")).delete(key("never there"));
    subject.store.commit(change).await.unwrap();
    assert_eq!(subject.value("k").await, Some("3".into()));
    subject.store.commit(batch().delete(key("k"))).await.unwrap();
    assert_eq!(subject.value("k").await, None);
}

pub async fn never_uses_a_revision_twice(subject: Subject) {
    let mut seen = Vec::new();
    for _ in 0..5 {
        let sequence = subject.store.commit(batch().put(key("k"), "same")).await.unwrap();
        seen.push(Revision::from(sequence));
        subject.store.commit(batch().delete(key("k"))).await.unwrap();
    }
    assert!(seen.is_sorted_by(|earlier, later| earlier < later), "{seen:?}");
    // The first life's revision does not pass for a later life's.
    subject.put("k", "same").await;
    let stale = batch().expect(key("k"), Expect::Revision(seen[0])).delete(key("k"));
    assert!(subject.store.commit(stale).await.is_err());
}

pub async fn keeps_keyspaces_apart(subject: Subject) {
    for keyspace in Keyspace::ALL {
        let put = Batch::new(Shard::new(keyspace, "test")).put(key("k"), keyspace.name());
        subject.store.commit(put).await.unwrap();
    }
    for keyspace in Keyspace::ALL {
        let entry = subject.store.get(keyspace, &key("k")).await.unwrap().unwrap();
        assert_eq!(entry.value, keyspace.name());
        let scan = subject.store.scan(keyspace, Range::prefix(&Key::default())).await.unwrap();
        assert_eq!(scan.rows.len(), 1);
    }
}

pub async fn refuses_what_exceeds_the_limits(subject: Subject) {
    let long = Key::from_bytes(vec![b'k'; KEY_BYTES_MAX + 1]);
    let large = Bytes::from(vec![0; VALUE_BYTES_MAX + 1]);
    let value = Bytes::from(vec![0; VALUE_BYTES_MAX]);
    let mut heavy = batch();
    for number in 0..=BATCH_BYTES_MAX / VALUE_BYTES_MAX {
        heavy = heavy.put(key("k").with_number(number as u64), value.clone());
    }
    let mut many = batch().expect(key("k"), Expect::Absent);
    for number in 0..BATCH_OPERATIONS_MAX {
        many = many.delete(key("k").with_number(number as u64));
    }
    for (refused, limit) in [
        (batch().put(long.clone(), "v"), Some(KEY_BYTES_MAX)),
        (batch().delete(long.clone()), Some(KEY_BYTES_MAX)),
        (batch().expect(long.clone(), Expect::Absent), Some(KEY_BYTES_MAX)),
        (Batch::new(Shard::new(Keyspace::Metadata, &"s".repeat(KEY_BYTES_MAX + 1))), Some(KEY_BYTES_MAX)),
        (batch().put(key("k"), large), Some(VALUE_BYTES_MAX)),
        (heavy, Some(BATCH_BYTES_MAX)),
        (many, Some(BATCH_OPERATIONS_MAX)),
        (batch().put(Key::default(), "v"), None),
    ] {
        match (subject.store.commit(refused).await, limit) {
            (Err(CommitError::TooLarge { limit, found, .. }), Some(expected)) => {
                assert_eq!(limit, expected);
                assert!(found > limit);
            }
            (Err(CommitError::EmptyKey), None) => {}
            (answer, _) => panic!("{limit:?}: {answer:?}"),
        }
    }
    let scan = subject.store.scan(Keyspace::Metadata, Range::prefix(&Key::default())).await.unwrap();
    assert_eq!(scan.rows, []);
}

pub async fn takes_what_reaches_the_limits(subject: Subject) {
    let long = Key::from_bytes(vec![0xff; KEY_BYTES_MAX]);
    let large = Bytes::from(vec![7; VALUE_BYTES_MAX]);
    let mut most = batch().put(long.clone(), large.clone());
    for number in 1..BATCH_OPERATIONS_MAX {
        most = most.put(key("k").with_number(number as u64), "v");
    }
    subject.store.commit(most).await.unwrap();
    let entry = subject.store.get(Keyspace::Metadata, &long).await.unwrap().unwrap();
    assert_eq!(entry.value, large);
    let scan = subject.store.scan(Keyspace::Metadata, Range::prefix(&key("k"))).await.unwrap();
    assert_eq!((scan.rows.len(), scan.more), (SCAN_ROWS_MAX, true));
}

pub async fn lets_one_of_many_win(subject: Subject) {
    // Conflicting batches and their neighbours wait together, and each is answered for itself.
    let mut contenders = tokio::task::JoinSet::new();
    for number in 0..64u64 {
        let store = subject.store.clone();
        contenders.spawn(async move {
            let rival = batch().expect(key("prize"), Expect::Absent).put(key("prize"), number.to_string());
            let bystander = batch().put(key("own").with_number(number), "v");
            let (rival, bystander) = tokio::join!(store.commit(rival), store.commit(bystander));
            bystander.unwrap();
            rival.map(Revision::from)
        });
    }
    let answers = contenders.join_all().await;
    let winners: Vec<Revision> = answers.iter().filter_map(|answer| answer.as_ref().ok().copied()).collect();
    assert_eq!(winners.len(), 1);
    for answer in answers.into_iter().filter_map(Result::err) {
        assert!(
            matches!(answer, CommitError::Conflict { found, .. } if found == Some(winners[0])),
            "{answer:?}"
        );
    }
    let scan = subject.store.scan(Keyspace::Metadata, Range::prefix(&key("own"))).await.unwrap();
    assert_eq!(scan.rows.len(), 64);
}

pub async fn loses_no_concurrent_change(subject: Subject) {
    subject.put("count", "0").await;
    let mut counters = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = subject.store.clone();
        counters.spawn(async move {
            let mut done = 0;
            while done < 25 {
                let entry = store.get(Keyspace::Metadata, &key("count")).await.unwrap().unwrap();
                let count: u32 = std::str::from_utf8(&entry.value).unwrap().parse().unwrap();
                let change = batch()
                    .expect(key("count"), Expect::Revision(entry.revision))
                    .put(key("count"), (count + 1).to_string());
                done += u32::from(store.commit(change).await.is_ok());
            }
        });
    }
    counters.join_all().await;
    assert_eq!(subject.value("count").await, Some("200".into()));
}

pub async fn shows_readers_whole_batches(subject: Subject) {
    let both = |value: u32| batch().put(key("left"), value.to_string()).put(key("right"), value.to_string());
    subject.store.commit(both(0)).await.unwrap();
    let store = subject.store.clone();
    let writer = tokio::spawn(async move {
        for value in 1..200 {
            store.commit(both(value)).await.unwrap();
        }
    });
    while !writer.is_finished() {
        let scan = subject.store.scan(Keyspace::Metadata, Range::prefix(&Key::default())).await.unwrap();
        let [(_, left), (_, right)] = &scan.rows[..] else { panic!("{scan:?}") };
        assert_eq!(left, right);
    }
    writer.await.unwrap();
    assert_eq!(subject.value("left").await, Some("199".into()));
}
