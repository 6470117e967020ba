//! Receiving: what is claimed of a queue and for how long, and what was given out for a receive request attempt.

use crate::model::QueueRecord;
use crate::redrive;
use crate::registry::{Found, Registry};
use hearth_base::Timestamp;
use hearth_store::queue::{Claim, Claimed, EntryId, ONCE, Receipt};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Messages of a queue that may be in flight at once.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
pub const IN_FLIGHT_MAX: usize = 120_000;
/// Attempts that are remembered.
const ATTEMPTS_MAX: usize = 10_000;

/// What a receiver wants.
#[derive(Debug, Clone, Copy)]
pub struct Receiving {
    pub max: usize,
    pub visibility: Duration,
}

/// The claim that a receive makes at `now`.
pub fn claim(registry: &Arc<Registry>, found: &Found, receiving: Receiving, now: Timestamp) -> Claim {
    let QueueRecord { settings, .. } = &*found.record;
    Claim {
        max: receiving.max,
        until: now.after(receiving.visibility),
        since: settings.cutoff(now),
        delay: settings.fifo_delay(),
        claimed_max: IN_FLIGHT_MAX,
        dead: redrive::dead(registry, found),
        again: Vec::new(),
    }
}

/// What was given out for the attempts of the last five minutes, so that an attempt that is made again gets the same.
#[derive(Default)]
pub struct Attempts {
    made: Mutex<HashMap<(EntryId, String), Made>>,
}

struct Made {
    at: Timestamp,
    receipts: Vec<(Receipt, Timestamp)>,
}

impl Attempts {
    /// What an attempt was given before.
    pub fn of(&self, storage: EntryId, attempt: &str, now: Timestamp) -> Vec<(Receipt, Timestamp)> {
        let made = self.lock();
        let found = made.get(&(storage, attempt.to_owned())).filter(|made| now.since(made.at) < ONCE);
        found.map(|made| made.receipts.clone()).unwrap_or_default()
    }

    /// Notes what an attempt was given.
    pub fn note(
        &self,
        (storage, attempt): (EntryId, String),
        claimed: &[Claimed],
        (now, until): (Timestamp, Timestamp),
    ) {
        if claimed.is_empty() {
            return;
        }
        let mut made = self.lock();
        if made.len() >= ATTEMPTS_MAX {
            made.retain(|_, made| now.since(made.at) < ONCE);
        }
        if made.len() < ATTEMPTS_MAX {
            let receipts = claimed.iter().map(|claimed| (claimed.receipt, until)).collect();
            made.insert((storage, attempt), Made { at: now, receipts });
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(EntryId, String), Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
