//! `PutProvisionedConcurrencyConfig`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_PutProvisionedConcurrencyConfig.html>

use crate::Inner;
use crate::model::Provision;
use crate::naming::Target;
use crate::provisioned::{Standing, check, version_or_alias};
use hearth_api::Grant;
use hearth_api::lambda::{PutProvisionedConcurrencyConfigRequest, PutProvisionedConcurrencyConfigResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn put_provisioned_concurrency_config(
    inner: &Arc<Inner>,
    grant: Grant,
    input: PutProvisionedConcurrencyConfigRequest,
) -> Result<PutProvisionedConcurrencyConfigResponse, Failure> {
    let target = Target::read(&grant, input.function_name.as_deref(), input.qualifier.as_deref())?;
    let requested = input.provisioned_concurrent_executions.unwrap_or_default();
    // More than fits is more than any account has.
    let requested = u32::try_from(requested).unwrap_or(u32::MAX);
    let capacities = inner.registry.capacities();
    let account = capacities.account(target.key.account, &target.key.region);
    let _claiming = capacities.claiming.lock().await;
    let (entry, qualifier) = inner
        .registry
        .update(&target.key, |function| {
            let qualifier = version_or_alias(function, &target)?;
            check(&account, function, &qualifier, requested)?;
            let provision = Provision { requested, last_modified: inner.clock.now() };
            function.capacity.provisioned.insert(qualifier.clone(), provision);
            Ok(qualifier)
        })
        .await?;
    for (version, _) in entry.function().shares(&qualifier, requested) {
        if let Some(definition) = entry.serving.get(&hearth_base::Qualifier::Version(version)) {
            inner.data_plane.provision_again(&definition.key);
        }
    }
    let standing = Standing::of(inner, &entry, &qualifier).unwrap_or_default();
    Ok(PutProvisionedConcurrencyConfigResponse {
        requested_provisioned_concurrent_executions: standing.requested,
        allocated_provisioned_concurrent_executions: standing.allocated,
        available_provisioned_concurrent_executions: standing.available,
        status: standing.status,
        status_reason: standing.reason,
        last_modified: standing.last_modified,
    })
}
