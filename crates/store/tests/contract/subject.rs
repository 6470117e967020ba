//! The engines under test, each with a clock the test moves and a way to restart.

use bytes::Bytes;
use hearth_base::{Timestamp, VirtualClock};
use hearth_store::memory::{self, Memory};
use hearth_store::{Batch, DataDirectory, Key, Keyspace, Shard, Store};
use std::sync::Arc;

pub struct Subject {
    pub store: Store,
    pub clock: Arc<VirtualClock>,
    kind: Kind,
}

enum Kind {
    Memory(Arc<Memory>),
    Sqlite(tempfile::TempDir),
}

impl Subject {
    pub fn memory() -> Self {
        let clock = clock();
        let memory = Arc::new(Memory::new(clock.clone(), memory::Options::default()));
        Self { store: memory.clone(), clock, kind: Kind::Memory(memory) }
    }

    pub fn sqlite() -> Self {
        let clock = clock();
        let directory = tempfile::tempdir().unwrap();
        let store = DataDirectory::open(directory.path()).unwrap().store(clock.clone()).unwrap();
        Self { store, clock, kind: Kind::Sqlite(directory) }
    }

    /// Closes the engine and opens it again.
    pub fn restart(self) -> Self {
        let Self { store, clock, kind } = self;
        match kind {
            Kind::Memory(memory) => {
                memory.faults().crash();
                Self { store, clock, kind: Kind::Memory(memory) }
            }
            Kind::Sqlite(directory) => {
                drop(store);
                let store = DataDirectory::open(directory.path()).unwrap().store(clock.clone()).unwrap();
                Self { store, clock, kind: Kind::Sqlite(directory) }
            }
        }
    }

    pub async fn value(&self, name: &str) -> Option<Bytes> {
        let entry = self.store.get(Keyspace::Metadata, &key(name)).await.unwrap();
        entry.map(|entry| entry.value)
    }

    pub async fn put(&self, name: &str, value: &str) {
        let batch = batch().put(key(name), value.as_bytes().to_vec());
        self.store.commit(batch).await.unwrap();
    }
}

fn clock() -> Arc<VirtualClock> {
    Arc::new(VirtualClock::new(Timestamp::from_seconds(1_700_000_000)))
}

pub fn shard() -> Shard {
    Shard::new(Keyspace::Metadata, "test")
}

pub fn batch() -> Batch {
    Batch::new(shard())
}

pub fn key(name: &str) -> Key {
    Key::from_bytes(name.as_bytes().to_vec())
}
