//! All groups and schedules.
//!
//! Groups, of which an account has few, are in memory; schedules, of which it may have a million, are in the store alone,
//! and beside them an index of when they are due: a row for each that is due again, in the order of time. So a schedule
//! costs no memory, and finding what is due costs one look at the beginning of the index.
//!
//! Changes are made one at a time, in the store first: a schedule and its row of the index together. It refuses to judge
//! what is changed.

use crate::failures::{group_goes, no_such_group, no_such_schedule, storage};
use crate::model::{GroupRecord, ScheduleRecord};
use crate::naming::{DEFAULT_GROUP, GroupName, ScheduleName};
use hearth_api::scheduler::errors;
use hearth_base::Timestamp;
use hearth_store::records::RecordError;
use hearth_store::{Batch, CommitError, Error, Key, Listing, Page, Range, Shard, Store, Table};
use hearth_wire::Failure;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};
use tokio::sync::{Mutex, MutexGuard, Notify};

/// Schedules and groups of an account in a region.
/// <https://docs.aws.amazon.com/scheduler/latest/UserGuide/scheduler-quotas.html>
const SCHEDULES_MAX: usize = 1_000_000;
const GROUPS_MAX: usize = 500;
/// Rows that are read at once.
const READ_ROWS: usize = 1_000;
/// Bytes of the inputs of schedules that are taken at once, about: written as JSON they fit into one batch.
const TAKEN_BYTES_MAX: usize = 2 << 20;
/// The first part of the keys of the index.
const INDEX: &str = "scheduler.due";

/// All groups and schedules.
pub struct Registry {
    store: Store,
    shard: Shard,
    groups: Table<GroupRecord>,
    schedules: Table<ScheduleRecord>,
    live: RwLock<Live>,
    /// Held while something is changed.
    changing: Mutex<()>,
    /// Told when something may be due earlier than before, or a group is to be deleted.
    pub changed: Notify,
    /// How often it was told.
    changes: AtomicU64,
}

#[derive(Default)]
struct Live {
    groups: BTreeMap<GroupName, GroupRecord>,
    /// How many schedules each account has in each region.
    schedules: HashMap<(String, String), usize>,
}

/// Leave to change. While it is held nobody else changes anything.
pub struct Changing<'a> {
    registry: &'a Registry,
    _one: MutexGuard<'a, ()>,
}

/// A schedule whose time has come.
pub struct Found {
    pub name: ScheduleName,
    pub record: ScheduleRecord,
}

impl Registry {
    /// Reads the groups, and counts the schedules.
    pub async fn open(store: Store, shard: Shard) -> Result<Self, RecordError> {
        let groups = Table::new(store.clone(), shard.clone(), "scheduler.group");
        let schedules = Table::new(store.clone(), shard.clone(), "scheduler.schedule");
        let registry = Self {
            live: RwLock::new(Live { groups: read_groups(&groups).await?, ..Live::default() }),
            store,
            shard,
            groups,
            schedules,
            changing: Mutex::default(),
            changed: Notify::new(),
            changes: AtomicU64::new(0),
        };
        registry.count().await?;
        Ok(registry)
    }

    async fn count(&self) -> Result<(), Error> {
        let prefix = self.schedules.key(&[]);
        let mut range = Range::prefix(&prefix).keys_only().limit(READ_ROWS);
        loop {
            let scan = self.store.scan(self.shard.keyspace, range.clone()).await?;
            for (key, _) in &scan.rows {
                if let Some(name) = key.parts_after(&prefix).and_then(ScheduleName::of_parts) {
                    *self.write().schedules.entry((name.account, name.region)).or_default() += 1;
                }
            }
            match scan.rows.last() {
                Some((last, _)) if scan.more => range = range.after(last.clone()),
                _ => return Ok(()),
            }
        }
    }

    /// The groups of an account in a region, in the order of their names.
    pub fn groups(&self, (account, region): (&str, &str)) -> Vec<(GroupName, GroupRecord)> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        let first = GroupName { account: account.to_owned(), region: region.to_owned(), name: String::new() };
        let own =
            live.groups.range(first..).take_while(|(it, _)| it.account == account && it.region == region);
        own.map(|(name, record)| (name.clone(), record.clone())).collect()
    }

    /// A group, if there is one of the name.
    pub fn group(&self, name: &GroupName) -> Option<GroupRecord> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).groups.get(name).cloned()
    }

    /// A group that is being deleted.
    pub fn group_that_goes(&self) -> Option<GroupName> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        live.groups.iter().find(|(_, record)| record.deleting).map(|(name, _)| name.clone())
    }

    /// The group that a request names. The one that every account has is made when it is first looked at.
    pub async fn known_group(&self, name: &GroupName, now: Timestamp) -> Result<GroupRecord, Failure> {
        if let Some(record) = self.group(name) {
            return Ok(record);
        }
        if name.name != DEFAULT_GROUP {
            return Err(no_such_group(&name.name));
        }
        let changing = self.changing().await;
        if let Some(record) = self.group(name) {
            return Ok(record);
        }
        let record =
            GroupRecord { created: now, modified: now, tags: BTreeMap::new(), deleting: false, token: None };
        changing.put_group(name, &record).await?;
        Ok(record)
    }

    /// A schedule, if there is one of the name.
    pub async fn schedule(&self, name: &ScheduleName) -> Result<Option<ScheduleRecord>, RecordError> {
        Ok(self.schedules.get(&name.parts()).await?.map(|found| found.value))
    }

    /// The same, for a request.
    pub async fn known(&self, name: &ScheduleName) -> Result<ScheduleRecord, Failure> {
        let found = self.schedule(name).await.map_err(|error| storage(&error))?;
        found.ok_or_else(|| no_such_schedule(&name.name))
    }

    /// Some schedules, in the order of their names.
    pub async fn list(&self, listing: Listing<'_>) -> Result<Page<ScheduleRecord>, RecordError> {
        self.schedules.list(listing).await
    }

    /// Leave to change, when all others are done.
    pub async fn changing(&self) -> Changing<'_> {
        Changing { registry: self, _one: self.changing.lock().await }
    }

    /// How often something has changed: whoever has seen this many changes has seen all.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    fn tell(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.changed.notify_one();
    }

    /// When the next schedule is due.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        let prefix = Key::of(&[INDEX]);
        let scan = self.store.scan(self.shard.keyspace, Range::prefix(&prefix).limit(1)).await?;
        Ok(scan.rows.first().and_then(|(key, _)| Some(read_row(key)?.0)))
    }

    fn row(due: Timestamp, name: &ScheduleName) -> Key {
        let due = Key::of(&[INDEX]).with_number(due.millis().max(0).unsigned_abs());
        name.parts().iter().fold(due, |key, part| key.with(part))
    }

    fn write(&self) -> RwLockWriteGuard<'_, Live> {
        self.live.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Changing<'_> {
    /// Refuses when there are as many groups as may be.
    pub fn room_for_group(&self, name: &GroupName) -> Result<(), Failure> {
        if self.registry.groups((&name.account, &name.region)).len() >= GROUPS_MAX {
            return Err(quota(GROUPS_MAX, "schedule groups"));
        }
        Ok(())
    }

    /// Refuses when there are as many schedules as may be, or the group of this one is being deleted.
    pub fn room_for(&self, name: &ScheduleName) -> Result<(), Failure> {
        let group = name.group();
        match self.registry.group(&group) {
            None => return Err(no_such_group(&name.group)),
            Some(record) if record.deleting => return Err(group_goes(&name.group)),
            Some(_) => {}
        }
        let of = (name.account.clone(), name.region.clone());
        let live = self.registry.live.read().unwrap_or_else(PoisonError::into_inner);
        if live.schedules.get(&of).is_some_and(|count| *count >= SCHEDULES_MAX) {
            return Err(quota(SCHEDULES_MAX, "schedules"));
        }
        Ok(())
    }

    /// Writes a group.
    pub async fn put_group(&self, name: &GroupName, record: &GroupRecord) -> Result<(), Failure> {
        let registry = self.registry;
        registry.groups.put(&name.parts(), record).await.map_err(|error| storage(&error))?;
        registry.write().groups.insert(name.clone(), record.clone());
        registry.tell();
        Ok(())
    }

    /// Changes a group. An `Err` of `change` changes nothing.
    pub async fn update_group(
        &self,
        name: &GroupName,
        change: impl FnOnce(&mut GroupRecord) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut record = self.registry.group(name).ok_or_else(|| no_such_group(&name.name))?;
        change(&mut record)?;
        self.put_group(name, &record).await
    }

    /// Deletes up to so many schedules of a group, and the group when it has no more. Says whether there are more.
    pub async fn clear_group(&self, name: &GroupName, max: usize) -> Result<bool, RecordError> {
        let registry = self.registry;
        let within = name.parts();
        let listing = Listing { within: &within, beginning: "", limit: max, token: None, reverse: false };
        let page = registry.schedules.list(listing).await?;
        let mut batch = Batch::new(registry.shard.clone());
        let mut gone = 0;
        for (parts, record) in page.records {
            let Some(schedule) = ScheduleName::of_parts(parts) else { continue };
            batch = batch.delete(registry.schedules.key(&schedule.parts()));
            if let Some(due) = record.value.next {
                batch = batch.delete(Registry::row(due, &schedule));
            }
            gone += 1;
        }
        let more = page.next.is_some();
        if !more {
            batch = batch.delete(registry.groups.key(&name.parts()));
        }
        registry.store.commit(batch).await.map_err(RecordError::Commit)?;
        let mut live = registry.write();
        if let Some(count) = live.schedules.get_mut(&(name.account.clone(), name.region.clone())) {
            *count = count.saturating_sub(gone);
        }
        if !more {
            live.groups.remove(name);
        }
        Ok(more)
    }

    /// Writes a schedule over the former one, and its row of the index.
    pub async fn put(
        &self,
        name: &ScheduleName,
        (former, record): (Option<&ScheduleRecord>, &ScheduleRecord),
    ) -> Result<(), Failure> {
        let batch = self.put_in(self.batch(), name, (former, record)).map_err(|error| storage(&error))?;
        self.registry.store.commit(batch).await.map_err(|error| storage(&error))?;
        if former.is_none() {
            let of = (name.account.clone(), name.region.clone());
            *self.registry.write().schedules.entry(of).or_default() += 1;
        }
        self.registry.tell();
        Ok(())
    }

    /// Deletes a schedule.
    pub async fn delete(&self, name: &ScheduleName, record: &ScheduleRecord) -> Result<(), CommitError> {
        let mut batch = self.batch().delete(self.registry.schedules.key(&name.parts()));
        if let Some(due) = record.next {
            batch = batch.delete(Registry::row(due, name));
        }
        self.registry.store.commit(batch).await?;
        let of = (name.account.clone(), name.region.clone());
        if let Some(count) = self.registry.write().schedules.get_mut(&of) {
            *count = count.saturating_sub(1);
        }
        Ok(())
    }

    /// The first schedules whose time has come, at most so many. Rows that stand for none are removed on the way.
    pub async fn due(&self, now: Timestamp, max: usize) -> Result<Vec<Found>, RecordError> {
        let registry = self.registry;
        let prefix = Key::of(&[INDEX]);
        let scan = registry.store.scan(registry.shard.keyspace, Range::prefix(&prefix).limit(max)).await?;
        let (mut found, mut bytes, mut stale) = (Vec::new(), 0, self.batch());
        for (key, _) in scan.rows {
            let Some((due, name)) = read_row(&key) else {
                stale = stale.delete(key);
                continue;
            };
            if due > now || bytes > TAKEN_BYTES_MAX {
                break;
            }
            match registry.schedules.get(&name.parts()).await {
                Ok(Some(record)) if record.value.next == Some(due) => {
                    let record = record.value;
                    bytes += record.settings.target.input.as_ref().map_or(0, String::len);
                    found.push(Found { name, record });
                }
                Ok(_) => stale = stale.delete(key),
                Err(error @ (RecordError::Read(_) | RecordError::Commit(_))) => return Err(error),
                // One that does not read must not hold up the others.
                Err(error) => {
                    tracing::error!(schedule = name.arn(), %error, "a schedule does not read and is due no more");
                    stale = stale.delete(key);
                }
            }
        }
        if !stale.deletes.is_empty() {
            registry.store.commit(stale).await.map_err(RecordError::Commit)?;
        }
        Ok(found)
    }

    /// Notes when schedules are due next, all at once.
    pub async fn advance(&self, found: Vec<(Found, Option<Timestamp>)>) -> Result<(), RecordError> {
        let mut batch = self.batch();
        for (Found { name, record }, next) in found {
            let advanced = ScheduleRecord { next, ..record.clone() };
            batch = self.put_in(batch, &name, (Some(&record), &advanced))?;
        }
        self.registry.store.commit(batch).await.map_err(RecordError::Commit)?;
        Ok(())
    }

    fn batch(&self) -> Batch {
        Batch::new(self.registry.shard.clone())
    }

    fn put_in(
        &self,
        mut batch: Batch,
        name: &ScheduleName,
        (former, record): (Option<&ScheduleRecord>, &ScheduleRecord),
    ) -> Result<Batch, RecordError> {
        let schedules = &self.registry.schedules;
        if let Some(due) = former.and_then(|former| former.next) {
            batch = batch.delete(Registry::row(due, name));
        }
        if let Some(due) = record.next {
            batch = batch.put(Registry::row(due, name), "");
        }
        Ok(batch.put(schedules.key(&name.parts()), schedules.encode(&name.parts(), record)?))
    }
}

fn quota(max: usize, of: &str) -> Failure {
    errors::service_quota_exceeded(format!("The account cannot have more than {max} {of} in a region."))
}

/// When which schedule is due, of a key of the index.
fn read_row(key: &Key) -> Option<(Timestamp, ScheduleName)> {
    let parts = key.parts_after(&Key::of(&[INDEX]))?;
    let (due, name) = parts.split_first()?;
    let due = u64::from_str_radix(due, 16).ok().and_then(|due| i64::try_from(due).ok())?;
    Some((Timestamp::from_millis(due), ScheduleName::of_parts(name.to_vec())?))
}

async fn read_groups(table: &Table<GroupRecord>) -> Result<BTreeMap<GroupName, GroupRecord>, RecordError> {
    let (mut groups, mut token) = (BTreeMap::new(), None::<String>);
    loop {
        let listing =
            Listing { within: &[], beginning: "", limit: READ_ROWS, token: token.as_deref(), reverse: false };
        let page = table.list(listing).await?;
        for (parts, record) in page.records {
            let [account, region, name] = <[String; 3]>::try_from(parts).unwrap_or_default();
            groups.insert(GroupName { account, region, name }, record.value);
        }
        token = page.next;
        if token.is_none() {
            return Ok(groups);
        }
    }
}
