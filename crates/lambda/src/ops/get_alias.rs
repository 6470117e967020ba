//! `GetAlias`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_GetAlias.html>

use crate::Inner;
use crate::alias;
use crate::naming::Target;
use hearth_api::Grant;
use hearth_api::lambda::{AliasConfiguration, GetAliasRequest};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn get_alias(
    inner: &Arc<Inner>,
    grant: Grant,
    input: GetAliasRequest,
) -> Result<AliasConfiguration, Failure> {
    let key = Target::read_unqualified(&grant, input.function_name.as_deref())?;
    let name = input.name.unwrap_or_default();
    // AWS: the words are the same when the function itself is not there.
    let entry = inner.registry.get(&key).ok_or_else(|| alias::cannot_find(&key.arn(), &name))?;
    let found = entry.function().aliases.get(&name).ok_or_else(|| alias::cannot_find(&key.arn(), &name))?;
    Ok(found.shown(entry.function(), &name))
}
