//! `DeleteFunction`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_DeleteFunction.html>

use crate::Inner;
use crate::failures::{function_not_found, invalid_parameter};
use crate::naming::{FunctionKey, Target};
use hearth_api::Grant;
use hearth_api::lambda::{DeleteFunctionRequest, DeleteFunctionResponse};
use hearth_base::Qualifier;
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn delete_function(
    inner: &Arc<Inner>,
    grant: Grant,
    input: DeleteFunctionRequest,
) -> Result<DeleteFunctionResponse, Failure> {
    let target = Target::read(&grant, input.function_name.as_deref(), input.qualifier.as_deref())?;
    match &target.qualifier {
        None => {
            delete_whole(inner, &target.key).await?;
        }
        Some(Qualifier::Latest) => {
            return Err(invalid_parameter(
                "$LATEST version cannot be deleted without deleting the function.",
            ));
        }
        Some(qualifier) => delete_version(inner, &target, qualifier).await?,
    }
    inner.garbage.notify_one();
    // AWS: the model says 200; the service has always answered 204.
    Ok(DeleteFunctionResponse { status_code: Some(204) })
}

/// Deletes a function with all its versions.
pub(crate) async fn delete_whole(inner: &Inner, key: &FunctionKey) -> Result<(), Failure> {
    let entry = inner.registry.remove(key).await?;
    for definition in entry.serving.values() {
        inner.data_plane.retire(&definition.key);
    }
    Ok(())
}

async fn delete_version(inner: &Inner, target: &Target, qualifier: &Qualifier) -> Result<(), Failure> {
    let not_found = || function_not_found(&target.key.arn(), Some(qualifier));
    let entry = inner.registry.find(&target.key, Some(qualifier))?;
    inner
        .registry
        .update(&target.key, |function| match qualifier {
            Qualifier::Version(number) => {
                function.published.remove(number).ok_or_else(not_found)?;
                function.forget(qualifier);
                Ok(())
            }
            _ => Err(not_found()),
        })
        .await?;
    if let Some(definition) = entry.serving.get(qualifier) {
        inner.data_plane.retire(&definition.key);
    }
    Ok(())
}
