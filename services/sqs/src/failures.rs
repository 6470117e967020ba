//! The failures of SQS that its model does not list, and those whose message is always the same.
//!
//! AWS: each has one code in the query protocol and another name in JSON.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html>

use hearth_api::sqs::errors;
use hearth_store::queue::QueueError;
use hearth_wire::schema::{ErrorTrait, Kind, Shape, Structure};
use hearth_wire::{Failure, Value};

const fn shape(name: &'static str, error: ErrorTrait) -> Shape {
    let structure = Structure {
        members: &[],
        by_wire_name: &[],
        union: false,
        payload: None,
        event_stream: false,
        error: Some(error),
        xml_namespace: "",
    };
    let kind = Kind::Structure(structure);
    Shape { name, kind, min: None, max: None, pattern: "", values: &[], sensitive: false }
}

static INVALID_VALUE: Shape = shape(
    "InvalidParameterValueException",
    ErrorTrait { code: "InvalidParameterValue", status: 400, sender: true },
);
static MISSING: Shape = shape(
    "MissingRequiredParameterException",
    ErrorTrait { code: "MissingParameter", status: 400, sender: true },
);
static DENIED: Shape =
    shape("AccessDeniedException", ErrorTrait { code: "AccessDenied", status: 403, sender: true });

fn of(shape: &'static Shape, code: &'static str, status: u16, message: String) -> Failure {
    let mut failure = Failure::sender(code, status, message);
    failure.detail = Some((shape, Box::new(Value::Structure(Vec::new()))));
    failure
}

/// A parameter has a value it cannot have.
pub fn invalid(message: impl Into<String>) -> Failure {
    of(&INVALID_VALUE, "InvalidParameterValue", 400, message.into())
}

/// The same, in the words that AWS has for most of them.
pub fn invalid_value(value: impl std::fmt::Display, parameter: &str, reason: &str) -> Failure {
    invalid(format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}"))
}

/// A parameter is not there.
pub fn missing(parameter: &str) -> Failure {
    of(&MISSING, "MissingParameter", 400, format!("The request must contain the parameter {parameter}."))
}

/// A parameter that must be there, and not be empty.
pub fn required(member: Option<String>, parameter: &str) -> Result<String, Failure> {
    member.filter(|text| !text.is_empty()).ok_or_else(|| missing(parameter))
}

/// The queue of another account.
pub fn denied(url: &str) -> Failure {
    of(&DENIED, "AccessDenied", 403, format!("Access to the resource {url} is denied."))
}

/// There is no such queue.
pub fn no_such_queue() -> Failure {
    errors::queue_does_not_exist("The specified queue does not exist.")
}

/// An attribute that there is not, or not for this kind of queue.
pub fn unknown_attribute(name: &str) -> Failure {
    errors::invalid_attribute_name(format!("Unknown Attribute {name}."))
}

/// An attribute has a value it cannot have.
pub fn invalid_attribute(name: &str) -> Failure {
    errors::invalid_attribute_value(format!("Invalid value for the parameter {name}."))
}

/// A parameter that this kind of queue does not take.
pub fn wrong_queue_type(value: impl std::fmt::Display, parameter: &str) -> Failure {
    invalid_value(value, parameter, "The request include parameter that is not valid for this queue type.")
}

/// What went wrong stays in the server's log; the client is told that it may try again.
pub fn storage(error: &dyn std::error::Error) -> Failure {
    tracing::error!(%error, "SQS storage failed");
    let mut failure = Failure::internal("The request has failed due to a temporary failure of the server.");
    failure.code = "ServiceUnavailable".into();
    failure.status = 503;
    failure
}

/// Why a queue did not do what was asked.
pub fn of_queue(error: QueueError) -> Failure {
    match error {
        QueueError::Closed => no_such_queue(),
        QueueError::TooManyClaimed => {
            errors::over_limit("The maximum number of in flight messages is reached.")
        }
        QueueError::Busy => errors::request_throttled("Request is throttled."),
        other => storage(&other),
    }
}
