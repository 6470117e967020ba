//! Change hints: who watches which prefix, and waking them.
//!
//! It refuses to carry the changes themselves: a hint says only "scan again".

use crate::{Key, Keyspace};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::Notify;

/// Resolves when something under a prefix may have changed.
#[derive(Debug)]
pub struct Watch(Arc<Notify>);

impl Watch {
    /// Waits for a hint. Hints that came since the last call count, merged into one.
    pub async fn changed(&mut self) {
        self.0.notified().await;
    }
}

/// All watches of an engine. Each holds one hint at most, so that slow watchers cost nothing.
#[derive(Debug, Default)]
pub(crate) struct Watchers(Mutex<Vec<Watched>>);

#[derive(Debug)]
struct Watched {
    keyspace: Keyspace,
    prefix: Key,
    watch: Weak<Notify>,
}

impl Watchers {
    pub(crate) fn watch(&self, keyspace: Keyspace, prefix: &Key) -> Watch {
        let notify = Arc::new(Notify::new());
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Dropped watches are forgotten here, where the list would otherwise grow.
        watched.retain(|watched| watched.watch.strong_count() > 0);
        watched.push(Watched { keyspace, prefix: prefix.clone(), watch: Arc::downgrade(&notify) });
        Watch(notify)
    }

    /// Wakes whoever watches a prefix of one of the keys.
    pub(crate) fn hint<'a>(&self, keyspace: Keyspace, keys: impl Iterator<Item = &'a Key> + Clone) {
        let watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for one in watched.iter().filter(|one| one.keyspace == keyspace) {
            if keys.clone().any(|key| key.starts_with(&one.prefix))
                && let Some(notify) = one.watch.upgrade()
            {
                notify.notify_one();
            }
        }
    }
}
