//! What goes on in the background, in two tasks for all schedules.
//!
//! One sleeps until the next schedule is due, puts an invocation in the queue and notes when the schedule is due next. A
//! flexible time window is a delay in the queue. The other takes invocations from the queue and delivers them, so many at
//! once, and puts back those to be tried again under a later time: so what waits for a target that fails costs no place
//! that others need. An invocation is removed when what became of it is stored: a crash in between repeats it.

use crate::Inner;
use crate::invocation::{self, Outcome};
use crate::model::{Invocation, ScheduleRecord};
use crate::registry::Found;
use crate::timing;
use bytes::Bytes;
use hearth_base::{Running, Timestamp, id};
use hearth_store::queue::{Claim, Claimed, New, QueueError};
use hearth_store::records::RecordError;
use hearth_store::{CommitError, Error};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Schedules whose time has come that are taken at once.
const TAKEN_MAX: usize = 100;
/// Invocations that are delivered at once.
const DELIVERED_MAX: usize = 64;
/// For how long an invocation stays claimed by a task that may have gone: longer than a delivery may take.
const CLAIM: Duration = Duration::from_secs(90);
/// After this long without work a task looks again.
const IDLE: Duration = Duration::from_secs(30 * 86_400);
/// After this long storage is asked again when it failed.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two removals of what the queue no longer needs to know again.
const SWEEP: Duration = Duration::from_secs(300);

/// What the tasks are doing, for who moves the clock.
#[derive(Default)]
pub struct Activity {
    /// Until when the task that looks after schedules sleeps, and how many changes it has seen; none while it is at work.
    asleep: watch::Sender<Option<(Timestamp, u64)>>,
}

/// Storage did not do what was asked.
#[derive(Debug)]
enum TaskError {
    Queue(QueueError),
    Record(RecordError),
    Read(Error),
    Commit(CommitError),
}

/// Starts the tasks.
pub fn start(inner: &Arc<Inner>) -> Running {
    let running = inner.background.open();
    inner.background.spawn(schedule_all(Arc::clone(inner)));
    inner.background.spawn(deliver_all(Arc::clone(inner)));
    running
}

/// Returns when nothing is due, and all that was due has been delivered.
pub async fn quiet(inner: &Inner) {
    let mut asleep = inner.activity.asleep.subscribe();
    loop {
        inner.queue.rest().await;
        let (now, changes) = (inner.clock.now(), inner.registry.changes());
        let sleeps = asleep.borrow_and_update().is_some_and(|(until, seen)| until > now && seen == changes);
        // Before it went to sleep it may have put something into the queue.
        if sleeps && inner.queue.is_at_rest().await {
            return;
        }
        if !sleeps {
            asleep.changed().await.expect("the service holds the sender");
        }
    }
}

async fn schedule_all(inner: Arc<Inner>) {
    let mut swept = inner.clock.now();
    loop {
        // Before anything is looked at: what changes meanwhile is looked at again.
        let changed = inner.registry.changed.notified();
        let changes = inner.registry.changes();
        match step(&inner, &mut swept).await {
            Ok(Step::More) => {}
            Ok(Step::Wait(due)) => {
                let wake = due.unwrap_or_else(|| inner.clock.now().after(IDLE));
                let sleep = inner.clock.sleep_until(wake);
                inner.activity.asleep.send_replace(Some((wake, changes)));
                tokio::select! {
                    () = changed => {}
                    () = sleep => {}
                }
                inner.activity.asleep.send_replace(None);
            }
            Err(error) => {
                tracing::error!(%error, "cannot look after schedules; trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// What comes after a step.
enum Step {
    /// There may be more to do.
    More,
    /// There is not, until then.
    Wait(Option<Timestamp>),
}

/// Does some of what is to be done.
async fn step(inner: &Inner, swept: &mut Timestamp) -> Result<Step, TaskError> {
    let now = inner.clock.now();
    if now.since(*swept) >= SWEEP {
        inner.queues.forget_tokens(crate::QUEUE).await?;
        *swept = now;
    }
    let changing = inner.registry.changing().await;
    if let Some(group) = inner.registry.group_that_goes() {
        changing.clear_group(&group, TAKEN_MAX).await?;
        return Ok(Step::More);
    }
    let found = changing.due(now, TAKEN_MAX).await?;
    if found.is_empty() {
        return Ok(Step::Wait(inner.registry.next_due().await?));
    }
    let (mut entries, mut advanced) = (Vec::new(), Vec::new());
    for found in found {
        let (entry, next) = take(inner, &found, now);
        entries.extend(entry);
        advanced.push((found, next));
    }
    // First the invocations: what a crash leaves undone after this is done again, and known again by its token.
    inner.queue.enqueue(entries).await?;
    changing.advance(advanced).await?;
    Ok(Step::More)
}

/// The invocation of a schedule whose time has come, and when it is due next.
fn take(inner: &Inner, found: &Found, now: Timestamp) -> (Option<New>, Option<Timestamp>) {
    let Found { name, record } = found;
    let due = match inner.zones.read(&record.settings.timing) {
        Ok(schedule) => timing::due(&schedule, record, now),
        // The machine has lost its time zones.
        Err(error) => {
            tracing::error!(schedule = name.arn(), error = %error.message, "a schedule is due no more");
            None
        }
    };
    let Some(due) = due else { return (None, None) };
    let begun = now.max(due.scheduled.after(flexibly(inner, record, due)));
    let invocation = Invocation {
        execution: id::random_hex(&*inner.rng, 8),
        schedule: name.clone(),
        of: record.id.clone(),
        scheduled: due.scheduled,
        begun,
        tries: 0,
        last: due.next.is_none(),
        target: record.settings.target.clone(),
        dead: None,
    };
    let token = format!("{} {} {}", record.id, record.anchor.millis(), due.scheduled.millis());
    let entry =
        New { due: Some(begun), once: Some(token.into()), value: invocation.encode(), ..New::default() };
    (Some(entry), due.next)
}

/// How long after its time a schedule is to invoke: anywhere in its window.
fn flexibly(inner: &Inner, record: &ScheduleRecord, due: timing::Due) -> Duration {
    let Some(minutes) = record.settings.window else { return Duration::ZERO };
    let window = Duration::from_secs(u64::from(minutes) * 60);
    // With its last invocation the schedule is deleted, and with it those that wait: it comes at the end.
    let ends = record.settings.deletes && due.next.is_none();
    window.mul_f64(if ends { 1.0 } else { inner.rng.next_fraction() })
}

async fn deliver_all(inner: Arc<Inner>) {
    let mut running = JoinSet::new();
    loop {
        while running.try_join_next().is_some() {}
        if running.len() >= DELIVERED_MAX {
            running.join_next().await;
            continue;
        }
        for claimed in next(&inner, DELIVERED_MAX - running.len()).await {
            running.spawn(deliver(Arc::clone(&inner), claimed));
        }
    }
}

/// The next invocations.
async fn next(inner: &Inner, max: usize) -> Vec<Claimed> {
    let claim = || Claim {
        max,
        until: inner.clock.now().after(CLAIM),
        since: Timestamp::from_millis(0),
        delay: Duration::ZERO,
        // What has been delivered counts until that is noted.
        claimed_max: 2 * DELIVERED_MAX,
        dead: None,
        again: Vec::new(),
    };
    match inner.queue.claim_within(inner.clock.now().after(IDLE), claim).await {
        Ok(claimed) => claimed,
        Err(QueueError::TooManyClaimed) => Vec::new(),
        Err(error) => {
            tracing::error!(%error, "cannot take invocations of schedules; trying again");
            tokio::time::sleep(PAUSE).await;
            Vec::new()
        }
    }
}

async fn deliver(inner: Arc<Inner>, claimed: Claimed) {
    if let Err(error) = try_deliver(&inner, &claimed).await {
        // It comes back when its claim ends.
        tracing::error!(%error, "cannot note what became of an invocation of a schedule");
    }
}

async fn try_deliver(inner: &Inner, claimed: &Claimed) -> Result<(), TaskError> {
    match Invocation::decode(&claimed.value) {
        None => tracing::error!("a stored invocation does not read and is dropped"),
        Some(invocation) => {
            if let Some(over) = deliver_one(inner, invocation).await? {
                finish(inner, &over).await?;
            }
        }
    }
    inner.queue.remove(vec![claimed.receipt]).await?;
    Ok(())
}

/// Delivers an invocation. Gives it back when it is over; otherwise it is in the queue once more.
async fn deliver_one(inner: &Inner, invocation: Invocation) -> Result<Option<Invocation>, TaskError> {
    if invocation.tries == 0 && !is_there(inner, &invocation).await? {
        return Ok(None);
    }
    let kept = invocation.clone();
    match invocation::run(inner, invocation).await {
        Outcome::Over => Ok(Some(kept)),
        Outcome::Again(again, due) => {
            let tries = again.tries + again.dead.as_ref().map_or(0, |death| death.tries);
            let token = Bytes::from(format!("{} {} {tries}", again.of, again.execution));
            let entry = New { due: Some(due), once: Some(token), value: again.encode(), ..New::default() };
            inner.queue.enqueue(vec![entry]).await?;
            Ok(None)
        }
    }
}

/// Whether the schedule was not deleted before its invocation, which a flexible time window may delay.
async fn is_there(inner: &Inner, invocation: &Invocation) -> Result<bool, TaskError> {
    let found = inner.registry.schedule(&invocation.schedule).await?;
    Ok(found.is_some_and(|record| record.id == invocation.of))
}

/// After its last invocation a schedule may have to go.
async fn finish(inner: &Inner, invocation: &Invocation) -> Result<(), TaskError> {
    if !invocation.last {
        return Ok(());
    }
    let changing = inner.registry.changing().await;
    let Some(record) = inner.registry.schedule(&invocation.schedule).await? else { return Ok(()) };
    if record.id == invocation.of && record.settings.deletes && record.next.is_none() {
        changing.delete(&invocation.schedule, &record).await?;
    }
    Ok(())
}

impl From<QueueError> for TaskError {
    fn from(error: QueueError) -> Self {
        Self::Queue(error)
    }
}

impl From<RecordError> for TaskError {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl From<Error> for TaskError {
    fn from(error: Error) -> Self {
        Self::Read(error)
    }
}

impl From<CommitError> for TaskError {
    fn from(error: CommitError) -> Self {
        Self::Commit(error)
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(error) => fmt::Display::fmt(error, f),
            Self::Record(error) => fmt::Display::fmt(error, f),
            Self::Read(error) => fmt::Display::fmt(error, f),
            Self::Commit(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl std::error::Error for TaskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Queue(error) => error.source(),
            Self::Record(error) => error.source(),
            Self::Read(error) => error.source(),
            Self::Commit(error) => error.source(),
        }
    }
}
