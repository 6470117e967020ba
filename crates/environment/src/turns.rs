//! Turns to start: how many environments are initialised at once, and whose. More at once would only slow each other down, until
//! all of them fail for want of time.
//!
//! It refuses to let one function have all turns: behind a burst of one, another's single start waits for nobody.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Starts at once, for each processor of the machine.
const STARTS_PER_PROCESSOR: usize = 16;
/// What part of all turns one function can have.
const PART_OF_ONE: usize = 2;

/// The turns of one server.
pub(crate) struct Turns {
    all: Arc<Semaphore>,
    count: usize,
}

/// The turns that one function can have.
#[derive(Clone)]
pub(crate) struct Share {
    free: Arc<Semaphore>,
    count: usize,
}

/// A start that may go on. Dropping it lets another.
pub(crate) struct Turn {
    _of_all: OwnedSemaphorePermit,
    _of_one: OwnedSemaphorePermit,
}

impl Turns {
    pub(crate) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::of(STARTS_PER_PROCESSOR * processors)
    }

    fn of(count: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(count)), count }
    }

    /// What a function that had none yet can have.
    pub(crate) fn share(&self) -> Share {
        let count = (self.count / PART_OF_ONE).max(1);
        Share { free: Arc::new(Semaphore::new(count)), count }
    }

    /// Waits for a turn. First for one of its own function's: those that wait there hold up nobody else.
    pub(crate) async fn take(&self, share: &Share) -> Option<Turn> {
        // Neither is ever closed.
        let of_one = Arc::clone(&share.free).acquire_owned().await.ok()?;
        let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Turn { _of_all: of_all, _of_one: of_one })
    }

    /// Whether nothing starts.
    pub(crate) fn are_free(&self) -> bool {
        self.all.available_permits() == self.count
    }
}

impl Share {
    /// Whether so many of the function's environments start that each waits for a processor: half of its turns, which is some for
    /// each processor.
    pub(crate) fn is_crowded(&self) -> bool {
        self.free.available_permits() * 2 <= self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    #[test]
    fn a_burst_of_one_function_leaves_turns_to_others() {
        let turns = Turns::of(4);
        let (burst, other) = (turns.share(), turns.share());
        let mut context = Context::from_waker(Waker::noop());
        let mut waiting: Vec<_> = (0..10).map(|_| Box::pin(turns.take(&burst))).collect();
        let mut taken: Vec<_> = waiting
            .iter_mut()
            .filter_map(|take| match take.as_mut().poll(&mut context) {
                Poll::Ready(turn) => turn,
                Poll::Pending => None,
            })
            .collect();
        assert_eq!(taken.len(), 2);
        assert!(matches!(pin!(turns.take(&other)).poll(&mut context), Poll::Ready(Some(_))));
        assert!(!turns.are_free());
        assert!(burst.is_crowded() && !other.is_crowded());
        // Each end lets the next of the burst begin, in the order in which they came.
        taken.pop();
        assert!(matches!(waiting[2].as_mut().poll(&mut context), Poll::Ready(Some(_))));
        drop((taken, waiting));
        assert!(turns.are_free());
    }
}
