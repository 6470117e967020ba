//! DeleteResourcePolicy.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteResourcePolicy.html>

use super::put_resource_policy::refuse_resource;
use crate::Inner;
use crate::scope::{Scope, required};
use crate::table::TableError;
use hearth_api::logs::{DeleteResourcePolicyRequest, errors};
use hearth_wire::Failure;

pub async fn run(inner: &Inner, scope: &Scope, input: DeleteResourcePolicyRequest) -> Result<(), Failure> {
    refuse_resource(input.resource_arn.as_deref())?;
    let name = required(input.policy_name, "policyName")?;
    let _one = inner.policies.changing.lock().await;
    let parts = scope.group_name(&name);
    let there = inner.tables.policies.get(&parts).await.map_err(TableError::from)?;
    if there.is_none() {
        return Err(errors::resource_not_found(format!("Policy with name [{name}] does not exist.")));
    }
    inner.tables.policies.delete(&parts, None).await.map_err(TableError::from)?;
    inner.policies.reread(&inner.tables.policies, scope).await.map_err(TableError::from)?;
    Ok(())
}
