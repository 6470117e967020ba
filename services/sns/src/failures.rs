//! The failures of SNS whose message is always made in the same way.
//! <https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html>

use hearth_api::sns::errors;
use hearth_store::queue::QueueError;
use hearth_wire::Failure;

/// A parameter has a value it cannot have.
pub fn invalid(what: impl std::fmt::Display) -> Failure {
    errors::invalid_parameter(format!("Invalid parameter: {what}"))
}

/// What Hearth cannot do, by its name.
pub fn unsupported(what: impl std::fmt::Display) -> Failure {
    errors::invalid_parameter(format!("Invalid parameter: Hearth does not support {what} yet."))
}

/// There is no such topic.
pub fn no_such_topic() -> Failure {
    errors::not_found("Topic does not exist")
}

/// There is no such subscription.
pub fn no_such_subscription() -> Failure {
    errors::not_found("Subscription does not exist")
}

/// What went wrong stays in the server's log; the client is told that it may try again.
pub fn storage(error: &dyn std::error::Error) -> Failure {
    tracing::error!(%error, "SNS storage failed");
    let mut failure = Failure::internal("The request has failed due to a temporary failure of the server.");
    failure.code = "ServiceUnavailable".into();
    failure.status = 503;
    failure
}

/// Why a queue did not take what was to be delivered.
pub fn of_queue(error: QueueError) -> Failure {
    match error {
        QueueError::Closed => no_such_topic(),
        QueueError::Busy => Failure::sender("Throttled", 429, "Rate exceeded"),
        other => storage(&other),
    }
}
