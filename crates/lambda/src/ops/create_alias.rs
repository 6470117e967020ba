//! `CreateAlias`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_CreateAlias.html>

use crate::Inner;
use crate::alias::{Alias, read_routing, read_version};
use crate::naming::Target;
use hearth_api::Grant;
use hearth_api::lambda::{AliasConfiguration, CreateAliasRequest, errors};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn create_alias(
    inner: &Arc<Inner>,
    grant: Grant,
    input: CreateAliasRequest,
) -> Result<AliasConfiguration, Failure> {
    let key = Target::read_unqualified(&grant, input.function_name.as_deref())?;
    let name = input.name.unwrap_or_default();
    let alias = Alias {
        version: read_version(&input.function_version.unwrap_or_default())?,
        additional: input.routing_config.map(read_routing).transpose()?.flatten(),
        description: input.description.unwrap_or_default(),
        revision_id: hearth_base::id::uuid(inner.rng.as_ref()),
    };
    let (entry, ()) = inner
        .registry
        .update(&key, |function| {
            if function.aliases.contains_key(&name) {
                return Err(errors::resource_conflict(format!("Alias already exists: {}:{name}", key.arn())));
            }
            alias.check(function)?;
            function.aliases.insert(name.clone(), alias.clone());
            Ok(())
        })
        .await?;
    Ok(alias.shown(entry.function(), &name))
}
