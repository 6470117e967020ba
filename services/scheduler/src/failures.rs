//! The failures of EventBridge Scheduler whose message is always made in the same way.
//! <https://docs.aws.amazon.com/scheduler/latest/APIReference/CommonErrors.html>

use hearth_api::scheduler::errors;
use hearth_wire::Failure;

/// A member has a value it cannot have.
pub fn invalid(what: impl Into<String>) -> Failure {
    errors::validation(what)
}

/// What Hearth cannot do, by its name.
pub fn unsupported(what: impl std::fmt::Display) -> Failure {
    errors::validation(format!("Hearth does not support {what} yet."))
}

/// There is no such schedule.
pub fn no_such_schedule(name: &str) -> Failure {
    errors::resource_not_found(format!("Schedule {name} does not exist."))
}

/// There is no such group.
pub fn no_such_group(name: &str) -> Failure {
    errors::resource_not_found(format!("Schedule group {name} does not exist."))
}

/// A group that is being deleted takes nothing more.
pub fn group_goes(name: &str) -> Failure {
    errors::conflict(format!("Schedule group {name} is being deleted."))
}

/// What went wrong stays in the server's log; the client is told that it may try again.
pub fn storage(error: &dyn std::error::Error) -> Failure {
    tracing::error!(%error, "storage of EventBridge Scheduler failed");
    let mut failure =
        errors::internal_server("The request has failed due to a temporary failure of the server.");
    failure.status = 503;
    failure
}
