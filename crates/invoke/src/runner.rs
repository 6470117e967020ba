//! Running one invocation: the same for those that are waited for and those that are not.
//!
//! It counts what happens and says why an invocation was not taken. It refuses to know how the request came and how
//! the answer goes.

use crate::metrics::Metrics;
use hearth_api::lambda::{TooManyRequestsException, errors};
use hearth_environment::{Completion, Definition, Environments, Invocation, Outcome, Refusal, ResponseStream};
use hearth_lambda::{FunctionKey, Functions};
use hearth_wire::Failure;
use std::sync::Arc;

/// What functions are run with.
pub(crate) struct Runner {
    functions: Functions,
    environments: Environments,
    metrics: Metrics,
}

/// An invocation that may begin.
pub(crate) struct Prepared {
    pub(crate) function: FunctionKey,
    pub(crate) definition: Arc<Definition>,
    pub(crate) invocation: Invocation,
    pub(crate) executed_version: String,
}

/// Why an invocation did not begin.
#[derive(Debug)]
pub(crate) enum Admission {
    /// The function may not run at all.
    NeverAdmitted,
    /// Not now.
    Refused(Failure),
}

impl Runner {
    pub(crate) fn new(functions: Functions, environments: Environments, metrics: Metrics) -> Self {
        Self { functions, environments, metrics }
    }

    pub(crate) fn functions(&self) -> &Functions {
        &self.functions
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}
