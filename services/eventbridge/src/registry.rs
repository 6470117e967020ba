//! All buses, rules, archives and replays: their records in memory and in the store, and the queues that they have.
//!
//! Changes are made one at a time, in the store first. It refuses to judge what is changed.

use crate::failures::{no_such, no_such_bus, no_such_rule, of_queue, storage};
use crate::model::{ArchiveRecord, BusRecord, ReplayRecord, RuleRecord, TargetRecord};
use crate::naming::{DEFAULT_BUS, Name, RuleName};
use hearth_base::Timestamp;
use hearth_iam::policy::Document;
use hearth_pattern::Pattern;
use hearth_schedule::Schedule;
use hearth_store::queue::{Discipline, EntryId, Queue, QueueError, Queues};
use hearth_store::records::RecordError;
use hearth_store::{Batch, Key, Listing, Model, Shard, Store, Table};
use hearth_wire::Failure;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

/// A bus as it is now.
#[derive(Clone)]
pub struct Bus {
    pub name: Name,
    pub record: Arc<BusRecord>,
    pub queue: Queue,
    /// Its policy, read.
    pub policy: Option<Arc<Document>>,
}

/// A rule as it is now.
#[derive(Clone)]
pub struct Rule {
    pub name: RuleName,
    pub record: Arc<RuleRecord>,
    /// Its pattern, read.
    pub pattern: Option<Arc<Pattern>>,
    /// Its schedule, read.
    pub schedule: Option<Arc<Schedule>>,
    pub targets: Arc<[Target]>,
}

/// A target of a rule as it is now.
#[derive(Clone)]
pub struct Target {
    pub record: Arc<TargetRecord>,
    pub queue: Queue,
}

/// An archive as it is now.
#[derive(Clone)]
pub struct Archive {
    pub name: Name,
    pub record: Arc<ArchiveRecord>,
    pub pattern: Option<Arc<Pattern>>,
}

/// All there is.
pub struct Registry {
    tables: Tables,
    queues: Queues,
    live: RwLock<Live>,
    /// Held while a record is changed.
    changing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Live {
    buses: BTreeMap<Name, Bus>,
    rules: BTreeMap<RuleName, Rule>,
    archives: BTreeMap<Name, Archive>,
    replays: BTreeMap<Name, Arc<ReplayRecord>>,
}

/// What the registry is read from.
struct Tables {
    buses: Table<BusRecord>,
    rules: Table<RuleRecord>,
    archives: Table<ArchiveRecord>,
    replays: Table<ReplayRecord>,
}

impl Registry {
    /// Reads all records.
    pub async fn open(store: &Store, shard: &Shard, queues: Queues) -> Result<Self, RecordError> {
        let tables = Tables {
            buses: Table::new(store.clone(), shard.clone(), "events.bus"),
            rules: Table::new(store.clone(), shard.clone(), "events.rule"),
            archives: Table::new(store.clone(), shard.clone(), "events.archive"),
            replays: Table::new(store.clone(), shard.clone(), "events.replay"),
        };
        let mut live = Live::default();
        for (parts, record) in all(&tables.buses).await? {
            let name = Name::of_parts(parts);
            live.buses.insert(name.clone(), bus(name, record, &queues));
        }
        for (parts, record) in all(&tables.rules).await? {
            let name = RuleName::of_parts(parts);
            live.rules.insert(name.clone(), rule(name, record, &queues, &[]));
        }
        for (parts, record) in all(&tables.archives).await? {
            let name = Name::of_parts(parts);
            live.archives.insert(name.clone(), archive(name, record));
        }
        for (parts, record) in all(&tables.replays).await? {
            live.replays.insert(Name::of_parts(parts), Arc::new(record));
        }
        Ok(Self { tables, queues, live: RwLock::new(live), changing: tokio::sync::Mutex::default() })
    }

    /// What makes queues of events.
    pub fn queues(&self) -> &Queues {
        &self.queues
    }

    /// The bus of a name; of the default one only when something was ever made on it.
    pub fn bus(&self, name: &Name) -> Option<Bus> {
        self.read(|live| live.buses.get(name).cloned())
    }

    /// Whether there is a bus of this name for those who ask.
    pub fn has_bus(&self, name: &Name) -> Result<(), Failure> {
        let there = name.name == DEFAULT_BUS || self.read(|live| live.buses.contains_key(name));
        if there { Ok(()) } else { Err(no_such_bus(name)) }
    }

    /// All buses.
    pub fn buses(&self) -> Vec<Bus> {
        self.read(|live| live.buses.values().cloned().collect())
    }

    /// The rule of a name.
    pub fn rule(&self, name: &RuleName) -> Option<Rule> {
        self.read(|live| live.rules.get(name).cloned())
    }

    /// The same, for a request.
    pub fn known_rule(&self, name: &RuleName) -> Result<Rule, Failure> {
        self.has_bus(&name.bus)?;
        self.rule(name).ok_or_else(|| no_such_rule(name))
    }

    /// All rules.
    pub fn rules(&self) -> Vec<Rule> {
        self.read(|live| live.rules.values().cloned().collect())
    }

    /// The rules of a bus.
    pub fn rules_of(&self, bus: &Name) -> Vec<Rule> {
        let first = bus.clone().rule("");
        self.read(|live| {
            let range = live.rules.range(first..).take_while(|(name, _)| name.bus == *bus);
            range.map(|(_, found)| found.clone()).collect()
        })
    }

    /// The archive of a name.
    pub fn archive(&self, name: &Name) -> Result<Archive, Failure> {
        self.read(|live| live.archives.get(name).cloned()).ok_or_else(|| no_such("Archive", name))
    }

    /// All archives.
    pub fn archives(&self) -> Vec<Archive> {
        self.read(|live| live.archives.values().cloned().collect())
    }

    /// The archives of a bus.
    pub fn archives_of(&self, bus: &Name) -> Vec<Archive> {
        let mine = |archive: &&Archive| archive.name.place == bus.place && archive.record.bus == bus.name;
        self.read(|live| live.archives.values().filter(mine).cloned().collect())
    }

    /// The replay of a name.
    pub fn replay(&self, name: &Name) -> Result<Arc<ReplayRecord>, Failure> {
        self.read(|live| live.replays.get(name).cloned()).ok_or_else(|| no_such("Replay", name))
    }

    /// All replays.
    pub fn replays(&self) -> Vec<(Name, Arc<ReplayRecord>)> {
        self.read(|live| live.replays.iter().map(|(name, it)| (name.clone(), Arc::clone(it))).collect())
    }

    /// Makes a bus. `judge` sees all buses there are; says which it is when it is new.
    pub async fn create_bus(
        &self,
        (name, record): (&Name, BusRecord),
        judge: impl FnOnce(&[Bus]) -> Result<(), Failure>,
    ) -> Result<Bus, Failure> {
        let _one = self.changing.lock().await;
        judge(&self.buses())?;
        self.put_bus(name, record).await
    }

    /// The bus of a name, made when it is the default one and there was none. Says whether it is new.
    pub async fn ensure_bus(&self, name: &Name, now: Timestamp) -> Result<(Bus, bool), Failure> {
        if let Some(found) = self.bus(name) {
            return Ok((found, false));
        }
        self.has_bus(name)?;
        let _one = self.changing.lock().await;
        if let Some(found) = self.bus(name) {
            return Ok((found, false));
        }
        let record = BusRecord {
            storage: self.queues.next_id(),
            created: now,
            modified: now,
            description: None,
            policy: None,
            tags: BTreeMap::new(),
        };
        Ok((self.put_bus(name, record).await?, true))
    }

    /// Changes a bus's record. An `Err` of `change` changes nothing.
    pub async fn update_bus(
        &self,
        name: &Name,
        change: impl FnOnce(&mut BusRecord) -> Result<(), Failure>,
    ) -> Result<Bus, Failure> {
        let _one = self.changing.lock().await;
        let found = self.bus(name).ok_or_else(|| no_such_bus(name))?;
        let mut record = (*found.record).clone();
        change(&mut record)?;
        self.put_bus(name, record).await
    }

    async fn put_bus(&self, name: &Name, record: BusRecord) -> Result<Bus, Failure> {
        self.tables.buses.put(&name.parts(), &record).await.map_err(|error| storage(&error))?;
        let mut live = self.write();
        let mut made = bus(name.clone(), record, &self.queues);
        // A queue has one owner.
        if let Some(before) = live.buses.get(name) {
            made.queue = before.queue.clone();
        }
        live.buses.insert(name.clone(), made.clone());
        Ok(made)
    }

    /// Deletes a bus and what waits on it, unless `judge` finds that its rules forbid it.
    pub async fn delete_bus(
        &self,
        name: &Name,
        judge: impl FnOnce(&[Rule]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let _one = self.changing.lock().await;
        let Some(found) = self.bus(name) else { return Ok(()) };
        judge(&self.rules_of(name))?;
        let key = self.tables.buses.key(&name.parts());
        close(&found.queue, self.batch().delete(key)).await?;
        self.write().buses.remove(name);
        Ok(())
    }

    /// Makes a rule or changes it. `change` is given what there is, and how many rules its bus has.
    pub async fn put_rule(
        &self,
        name: &RuleName,
        change: impl FnOnce(Option<&RuleRecord>, usize) -> Result<RuleRecord, Failure>,
    ) -> Result<Rule, Failure> {
        let _one = self.changing.lock().await;
        let found = self.rule(name);
        let there = self.rules_of(&name.bus).len();
        let record = change(found.as_ref().map(|found| &*found.record), there)?;
        self.tables.rules.put(&name.parts(), &record).await.map_err(|error| storage(&error))?;
        Ok(self.remember_rule(name, record, found.as_ref()))
    }

    /// Changes a rule that is there. An `Err` of `change` changes nothing.
    pub async fn update_rule(
        &self,
        name: &RuleName,
        change: impl FnOnce(&mut RuleRecord) -> Result<(), Failure>,
    ) -> Result<Rule, Failure> {
        self.has_bus(&name.bus)?;
        let changed = self.put_rule(name, |found, _| {
            let mut record = found.ok_or_else(|| no_such_rule(name))?.clone();
            change(&mut record).map(|()| record)
        });
        changed.await
    }

    /// Takes targets off a rule, with what waits for them.
    pub async fn remove_targets(&self, name: &RuleName, ids: &[String]) -> Result<(), Failure> {
        let _one = self.changing.lock().await;
        let mut found = self.known_rule(name)?;
        for id in ids {
            let Some(target) = found.targets.iter().find(|target| target.record.id == *id) else { continue };
            let mut record = (*found.record).clone();
            record.targets.retain(|it| it.id != *id);
            let value = self.tables.rules.encode(&name.parts(), &record).map_err(|error| storage(&error))?;
            let key = self.tables.rules.key(&name.parts());
            close(&target.queue, self.batch().put(key, value)).await?;
            found = self.remember_rule(name, record, Some(&found));
        }
        Ok(())
    }

    /// Deletes a rule, unless `judge` finds that it must stay.
    pub async fn delete_rule(
        &self,
        name: &RuleName,
        judge: impl FnOnce(&Rule) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let _one = self.changing.lock().await;
        let Some(found) = self.rule(name) else { return Ok(()) };
        judge(&found)?;
        self.tables.rules.delete(&name.parts(), None).await.map_err(|error| storage(&error))?;
        self.write().rules.remove(name);
        Ok(())
    }

    /// The rule as it is from now on; the targets that it had keep their queues.
    fn remember_rule(&self, name: &RuleName, record: RuleRecord, before: Option<&Rule>) -> Rule {
        let targets: &[Target] = before.map_or(&[], |before| &before.targets);
        let made = rule(name.clone(), record, &self.queues, targets);
        self.write().rules.insert(name.clone(), made.clone());
        made
    }

    /// Makes an archive or changes it.
    pub async fn put_archive(
        &self,
        name: &Name,
        change: impl FnOnce(Option<&ArchiveRecord>) -> Result<ArchiveRecord, Failure>,
    ) -> Result<Archive, Failure> {
        let _one = self.changing.lock().await;
        let found = self.archive(name).ok();
        let record = change(found.as_ref().map(|found| &*found.record))?;
        self.tables.archives.put(&name.parts(), &record).await.map_err(|error| storage(&error))?;
        let made = archive(name.clone(), record);
        self.write().archives.insert(name.clone(), made.clone());
        Ok(made)
    }

    /// Deletes an archive: its record, with a batch that notes that its events are to go.
    pub async fn delete_archive(&self, name: &Name, gone: Key) -> Result<(), Failure> {
        let _one = self.changing.lock().await;
        self.archive(name)?;
        let batch = self.batch().delete(self.tables.archives.key(&name.parts())).put(gone, Vec::new());
        self.tables.archives.store().commit(batch).await.map_err(|error| storage(&error))?;
        self.write().archives.remove(name);
        Ok(())
    }

    /// Makes a replay or changes it.
    pub async fn put_replay(
        &self,
        name: &Name,
        change: impl FnOnce(Option<&ReplayRecord>) -> Result<ReplayRecord, Failure>,
    ) -> Result<Arc<ReplayRecord>, Failure> {
        let _one = self.changing.lock().await;
        let found = self.replay(name).ok();
        let record = Arc::new(change(found.as_deref())?);
        self.tables.replays.put(&name.parts(), &record).await.map_err(|error| storage(&error))?;
        self.write().replays.insert(name.clone(), Arc::clone(&record));
        Ok(record)
    }

    /// Forgets a replay that was over long ago.
    pub async fn forget_replay(&self, name: &Name) -> Result<(), Failure> {
        let _one = self.changing.lock().await;
        self.tables.replays.delete(&name.parts(), None).await.map_err(|error| storage(&error))?;
        self.write().replays.remove(name);
        Ok(())
    }

    fn batch(&self) -> Batch {
        Batch::new(self.tables.buses.shard().clone())
    }

    fn read<T>(&self, look: impl FnOnce(&Live) -> T) -> T {
        look(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self) -> RwLockWriteGuard<'_, Live> {
        self.live.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes a queue and changes records in one batch.
async fn close(queue: &Queue, batch: Batch) -> Result<(), Failure> {
    match queue.close(batch).await {
        Ok(()) | Err(QueueError::Closed) => Ok(()),
        Err(error) => Err(of_queue(error)),
    }
}

async fn all<T: Model>(table: &Table<T>) -> Result<Vec<(Vec<String>, T)>, RecordError> {
    let (mut records, mut token) = (Vec::new(), None::<String>);
    loop {
        let listing =
            Listing { within: &[], beginning: "", limit: 1_000, token: token.as_deref(), reverse: false };
        let page = table.list(listing).await?;
        records.extend(page.records.into_iter().map(|(parts, record)| (parts, record.value)));
        token = page.next;
        if token.is_none() {
            return Ok(records);
        }
    }
}

fn bus(name: Name, record: BusRecord, queues: &Queues) -> Bus {
    let policy = record.policy.as_deref().and_then(|text| match Document::resource(text) {
        Ok(document) => Some(Arc::new(document)),
        // A server of another version may have been less strict.
        Err(error) => {
            tracing::error!(bus = name.bus_arn(), %error, "its policy cannot be read and allows nothing");
            None
        }
    });
    let queue = open_queue(queues, record.storage);
    Bus { name, record: Arc::new(record), queue, policy }
}

fn rule(name: RuleName, record: RuleRecord, queues: &Queues, before: &[Target]) -> Rule {
    let targets = record.targets.iter().map(|target| {
        let known = before.iter().find(|known| known.record.storage == target.storage);
        let queue = known.map_or_else(|| open_queue(queues, target.storage), |known| known.queue.clone());
        Target { record: Arc::new(target.clone()), queue }
    });
    let targets = targets.collect();
    let pattern = record.pattern.as_deref().and_then(|text| read_pattern(&name.arn(), text));
    let schedule = record.schedule.as_deref().and_then(Schedule::parse).map(Arc::new);
    Rule { name, record: Arc::new(record), pattern, schedule, targets }
}

fn archive(name: Name, record: ArchiveRecord) -> Archive {
    let pattern = record.pattern.as_deref().and_then(|text| read_pattern(&name.arn("archive"), text));
    Archive { name, record: Arc::new(record), pattern }
}

/// It was read when it was put, by this version or another.
fn read_pattern(arn: &str, text: &str) -> Option<Arc<Pattern>> {
    match Pattern::parse(text) {
        Ok(pattern) => Some(Arc::new(pattern)),
        Err(error) => {
            tracing::error!(arn, error, "its pattern cannot be read and matches nothing");
            None
        }
    }
}

fn open_queue(queues: &Queues, id: EntryId) -> Queue {
    queues.queue(id, Discipline::Standard)
}
