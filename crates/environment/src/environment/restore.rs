//! The restore of an environment that was initialised for a snapshot: the runtime goes on, and has its time to get ready.
//! <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-restore>
//!
//! There are no snapshots yet: what is restored has just been initialised. It refuses to know what runs in the hooks.

use super::{Environment, LAST_WORDS, Status};
use crate::cage::Cage;
use crate::failure::Fault;
use crate::invocation::{Failure, Refusal};
use crate::platform::Event;
use crate::runtime_api::Initialisation;
use hearth_base::limits;
use std::time::Duration;
use tokio::time::Instant;

impl Environment {
    /// What the restore took. After a fault there is no cage.
    pub(super) async fn restore(&mut self) -> Result<Duration, Refusal> {
        let version = self.resolved.version_name();
        let version_arn = self.resolved.version_arn(&self.definition.key.region);
        self.log.platform(&Event::RestoreStart { version: &version, version_arn: &version_arn });
        let (began, limit) = (Instant::now(), Duration::from_millis(limits::RESTORE_MS_MAX));
        let result = match &self.cage {
            Some(cage) => Self::until_restored(cage, began + limit, limit).await,
            None => Ok(()),
        };
        let duration = began.elapsed().min(limit);
        self.collect_output();
        let status = result.as_ref().map_or_else(Fault::status, |()| Status::Success);
        self.log.platform(&Event::RestoreRuntimeDone { status: &status });
        self.log.platform(&Event::RestoreReport { duration, status: &status });
        let Err(fault) = result else { return Ok(duration) };
        self.reset(fault.shutdown_reason());
        Err(match fault.failure {
            Failure::TimedOut => Refusal::RestoreTimedOut,
            _ => Refusal::RestoreFailed { error_type: fault.error_type },
        })
    }

    async fn until_restored(cage: &Cage, deadline: Instant, limit: Duration) -> Result<(), Fault> {
        if !cage.api.is_snapped() {
            // A runtime without hooks has asked for its first invocation at once.
            return Ok(());
        }
        cage.api.restore();
        let initialisation = tokio::select! {
            biased;
            failed = cage.api.extensions.failed() => return Err(Fault::extension(failed)),
            initialisation = cage.api.initialised() => initialisation,
            exit = cage.exited() => {
                // Its last request may still be on the way through the socket.
                let _ = tokio::time::timeout(LAST_WORDS, cage.api.disconnected()).await;
                match cage.api.last_initialisation() {
                    Some(failed @ Initialisation::Failed { .. }) => failed,
                    _ => return Err(Fault::exited(exit)),
                }
            }
            () = tokio::time::sleep_until(deadline) => return Err(Fault::timed_out(limit)),
        };
        match initialisation {
            Initialisation::Failed { error_type, body } => {
                // The runtime exits by itself after it has told its error, and may still print.
                let _ = tokio::time::timeout(LAST_WORDS, cage.exited()).await;
                Err(Fault::initialisation(error_type, body))
            }
            Initialisation::Ready | Initialisation::Snapped => Ok(()),
        }
    }
}
