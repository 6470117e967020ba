//! `GetFunctionConfiguration`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html>

use crate::Inner;
use crate::failures::function_not_found;
use crate::naming::Target;
use crate::render;
use hearth_api::Grant;
use hearth_api::lambda::{FunctionConfiguration, GetFunctionConfigurationRequest};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn get_function_configuration(
    inner: &Arc<Inner>,
    grant: Grant,
    input: GetFunctionConfigurationRequest,
) -> Result<FunctionConfiguration, Failure> {
    let target = Target::read(&grant, input.function_name.as_deref(), input.qualifier.as_deref())?;
    let entry = inner.registry.find(&target.key, target.qualifier.as_ref())?;
    let (function, qualifier) = (entry.function(), target.qualifier_or_latest());
    let version = function
        .version(&qualifier)
        .ok_or_else(|| function_not_found(&function.arn(), target.qualifier.as_ref()))?;
    Ok(render::configuration(function, &qualifier, version, target.qualifier.is_some()))
}
