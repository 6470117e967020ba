//! The clocks: the system's, one that can be put forward while it runs, and one that stands still between steps.

use crate::{BoxFuture, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{oneshot, watch};

/// Where every part of Hearth takes the time from, so that hours of retries run in a test in milliseconds.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Resolves once `deadline` is reached; at once when it has passed.
    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()>;

    /// The same for who only looks now and then whether there is something to tidy up: who puts the clock forward need not
    /// stop at this time, and a year can pass with one look at its end.
    fn idle_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        self.sleep_until(deadline)
    }
}

/// The machine's own clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Timestamp::from_millis(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        let wait = deadline.since(self.now());
        Box::pin(tokio::time::sleep(wait))
    }
}

/// The machine's clock with a lead that grows when somebody advances it: `hearth serve --clock virtual`.
///
/// Between two advances it runs as fast as the machine's, so that nothing that waits waits for ever.
#[derive(Debug, Clone)]
pub struct AdvancingClock {
    shared: Arc<Advancing>,
}

#[derive(Debug)]
struct Advancing {
    /// How far it is ahead of the machine's clock. Sleepers look again when it changes.
    lead: watch::Sender<Duration>,
    /// How many sleep until when.
    deadlines: Mutex<BTreeMap<Timestamp, usize>>,
}

/// A sleeper's entry among the deadlines, for as long as it sleeps.
struct Sleeping {
    shared: Arc<Advancing>,
    deadline: Timestamp,
}

impl AdvancingClock {
    /// A clock that shows the machine's time.
    pub fn new() -> Self {
        let (lead, deadlines) = (watch::Sender::new(Duration::ZERO), Mutex::default());
        Self { shared: Arc::new(Advancing { lead, deadlines }) }
    }

    /// Puts the clock forward and wakes whoever waited for a time up to the new one.
    pub fn advance(&self, by: Duration) {
        self.shared.lead.send_modify(|lead| *lead = lead.saturating_add(by));
    }

    /// The earliest time that somebody waits for.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.shared.deadlines().first_key_value().map(|(deadline, _)| *deadline)
    }
}

impl Default for AdvancingClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for AdvancingClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().after(*self.shared.lead.borrow())
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        let sleeping = Sleeping::new(Arc::clone(&self.shared), deadline);
        let idle = self.idle_until(deadline);
        Box::pin(async move {
            let _sleeping = sleeping;
            idle.await;
        })
    }

    fn idle_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        let mut lead = self.shared.lead.subscribe();
        Box::pin(async move {
            loop {
                let now = SystemClock.now().after(*lead.borrow_and_update());
                if now >= deadline {
                    return;
                }
                tokio::select! {
                    () = tokio::time::sleep(deadline.since(now)) => {}
                    changed = lead.changed() => changed.expect("the sleeper holds the sender"),
                }
            }
        })
    }
}

impl Advancing {
    fn deadlines(&self) -> MutexGuard<'_, BTreeMap<Timestamp, usize>> {
        self.deadlines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sleeping {
    fn new(shared: Arc<Advancing>, deadline: Timestamp) -> Self {
        *shared.deadlines().entry(deadline).or_default() += 1;
        Self { shared, deadline }
    }
}

impl Drop for Sleeping {
    fn drop(&mut self) {
        let mut deadlines = self.shared.deadlines();
        if let Some(count) = deadlines.get_mut(&self.deadline) {
            *count -= 1;
            if *count == 0 {
                deadlines.remove(&self.deadline);
            }
        }
    }
}

/// A clock that stands still until it is advanced.
#[derive(Debug)]
pub struct VirtualClock {
    state: Mutex<VirtualState>,
}

#[derive(Debug)]
struct VirtualState {
    now: Timestamp,
    sleepers: Vec<(Timestamp, oneshot::Sender<()>)>,
}

impl VirtualClock {
    /// A clock that shows `start`.
    pub fn new(start: Timestamp) -> Self {
        Self { state: Mutex::new(VirtualState { now: start, sleepers: Vec::new() }) }
    }

    /// Moves the clock forward and wakes whoever waited for a time up to the new one.
    pub fn advance(&self, by: Duration) {
        let mut state = self.lock();
        state.now = state.now.after(by);
        let now = state.now;
        let (due, waiting) = state.sleepers.drain(..).partition(|(deadline, _)| *deadline <= now);
        state.sleepers = waiting;
        drop(state);
        let due: Vec<(Timestamp, oneshot::Sender<()>)> = due;
        for (_, wake) in due {
            // A sleeper that gave up waiting needs no waking.
            let _ = wake.send(());
        }
    }

    fn lock(&self) -> MutexGuard<'_, VirtualState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.lock().now
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        let mut state = self.lock();
        if deadline <= state.now {
            return Box::pin(std::future::ready(()));
        }
        let (wake, woken) = oneshot::channel();
        state.sleepers.retain(|(_, sleeper)| !sleeper.is_closed());
        state.sleepers.push((deadline, wake));
        Box::pin(async move {
            let _ = woken.await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_advancing_clock_runs_and_can_be_put_forward() {
        let clock = AdvancingClock::new();
        let hour = Duration::from_secs(3_600);
        let begun = clock.now();
        assert!(begun.since(SystemClock.now()) < hour && clock.next_deadline().is_none());
        let early = clock.sleep_until(begun.after(hour));
        let late = clock.sleep_until(begun.after(2 * hour));
        assert_eq!(clock.next_deadline(), Some(begun.after(hour)));
        let waking = tokio::spawn(early);
        clock.advance(hour);
        waking.await.unwrap();
        assert_eq!(clock.next_deadline(), Some(begun.after(2 * hour)));
        assert!(clock.now() >= begun.after(hour));
        drop(late);
        assert_eq!(clock.next_deadline(), None);
        let idle = clock.idle_until(clock.now().after(hour));
        assert_eq!(clock.next_deadline(), None, "nobody stops for who idles");
        let waking = tokio::spawn(idle);
        clock.advance(hour);
        waking.await.unwrap();
        clock.sleep_until(clock.now().after(Duration::from_millis(1))).await;
    }

    #[tokio::test]
    async fn sleepers_wake_when_their_time_comes() {
        let clock = VirtualClock::new(Timestamp::from_seconds(100));
        let early = clock.sleep_until(Timestamp::from_seconds(110));
        let mut late = clock.sleep_until(Timestamp::from_seconds(200));
        clock.advance(Duration::from_secs(10));
        early.await;
        assert!(
            std::future::poll_fn(|context| std::task::Poll::Ready(late.as_mut().poll(context).is_pending()))
                .await
        );
        clock.advance(Duration::from_secs(90));
        late.await;
        clock.sleep_until(Timestamp::from_seconds(1)).await;
        assert_eq!(clock.now(), Timestamp::from_seconds(200));
    }
}
