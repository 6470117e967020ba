//! `DeleteFunctionEventInvokeConfig`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_DeleteFunctionEventInvokeConfig.html>

use crate::Inner;
use crate::event_invoke::not_configured;
use crate::naming::Target;
use crate::ops::put_function_event_invoke_config::configured;
use hearth_api::Grant;
use hearth_api::lambda::DeleteFunctionEventInvokeConfigRequest;
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn delete_function_event_invoke_config(
    inner: &Arc<Inner>,
    grant: Grant,
    input: DeleteFunctionEventInvokeConfigRequest,
) -> Result<(), Failure> {
    let target = Target::read(&grant, input.function_name.as_deref(), input.qualifier.as_deref())?;
    configured(inner, &target)?;
    let of = target.qualifier_or_latest();
    inner
        .registry
        .update(&target.key, |function| match function.event_invoke.remove(&of) {
            Some(_) => Ok(()),
            None => Err(not_configured(function, &of)),
        })
        .await?;
    Ok(())
}
