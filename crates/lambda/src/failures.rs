//! The errors of the control plane, in AWS's words, each made in one place.

use crate::layer::naming::LayerVersionKey;
use hearth_api::Grant;
use hearth_api::lambda::errors;
use hearth_base::Qualifier;
use hearth_wire::Failure;

/// `InvalidParameterValueException` with AWS's message.
pub(crate) fn invalid_parameter(message: &str) -> Failure {
    errors::invalid_parameter_value(message)
}

/// A constraint that the model does not know.
pub(crate) fn validation(violation: &str) -> Failure {
    Failure::sender("ValidationException", 400, format!("1 validation error detected: {violation}"))
}

/// What Hearth cannot do yet, by the name of the field that asks for it.
pub(crate) fn not_yet(field: &str, what: &str) -> Failure {
    invalid_parameter(&format!("{field}: Hearth does not support {what} yet."))
}

/// `ResourceNotFoundException` for a function or one of its versions.
pub fn function_not_found(arn: &str, qualifier: Option<&Qualifier>) -> Failure {
    let suffix = qualifier.map(|qualifier| format!(":{qualifier}")).unwrap_or_default();
    errors::resource_not_found(format!("Function not found: {arn}{suffix}"))
}

/// A second update while one is under way.
pub(crate) fn update_in_progress(arn: &str) -> Failure {
    errors::resource_conflict(format!(
        "The operation cannot be performed at this time. An update is in progress for resource: {arn}"
    ))
}

/// The caller's RevisionId is not the newest.
pub(crate) fn revision_mismatch() -> Failure {
    errors::precondition_failed(
        "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
    )
}

/// The same for a change of a policy.
pub(crate) fn policy_revision_mismatch() -> Failure {
    errors::precondition_failed(
        "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest Revision Id",
    )
}

/// The store or the disk failed: told in the log, not to the client.
pub(crate) fn internal(act: &str, error: &dyn std::error::Error) -> Failure {
    tracing::error!(error = %chain(error), "cannot {act}");
    errors::service("The server could not complete the operation; its log says why.")
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// A version that is not ready, or never will be.
/// <https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html>
pub(crate) fn not_invocable(version: &crate::model::Version) -> Failure {
    use crate::model::State;
    let state = match version.state {
        State::Failed(_) => "Failed",
        State::Pending | State::Active => "Pending",
    };
    errors::resource_conflict(format!(
        "The operation cannot be performed at this time. The function is currently in the following state: {state}"
    ))
}

/// AWS's words for a layer version of the caller's own that is not there.
pub(crate) fn no_such_resource() -> Failure {
    errors::resource_not_found("The resource you requested does not exist.")
}

/// Another account's layer, whether it is there or not.
pub(crate) fn layer_access_denied(grant: &Grant, action: &str, arn: &str) -> Failure {
    let who = grant.principal().arn(grant.region().partition());
    Failure::sender(
        "AccessDeniedException",
        403,
        format!(
            "User: {who} is not authorized to perform: lambda:{action} on resource: {arn} because no resource-based \
             policy allows the lambda:{action} action"
        ),
    )
}

/// A layer version that a permission is to be about.
pub(crate) fn layer_version_not_found(key: &LayerVersionKey) -> Failure {
    errors::resource_not_found(format!("Layer version {} does not exist.", key.arn()))
}

/// A layer version, function, version or alias that nobody was given a permission for.
pub(crate) fn no_policy() -> Failure {
    errors::resource_not_found("No policy is associated with the given resource.")
}

/// The caller's RevisionId is not that of the layer version's policy.
pub(crate) fn layer_revision_mismatch() -> Failure {
    errors::precondition_failed(
        "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision Id",
    )
}
