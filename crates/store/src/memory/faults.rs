//! Faults a test injects into the in-memory engine: failing, slow and held commits, and crashes.
//!
//! It refuses to lose what was acknowledged: a crash discards only what was still in flight.

use crate::{CommitError, Error};
use hearth_base::Clock;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How a commit is made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No space: nothing is applied.
    Full,
    /// The engine fails before the batch is applied.
    Failed,
    /// The engine fails after the batch was applied: the caller cannot tell it from [`Fault::Failed`].
    FailedButApplied,
}

/// The faults of one engine. Commits and changes of ownership count as one series.
pub struct Faults {
    clock: Arc<dyn Clock>,
    plan: Mutex<Plan>,
    control: watch::Sender<Control>,
}

#[derive(Default)]
struct Plan {
    commits: u64,
    failing: BTreeMap<u64, Fault>,
    delay: Duration,
}

#[derive(Default, Clone, Copy)]
struct Control {
    held: bool,
    crashes: u64,
}

impl Faults {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, plan: Mutex::default(), control: watch::Sender::default() }
    }

    /// Makes the `nth` commit from now fail; 1 is the next.
    pub fn fail(&self, nth: u64, fault: Fault) {
        let mut plan = self.plan();
        let number = plan.commits + nth;
        plan.failing.insert(number, fault);
    }

    /// Makes every commit take this long by the engine's clock before it is applied.
    pub fn delay(&self, by: Duration) {
        self.plan().delay = by;
    }

    /// Holds commits back until [`Faults::resume`].
    pub fn hold(&self) {
        self.control.send_modify(|control| control.held = true);
    }

    /// Lets held commits go on.
    pub fn resume(&self) {
        self.control.send_modify(|control| control.held = false);
    }

    /// Crashes the engine and starts it again: commits in flight are discarded and answered with [`Error::Stopped`];
    /// all that was acknowledged is there.
    pub fn crash(&self) {
        self.control.send_modify(|control| control.crashes += 1);
    }

    /// Every commit passes here before it is applied.
    pub(super) async fn admit(&self) -> Result<Option<Fault>, CommitError> {
        let mut control = self.control.subscribe();
        let crashes = control.borrow().crashes;
        let (fault, delay) = {
            let mut plan = self.plan();
            plan.commits += 1;
            let number = plan.commits;
            (plan.failing.remove(&number), plan.delay)
        };
        if !delay.is_zero() {
            let deadline = self.clock.now().after(delay);
            tokio::select! {
                () = self.clock.sleep_until(deadline) => {}
                _ = control.wait_for(|control| control.crashes != crashes) => {}
            }
        }
        let free = control.wait_for(|control| !control.held || control.crashes != crashes).await;
        match free {
            Ok(control) if control.crashes == crashes => Ok(fault),
            _ => Err(Error::Stopped { object: "the in-memory store".to_owned(), reason: None }.into()),
        }
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The error that an injected failure is answered with.
pub(super) fn injected() -> Error {
    Error::Failed { act: "commit to", object: "the in-memory store".to_owned(), source: Arc::new(Injected) }
}

#[derive(Debug)]
struct Injected;

impl fmt::Display for Injected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fault was injected")
    }
}

impl std::error::Error for Injected {}
