//! What a round is going to commit, and whom to tell.
//!
//! It refuses to commit: that is its owner's.

use super::moves::Note;
use super::owner::Reply;
use super::{Enqueued, QueueError};
use crate::Key;
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};

/// Keys of a batch after which no more is added to it.
const BATCH_KEYS_MAX: usize = 2_000;
/// Bytes of a batch after which no more is added to it.
const BATCH_BYTES_MAX: usize = 6 << 20;

/// Tells someone what came of the round that did what was asked.
type Answer = Box<dyn FnOnce(Result<(), QueueError>) + Send + Sync>;

/// What a round is going to commit, and whom to tell.
pub struct Plan {
    /// By key, so that a later change of a row takes the place of an earlier one.
    pub puts: BTreeMap<Key, Bytes>,
    pub deletes: Vec<Key>,
    bytes: usize,
    pub replies: Vec<Answer>,
    pub notes: Vec<Note>,
    pub tokens: HashMap<Bytes, Enqueued>,
    pub woken: usize,
    pub broken: Option<QueueError>,
}

impl Plan {
    pub fn new() -> Self {
        Self {
            puts: BTreeMap::new(),
            deletes: Vec::new(),
            bytes: 0,
            replies: Vec::new(),
            notes: Vec::new(),
            tokens: HashMap::new(),
            woken: 0,
            broken: None,
        }
    }

    pub fn put(&mut self, key: Key, value: Bytes) {
        self.bytes += value.len();
        self.puts.insert(key, value);
    }

    pub fn delete(&mut self, key: Key) {
        // What is put and deleted in one batch would be there in the end: puts come last.
        self.puts.remove(&key);
        self.deletes.push(key);
    }

    pub fn is_full(&self) -> bool {
        self.puts.len() + self.deletes.len() > BATCH_KEYS_MAX || self.bytes > BATCH_BYTES_MAX
    }

    pub fn answer<T: Send + Sync + 'static>(&mut self, reply: Reply<T>, result: Result<T, QueueError>) {
        match result {
            Ok(answer) => self.replies.push(Box::new(move |outcome| {
                // Whoever gave up waiting is not told.
                let _ = reply.send(outcome.map(|()| answer));
            })),
            Err(QueueError::TooManyClaimed) => drop(reply.send(Err(QueueError::TooManyClaimed))),
            Err(error) => {
                self.broken = Some(error.clone());
                drop(reply.send(Err(error)));
            }
        }
    }
}
