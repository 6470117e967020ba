//! `GetFunctionConcurrency`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConcurrency.html>

use crate::Inner;
use crate::naming::Target;
use hearth_api::Grant;
use hearth_api::lambda::{GetFunctionConcurrencyRequest, GetFunctionConcurrencyResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn get_function_concurrency(
    inner: &Arc<Inner>,
    grant: Grant,
    input: GetFunctionConcurrencyRequest,
) -> Result<GetFunctionConcurrencyResponse, Failure> {
    let key = Target::read_unqualified(&grant, input.function_name.as_deref())?;
    let entry = inner.registry.find(&key, None)?;
    let reserved_concurrent_executions = entry.function().capacity.reserved.map(i64::from);
    Ok(GetFunctionConcurrencyResponse { reserved_concurrent_executions })
}
