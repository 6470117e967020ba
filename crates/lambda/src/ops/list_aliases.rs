//! `ListAliases`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_ListAliases.html>

use crate::Inner;
use crate::alias::{Alias, read_version};
use crate::naming::Target;
use crate::ops::list_layers::{marker, page_limit, read_marker};
use hearth_api::Grant;
use hearth_api::lambda::{ListAliasesRequest, ListAliasesResponse};
use hearth_base::Qualifier;
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn list_aliases(
    inner: &Arc<Inner>,
    grant: Grant,
    input: ListAliasesRequest,
) -> Result<ListAliasesResponse, Failure> {
    let key = Target::read_unqualified(&grant, input.function_name.as_deref())?;
    let version = input.function_version.as_deref().map(read_version).transpose()?;
    let from = read_marker(input.marker.as_deref())?.unwrap_or_default();
    let limit = page_limit(input.max_items);
    let entry = inner.registry.find(&key, None)?;
    let fits = |alias: &Alias| match &version {
        None => true,
        Some(Qualifier::Version(number)) => alias.points_to(*number),
        Some(version) => alias.version == *version,
    };
    let mut aliases = Vec::new();
    for (name, alias) in entry.function().aliases.range(from..).filter(|(_, alias)| fits(alias)) {
        if aliases.len() == limit {
            return Ok(ListAliasesResponse { aliases: Some(aliases), next_marker: Some(marker(name)) });
        }
        aliases.push(alias.shown(entry.function(), name));
    }
    Ok(ListAliasesResponse { aliases: Some(aliases), next_marker: None })
}
