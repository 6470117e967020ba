//! `GetFunctionEventInvokeConfig`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionEventInvokeConfig.html>

use crate::Inner;
use crate::event_invoke::not_configured;
use crate::naming::Target;
use crate::ops::put_function_event_invoke_config::configured;
use hearth_api::Grant;
use hearth_api::lambda::{FunctionEventInvokeConfig, GetFunctionEventInvokeConfigRequest};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn get_function_event_invoke_config(
    inner: &Arc<Inner>,
    grant: Grant,
    input: GetFunctionEventInvokeConfigRequest,
) -> Result<FunctionEventInvokeConfig, Failure> {
    let target = Target::read(&grant, input.function_name.as_deref(), input.qualifier.as_deref())?;
    let entry = configured(inner, &target)?;
    let (function, of) = (entry.function(), target.qualifier_or_latest());
    let config = function.event_invoke.get(&of).ok_or_else(|| not_configured(function, &of))?;
    Ok(config.shown(function, &of))
}
