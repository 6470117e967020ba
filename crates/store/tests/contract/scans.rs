//! Scans: ordered, bounded, resumable.

use crate::subject::{Subject, batch, key};
use hearth_store::limits::SCAN_BYTES_MAX;
use hearth_store::{Key, Keyspace, Range};

async fn keys(subject: &Subject, range: Range) -> (Vec<String>, bool) {
    let scan = subject.store.scan(Keyspace::Metadata, range).await.unwrap();
    let text = |key: &Key| String::from_utf8(key.as_bytes().to_vec()).unwrap();
    (scan.rows.iter().map(|(key, _)| text(key)).collect(), scan.more)
}

pub async fn returns_ranges_in_order(subject: Subject) {
    put_letters(&subject).await;
    let all = || Range::prefix(&Key::default());
    let b = || Range::prefix(&key("b"));
    let between = |start, end| Range::between(key(start), Some(key(end)));
    for (range, expected, more) in [
        (all(), "a b b1 b2 b3 c", false),
        (all().reverse(), "c b3 b2 b1 b a", false),
        (b(), "b b1 b2 b3", false),
        (b().reverse(), "b3 b2 b1 b", false),
        (b().limit(2), "b b1", true),
        (b().keys_only().limit(2), "b b1", true),
        (b().limit(4), "b b1 b2 b3", false),
        (b().reverse().limit(3), "b3 b2 b1", true),
        (b().limit(0), "", true),
        (between("b1", "b3"), "b1 b2", false),
        (between("b1", "b3").reverse(), "b2 b1", false),
        (between("b0", "b10"), "b1", false),
        (between("c", "a"), "", false),
        (between("a", "a"), "", false),
        (Range::between(key("b3"), None), "b3 c", false),
        (Range::prefix(&key("d")), "", false),
    ] {
        let expected: Vec<String> = expected.split_whitespace().map(str::to_owned).collect();
        assert_eq!(keys(&subject, range.clone()).await, (expected, more), "{range:?}");
    }
    let values = async |range| subject.store.scan(Keyspace::Metadata, range).await.unwrap().rows;
    assert!(values(b().keys_only()).await.iter().all(|(_, entry)| entry.value.is_empty()));
    let (with, without) = (values(b()).await, values(b().keys_only()).await);
    assert!(with.iter().zip(&without).all(|((_, with), (_, without))| with.revision == without.revision));
}

pub async fn goes_on_after_a_key(subject: Subject) {
    put_letters(&subject).await;
    let b = || Range::prefix(&key("b"));
    for (range, expected) in [
        (b().after(key("b1")), "b2 b3"),
        // The key itself may be gone by then.
        (b().after(key("b11")), "b2 b3"),
        (b().after(key("a")), "b b1 b2 b3"),
        (b().after(key("z")), ""),
        (b().after(key("b3")), ""),
        (b().reverse().after(key("b2")), "b1 b"),
        (b().reverse().after(key("b")), ""),
        (b().reverse().after(key("z")), "b3 b2 b1 b"),
    ] {
        let expected: Vec<String> = expected.split_whitespace().map(str::to_owned).collect();
        assert_eq!(keys(&subject, range.clone()).await, (expected, false), "{range:?}");
    }
}

pub async fn sorts_bytes_as_bytes(subject: Subject) {
    let sorted: [&[u8]; 7] = [b"\0", b"\0\0", b"a", b"a\0", b"aa", b"\x7f", b"\xff\xff"];
    let mut change = batch();
    for bytes in sorted.iter().rev() {
        change = change.put(Key::from_bytes(bytes.to_vec()), "v");
    }
    subject.store.commit(change).await.unwrap();
    let scan = subject.store.scan(Keyspace::Metadata, Range::prefix(&Key::default())).await.unwrap();
    let found: Vec<&[u8]> = scan.rows.iter().map(|(key, _)| key.as_bytes()).collect();
    assert_eq!(found, sorted);
    let last = subject.store.scan(Keyspace::Metadata, Range::prefix(&Key::from_bytes(&b"\xff"[..]))).await;
    assert_eq!(last.unwrap().rows.len(), 1);
}

pub async fn stops_at_its_bounds(subject: Subject) {
    let value = vec![1; SCAN_BYTES_MAX / 4];
    for number in 0..6 {
        subject.store.commit(batch().put(key("v").with_number(number), value.clone())).await.unwrap();
    }
    let whole = Range::prefix(&key("v"));
    let first = subject.store.scan(Keyspace::Metadata, whole.clone()).await.unwrap();
    assert_eq!((first.rows.len(), first.more), (4, true));
    let rest = whole.after(first.rows[3].0.clone());
    let rest = subject.store.scan(Keyspace::Metadata, rest).await.unwrap();
    assert_eq!((rest.rows.len(), rest.more), (2, false));
}

async fn put_letters(subject: &Subject) {
    for name in ["b1", "a", "b", "c", "b3", "b2"] {
        subject.put(name, name).await;
    }
}
