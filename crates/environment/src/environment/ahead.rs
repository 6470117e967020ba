//! Initialisation before the first invocation: provisioned concurrency.
//! It refuses to try twice; whoever wants the environment decides that.

use super::Environment;
use crate::definition::InitializationType;
use crate::invocation::{Failure, Refusal};
use crate::platform::Phase;
use std::time::Duration;

/// The least that the initialisation of provisioned environments may take.
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib>
const INIT_AHEAD: Duration = Duration::from_secs(130);

impl Environment {
    /// Whether the runtime has been started, and has not failed since.
    pub(crate) fn is_initialised(&self) -> bool {
        self.cage.is_some()
    }

    /// Starts the runtime before anybody asks for it.
    pub(crate) async fn initialise_ahead(&mut self) -> Result<Result<(), Failure>, Refusal> {
        debug_assert!(self.definition.initialization == InitializationType::ProvisionedConcurrency);
        self.new = false;
        self.announce();
        let limit = self.definition.timeout.max(INIT_AHEAD);
        let result = self.initialise(Phase::Init, limit).await?;
        Ok(result.map(drop).map_err(|fault| fault.failure))
    }
}
