//! The failures of EventBridge whose message is always made in the same way.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/CommonErrors.html>

use crate::naming::{Name, RuleName};
use hearth_api::events::errors;
use hearth_store::queue::QueueError;
use hearth_wire::Failure;

/// Input that is not what it must be.
pub fn invalid(message: impl Into<String>) -> Failure {
    Failure::sender("ValidationException", 400, message)
}

/// A parameter that is not what it must be.
pub fn invalid_parameter(parameter: &str, reason: &str) -> Failure {
    invalid(format!("Parameter {parameter} is not valid. Reason: {reason}"))
}

/// What Hearth cannot do, by its name.
pub fn unsupported(what: impl std::fmt::Display) -> Failure {
    invalid(format!("Hearth does not support {what} yet."))
}

/// A pattern that is none.
pub fn invalid_pattern(reason: &str) -> Failure {
    errors::invalid_event_pattern(format!("Event pattern is not valid. Reason: {reason}"))
}

/// More than there may be.
pub fn too_many() -> Failure {
    errors::limit_exceeded("The requested resource exceeds the maximum number allowed.")
}

/// There is no such bus.
pub fn no_such_bus(name: &Name) -> Failure {
    errors::resource_not_found(format!("Event bus {} does not exist.", name.name))
}

/// There is no such rule.
pub fn no_such_rule(name: &RuleName) -> Failure {
    errors::resource_not_found(format!("Rule {} does not exist on EventBus {}.", name.name, name.bus.name))
}

/// There is no such archive (`Archive`) or replay (`Replay`).
pub fn no_such(kind: &str, name: &Name) -> Failure {
    errors::resource_not_found(format!("{kind} {} does not exist.", name.name))
}

/// There is one of the name already.
pub fn exists(kind: &str, name: &Name) -> Failure {
    errors::resource_already_exists(format!("{kind} {} already exists.", name.name))
}

/// What went wrong stays in the server's log; the client is told that it may try again.
pub fn storage(error: &dyn std::error::Error) -> Failure {
    tracing::error!(%error, "EventBridge storage failed");
    Failure::internal("The request has failed due to a temporary failure of the server.")
}

/// Why a queue did not take an event.
pub fn of_queue(error: QueueError) -> Failure {
    match error {
        QueueError::Busy => Failure::sender("ThrottlingException", 429, "Rate exceeded"),
        other => storage(&other),
    }
}
