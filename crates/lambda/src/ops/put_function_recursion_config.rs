//! `PutFunctionRecursionConfig`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionRecursionConfig.html>

use crate::Inner;
use crate::model::RecursiveLoop;
use crate::naming::Target;
use hearth_api::Grant;
use hearth_api::lambda::{
    self as api, PutFunctionRecursionConfigRequest, PutFunctionRecursionConfigResponse,
};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn put_function_recursion_config(
    inner: &Arc<Inner>,
    grant: Grant,
    input: PutFunctionRecursionConfigRequest,
) -> Result<PutFunctionRecursionConfigResponse, Failure> {
    let key = Target::read_unqualified(&grant, input.function_name.as_deref())?;
    let wanted = match input.recursive_loop {
        Some(api::RecursiveLoop::Allow) => RecursiveLoop::Allow,
        Some(api::RecursiveLoop::Terminate) | None => RecursiveLoop::Terminate,
    };
    inner
        .registry
        .update(&key, |function| {
            function.recursive_loop = wanted;
            Ok(())
        })
        .await?;
    Ok(PutFunctionRecursionConfigResponse { recursive_loop: Some(shown(wanted)) })
}

/// As clients see it.
pub(crate) fn shown(recursive_loop: RecursiveLoop) -> api::RecursiveLoop {
    match recursive_loop {
        RecursiveLoop::Allow => api::RecursiveLoop::Allow,
        RecursiveLoop::Terminate => api::RecursiveLoop::Terminate,
    }
}
