//! `GetProvisionedConcurrencyConfig`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_GetProvisionedConcurrencyConfig.html>

use crate::Inner;
use crate::naming::Target;
use crate::provisioned::{Standing, version_or_alias_read};
use hearth_api::Grant;
use hearth_api::lambda::{
    GetProvisionedConcurrencyConfigRequest, GetProvisionedConcurrencyConfigResponse, errors,
};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn get_provisioned_concurrency_config(
    inner: &Arc<Inner>,
    grant: Grant,
    input: GetProvisionedConcurrencyConfigRequest,
) -> Result<GetProvisionedConcurrencyConfigResponse, Failure> {
    let target = Target::read(&grant, input.function_name.as_deref(), input.qualifier.as_deref())?;
    let entry = inner.registry.find(&target.key, target.qualifier.as_ref())?;
    let qualifier = version_or_alias_read(entry.function(), &target)?;
    let standing = Standing::of(inner, &entry, &qualifier).ok_or_else(|| {
        errors::provisioned_concurrency_config_not_found(
            "No Provisioned Concurrency Config found for this function",
        )
    })?;
    Ok(GetProvisionedConcurrencyConfigResponse {
        requested_provisioned_concurrent_executions: standing.requested,
        available_provisioned_concurrent_executions: standing.available,
        allocated_provisioned_concurrent_executions: standing.allocated,
        status: standing.status,
        status_reason: standing.reason,
        last_modified: standing.last_modified,
    })
}
