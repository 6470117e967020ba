//! Waiting until so much has been done, looking again and again, and no longer than something more is done.

use super::HEARTH;
use crate::failure::Failure;
use std::time::{Duration, Instant};

/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Nothing is waited for longer, once nothing more is done.
const PATIENCE: Duration = Duration::from_secs(60);

/// How far it has come.
pub struct Progress {
    what: &'static str,
    wanted: usize,
    seen: usize,
    moved: Instant,
}

impl Progress {
    /// Begins to wait for so many; `what` says in an error what became of too few, such as `events ran`.
    pub fn towards(wanted: usize, what: &'static str) -> Self {
        Self { what, wanted, seen: 0, moved: Instant::now() }
    }

    /// Whether there are as many as wanted now. If not, it is to be looked again when this returns.
    pub async fn is_done(&mut self, now: usize) -> Result<bool, Failure> {
        if now >= self.wanted {
            return Ok(true);
        }
        if now > self.seen {
            (self.seen, self.moved) = (now, Instant::now());
        }
        if self.moved.elapsed() > PATIENCE {
            let Self { what, wanted, seen, .. } = self;
            let trouble = format!("{what}: {seen} of {wanted}, and for a minute no other");
            return Err(Failure::Program(HEARTH.to_owned(), trouble));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
        Ok(false)
    }
}
