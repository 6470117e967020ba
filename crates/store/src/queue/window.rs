//! What an owner has in memory of its queue: every entry that was ever claimed, and the next ones that were not.
//!
//! It refuses to read or write storage. Its size is bounded by its owner, which stops reading ahead.

use super::row::{EntryId, State};
use super::{Discipline, Receipt};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of values that all queues of one factory keep ready in memory; what is beyond is read again when it is claimed.
const VALUES_BYTES_MAX: usize = 64 << 20;

/// An entry in memory.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub state: State,
    pub group: Option<Bytes>,
    /// Only of entries that were never claimed, and only while there is room.
    pub value: Option<Bytes>,
}

/// The members of a group that are known.
#[derive(Debug, Default)]
struct Group {
    ready: BTreeSet<EntryId>,
    hidden: usize,
}

/// The entries in memory, and which of them may be claimed.
pub struct Window {
    discipline: Discipline,
    known: BTreeMap<EntryId, Known>,
    /// Standard: what may be claimed, the longest available first.
    ready: BTreeSet<(u64, EntryId)>,
    /// What is claimed, the next to come back first.
    hidden: BTreeSet<(u64, EntryId)>,
    groups: HashMap<Bytes, Group>,
    /// Grouped: the heads of groups of which nothing is claimed.
    free: BTreeMap<EntryId, Bytes>,
    /// How many were never claimed.
    pub fresh: usize,
    budget: Arc<AtomicUsize>,
}

impl Window {
    pub fn new(discipline: Discipline, budget: Arc<AtomicUsize>) -> Self {
        Self {
            discipline,
            known: BTreeMap::new(),
            ready: BTreeSet::new(),
            hidden: BTreeSet::new(),
            groups: HashMap::new(),
            free: BTreeMap::new(),
            fresh: 0,
            budget,
        }
    }

    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn hidden(&self) -> usize {
        self.hidden.len()
    }

    pub fn get(&self, id: EntryId) -> Option<&Known> {
        self.known.get(&id)
    }

    /// When the next claimed entry comes back.
    pub fn next_due(&self) -> Option<u64> {
        self.hidden.first().map(|(due, _)| *due)
    }

    /// Takes in an entry; one that is known already stays as it is.
    pub fn insert(&mut self, id: EntryId, mut known: Known, now: u64) -> bool {
        if self.known.contains_key(&id) {
            return false;
        }
        if let Some(value) = &known.value {
            let used = self.budget.fetch_add(value.len(), Ordering::Relaxed);
            if used + value.len() > VALUES_BYTES_MAX {
                self.budget.fetch_sub(value.len(), Ordering::Relaxed);
                known.value = None;
            }
        }
        self.fresh += usize::from(known.state.claims == 0);
        let (due, group) = (known.state.due, known.group.clone());
        self.known.insert(id, known);
        if due > now {
            self.hide(id, due, group.as_ref());
        } else {
            self.show(id, due, group.as_ref());
        }
        true
    }

    /// Takes an entry out for good.
    pub fn remove(&mut self, id: EntryId) -> Option<Known> {
        let known = self.known.remove(&id)?;
        self.release_value(&known);
        self.fresh -= usize::from(known.state.claims == 0);
        self.unplace(id, known.state.due, known.group.as_ref());
        Some(known)
    }

    /// Changes what has become of an entry.
    pub fn change(&mut self, id: EntryId, state: State, now: u64) {
        let Some(known) = self.known.get_mut(&id) else { return };
        let former = std::mem::replace(&mut known.state, state);
        let (group, value) = (known.group.clone(), known.value.take());
        if let Some(value) = value {
            self.budget.fetch_sub(value.len(), Ordering::Relaxed);
        }
        self.fresh -= usize::from(former.claims == 0 && state.claims > 0);
        self.unplace(id, former.due, group.as_ref());
        if state.due > now {
            self.hide(id, state.due, group.as_ref());
        } else {
            self.show(id, state.due, group.as_ref());
        }
    }

    /// Makes available again whose time has come. Says how many there were.
    pub fn tick(&mut self, now: u64) -> usize {
        let mut returned = 0;
        while let Some((due, id)) = self.hidden.first().copied().filter(|(due, _)| *due <= now) {
            let group = self.known.get(&id).and_then(|known| known.group.clone());
            self.unplace(id, due, group.as_ref());
            self.show(id, due, group.as_ref());
            returned += 1;
        }
        returned
    }

    /// Whether an entry is claimed at present. Call [`Window::tick`] before.
    pub fn is_hidden(&self, id: EntryId) -> bool {
        self.known.get(&id).is_some_and(|known| self.hidden.contains(&(known.state.due, id)))
    }

    /// Whether there are as many to claim. Of a standard queue only those count that were never claimed: others, which
    /// come back again and again, must not keep them from being read.
    pub fn has(&self, count: usize) -> bool {
        match self.discipline {
            Discipline::Standard => self.fresh >= count,
            Discipline::Grouped => self.next(count).len() >= count,
        }
    }

    /// The next entries that may be claimed.
    pub fn next(&self, count: usize) -> Vec<EntryId> {
        match self.discipline {
            Discipline::Standard => self.ready.iter().take(count).map(|(_, id)| *id).collect(),
            Discipline::Grouped => {
                let mut taken = Vec::new();
                for group in self.free.values() {
                    let members = self.groups.get(group).into_iter().flat_map(|group| &group.ready);
                    taken.extend(members.take(count - taken.len()));
                    if taken.len() == count {
                        break;
                    }
                }
                taken
            }
        }
    }

    fn group_of(&self, group: Option<&Bytes>) -> Option<Bytes> {
        (self.discipline == Discipline::Grouped).then(|| group.cloned().unwrap_or_default())
    }

    fn show(&mut self, id: EntryId, due: u64, group: Option<&Bytes>) {
        match self.group_of(group) {
            None => {
                self.ready.insert((due, id));
            }
            Some(name) => self.regroup(name, |group| {
                group.ready.insert(id);
            }),
        }
    }

    fn hide(&mut self, id: EntryId, due: u64, group: Option<&Bytes>) {
        self.hidden.insert((due, id));
        if let Some(name) = self.group_of(group) {
            self.regroup(name, |group| group.hidden += 1);
        }
    }

    fn unplace(&mut self, id: EntryId, due: u64, group: Option<&Bytes>) {
        let was_hidden = self.hidden.remove(&(due, id));
        match self.group_of(group) {
            None => {
                self.ready.remove(&(due, id));
            }
            Some(name) => self.regroup(name, |group| {
                if was_hidden {
                    group.hidden -= 1;
                } else {
                    group.ready.remove(&id);
                }
            }),
        }
    }

    /// Changes a group and notes again whether it is free and what its head is.
    fn regroup(&mut self, name: Bytes, change: impl FnOnce(&mut Group)) {
        let group = self.groups.entry(name.clone()).or_default();
        if let Some(head) = group.ready.first() {
            self.free.remove(head);
        }
        change(group);
        match group.ready.first() {
            Some(head) if group.hidden == 0 => {
                self.free.insert(*head, name);
            }
            None if group.hidden == 0 => {
                self.groups.remove(&name);
            }
            _ => {}
        }
    }

    fn release_value(&self, known: &Known) {
        if let Some(value) = &known.value {
            self.budget.fetch_sub(value.len(), Ordering::Relaxed);
        }
    }

    /// Whether a receipt is of the entry's last claim.
    pub fn is_current(&self, receipt: &Receipt) -> bool {
        self.known.get(&receipt.id).is_some_and(|known| known.state.nonce == receipt.nonce)
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        for known in self.known.values() {
            self.release_value(known);
        }
    }
}
