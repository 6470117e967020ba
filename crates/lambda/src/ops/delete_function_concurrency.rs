//! `DeleteFunctionConcurrency`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_DeleteFunctionConcurrency.html>

use crate::Inner;
use crate::naming::Target;
use hearth_api::Grant;
use hearth_api::lambda::DeleteFunctionConcurrencyRequest;
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn delete_function_concurrency(
    inner: &Arc<Inner>,
    grant: Grant,
    input: DeleteFunctionConcurrencyRequest,
) -> Result<(), Failure> {
    let key = Target::read_unqualified(&grant, input.function_name.as_deref())?;
    let _claiming = inner.registry.capacities().claiming.lock().await;
    inner
        .registry
        .update(&key, |function| {
            function.capacity.reserved = None;
            Ok(())
        })
        .await?;
    Ok(())
}
