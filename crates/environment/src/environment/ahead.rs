//! Initialisation before the first invocation: provisioned concurrency.
//! It refuses to try twice; whoever wants the environment decides that.

use super::Environment;
use crate::invocation::{Failure, Refusal};
use crate::platform::Phase;

impl Environment {
    /// Whether the runtime has been started, and has not failed since.
    pub(crate) fn is_initialised(&self) -> bool {
        self.cage.is_some()
    }

    /// Starts the runtime before anybody asks for it.
    pub(crate) async fn initialise_ahead(&mut self) -> Result<Result<(), Failure>, Refusal> {
        self.new = false;
        self.log.begin_telemetry();
        self.announce();
        let result = self.initialise(Phase::Init, self.definition.initialization_limit()).await?;
        Ok(result.map(drop).map_err(|fault| fault.failure))
    }
}
