//! `DeleteAlias`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_DeleteAlias.html>

use crate::Inner;
use crate::naming::Target;
use hearth_api::Grant;
use hearth_api::lambda::DeleteAliasRequest;
use hearth_base::Qualifier;
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn delete_alias(
    inner: &Arc<Inner>,
    grant: Grant,
    input: DeleteAliasRequest,
) -> Result<(), Failure> {
    let key = Target::read_unqualified(&grant, input.function_name.as_deref())?;
    let name = input.name.unwrap_or_default();
    // AWS: an alias that is not there is deleted already.
    if !inner.registry.find(&key, None)?.function().aliases.contains_key(&name) {
        return Ok(());
    }
    inner
        .registry
        .update(&key, |function| {
            function.aliases.remove(&name);
            function.forget(&Qualifier::Alias(name.clone()));
            Ok(())
        })
        .await?;
    Ok(())
}
