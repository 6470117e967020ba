//! What extensions add to the life of an environment: an invocation is over when they are done, and a reset when they have left.
//! It refuses to know how they are told, which is `extensions_api.rs`.

use super::{Environment, Unsettled};
use crate::failure::Fault;
use crate::invocation::{Completion, Failure};
use crate::platform::Event;

impl Environment {
    /// Whether nothing goes on that the next invocation must not meet.
    pub(crate) fn is_settled(&self) -> bool {
        self.unsettled.is_none() && self.leaving.is_none()
    }

    /// Waits until extensions are done with the last invocation, or have left after a fault.
    pub(crate) async fn settle(&mut self) {
        if let Some(unsettled) = self.unsettled.take() {
            self.settle_invocation(unsettled).await;
        }
        self.left().await;
    }

    /// Waits for the extensions of an invocation, whose time is the invocation's.
    pub(super) async fn settle_invocation(&mut self, unsettled: Unsettled) -> Completion {
        let Unsettled { mut course, mut ending } = unsettled;
        let timeout = self.definition.timeout;
        let deadline = course.began + timeout;
        if let Some(cage) = &self.cage {
            let settled = async {
                // Extensions may wait for the end of the runtime's part before they are done themselves.
                tokio::select! {
                    () = cage.api.ready() => {}
                    _ = cage.exited() => {}
                }
                self.runtime_done(&mut course, &ending);
                cage.api.extensions.settled().await;
            };
            let fault = tokio::select! {
                biased;
                failed = cage.api.extensions.failed() => Some(Fault::extension(failed)),
                () = settled => None,
                () = tokio::time::sleep_until(deadline) => {
                    cage.kill();
                    Some(Fault::timed_out(timeout))
                }
            };
            if let Some(fault) = fault {
                (ending.status, ending.fault) = (fault.status(), Some(fault));
            }
        }
        self.finish(course, ending)
    }

    /// Waits until the shutdown phase of the cage before is over.
    pub(super) async fn left(&mut self) {
        if let Some(leaving) = self.leaving.take() {
            // A panic in it has been told by the runtime.
            let _ = leaving.await;
        }
    }

    /// What the log says of extensions after an initialisation.
    pub(super) fn introduce_extensions(&self, fault: Option<&Fault>) {
        let Some(cage) = &self.cage else { return };
        cage.api.extensions.close();
        let failed = fault.filter(|fault| fault.failure == Failure::Extension);
        for standing in cage.api.extensions.standings() {
            let error_type =
                failed.map(|fault| fault.error_type.as_str()).filter(|_| standing.state != "Ready");
            self.log.platform(&Event::Extension { standing: &standing, error_type });
        }
    }
}
