//! `AddPermission`, and which policy a request of its kind is about.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html>

use crate::Inner;
use crate::alias;
use crate::failures::{function_not_found, invalid_parameter, policy_revision_mismatch};
use crate::model::Function;
use crate::naming::Target;
use crate::permission::Statement;
use hearth_api::Grant;
use hearth_api::lambda::{AddPermissionRequest, AddPermissionResponse};
use hearth_base::Qualifier;
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn add_permission(
    inner: &Arc<Inner>,
    grant: Grant,
    mut input: AddPermissionRequest,
) -> Result<AddPermissionResponse, Failure> {
    let target = policy_target(&grant, input.function_name.as_deref(), input.qualifier.as_deref())?;
    let revision_id = input.revision_id.take();
    let statement = Statement::read(input, grant.region().partition())?;
    let (of, arn) = (target.qualifier_or_latest(), target.arn());
    inner
        .registry
        .update(&target.key, |function| {
            check(function, &of, revision_id.as_deref())?;
            function.policies.entry(of.clone()).or_default().add(statement.clone(), &arn)?;
            function.revise(&of, hearth_base::id::uuid(inner.rng.as_ref()));
            Ok(())
        })
        .await?;
    Ok(AddPermissionResponse { statement: Some(statement.json(&arn)) })
}

/// The function, version or alias whose policy is meant.
pub(crate) fn policy_target(
    grant: &Grant,
    name: Option<&str>,
    qualifier: Option<&str>,
) -> Result<Target, Failure> {
    let target = Target::read(grant, name, qualifier)?;
    match target.qualifier {
        Some(Qualifier::Latest) => {
            Err(invalid_parameter("We currently do not support adding policies for $LATEST."))
        }
        _ => Ok(target),
    }
}

/// Refuses what is not there, and a change that was meant for another state of it.
pub(crate) fn check(function: &Function, of: &Qualifier, revision_id: Option<&str>) -> Result<(), Failure> {
    let Some(present) = function.revision_id(of) else {
        return Err(match of {
            Qualifier::Alias(name) => alias::cannot_find(&function.arn(), name),
            version => function_not_found(&function.arn(), Some(version)),
        });
    };
    match revision_id {
        Some(expected) if expected != present => Err(policy_revision_mismatch()),
        _ => Ok(()),
    }
}
