//! All topics and subscriptions: their records in memory and in the store, and the queue of each.
//!
//! Changes are made one at a time, in the store first. It refuses to judge what is changed.

use crate::attributes;
use crate::failures::{no_such_subscription, no_such_topic, of_queue, storage};
use crate::filter::{self, Policy};
use crate::model::{SubscriptionRecord, TopicRecord};
use crate::naming::{SubscriptionName, TopicName};
use hearth_iam::policy::Document;
use hearth_store::queue::{Discipline, EntryId, Queue, QueueError, Queues};
use hearth_store::records::RecordError;
use hearth_store::{Batch, Listing, Model, Table};
use hearth_wire::Failure;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

/// A topic as it is now.
#[derive(Clone)]
pub struct Topic {
    pub name: TopicName,
    pub record: Arc<TopicRecord>,
    pub queue: Queue,
    /// Its policy, read.
    pub policy: Option<Arc<Document>>,
}

/// A subscription as it is now.
#[derive(Clone)]
pub struct Subscription {
    pub name: SubscriptionName,
    pub record: Arc<SubscriptionRecord>,
    pub queue: Queue,
    /// Its filter policy, read.
    pub filter: Option<Arc<Policy>>,
}

/// All topics and subscriptions.
pub struct Registry {
    topics: Table<TopicRecord>,
    subscriptions: Table<SubscriptionRecord>,
    queues: Queues,
    live: RwLock<Live>,
    /// Held while a record is changed.
    changing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Live {
    topics: BTreeMap<TopicName, Topic>,
    subscriptions: BTreeMap<SubscriptionName, Subscription>,
}

/// What the registry is read from.
pub struct Tables {
    pub topics: Table<TopicRecord>,
    pub subscriptions: Table<SubscriptionRecord>,
}

impl Registry {
    /// Reads all records.
    pub async fn open(tables: Tables, queues: Queues) -> Result<Self, RecordError> {
        let Tables { topics, subscriptions } = tables;
        let mut live = Live::default();
        for (parts, record) in all(&topics).await? {
            let [account, region, name] = <[String; 3]>::try_from(parts).unwrap_or_default();
            let name = TopicName { account, region, name };
            let queue = open_queue(&queues, record.storage, record.is_fifo());
            live.topics.insert(name.clone(), topic(name, record, queue));
        }
        for (parts, record) in all(&subscriptions).await? {
            let [account, region, name, id] = <[String; 4]>::try_from(parts).unwrap_or_default();
            let topic = TopicName { account, region, name };
            // Subscriptions go before their topic does.
            let Some(fifo) = live.topics.get(&topic).map(|topic| topic.record.is_fifo()) else { continue };
            let name = SubscriptionName { topic, id };
            let queue = open_queue(&queues, record.storage, fifo);
            live.subscriptions.insert(name.clone(), subscription(name, record, queue));
        }
        let (live, changing) = (RwLock::new(live), tokio::sync::Mutex::default());
        Ok(Self { topics, subscriptions, queues, live, changing })
    }

    /// What makes queues of messages.
    pub fn queues(&self) -> &Queues {
        &self.queues
    }

    /// The topic of a name.
    pub fn topic(&self, name: &TopicName) -> Option<Topic> {
        self.read(|live| live.topics.get(name).cloned())
    }

    /// The same, for a request.
    pub fn known(&self, name: &TopicName) -> Result<Topic, Failure> {
        self.topic(name).ok_or_else(no_such_topic)
    }

    /// The subscription of a name.
    pub fn subscription(&self, name: &SubscriptionName) -> Option<Subscription> {
        self.read(|live| live.subscriptions.get(name).cloned())
    }

    /// All topics.
    pub fn topics(&self) -> Vec<Topic> {
        self.read(|live| live.topics.values().cloned().collect())
    }

    /// All subscriptions.
    pub fn subscriptions(&self) -> Vec<Subscription> {
        self.read(|live| live.subscriptions.values().cloned().collect())
    }

    /// How many subscriptions there are of which this is so.
    pub fn count(&self, so: impl Fn(&SubscriptionRecord) -> bool) -> usize {
        self.read(|live| live.subscriptions.values().filter(|found| so(&found.record)).count())
    }

    /// The subscriptions of a topic.
    pub fn subscriptions_of(&self, topic: &TopicName) -> Vec<Subscription> {
        let first = SubscriptionName { topic: topic.clone(), id: String::new() };
        self.read(|live| {
            let range = live.subscriptions.range(first..).take_while(|(name, _)| name.topic == *topic);
            range.map(|(_, found)| found.clone()).collect()
        })
    }

    /// Makes a topic, unless there is one of the name: then `judge` says whether that one will do. Says which is new.
    pub async fn create_topic(
        &self,
        name: &TopicName,
        record: TopicRecord,
        judge: impl FnOnce(&TopicRecord) -> Result<(), Failure>,
    ) -> Result<Option<Topic>, Failure> {
        let _one = self.changing.lock().await;
        if let Some(there) = self.topic(name) {
            return judge(&there.record).map(|()| None);
        }
        self.topics.put(&name.parts(), &record).await.map_err(|error| storage(&error))?;
        let queue = open_queue(&self.queues, record.storage, record.is_fifo());
        let made = topic(name.clone(), record, queue);
        self.write().topics.insert(name.clone(), made.clone());
        Ok(Some(made))
    }

    /// Changes a topic's record. An `Err` of `change` changes nothing.
    pub async fn update_topic(
        &self,
        name: &TopicName,
        change: impl FnOnce(&mut TopicRecord) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let _one = self.changing.lock().await;
        let found = self.known(name)?;
        let mut record = (*found.record).clone();
        change(&mut record)?;
        if let Err(error) = self.topics.put(&name.parts(), &record).await {
            // It is not known whether it was written: the store says what holds.
            if let Ok(Some(stored)) = self.topics.get(&name.parts()).await {
                self.write().topics.insert(name.clone(), topic(name.clone(), stored.value, found.queue));
            }
            return Err(storage(&error));
        }
        self.write().topics.insert(name.clone(), topic(name.clone(), record, found.queue));
        Ok(())
    }

    /// Deletes a topic with its subscriptions and all that was not delivered.
    pub async fn delete_topic(&self, name: &TopicName) -> Result<(), Failure> {
        let _one = self.changing.lock().await;
        let Some(found) = self.topic(name) else { return Ok(()) };
        // First what hangs on it: else a crash would leave subscriptions to a later topic of the name.
        for subscription in self.subscriptions_of(name) {
            self.drop_subscription(&subscription).await?;
        }
        let batch = Batch::new(self.topics.shard().clone()).delete(self.topics.key(&name.parts()));
        found.queue.close(batch).await.map_err(of_queue)?;
        self.write().topics.remove(name);
        Ok(())
    }

    /// Makes a subscription, unless `same` finds that there is one already.
    pub async fn subscribe(
        &self,
        (name, record): (SubscriptionName, SubscriptionRecord),
        same: impl FnOnce(&[Subscription]) -> Result<Option<SubscriptionName>, Failure>,
    ) -> Result<(SubscriptionName, Option<Subscription>), Failure> {
        let _one = self.changing.lock().await;
        let topic = self.known(&name.topic)?;
        if let Some(there) = same(&self.subscriptions_of(&name.topic))? {
            return Ok((there, None));
        }
        self.subscriptions.put(&name.parts(), &record).await.map_err(|error| storage(&error))?;
        let queue = open_queue(&self.queues, record.storage, topic.record.is_fifo());
        let made = subscription(name.clone(), record, queue);
        self.write().subscriptions.insert(name.clone(), made.clone());
        Ok((name, Some(made)))
    }

    /// Changes a subscription's record. An `Err` of `change` changes nothing.
    pub async fn update_subscription(
        &self,
        name: &SubscriptionName,
        change: impl FnOnce(&mut SubscriptionRecord) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let _one = self.changing.lock().await;
        let found = self.subscription(name).ok_or_else(no_such_subscription)?;
        let mut record = (*found.record).clone();
        change(&mut record)?;
        let written = self.subscriptions.put(&name.parts(), &record).await;
        if let Err(error) = written {
            if let Ok(Some(stored)) = self.subscriptions.get(&name.parts()).await {
                let read = subscription(name.clone(), stored.value, found.queue);
                self.write().subscriptions.insert(name.clone(), read);
            }
            return Err(storage(&error));
        }
        let changed = subscription(name.clone(), record, found.queue);
        self.write().subscriptions.insert(name.clone(), changed);
        Ok(())
    }

    /// Deletes a subscription and what was not delivered to it.
    pub async fn unsubscribe(&self, name: &SubscriptionName) -> Result<(), Failure> {
        let _one = self.changing.lock().await;
        let Some(found) = self.subscription(name) else { return Ok(()) };
        self.drop_subscription(&found).await?;
        self.count_deleted(name).await
    }

    /// Has a subscription end, and keeps what is needed to restore it. An `Err` of `change` changes nothing.
    pub async fn withdraw(
        &self,
        name: &SubscriptionName,
        change: impl FnOnce(&mut SubscriptionRecord) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.update_subscription(name, change).await?;
        let _one = self.changing.lock().await;
        self.count_deleted(name).await
    }

    /// Deletes the subscriptions of which this is so, and counts them nowhere.
    pub async fn forget(&self, so: impl Fn(&SubscriptionRecord) -> bool) -> Result<(), Failure> {
        for found in self.subscriptions().into_iter().filter(|found| so(&found.record)) {
            let _one = self.changing.lock().await;
            // It may have changed before its turn came.
            if let Some(found) = self.subscription(&found.name).filter(|found| so(&found.record)) {
                self.drop_subscription(&found).await?;
            }
        }
        Ok(())
    }

    async fn count_deleted(&self, name: &SubscriptionName) -> Result<(), Failure> {
        let Some(topic_of) = self.topic(&name.topic) else { return Ok(()) };
        let mut record = (*topic_of.record).clone();
        record.subscriptions_deleted += 1;
        let parts = name.topic.parts();
        self.topics.put(&parts, &record).await.map_err(|error| storage(&error))?;
        let counted = topic(name.topic.clone(), record, topic_of.queue);
        self.write().topics.insert(name.topic.clone(), counted);
        Ok(())
    }

    async fn drop_subscription(&self, found: &Subscription) -> Result<(), Failure> {
        let key = self.subscriptions.key(&found.name.parts());
        let batch = Batch::new(self.subscriptions.shard().clone()).delete(key);
        match found.queue.close(batch).await {
            Ok(()) | Err(QueueError::Closed) => {}
            Err(error) => return Err(of_queue(error)),
        }
        self.write().subscriptions.remove(&found.name);
        Ok(())
    }

    fn read<T>(&self, look: impl FnOnce(&Live) -> T) -> T {
        look(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self) -> RwLockWriteGuard<'_, Live> {
        self.live.write().unwrap_or_else(PoisonError::into_inner)
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

fn topic(name: TopicName, record: TopicRecord, queue: Queue) -> Topic {
    let text = attributes::policy_of(&name, &record);
    let policy = match Document::resource(&text) {
        Ok(document) => Some(Arc::new(document)),
        // A server of another version may have been less strict.
        Err(error) => {
            tracing::error!(topic = name.arn(), %error, "its policy cannot be read and allows nothing");
            None
        }
    };
    Topic { name, record: Arc::new(record), queue, policy }
}

fn subscription(name: SubscriptionName, record: SubscriptionRecord, queue: Queue) -> Subscription {
    let text = record.attributes.get("FilterPolicy");
    let filter = text.and_then(|text| filter::read(text, attributes::scope_of(&record)).ok().flatten());
    Subscription { name, filter: filter.map(Arc::new), record: Arc::new(record), queue }
}

fn open_queue(queues: &Queues, id: EntryId, fifo: bool) -> Queue {
    queues.queue(id, if fifo { Discipline::Grouped } else { Discipline::Standard })
}
