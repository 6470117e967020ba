//! `GetFunctionCodeSigningConfig`: what AWS answers for a function without one, since none can be put.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionCodeSigningConfig.html>

use crate::Inner;
use crate::naming::Target;
use hearth_api::Grant;
use hearth_api::lambda::{GetFunctionCodeSigningConfigRequest, GetFunctionCodeSigningConfigResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn get_function_code_signing_config(
    inner: &Arc<Inner>,
    grant: Grant,
    input: GetFunctionCodeSigningConfigRequest,
) -> Result<GetFunctionCodeSigningConfigResponse, Failure> {
    let key = Target::read_unqualified(&grant, input.function_name.as_deref())?;
    inner.registry.find(&key, None)?;
    Ok(GetFunctionCodeSigningConfigResponse { function_name: Some(key.name), code_signing_config_arn: None })
}
