//! `GetFunctionConfiguration`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html>

use crate::Inner;
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
    let found = inner.registry.find_version(&target)?;
    Ok(render::configuration(found.function(), &found.number, found.version(), target.qualifier.as_ref()))
}
