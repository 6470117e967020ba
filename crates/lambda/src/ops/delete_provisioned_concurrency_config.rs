//! `DeleteProvisionedConcurrencyConfig`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_DeleteProvisionedConcurrencyConfig.html>

use crate::Inner;
use crate::naming::Target;
use crate::provisioned::version_or_alias_read;
use hearth_api::Grant;
use hearth_api::lambda::DeleteProvisionedConcurrencyConfigRequest;
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn delete_provisioned_concurrency_config(
    inner: &Arc<Inner>,
    grant: Grant,
    input: DeleteProvisionedConcurrencyConfigRequest,
) -> Result<(), Failure> {
    let target = Target::read(&grant, input.function_name.as_deref(), input.qualifier.as_deref())?;
    let _claiming = inner.registry.capacities().claiming.lock().await;
    inner
        .registry
        .update(&target.key, |function| {
            let qualifier = version_or_alias_read(function, &target)?;
            // AWS: where there is none there is nothing to do.
            function.capacity.provisioned.remove(&qualifier);
            Ok(())
        })
        .await?;
    Ok(())
}
