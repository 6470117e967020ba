//! All queues: their records in memory and in the store, and the one owner of each queue's messages.
//!
//! Changes are made one at a time, in the store first. It refuses to judge what is changed.

use crate::failures::{denied, no_such_queue, of_queue, storage};
use crate::model::QueueRecord;
use crate::naming::QueueName;
use hearth_api::Grant;
use hearth_iam::policy::Document;
use hearth_store::queue::{Discipline, EntryId, Queue, QueueError, Queues};
use hearth_store::records::RecordError;
use hearth_store::{Batch, Expect, Listing, Revision, Table};
use hearth_wire::Failure;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// A queue as it is now.
#[derive(Debug, Clone)]
pub struct Found {
    pub name: QueueName,
    pub record: Arc<QueueRecord>,
    pub queue: Queue,
    /// Its policy, read.
    pub policy: Option<Arc<Document>>,
    revision: Revision,
}

impl Found {
    fn new(name: QueueName, (record, revision): (QueueRecord, Revision), queue: Queue) -> Self {
        let policy = record.settings.policy.as_deref().and_then(|text| document(text, &name));
        Self { name, record: Arc::new(record), queue, policy, revision }
    }
}

/// Reads a policy that was read before it was stored: a server of another version may have been less strict.
fn document(text: &str, name: &QueueName) -> Option<Arc<Document>> {
    match Document::resource(text) {
        Ok(document) => Some(Arc::new(document)),
        Err(error) => {
            tracing::error!(queue = name.arn(), %error, "its policy cannot be read and allows nothing");
            None
        }
    }
}

/// All queues.
pub struct Registry {
    table: Table<QueueRecord>,
    queues: Queues,
    live: RwLock<BTreeMap<QueueName, Found>>,
    /// Held while a record is changed.
    changing: tokio::sync::Mutex<()>,
}

/// The queues of a store cannot be read.
#[derive(Debug)]
pub enum RegistryError {
    /// A record.
    Record(RecordError),
}

impl From<RecordError> for RegistryError {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(_) => f.write_str("the queues of SQS cannot be read"),
        }
    }
}

impl std::error::Error for RegistryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Record(error) => Some(error),
        }
    }
}

/// A change of a record that was not made.
enum Unchanged {
    Record(RecordError),
    Queue(QueueError),
}

impl From<RecordError> for Unchanged {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl From<Unchanged> for Failure {
    fn from(error: Unchanged) -> Self {
        match error {
            Unchanged::Record(error) => storage(&error),
            Unchanged::Queue(error) => of_queue(error),
        }
    }
}

impl Registry {
    /// Reads all records.
    pub async fn open(table: Table<QueueRecord>, queues: Queues) -> Result<Self, RegistryError> {
        let mut live = BTreeMap::new();
        let mut token: Option<String> = None;
        loop {
            let listing =
                Listing { within: &[], beginning: "", limit: 1_000, token: token.as_deref(), reverse: false };
            let page = table.list(listing).await?;
            for (parts, record) in page.records {
                let [account, region, name] = <[String; 3]>::try_from(parts).unwrap_or_default();
                let name = QueueName { account, region, name };
                if record.value.deleted.is_none() {
                    let queue = open_queue(&queues, &record.value);
                    live.insert(name.clone(), Found::new(name, (record.value, record.revision), queue));
                }
            }
            token = page.next;
            if token.is_none() {
                break;
            }
        }
        Ok(Self { table, queues, live: RwLock::new(live), changing: tokio::sync::Mutex::default() })
    }

    /// What makes queues of messages.
    pub fn queues(&self) -> &Queues {
        &self.queues
    }

    /// The queue of a name.
    pub fn find(&self, name: &QueueName) -> Option<Found> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The queue of a URL. Whether the caller may use it was decided with the grant, also when it is another account's.
    pub fn resolve(&self, grant: &Grant, url: Option<String>) -> Result<Found, Failure> {
        self.find(&QueueName::of_url(grant, &url.unwrap_or_default())?).ok_or_else(no_such_queue)
    }

    /// The queue of a URL, for what only its own account may do with it.
    pub fn resolve_own(&self, grant: &Grant, url: Option<String>) -> Result<Found, Failure> {
        let url = url.unwrap_or_default();
        let name = QueueName::of_url(grant, &url)?;
        // AWS: what is on this list is never permitted to other accounts.
        // https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-customer-managed-policy-examples.html
        if name.account != grant.account().as_str() {
            return Err(denied(&url));
        }
        self.find(&name).ok_or_else(no_such_queue)
    }

    /// The queue as it is once the change under way is done: after its messages were left behind under a request.
    pub async fn after_change(&self, name: &QueueName) -> Result<Found, Failure> {
        let _one = self.changing.lock().await;
        self.find(name).ok_or_else(no_such_queue)
    }

    /// All queues, in the order of their names.
    pub fn all(&self) -> Vec<Found> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The queues of an account and region whose names begin so and come after `after`.
    pub fn list(&self, grant: &Grant, beginning: &str, (after, limit): (&str, usize)) -> Vec<QueueName> {
        let first = QueueName::of(grant, after.max(beginning));
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        live.range(first..)
            .map(|(name, _)| name)
            .take_while(|name| {
                name.account == grant.account().as_str()
                    && name.region == grant.region().as_str()
                    && name.name.starts_with(beginning)
            })
            .filter(|name| name.name.as_str() > after)
            .take(limit)
            .cloned()
            .collect()
    }

    /// Makes a queue, unless there is one of the name: then `judge` says what becomes of it. `judge` is also given the
    /// record of a queue of the name that was deleted.
    pub async fn create(
        &self,
        name: &QueueName,
        record: QueueRecord,
        judge: impl FnOnce(&QueueRecord) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let _one = self.changing.lock().await;
        let former = self.table.get(&name.parts()).await.map_err(Unchanged::from)?;
        if let Some(former) = &former {
            judge(&former.value)?;
            if former.value.deleted.is_none() {
                return Ok(());
            }
        }
        let written = match former {
            Some(former) => self.table.replace(&name.parts(), &record, former.revision).await,
            None => self.table.insert(&name.parts(), &record).await,
        };
        let revision = written.map_err(Unchanged::from)?;
        let queue = open_queue(&self.queues, &record);
        self.set(Found::new(name.clone(), (record, revision), queue));
        Ok(())
    }

    /// Changes a queue's record. An `Err` of `change` changes nothing.
    pub async fn update(
        &self,
        name: &QueueName,
        change: impl FnOnce(&mut QueueRecord) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let _one = self.changing.lock().await;
        let found = self.find(name).ok_or_else(no_such_queue)?;
        let mut record = (*found.record).clone();
        change(&mut record)?;
        match self.table.replace(&name.parts(), &record, found.revision).await {
            Ok(revision) => {
                self.set(Found::new(found.name, (record, revision), found.queue));
                Ok(())
            }
            Err(error) => {
                self.read_again(name).await.map_err(Unchanged::from)?;
                Err(Unchanged::from(error).into())
            }
        }
    }

    /// Takes a record as the store has it: after a change of which it is unknown whether it was made.
    async fn read_again(&self, name: &QueueName) -> Result<(), RecordError> {
        let stored = self.table.get(&name.parts()).await?.filter(|stored| stored.value.deleted.is_none());
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        let Some(stored) = stored else {
            live.remove(name);
            return Ok(());
        };
        let former = live.get(name).map(|found| found.queue.clone());
        let queue = former
            .filter(|queue| queue.id() == stored.value.storage)
            .unwrap_or_else(|| open_queue(&self.queues, &stored.value));
        live.insert(name.clone(), Found::new(name.clone(), (stored.value, stored.revision), queue));
        Ok(())
    }

    /// Changes a queue's record so that its messages are left behind, which is what a purge and a deletion are.
    pub async fn leave(
        &self,
        name: &QueueName,
        change: impl FnOnce(&mut QueueRecord) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let _one = self.changing.lock().await;
        let found = self.find(name).ok_or_else(no_such_queue)?;
        let mut record = (*found.record).clone();
        change(&mut record)?;
        let value = self.table.encode(&name.parts(), &record).map_err(Unchanged::from)?;
        let key = self.table.key(&name.parts());
        let batch = Batch::new(self.table.shard().clone())
            .expect(key.clone(), Expect::Revision(found.revision))
            .put(key, value);
        let closed = found.queue.close(batch).await;
        self.read_again(name).await.map_err(Unchanged::from)?;
        Ok(closed.map_err(Unchanged::Queue)?)
    }

    /// Forgets the records of queues deleted before a time.
    pub async fn forget_deleted(&self, before: hearth_base::Timestamp) -> Result<(), RecordError> {
        let mut token: Option<String> = None;
        loop {
            let listing =
                Listing { within: &[], beginning: "", limit: 1_000, token: token.as_deref(), reverse: false };
            let page = self.table.list(listing).await?;
            for (parts, record) in page.records {
                if record.value.deleted.is_some_and(|deleted| deleted < before) {
                    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
                    match self.table.delete(&parts, Some(record.revision)).await {
                        // A new queue of the name has come in between.
                        Ok(()) | Err(RecordError::Changed { .. }) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
            token = page.next;
            if token.is_none() {
                return Ok(());
            }
        }
    }

    /// An id for the messages of a queue.
    pub fn next_storage(&self) -> EntryId {
        self.queues.next_id()
    }

    fn set(&self, found: Found) {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        live.insert(found.name.clone(), found);
    }
}

fn open_queue(queues: &Queues, record: &QueueRecord) -> Queue {
    let discipline = if record.settings.fifo { Discipline::Grouped } else { Discipline::Standard };
    queues.queue(record.storage, discipline)
}
