//! The engine that keeps everything in memory: for `--ephemeral` servers and, with faults injected, for tests.
//!
//! It refuses to outlive its process. It is bounded: past [`Options::bytes_max`] puts are answered with
//! [`CommitError::Full`], as a full disk would.

mod faults;
pub use faults::{Fault, Faults};

use crate::lease::{self, Act, Change, Lease};
use crate::watch::Watchers;
use crate::{
    Batch, CommitError, Engine, Entry, Error, Expect, Fence, Key, Keyspace, LeaseError, Range, Revision,
    Scan, Sequence, Shard, Watch,
};
use hearth_base::{BoxFuture, Clock};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How much the engine may hold.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Bytes of keys and values, overhead reckoned in.
    pub bytes_max: usize,
}

impl Default for Options {
    /// 1 GiB.
    fn default() -> Self {
        Self { bytes_max: 1 << 30 }
    }
}

/// The in-memory engine.
pub struct Memory {
    clock: Arc<dyn Clock>,
    options: Options,
    state: Mutex<State>,
    watchers: Watchers,
    faults: Faults,
}

#[derive(Default)]
struct State {
    spaces: [Space; Keyspace::ALL.len()],
    bytes: usize,
}

#[derive(Default)]
struct Space {
    entries: BTreeMap<Key, Entry>,
    leases: BTreeMap<Arc<str>, Lease>,
    sequence: u64,
}

/// What an entry costs beside its key and value: the tree's node and two reference counts, roughly.
const ENTRY_OVERHEAD_BYTES: usize = 128;

impl Memory {
    /// An empty engine.
    pub fn new(clock: Arc<dyn Clock>, options: Options) -> Self {
        let faults = Faults::new(clock.clone());
        Self { clock, options, state: Mutex::default(), watchers: Watchers::default(), faults }
    }

    /// What tests use to make it fail, wait and crash.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Forgets every entry, for the reset of an ephemeral server. Sequences and fences' tokens go on growing, so
    /// that whoever still holds an old one is refused.
    pub fn clear(&self) {
        let mut state = self.lock();
        state.bytes = 0;
        for (space, keyspace) in state.spaces.iter_mut().zip(Keyspace::ALL) {
            let gone = std::mem::take(&mut space.entries);
            for lease in space.leases.values_mut() {
                lease.owner = None;
            }
            self.watchers.hint(keyspace, gone.keys());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn commit_batch(&self, batch: Batch) -> Result<Sequence, CommitError> {
        batch.check()?;
        let fault = self.faults.admit().await?;
        if fault == Some(Fault::Full) {
            return Err(self.full());
        }
        if fault == Some(Fault::Failed) {
            return Err(faults::injected().into());
        }
        let sequence = self.apply(&batch)?;
        let changed = batch.puts.iter().map(|(key, _)| key).chain(&batch.deletes);
        self.watchers.hint(batch.shard.keyspace, changed);
        match fault {
            Some(Fault::FailedButApplied) => Err(faults::injected().into()),
            _ => Ok(sequence),
        }
    }

    fn apply(&self, batch: &Batch) -> Result<Sequence, CommitError> {
        let mut state = self.lock();
        let State { spaces, bytes } = &mut *state;
        let space = &mut spaces[batch.shard.keyspace as usize];
        if let Some(fence) = &batch.fence
            && !lease::is_current(space.leases.get(&fence.shard.name), fence.token)
        {
            return Err(CommitError::Fenced { shard: batch.shard.clone() });
        }
        for (key, expect) in &batch.expects {
            let found = space.entries.get(key).map(|entry| entry.revision);
            if Expect::from(found) != *expect {
                return Err(CommitError::Conflict { key: key.clone(), found });
            }
        }
        let wanted: usize = batch.puts.iter().map(|(key, value)| cost(key, value.len())).sum();
        if wanted > 0 && *bytes + wanted > self.options.bytes_max {
            return Err(self.full());
        }
        space.sequence += 1;
        for key in &batch.deletes {
            *bytes -= space.entries.remove(key).map_or(0, |old| cost(key, old.value.len()));
        }
        for (key, value) in &batch.puts {
            let entry = Entry { value: value.clone(), revision: Revision(space.sequence) };
            *bytes += cost(key, value.len());
            let old = space.entries.insert(key.clone(), entry);
            *bytes -= old.map_or(0, |old| cost(key, old.value.len()));
        }
        Ok(Sequence(space.sequence))
    }

    fn full(&self) -> CommitError {
        CommitError::Full { object: format!("the {} bytes of the in-memory store", self.options.bytes_max) }
    }

    async fn change_lease(&self, shard: &Shard, act: Act) -> Result<Fence, LeaseError> {
        if let Some(_fault) = self.faults.admit().await? {
            return Err(CommitError::from(faults::injected()).into());
        }
        let change = Change { shard: shard.clone(), act, now: self.clock.now() };
        let leases = &mut self.lock().spaces[shard.keyspace as usize].leases;
        let lease = change.apply(leases.get(&shard.name))?;
        leases.insert(shard.name.clone(), lease.clone());
        Ok(lease::fence(shard.clone(), &lease))
    }
}

fn cost(key: &Key, value: usize) -> usize {
    key.as_bytes().len() + value + ENTRY_OVERHEAD_BYTES
}

impl Engine for Memory {
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Sequence, CommitError>> {
        Box::pin(self.commit_batch(batch))
    }

    fn get<'a>(&'a self, keyspace: Keyspace, key: &'a Key) -> BoxFuture<'a, Result<Option<Entry>, Error>> {
        let entry = self.lock().spaces[keyspace as usize].entries.get(key).cloned();
        Box::pin(std::future::ready(Ok(entry)))
    }

    fn scan(&self, keyspace: Keyspace, range: Range) -> BoxFuture<'_, Result<Scan, Error>> {
        let (start, end) = range.bounds();
        if end.as_ref().is_some_and(|end| *end <= start) {
            return Box::pin(std::future::ready(Ok(Scan { rows: Vec::new(), more: false })));
        }
        let bounds = (Bound::Included(start), end.map_or(Bound::Unbounded, Bound::Excluded));
        let state = self.lock();
        let rows = state.spaces[keyspace as usize].entries.range(bounds);
        let copy = |(key, entry): (&Key, &Entry)| Ok::<_, Infallible>((key.clone(), entry.clone()));
        let Ok(scan) = match range.is_reverse() {
            false => range.collect(rows.map(copy)),
            true => range.collect(rows.rev().map(copy)),
        };
        Box::pin(std::future::ready(Ok(scan)))
    }

    fn acquire<'a>(
        &'a self,
        shard: &'a Shard,
        owner: &'a str,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<Fence, LeaseError>> {
        Box::pin(self.change_lease(shard, Act::Acquire { owner: owner.to_owned(), ttl }))
    }

    fn renew<'a>(&'a self, fence: &'a Fence, ttl: Duration) -> BoxFuture<'a, Result<Fence, LeaseError>> {
        Box::pin(self.change_lease(&fence.shard, Act::Renew { token: fence.token, ttl }))
    }

    fn release<'a>(&'a self, fence: &'a Fence) -> BoxFuture<'a, Result<(), LeaseError>> {
        Box::pin(async {
            self.change_lease(&fence.shard, Act::Release { token: fence.token }).await.map(drop)
        })
    }

    fn watch(&self, keyspace: Keyspace, prefix: &Key) -> Watch {
        self.watchers.watch(keyspace, prefix)
    }
}
