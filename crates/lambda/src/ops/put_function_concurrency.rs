//! `PutFunctionConcurrency`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionConcurrency.html>

use crate::Inner;
use crate::capacity::{has_room, unreserved_min};
use crate::failures::invalid_parameter;
use crate::naming::Target;
use hearth_api::Grant;
use hearth_api::lambda::{Concurrency, PutFunctionConcurrencyRequest};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn put_function_concurrency(
    inner: &Arc<Inner>,
    grant: Grant,
    input: PutFunctionConcurrencyRequest,
) -> Result<Concurrency, Failure> {
    let key = Target::read_unqualified(&grant, input.function_name.as_deref())?;
    let asked = input.reserved_concurrent_executions.unwrap_or_default();
    // More than fits is more than any account has.
    let reserved = u32::try_from(asked).unwrap_or(u32::MAX);
    let capacities = inner.registry.capacities();
    let account = capacities.account(key.account, &key.region);
    let _claiming = capacities.claiming.lock().await;
    inner
        .registry
        .update(&key, |function| {
            let provisioned = function.allowance().provisioned();
            if u64::from(reserved) < provisioned {
                return Err(invalid_parameter(&format!(
                    "ReservedConcurrentExecutions  {reserved} should not be lower than function's total provisioned \
                     concurrency [{provisioned}]."
                )));
            }
            if !has_room(&account, function, reserved.into()) {
                return Err(invalid_parameter(&format!(
                    "Specified ReservedConcurrentExecutions for function decreases account's \
                     UnreservedConcurrentExecution below its minimum value of [{}].",
                    unreserved_min(&account)
                )));
            }
            function.capacity.reserved = Some(reserved);
            Ok(())
        })
        .await?;
    Ok(Concurrency { reserved_concurrent_executions: Some(reserved.into()) })
}
