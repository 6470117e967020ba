//! When to stop trying for a while what has failed again and again.

use std::time::{Duration, Instant};

/// So many failures with no use between, and a rest is due.
pub(super) const FAILURES_MAX: u32 = 3;
pub(super) const REST: Duration = Duration::from_secs(300);

/// What has come of trying.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// Since the last that was of use.
    failures: u32,
    until: Option<Instant>,
}

impl Patience {
    /// What was made was of no use.
    pub(super) fn fail(&mut self, now: Instant) {
        self.failures += 1;
        self.until = (self.failures >= FAILURES_MAX).then(|| now + REST);
    }

    /// It was.
    pub(super) fn succeed(&mut self) {
        self.failures = 0;
    }

    /// Nothing is known of it, but that it is not to be tried before then.
    pub(super) fn pause(&mut self, until: Instant) {
        self.until = Some(until);
    }

    /// Nor is it before this, if that is later.
    pub(super) fn pause_at_least(&mut self, until: Instant) {
        self.until = self.until.max(Some(until));
    }

    /// Until when nothing is to be tried; None when something may be now.
    pub(super) fn rests(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| now < *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_rests_and_is_tried_again() {
        let (mut patience, start) = (Patience::default(), Instant::now());
        for _ in 1..FAILURES_MAX {
            patience.fail(start);
            assert_eq!(patience.rests(start), None);
        }
        patience.fail(start);
        let rested = start + REST;
        assert_eq!((patience.rests(start), patience.rests(rested)), (Some(rested), None));
        // One more is enough from then on, until one has been of use.
        patience.fail(rested);
        assert_eq!(patience.rests(rested), Some(rested + REST));
        patience.succeed();
        patience.fail(rested + REST);
        assert_eq!(patience.rests(rested + REST), None);
    }
}
