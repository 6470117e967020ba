//! `RemovePermission`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_RemovePermission.html>

use crate::Inner;
use crate::failures::no_policy;
use crate::ops::add_permission::{check, policy_target};
use hearth_api::Grant;
use hearth_api::lambda::RemovePermissionRequest;
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn remove_permission(
    inner: &Arc<Inner>,
    grant: Grant,
    input: RemovePermissionRequest,
) -> Result<(), Failure> {
    let target = policy_target(&grant, input.function_name.as_deref(), input.qualifier.as_deref())?;
    let of = target.qualifier_or_latest();
    let id = input.statement_id.unwrap_or_default();
    inner
        .registry
        .update(&target.key, |function| {
            check(function, &of, input.revision_id.as_deref())?;
            let policy = function.policies.get_mut(&of).ok_or_else(no_policy)?;
            policy.remove(&id)?;
            if policy.statements.is_empty() {
                function.policies.remove(&of);
            }
            function.revise(&of, hearth_base::id::uuid(inner.rng.as_ref()));
            Ok(())
        })
        .await?;
    Ok(())
}
