//! The pool: idle environments by key, a new one for each invocation that finds none, and an end for each.

use crate::{Completion, Definition, Invocation, Key, Options, Refusal};
use std::sync::Arc;
use std::time::Duration;

/// All execution environments of the server. A cheap handle: clone it freely.
#[derive(Clone)]
pub struct Environments {
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
}

/// How many environments there are, by what they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Being made or initialised, or running an invocation.
    pub busy: usize,
    /// Waiting for an invocation.
    pub idle: usize,
}

impl Environments {
    /// Starts with no environment. Call it inside the tokio runtime.
    pub fn new(options: Options) -> Self {
        Self { shared: Arc::new(Shared { options }) }
    }

    /// Runs one invocation in an environment of its own for that time. Dropping the future does not stop the function: it
    /// runs to its end, as on AWS.
    pub async fn invoke(
        &self,
        definition: &Arc<Definition>,
        invocation: Invocation,
    ) -> Result<Completion, Refusal> {
        let _ = (&self.shared.options.clock, definition, invocation);
        Err(Refusal::CannotStart { reason: "execution environments are being built".to_owned() })
    }

    /// No environment of `key` takes another invocation: idle ones end now, busy ones after theirs.
    pub fn retire(&self, key: &Key) {
        self.retire_where(|other| other == key);
    }

    /// As [`Self::retire`], for every key that `matches`: a whole function, a whole account.
    pub fn retire_where(&self, matches: impl Fn(&Key) -> bool) {
        let _ = matches;
    }

    /// Refuses new invocations, waits up to `grace` for those in flight, then ends every environment. All are gone when
    /// it returns.
    pub async fn drain(&self, grace: Duration) {
        let _ = grace;
    }

    /// How many environments there are now.
    pub fn counts(&self) -> Counts {
        Counts::default()
    }
}
