//! `DeleteFunctionCodeSigningConfig`: there is never one, and that it is gone is true.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_DeleteFunctionCodeSigningConfig.html>

use crate::Inner;
use crate::naming::Target;
use hearth_api::Grant;
use hearth_api::lambda::DeleteFunctionCodeSigningConfigRequest;
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn delete_function_code_signing_config(
    inner: &Arc<Inner>,
    grant: Grant,
    input: DeleteFunctionCodeSigningConfigRequest,
) -> Result<(), Failure> {
    let key = Target::read_unqualified(&grant, input.function_name.as_deref())?;
    inner.registry.find(&key, None).map(drop)
}
