//! Typed records: compare-and-set, formats old and new, listings in pages.
#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

use hearth_base::SystemClock;
use hearth_store::limits::SCAN_BYTES_MAX;
use hearth_store::memory::{Fault, Memory, Options};
use hearth_store::{
    Batch, CommitError, Engine, Expect, Keyspace, Listing, Model, Page, RecordError, Revision, Shard, Table,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Lamp {
    colour: String,
    lit: u32,
}

impl Model for Lamp {
    const FORMAT: u32 = 3;

    /// Format 2 had no colours.
    fn upgrade(format: u32, json: &[u8]) -> Result<Self, serde_json::Error> {
        match format {
            2 => Ok(lamp("white", serde_json::from_slice(json)?)),
            _ => Err(serde::de::Error::custom("format 1 was never released")),
        }
    }
}

fn lamp(colour: &str, lit: u32) -> Lamp {
    Lamp { colour: colour.to_owned(), lit }
}

fn lamps() -> (Arc<Memory>, Table<Lamp>) {
    let memory = Arc::new(Memory::new(Arc::new(SystemClock), Options::default()));
    (memory.clone(), Table::new(memory, Shard::new(Keyspace::Metadata, "records"), "lamp"))
}

const ALL: Listing<'static> = Listing { within: &[], beginning: "", limit: 100, token: None, reverse: false };

fn names(page: &Page<Lamp>) -> Vec<String> {
    page.records.iter().map(|(name, _)| name.join(" ")).collect()
}

#[tokio::test]
async fn writes_go_by_revision() {
    let (_, table) = lamps();
    assert_eq!(table.get(&["hall"]).await.unwrap(), None);
    let first = table.insert(&["hall"], &lamp("red", 0)).await.unwrap();
    let read = table.get(&["hall"]).await.unwrap().unwrap();
    assert_eq!((read.value, read.revision), (lamp("red", 0), first));
    assert!(matches!(table.insert(&["hall"], &lamp("red", 1)).await, Err(RecordError::Exists { .. })));

    let second = table.replace(&["hall"], &lamp("red", 1), first).await.unwrap();
    for refused in [
        table.replace(&["hall"], &lamp("red", 9), first).await.map(drop),
        table.delete(&["hall"], Some(first)).await,
    ] {
        assert!(
            matches!(&refused, Err(RecordError::Changed { found, .. }) if *found == Some(second)),
            "{refused:?}"
        );
    }
    table.delete(&["hall"], Some(second)).await.unwrap();
    table.delete(&["hall"], None).await.unwrap();
    let gone = table.replace(&["hall"], &lamp("red", 2), second).await;
    assert!(matches!(gone, Err(RecordError::Changed { found: None, .. })));
    let third = table.put(&["hall"], &lamp("blue", 0)).await.unwrap();
    assert!(third > second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_lose_nothing_to_each_other() {
    let (_, table) = lamps();
    table.insert(&["hall"], &lamp("red", 0)).await.unwrap();
    let mut switches = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let table = table.clone();
        switches.spawn(async move {
            for _ in 0..50 {
                let update = table.update(&["hall"], |lamp| {
                    lamp.lit += 1;
                    Ok::<_, RecordError>(lamp.lit)
                });
                let (record, lit) = update.await.unwrap();
                assert_eq!(record.value.lit, lit);
            }
        });
    }
    switches.join_all().await;
    assert_eq!(table.get(&["hall"]).await.unwrap().unwrap().value.lit, 400);
}

#[derive(Debug)]
enum Refusal {
    TooBright,
    Record(RecordError),
}

impl From<RecordError> for Refusal {
    fn from(error: RecordError) -> Self {
        Refusal::Record(error)
    }
}

#[tokio::test]
async fn an_update_that_is_refused_writes_nothing() {
    let (memory, table) = lamps();
    let revision = table.insert(&["hall"], &lamp("red", 0)).await.unwrap();
    let refused = table
        .update(&["hall"], |lamp| {
            lamp.lit = 100;
            Err::<(), _>(Refusal::TooBright)
        })
        .await;
    assert!(matches!(refused, Err(Refusal::TooBright)));
    let missing = table.update(&["cellar"], |_| Ok::<_, Refusal>(())).await;
    assert!(matches!(missing, Err(Refusal::Record(RecordError::Missing { .. }))));
    assert_eq!(table.get(&["hall"]).await.unwrap().unwrap().revision, revision);

    // A commit whose outcome is unknown is handed up, not tried again: it may have been applied.
    memory.faults().fail(1, Fault::FailedButApplied);
    let mut runs = 0;
    let unknown = table
        .update(&["hall"], |lamp| {
            runs += 1;
            lamp.lit += 1;
            Ok::<_, Refusal>(())
        })
        .await;
    assert!(matches!(unknown, Err(Refusal::Record(RecordError::Commit(CommitError::Failed(_))))));
    assert_eq!((runs, table.get(&["hall"]).await.unwrap().unwrap().value.lit), (1, 1));
}

#[tokio::test]
async fn formats_are_told_apart() {
    let (memory, table) = lamps();
    let key = table.key(&["hall"]);
    for (stored, expected) in [
        (r#"3 {"colour":"red","lit":7}"#, Ok(lamp("red", 7))),
        ("2 7", Ok(lamp("white", 7))),
        ("1 7", Err("record lamp/hall does not read: format 1 was never released")),
        ("4 {}", Err("record lamp/hall is of format 4; this server reads formats up to 3")),
        ("3 {", Err("record lamp/hall does not read: EOF while parsing an object at line 1 column 1")),
        (r#"{"lit":7}"#, Err("record lamp/hall has no format number")),
        ("", Err("record lamp/hall has no format number")),
    ] {
        let put = Batch::new(table.shard().clone()).put(key.clone(), stored);
        memory.commit(put).await.unwrap();
        let read = table.get(&["hall"]).await.map(|record| record.unwrap().value);
        assert_eq!(read.map_err(|error| error.to_string()), expected.map_err(str::to_owned), "{stored}");
    }
    table.put(&["hall"], &lamp("red", 7)).await.unwrap();
    let entry = memory.get(Keyspace::Metadata, &key).await.unwrap().unwrap();
    assert_eq!(entry.value, r#"3 {"colour":"red","lit":7}"#);
}

#[tokio::test]
async fn listings_come_in_order_and_in_pages() {
    let (memory, table) = lamps();
    for name in ["a/x", "a/y", "ab/x", "a/yes", "b/z", "a/b/c"] {
        let parts: Vec<&str> = name.splitn(2, '/').collect();
        table.insert(&parts, &lamp(name, 0)).await.unwrap();
    }
    let other = Table::<Lamp>::new(memory, table.shard().clone(), "lam");
    other.insert(&["p", "x"], &lamp("other", 0)).await.unwrap();

    let everything = table.list(ALL).await.unwrap();
    assert_eq!(names(&everything), ["a b/c", "a x", "a y", "a yes", "ab x", "b z"]);
    assert_eq!((everything.records[0].1.value.colour.as_str(), &everything.next), ("a/b/c", &None));
    for (within, beginning, expected) in [
        (&["a"][..], "", &["a b/c", "a x", "a y", "a yes"][..]),
        (&["a"], "y", &["a y", "a yes"]),
        (&[], "a", &["a b/c", "a x", "a y", "a yes", "ab x"]),
        (&["a", "x"], "", &["a x"]),
        (&["c"], "", &[]),
    ] {
        let page = table.list(Listing { within, beginning, ..ALL }).await.unwrap();
        assert_eq!(names(&page), expected, "{within:?} {beginning:?}");
    }
    for reverse in [false, true] {
        for limit in 1..8 {
            let mut found = Vec::new();
            let mut token: Option<String> = None;
            loop {
                let listing = Listing { limit, token: token.as_deref(), reverse, ..ALL };
                let page = table.list(listing).await.unwrap();
                assert!(page.records.len() <= limit);
                found.extend(names(&page));
                token = page.next;
                if token.is_none() {
                    break;
                }
            }
            if reverse {
                found.reverse();
            }
            assert_eq!(found, names(&everything), "{limit} {reverse}");
        }
    }
}

#[tokio::test]
async fn tokens_outlive_their_record_and_serve_their_listing_only() {
    let (_, table) = lamps();
    for name in ["a", "b", "c"] {
        table.insert(&["hall", name], &lamp(name, 0)).await.unwrap();
        table.insert(&["yard", name], &lamp(name, 0)).await.unwrap();
    }
    let hall = Listing { within: &["hall"], limit: 2, ..ALL };
    let token = table.list(hall).await.unwrap().next.unwrap();
    table.delete(&["hall", "b"], None).await.unwrap();
    let rest = table.list(Listing { token: Some(&token), ..hall }).await.unwrap();
    assert_eq!(names(&rest), ["hall c"]);
    for (within, token) in
        [(&["yard"], token.as_str()), (&["hall"], "!"), (&["hall"], "AAAA"), (&["hall"], "")]
    {
        let answer = table.list(Listing { within, token: Some(token), ..ALL }).await;
        assert!(matches!(answer, Err(RecordError::InvalidToken)), "{within:?} {token:?}");
    }
}

#[tokio::test]
async fn a_page_is_filled_though_scans_stop_early() {
    let (_, table) = lamps();
    let long = "x".repeat(SCAN_BYTES_MAX / 4);
    for number in 0..10 {
        table.insert(&[&number.to_string()], &lamp(&long, number)).await.unwrap();
    }
    let page = table.list(Listing { limit: 9, ..ALL }).await.unwrap();
    assert_eq!((page.records.len(), page.next.is_some()), (9, true));
    let page = table.list(ALL).await.unwrap();
    assert_eq!((page.records.len(), page.next.is_some()), (10, false));
}

#[tokio::test]
async fn several_records_change_together() {
    let (_, table) = lamps();
    let old = table.insert(&["hall"], &lamp("red", 1)).await.unwrap();
    let rename = |revision: Revision| {
        Batch::new(table.shard().clone())
            .expect(table.key(&["hall"]), Expect::Revision(revision))
            .expect(table.key(&["door"]), Expect::Absent)
            .delete(table.key(&["hall"]))
            .put(table.key(&["door"]), table.encode(&["door"], &lamp("red", 1)).unwrap())
    };
    assert!(table.store().commit(rename(Revision(old.0 + 1))).await.is_err());
    table.store().commit(rename(old)).await.unwrap();
    assert_eq!(names(&table.list(ALL).await.unwrap()), ["door"]);
}
