//! `DeleteFunction`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_DeleteFunction.html>

use crate::Inner;
use crate::failures::invalid_parameter;
use crate::naming::{FunctionKey, Target};
use hearth_api::Grant;
use hearth_api::lambda::{DeleteFunctionRequest, DeleteFunctionResponse, errors};
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
        Some(Qualifier::Alias(_)) => {
            return Err(invalid_parameter("Deletion of aliases is not currently supported."));
        }
        Some(Qualifier::Version(number)) => delete_version(inner, &target.key, *number).await?,
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

async fn delete_version(inner: &Inner, key: &FunctionKey, number: u64) -> Result<(), Failure> {
    let version = Qualifier::Version(number);
    let entry = inner.registry.find(key, Some(&version))?;
    // AWS: a version that is not there is deleted already.
    if entry.function().version(&version).is_none() {
        return Ok(());
    }
    inner
        .registry
        .update(key, |function| {
            let aliases = function.aliases.iter().filter(|(_, alias)| alias.points_to(number));
            let names: Vec<&str> = aliases.map(|(name, _)| name.as_str()).collect();
            if !names.is_empty() {
                return Err(errors::resource_conflict(format!(
                    "Unable to delete version because the following aliases reference it: [{}]",
                    names.join(", ")
                )));
            }
            function.published.remove(&number);
            function.forget(&version);
            Ok(())
        })
        .await?;
    if let Some(definition) = entry.serving.get(&version) {
        inner.data_plane.retire(&definition.key);
    }
    Ok(())
}
