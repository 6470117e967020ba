//! `PutFunctionEventInvokeConfig`, and what it shares with `UpdateFunctionEventInvokeConfig`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html>

use crate::Inner;
use crate::event_invoke::{Change, EventInvokeConfig, no_function};
use crate::naming::Target;
use crate::registry::Entry;
use hearth_api::Grant;
use hearth_api::lambda::{FunctionEventInvokeConfig, PutFunctionEventInvokeConfigRequest};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn put_function_event_invoke_config(
    inner: &Arc<Inner>,
    grant: Grant,
    input: PutFunctionEventInvokeConfigRequest,
) -> Result<FunctionEventInvokeConfig, Failure> {
    let target = Target::read(&grant, input.function_name.as_deref(), input.qualifier.as_deref())?;
    let (retries, age) = (input.maximum_retry_attempts, input.maximum_event_age_in_seconds);
    let change = Change::read(&target.key.arn(), retries, age, input.destination_config)?;
    configured(inner, &target)?;
    let (of, now) = (target.qualifier_or_latest(), inner.clock.now());
    let (entry, config) = inner
        .registry
        .update(&target.key, |function| {
            if !function.has(&of) {
                return Err(no_function());
            }
            let config = EventInvokeConfig::empty(now).changed(&change, now);
            function.event_invoke.insert(of.clone(), config.clone());
            Ok(config)
        })
        .await?;
    Ok(config.shown(entry.function(), &of))
}

/// The function of a configuration, when what the configuration is for is there.
pub(crate) fn configured(inner: &Inner, target: &Target) -> Result<Arc<Entry>, Failure> {
    let entry = inner.registry.get(&target.key).ok_or_else(no_function)?;
    if entry.function().has(&target.qualifier_or_latest()) { Ok(entry) } else { Err(no_function()) }
}
