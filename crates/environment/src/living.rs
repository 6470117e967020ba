//! Counts environments and cages that still end, so that a drain knows when nothing is left. It refuses to know what they are.

use std::sync::Arc;
use tokio::sync::watch;

/// Counts what must be gone before a drain is over.
#[derive(Clone)]
pub(crate) struct Living(Arc<watch::Sender<usize>>);

/// One living thing.
pub(crate) struct Life(Living);

impl Living {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    pub(crate) fn begin(&self) -> Life {
        self.0.send_modify(|count| *count += 1);
        Life(self.clone())
    }

    /// Resolves when nothing lives.
    pub(crate) async fn none(&self) {
        // The sender is held by `self`, so the wait cannot fail.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}
