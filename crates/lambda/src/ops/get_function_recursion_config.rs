//! `GetFunctionRecursionConfig`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionRecursionConfig.html>

use crate::Inner;
use crate::naming::Target;
use crate::ops::put_function_recursion_config::shown;
use hearth_api::Grant;
use hearth_api::lambda::{GetFunctionRecursionConfigRequest, GetFunctionRecursionConfigResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn get_function_recursion_config(
    inner: &Arc<Inner>,
    grant: Grant,
    input: GetFunctionRecursionConfigRequest,
) -> Result<GetFunctionRecursionConfigResponse, Failure> {
    let key = Target::read_unqualified(&grant, input.function_name.as_deref())?;
    let entry = inner.registry.find(&key, None)?;
    Ok(GetFunctionRecursionConfigResponse { recursive_loop: Some(shown(entry.function().recursive_loop)) })
}
