//! What goes on in the background: removing what has expired, was purged or deleted, and moving messages for move tasks.
//!
//! It is one task, which sleeps until something is due or someone tells it of work.

use crate::Inner;
use crate::Service;
use crate::message::Message;
use crate::model::{MoveStatus, MoveTask};
use crate::naming::QueueName;
use crate::registry::Found;
use hearth_base::Timestamp;
use hearth_store::queue::{Moved, QueueError, Route, Transferred};
use hearth_store::records::RecordError;
use hearth_store::{Listing, Table};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Between two turns when nobody tells of work.
const INTERVAL: Duration = Duration::from_secs(60);
/// For how long the name of a deleted queue cannot be used.
pub const NAME_REST: Duration = Duration::from_secs(60);
/// Messages that a move task without a rate moves before others have their turn.
const MOVED_AT_ONCE: usize = 500;
/// Tasks of one queue that are remembered.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListMessageMoveTasks.html>
pub const TASKS_MAX: usize = 10;

/// The running background work. Dropping it ends the work at once, [`Handle::stop`] in good order.
pub struct Handle {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Handle {
    /// Ends the work. What was under way is taken up again at the next start.
    pub async fn stop(mut self) {
        // Without a receiver the task has ended already.
        let _ = self.stop.send(true);
        let _ = (&mut self.task).await;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A turn that could not be done.
#[derive(Debug)]
pub enum TurnError {
    Record(RecordError),
    Queue(QueueError),
}

impl From<RecordError> for TurnError {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl From<QueueError> for TurnError {
    fn from(error: QueueError) -> Self {
        Self::Queue(error)
    }
}

impl fmt::Display for TurnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(error) => fmt::Display::fmt(error, f),
            Self::Queue(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl std::error::Error for TurnError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Record(error) => std::error::Error::source(error),
            Self::Queue(error) => std::error::Error::source(error),
        }
    }
}

pub(crate) fn start(service: Service) -> Handle {
    let (stop, mut stopped) = watch::channel(false);
    let task = tokio::spawn(async move {
        tokio::select! {
            () = work(&service.inner) => {}
            _ = stopped.wait_for(|stop| *stop) => {}
        }
    });
    Handle { stop, task }
}

async fn work(inner: &Inner) {
    let mut swept = inner.clock.now();
    loop {
        let now = inner.clock.now();
        let next = match move_messages(inner).await {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(%error, "cannot move messages; trying again");
                None
            }
        };
        if now.since(swept) >= INTERVAL {
            swept = now;
            if let Err(error) = sweep(inner).await {
                tracing::error!(%error, "cannot remove old messages; trying again");
            }
        } else if let Err(error) = inner.registry.queues().remove_gone().await {
            tracing::error!(%error, "cannot remove what was purged; trying again");
        }
        let moved = async {
            match next {
                Some(next) => inner.clock.sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = moved => {}
            () = inner.clock.idle_until(swept.after(INTERVAL)) => {}
            () = inner.work.notified() => {}
        }
    }
}

/// Removes everything that is not wanted any more.
pub(crate) async fn sweep(inner: &Inner) -> Result<(), TurnError> {
    let now = inner.clock.now();
    inner.registry.queues().remove_gone().await?;
    let rest = i64::try_from(NAME_REST.as_millis()).unwrap_or(i64::MAX);
    inner.registry.forget_deleted(Timestamp::from_millis(now.millis().saturating_sub(rest))).await?;
    for found in inner.registry.all() {
        match expire(&found, now).await {
            // It was purged or deleted in between.
            Ok(()) | Err(QueueError::Closed) => {}
            Err(error) => return Err(error.into()),
        }
        if found.record.settings.fifo {
            inner.registry.queues().forget_tokens(found.record.storage).await?;
        }
    }
    Ok(())
}

/// Removes the messages of a queue that are past its retention period.
pub async fn expire(found: &Found, now: Timestamp) -> Result<(), QueueError> {
    while found.queue.expire(found.record.settings.cutoff(now)).await? {}
    Ok(())
}

/// The message move tasks: in the store, and in memory while they run.
pub struct Moves {
    table: Table<MoveTask>,
    running: Mutex<BTreeMap<String, (QueueName, MoveTask)>>,
}

impl Moves {
    /// Takes up the tasks that were running.
    pub async fn open(table: Table<MoveTask>) -> Result<Self, RecordError> {
        let mut running = BTreeMap::new();
        let mut token: Option<String> = None;
        loop {
            let listing =
                Listing { within: &[], beginning: "", limit: 1_000, token: token.as_deref(), reverse: false };
            let page = table.list(listing).await?;
            for (_, record) in page.records {
                let task = record.value;
                if let (MoveStatus::Running | MoveStatus::Cancelling, Some(source)) =
                    (task.status, QueueName::of_arn(&task.source_arn))
                {
                    running.insert(task.id.clone(), (source, task));
                }
            }
            token = page.next;
            if token.is_none() {
                return Ok(Self { table, running: Mutex::new(running) });
            }
        }
    }

    /// Stores a task; it runs from now on.
    pub async fn begin(&self, source: &QueueName, task: MoveTask) -> Result<(), RecordError> {
        self.store(source, &task).await?;
        self.lock().insert(task.id.clone(), (source.clone(), task));
        self.forget_old(source).await
    }

    /// The task of a queue that runs.
    pub fn running_of(&self, source: &QueueName) -> Option<MoveTask> {
        self.lock().values().find(|(of, _)| of == source).map(|(_, task)| task.clone())
    }

    /// Asks a task to end. Says how many messages it has moved; none when it does not run.
    pub fn cancel(&self, source: &QueueName, id: &str) -> Option<u64> {
        let mut running = self.lock();
        let (_, task) =
            running.get_mut(id).filter(|(of, task)| of == source && task.status == MoveStatus::Running)?;
        task.status = MoveStatus::Cancelling;
        Some(task.moved)
    }

    /// The latest tasks of a queue, the last first.
    pub async fn latest(&self, source: &QueueName, limit: usize) -> Result<Vec<MoveTask>, RecordError> {
        let listing = Listing { within: &source.parts(), beginning: "", limit, token: None, reverse: true };
        let page = self.table.list(listing).await?;
        let running = self.lock();
        let fresh = |task: MoveTask| running.get(&task.id).map_or(task, |(_, task)| task.clone());
        Ok(page.records.into_iter().map(|(_, record)| fresh(record.value)).collect())
    }

    /// Forgets all but the latest tasks of a queue.
    async fn forget_old(&self, source: &QueueName) -> Result<(), RecordError> {
        let all = self.latest(source, 100).await?;
        for old in all.iter().skip(TASKS_MAX).filter(|task| task.status != MoveStatus::Running) {
            let order = order(old);
            let [account, region, name] = source.parts();
            self.table.delete(&[account, region, name, &order], None).await?;
        }
        Ok(())
    }

    async fn store(&self, source: &QueueName, task: &MoveTask) -> Result<(), RecordError> {
        let order = order(task);
        let [account, region, name] = source.parts();
        self.table.put(&[account, region, name, &order], task).await.map(drop)
    }

    fn all(&self) -> Vec<(QueueName, MoveTask)> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (QueueName, MoveTask)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a task sorts by.
fn order(task: &MoveTask) -> String {
    format!("{:016x}-{}", task.started.millis(), task.id)
}

/// Gives every running task its turn. Says when the next is due: none when none runs.
pub(crate) async fn move_messages(inner: &Inner) -> Result<Option<Timestamp>, TurnError> {
    loop {
        let mut next = None;
        for (source, task) in inner.moves.all() {
            match step(inner, &source, &task).await? {
                Some(at) => next = Some(next.map_or(at, |next: Timestamp| next.min(at))),
                None => continue,
            }
        }
        match next {
            // A task without a rate has more to do at once; others were given their turn.
            Some(at) if at <= inner.clock.now() => tokio::task::yield_now().await,
            later => return Ok(later),
        }
    }
}

/// Moves some messages. Says when to go on; none when the task has ended.
async fn step(inner: &Inner, source: &QueueName, task: &MoveTask) -> Result<Option<Timestamp>, TurnError> {
    let now = inner.clock.now();
    if task.status == MoveStatus::Cancelling {
        end(inner, source, (task, MoveStatus::Cancelled, None)).await?;
        return Ok(None);
    }
    let allowed = match task.messages_per_second_max {
        None => MOVED_AT_ONCE,
        Some(rate) => {
            let seconds = now.since(task.started).as_secs() + 1;
            usize::try_from((seconds * u64::from(rate)).saturating_sub(task.moved)).unwrap_or(MOVED_AT_ONCE)
        }
    };
    let wanted = allowed.min(MOVED_AT_ONCE);
    let Some(found) = inner.registry.find(source) else {
        let failure = Some("AWS.SimpleQueueService.NonExistentQueue".to_owned());
        end(inner, source, (task, MoveStatus::Failed, failure)).await?;
        return Ok(None);
    };
    let Transferred { moved, stuck, more } = match wanted {
        0 => Transferred { moved: 0, stuck: false, more: true },
        _ => found.queue.transfer(wanted, route(inner, task)).await?,
    };
    let task = {
        let mut running = inner.moves.lock();
        let Some((_, task)) = running.get_mut(&task.id) else { return Ok(None) };
        task.moved += moved as u64;
        task.clone()
    };
    if stuck {
        let failure = Some("CouldNotDetermineMessageSource".to_owned());
        end(inner, source, (&task, MoveStatus::Failed, failure)).await?;
        return Ok(None);
    }
    if !more {
        end(inner, source, (&task, MoveStatus::Completed, None)).await?;
        return Ok(None);
    }
    let next = if task.messages_per_second_max.is_some() { now.after(Duration::from_secs(1)) } else { now };
    Ok(Some(next))
}

/// Where the messages of a task go. There they are new messages.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html>
fn route(inner: &Inner, task: &MoveTask) -> Route {
    let (registry, rng) = (Arc::clone(&inner.registry), Arc::clone(&inner.rng));
    let destination = task.destination_arn.clone();
    Arc::new(move |value| {
        let mut message = Message::decode(value)?;
        let arn = destination.as_ref().or(message.dead_letter_source.as_ref())?;
        let there = registry.find(&QueueName::of_arn(arn)?)?;
        message.id = hearth_base::id::uuid(&*rng);
        message.dead_letter_source = None;
        let group = message.group_bytes(there.record.settings.fifo);
        Some(Moved { to: there.queue, value: message.encode(), group, keeps_id: false })
    })
}

async fn end(
    inner: &Inner,
    source: &QueueName,
    (task, status, failure): (&MoveTask, MoveStatus, Option<String>),
) -> Result<(), RecordError> {
    let ended = MoveTask { status, failure, ..task.clone() };
    inner.moves.store(source, &ended).await?;
    inner.moves.lock().remove(&task.id);
    Ok(())
}
