//! The tasks that a service runs in the background, which end together.
//!
//! It refuses to run anything before it is opened or after it has ended: what is spawned then is dropped.

use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinSet;

/// The tasks of one service. Clones are the same tasks.
#[derive(Clone, Default)]
pub struct Background {
    tasks: Arc<Mutex<Option<JoinSet<()>>>>,
}

/// Background tasks that run. Dropping it ends them at once.
pub struct Running {
    background: Background,
}

impl Background {
    /// From now on takes tasks, on the runtime of the caller.
    pub fn open(&self) -> Running {
        *self.tasks.lock().unwrap_or_else(PoisonError::into_inner) = Some(JoinSet::new());
        Running { background: self.clone() }
    }

    /// Runs a task until it ends by itself or all of them are ended.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(tasks) = &mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner) {
            // Those that have ended are let go.
            while tasks.try_join_next().is_some() {}
            tasks.spawn(task);
        }
    }

    fn take(&self) -> Option<JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Running {
    /// Ends the tasks, and resolves once none runs any more.
    pub async fn stop(self) {
        let tasks = self.background.take();
        if let Some(mut tasks) = tasks {
            tasks.shutdown().await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.background.take());
    }
}
