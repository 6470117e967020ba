//! `UpdateAlias`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_UpdateAlias.html>

use crate::Inner;
use crate::alias::{self, read_routing, read_version};
use crate::failures::revision_mismatch;
use crate::naming::Target;
use crate::provisioned;
use hearth_api::Grant;
use hearth_api::lambda::{AliasConfiguration, UpdateAliasRequest};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn update_alias(
    inner: &Arc<Inner>,
    grant: Grant,
    input: UpdateAliasRequest,
) -> Result<AliasConfiguration, Failure> {
    let key = Target::read_unqualified(&grant, input.function_name.as_deref())?;
    let name = input.name.unwrap_or_default();
    let version = input.function_version.as_deref().map(read_version).transpose()?;
    let routing = input.routing_config.map(read_routing).transpose()?;
    let (entry, changed) = inner
        .registry
        .update(&key, |function| {
            let found = function.aliases.get(&name);
            let mut changed = found.cloned().ok_or_else(|| alias::not_found(&key.arn(), &name))?;
            if input.revision_id.as_ref().is_some_and(|expected| *expected != changed.revision_id) {
                return Err(revision_mismatch());
            }
            changed.version = version.clone().unwrap_or(changed.version);
            changed.additional = routing.clone().unwrap_or(changed.additional);
            changed.description = input.description.clone().unwrap_or(changed.description);
            changed.revision_id = hearth_base::id::uuid(inner.rng.as_ref());
            changed.check(function)?;
            function.aliases.insert(name.clone(), changed.clone());
            provisioned::check_alias(function, &name)?;
            Ok(changed)
        })
        .await?;
    Ok(changed.shown(entry.function(), &name))
}
