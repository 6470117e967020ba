//! Any series of operations answers as a map in memory would.

use crate::subject::{Subject, shard};
use bytes::Bytes;
use hearth_store::{Batch, CommitError, Entry, Expect, Key, Keyspace, Range, Revision, Scan};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
enum Operation {
    Commit { expects: Vec<(Key, Expected)>, puts: Vec<(Key, Bytes)>, deletes: Vec<Key> },
    Get(Key),
    Scan(Bounds),
    Restart,
}

#[derive(Debug, Clone)]
struct Bounds {
    start: Key,
    end: Option<Key>,
    after: Option<Key>,
    reverse: bool,
    limit: usize,
}

/// Revisions are not known when operations are made up: they say which one they mean.
#[derive(Debug, Clone, Copy)]
enum Expected {
    Absent,
    Present,
    Stale,
}

fn keys() -> impl Strategy<Value = Key> {
    // Few bytes and short keys, so that operations meet.
    prop::collection::vec(prop::sample::select(vec![0u8, 1, b'a', b'b', 0xff]), 1..4)
        .prop_map(Key::from_bytes)
}

fn operations() -> impl Strategy<Value = Operation> {
    let expected = prop_oneof![Just(Expected::Absent), Just(Expected::Present), Just(Expected::Stale)];
    let values = prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
    prop_oneof![
           6 => (
               prop::collection::vec((keys(), expected), 0..2),
               prop::collection::vec((keys(), values), 0..5),
               prop::collection::vec(keys(), 0..3),
           ).prop_map(|(expects, puts, deletes)| Operation::Commit { expects, puts, deletes }),
           2 => keys().prop_map(Operation::Get),
           3 => (keys(), prop::option::of(keys()), prop::option::of(keys()), any::<bool>(), 0usize..8)
               .prop_map(|(start, end, after, reverse, limit)| {
    Operation::Scan(Bounds { start, end, after, reverse, limit })
    }),
           1 => Just(Operation::Restart),
       ]
}

#[derive(Default)]
struct Model {
    entries: BTreeMap<Key, Entry>,
    last: u64,
}

impl Model {
    fn expect(&self, key: &Key, expected: Expected) -> Expect {
        match (expected, self.entries.get(key)) {
            (Expected::Absent, _) => Expect::Absent,
            (Expected::Present, Some(entry)) => Expect::Revision(entry.revision),
            (Expected::Stale, Some(entry)) => Expect::Revision(Revision(entry.revision.0.wrapping_sub(1))),
            (_, None) => Expect::Revision(Revision(self.last)),
        }
    }

    fn first_conflict(&self, batch: &Batch) -> Option<(Key, Option<Revision>)> {
        batch.expects.iter().find_map(|(key, expect)| {
            let found = self.entries.get(key).map(|entry| entry.revision);
            (Expect::from(found) != *expect).then(|| (key.clone(), found))
        })
    }

    fn apply(&mut self, batch: &Batch, revision: Revision) {
        for key in &batch.deletes {
            self.entries.remove(key);
        }
        for (key, value) in &batch.puts {
            self.entries.insert(key.clone(), Entry { value: value.clone(), revision });
        }
        self.last = revision.0;
    }

    fn scan(&self, bounds: &Bounds) -> Scan {
        let Bounds { start, end, after, reverse, limit } = bounds;
        let follows = |key: &Key, after: &Key| if *reverse { key < after } else { key > after };
        let mut rows: Vec<(Key, Entry)> = self
            .entries
            .iter()
            .filter(|(key, _)| *key >= start && end.as_ref().is_none_or(|end| *key < end))
            .filter(|(key, _)| after.as_ref().is_none_or(|after| follows(key, after)))
            .map(|(key, entry)| (key.clone(), entry.clone()))
            .collect();
        if *reverse {
            rows.reverse();
        }
        let more = rows.len() > *limit;
        rows.truncate(*limit);
        Scan { rows, more }
    }
}

async fn run(subject: Subject, operations: Vec<Operation>) -> Result<(), TestCaseError> {
    let mut model = Model::default();
    let mut subject = Some(subject);
    for operation in operations {
        let store = subject.as_ref().map(|subject| subject.store.clone()).expect("there is always a subject");
        match operation {
            Operation::Commit { expects, puts, deletes } => {
                let expects =
                    expects.into_iter().map(|(key, how)| (key.clone(), model.expect(&key, how))).collect();
                let batch = Batch { expects, puts, deletes, ..Batch::new(shard()) };
                match (store.commit(batch.clone()).await, model.first_conflict(&batch)) {
                    (Ok(sequence), None) => {
                        prop_assert!(sequence.0 > model.last);
                        model.apply(&batch, Revision::from(sequence));
                    }
                    (Err(CommitError::Conflict { key, found }), Some(expected)) => {
                        prop_assert_eq!((key, found), expected);
                    }
                    (answer, expected) => prop_assert!(false, "{:?} for {:?}", answer, expected),
                }
            }
            Operation::Get(key) => {
                let entry = store.get(Keyspace::Metadata, &key).await.unwrap();
                prop_assert_eq!(entry.as_ref(), model.entries.get(&key));
            }
            Operation::Scan(bounds) => {
                let mut range = Range::between(bounds.start.clone(), bounds.end.clone()).limit(bounds.limit);
                if let Some(after) = bounds.after.clone() {
                    range = range.after(after);
                }
                if bounds.reverse {
                    range = range.reverse();
                }
                let scan = store.scan(Keyspace::Metadata, range).await.unwrap();
                prop_assert_eq!(scan, model.scan(&bounds));
            }
            Operation::Restart => {
                drop(store);
                subject = subject.take().map(Subject::restart);
            }
        }
    }
    Ok(())
}

pub fn agrees(subject: fn() -> Subject) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() });
    runner
        .run(&prop::collection::vec(operations(), 1..40), |operations| {
            runtime.block_on(run(subject(), operations))
        })
        .unwrap();
}
