//! Freezing a cage between invocations: no thread in it runs while nobody waits for its answer.
//!
//! It refuses to say when: the pool freezes what has been quiet for a while, and an invocation thaws it.
//! <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-invoke>

use crate::runtime_api::RuntimeApi;
use hearth_sandbox::Sandbox;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::watch;

/// Whether a cage may rest, and whether it does.
pub(crate) struct Rest {
    // It is asked to freeze by whoever found it idle a moment ago, and must not keep a cage alive that has ended since.
    sandbox: Weak<Sandbox>,
    api: Arc<RuntimeApi>,
    state: Mutex<State>,
    /// Whether no process runs, for those who wait for one.
    frozen: watch::Sender<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// An initialisation, an invocation or a shutdown goes on.
    Busy,
    /// An invocation is over; its processes still run.
    Idle,
    /// No process runs.
    Frozen,
}

impl Rest {
    pub(crate) fn new(sandbox: &Arc<Sandbox>, api: &Arc<RuntimeApi>) -> Arc<Self> {
        let (sandbox, api) = (Arc::downgrade(sandbox), Arc::clone(api));
        Arc::new(Self { sandbox, api, state: Mutex::new(State::Busy), frozen: watch::Sender::new(false) })
    }

    /// Resolves when it is not frozen.
    pub(crate) async fn awake(&self) {
        // The sender lives as long as this.
        let _ = self.frozen.subscribe().wait_for(|frozen| !frozen).await;
    }

    /// Remembers from when on [`Self::was_frozen_since`] counts.
    pub(crate) fn thaws(&self) -> watch::Receiver<bool> {
        self.frozen.subscribe()
    }

    /// Whether it has been frozen since it was last asked with the same receiver.
    pub(crate) fn was_frozen_since(&self, thaws: &mut watch::Receiver<bool>) -> bool {
        let was_frozen = thaws.has_changed().unwrap_or(false) || *thaws.borrow();
        thaws.mark_unchanged();
        was_frozen
    }

    /// An invocation is over: from now on it may be frozen.
    pub(crate) fn lie_down(&self) {
        *self.lock() = State::Idle;
    }

    /// Whether it could be frozen and is not.
    pub(crate) fn is_awake(&self) -> bool {
        *self.lock() == State::Idle
    }

    /// Freezes the cage when it is idle and everything in it waits. True when there is nothing left to do.
    pub(crate) fn freeze(&self) -> bool {
        let mut state = self.lock();
        let Some(sandbox) = self.sandbox.upgrade() else { return true };
        if *state != State::Idle {
            return true;
        }
        if !self.api.is_ready() || !self.api.extensions.is_settled() {
            return false;
        }
        match sandbox.freeze() {
            Ok(()) => {
                *state = State::Frozen;
                self.frozen.send_replace(true);
            }
            Err(error) => {
                // Tried again after the next invocation: it runs on meanwhile, and is no less safe for it.
                *state = State::Busy;
                tracing::warn!(%error, "an idle environment is not frozen");
            }
        }
        true
    }

    /// Lets the cage run, and keeps it running until [`Self::lie_down`].
    pub(crate) fn wake(&self) {
        let mut state = self.lock();
        if *state == State::Frozen
            && let Some(sandbox) = self.sandbox.upgrade()
            && let Err(error) = sandbox.thaw()
        {
            // The invocation will time out, and the environment end with it.
            tracing::error!(%error, "a frozen environment does not thaw");
        }
        if *state == State::Frozen {
            self.frozen.send_replace(false);
        }
        *state = State::Busy;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
