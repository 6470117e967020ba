//! `DeleteFunctionUrlConfig`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_DeleteFunctionUrlConfig.html>

use crate::Inner;
use crate::failures::no_such_resource;
use crate::naming::Target;
use hearth_api::Grant;
use hearth_api::lambda::DeleteFunctionUrlConfigRequest;
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn delete_function_url_config(
    inner: &Arc<Inner>,
    grant: Grant,
    input: DeleteFunctionUrlConfigRequest,
) -> Result<(), Failure> {
    let target = Target::read(&grant, input.function_name.as_deref(), input.qualifier.as_deref())?;
    let qualifier = target.qualifier_or_latest();
    inner
        .registry
        .update(&target.key, |function| {
            function.urls.remove(&qualifier).map(drop).ok_or_else(no_such_resource)
        })
        .await?;
    Ok(())
}
