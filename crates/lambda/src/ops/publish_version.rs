//! `PublishVersion`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html>

use crate::failures::{invalid_parameter, not_invocable, not_yet, revision_mismatch};
use crate::model::{Function, State};
use crate::naming::Target;
use crate::registry::refuse_while_updating;
use crate::{Inner, deploy, render};
use hearth_api::Grant;
use hearth_api::lambda::{FunctionConfiguration, PublishVersionRequest};
use hearth_base::Qualifier;
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn publish_version(
    inner: &Arc<Inner>,
    grant: Grant,
    input: PublishVersionRequest,
) -> Result<FunctionConfiguration, Failure> {
    let key = Target::read_unqualified(&grant, input.function_name.as_deref())?;
    if input.publish_to.is_some() {
        return Err(not_yet("PublishTo", "it"));
    }
    let (entry, number) = inner
        .registry
        .update(&key, |function| {
            check(function, &input)?;
            let revision_id = hearth_base::id::uuid(inner.rng.as_ref());
            Ok(Qualifier::Version(function.publish(input.description.clone(), revision_id)))
        })
        .await?;
    let function = entry.function();
    let version = function.version(&number).unwrap_or(&function.latest);
    // What is published after an update that failed is deployed, and fails, as a version of its own.
    if version.state == State::Pending {
        deploy::start(inner, key);
    }
    Ok(render::configuration(function, &number, version, Some(&number)))
}

fn check(function: &Function, input: &PublishVersionRequest) -> Result<(), Failure> {
    let latest = &function.latest;
    if latest.state != State::Active {
        return Err(not_invocable(latest));
    }
    refuse_while_updating(function)?;
    if input.revision_id.as_ref().is_some_and(|expected| *expected != latest.revision_id) {
        return Err(revision_mismatch());
    }
    match input.code_sha256.as_deref().filter(|expected| !expected.is_empty()) {
        Some(expected) if expected != latest.code.sha256 => Err(invalid_parameter(&format!(
            "CodeSHA256 ({expected}) is different from current CodeSHA256 in $LATEST ({}). Please try again with the \
             CodeSHA256 in $LATEST.",
            latest.code.sha256
        ))),
        _ => Ok(()),
    }
}
