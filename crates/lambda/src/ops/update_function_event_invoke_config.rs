//! `UpdateFunctionEventInvokeConfig`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionEventInvokeConfig.html>

use crate::Inner;
use crate::event_invoke::{Change, not_configured};
use crate::naming::Target;
use crate::ops::put_function_event_invoke_config::configured;
use hearth_api::Grant;
use hearth_api::lambda::{FunctionEventInvokeConfig, UpdateFunctionEventInvokeConfigRequest};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn update_function_event_invoke_config(
    inner: &Arc<Inner>,
    grant: Grant,
    input: UpdateFunctionEventInvokeConfigRequest,
) -> Result<FunctionEventInvokeConfig, Failure> {
    let target = Target::read(&grant, input.function_name.as_deref(), input.qualifier.as_deref())?;
    let (retries, age) = (input.maximum_retry_attempts, input.maximum_event_age_in_seconds);
    let change = Change::read(&target.key.arn(), retries, age, input.destination_config)?;
    configured(inner, &target)?;
    let (of, now) = (target.qualifier_or_latest(), inner.clock.now());
    let (entry, config) = inner
        .registry
        .update(&target.key, |function| {
            let Some(present) = function.event_invoke.get(&of) else {
                return Err(not_configured(function, &of));
            };
            let config = present.clone().changed(&change, now);
            function.event_invoke.insert(of.clone(), config.clone());
            Ok(config)
        })
        .await?;
    Ok(config.shown(entry.function(), &of))
}
