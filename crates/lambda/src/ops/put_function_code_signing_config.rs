//! `PutFunctionCodeSigningConfig`: refused, for there are no code signing configurations.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionCodeSigningConfig.html>

use crate::Inner;
use crate::naming::Target;
use hearth_api::Grant;
use hearth_api::lambda::{PutFunctionCodeSigningConfigRequest, PutFunctionCodeSigningConfigResponse, errors};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn put_function_code_signing_config(
    inner: &Arc<Inner>,
    grant: Grant,
    input: PutFunctionCodeSigningConfigRequest,
) -> Result<PutFunctionCodeSigningConfigResponse, Failure> {
    let key = Target::read_unqualified(&grant, input.function_name.as_deref())?;
    inner.registry.find(&key, None)?;
    let arn = input.code_signing_config_arn.unwrap_or_default();
    Err(errors::code_signing_config_not_found(format!(
        "CodeSigningConfigArn: {arn} does not exist; Hearth does not support code signing yet."
    )))
}
