//! Waiting for what may make a claim succeed: a change of the queue, or the time.
//!
//! Of all who wait for a queue one watches the time, so that what comes back wakes one and not all.

use super::owner::Owner;
use hearth_base::Timestamp;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use tokio::sync::SemaphorePermit;
use tokio::sync::futures::Notified;

/// Waits for what may make a claim succeed.
pub struct Listener<'a> {
    owner: &'a Owner,
    notified: Pin<Box<Notified<'a>>>,
}

/// The one that watches the time for all who wait. When it goes, another must learn of it.
struct Timekeeper<'a> {
    owner: &'a Owner,
    permit: Option<SemaphorePermit<'a>>,
}

impl Drop for Timekeeper<'_> {
    fn drop(&mut self) {
        if self.permit.take().is_some() && self.owner.waiting.load(Ordering::Relaxed) > 1 {
            self.owner.changed.notify_one();
        }
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        self.waiting_ends();
    }
}

impl Listener<'_> {
    fn waiting_ends(&self) {
        self.owner.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// Resolves when something has changed, and at the deadline.
    pub async fn until(mut self, deadline: Timestamp) {
        let owner = self.owner;
        let keeper = Timekeeper { owner, permit: owner.timekeeper.try_acquire().ok() };
        loop {
            let rescheduled = owner.rescheduled.notified();
            let wake = owner
                .next_wake()
                .map(|due| Timestamp::from_millis(i64::try_from(due).unwrap_or(i64::MAX)))
                .filter(|_| keeper.permit.is_some())
                .map_or(deadline, |due| due.min(deadline));
            tokio::select! {
                () = self.notified.as_mut() => return,
                () = owner.shared.clock.sleep_until(wake) => return,
                () = rescheduled, if keeper.permit.is_some() => {}
            }
        }
    }
}

impl Owner {
    /// When something changes by itself.
    fn next_wake(&self) -> Option<u64> {
        let memory = self.memory();
        let memory = memory.as_ref()?;
        let delayed = memory.delayed.first_key_value().map(|(due, _)| *due);
        [memory.window.next_due(), delayed, memory.head_waits].into_iter().flatten().min()
    }

    /// Listens for what may make a claim succeed, from now on.
    pub fn listen(&self) -> Listener<'_> {
        let mut notified = Box::pin(self.changed.notified());
        notified.as_mut().enable();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Listener { owner: self, notified }
    }
}
