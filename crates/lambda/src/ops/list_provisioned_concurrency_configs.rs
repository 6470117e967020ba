//! `ListProvisionedConcurrencyConfigs`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_ListProvisionedConcurrencyConfigs.html>

use crate::Inner;
use crate::failures::invalid_parameter;
use crate::naming::Target;
use crate::provisioned::Standing;
use hearth_api::Grant;
use hearth_api::lambda::{
    ListProvisionedConcurrencyConfigsRequest, ListProvisionedConcurrencyConfigsResponse,
    ProvisionedConcurrencyConfigListItem,
};
use hearth_base::Qualifier;
use hearth_wire::Failure;
use std::sync::Arc;

/// Configurations on a page when the request does not say.
const PAGE: usize = 50;

pub(crate) async fn list_provisioned_concurrency_configs(
    inner: &Arc<Inner>,
    grant: Grant,
    input: ListProvisionedConcurrencyConfigsRequest,
) -> Result<ListProvisionedConcurrencyConfigsResponse, Failure> {
    let key = Target::read_unqualified(&grant, input.function_name.as_deref())?;
    let entry = inner.registry.find(&key, None)?;
    let function = entry.function();
    let limit = input.max_items.and_then(|items| usize::try_from(items).ok()).unwrap_or(PAGE);
    // A marker is the first qualifier of the next page.
    let from = match &input.marker {
        Some(marker) => Qualifier::parse(marker).ok_or_else(|| invalid_parameter("Invalid Marker"))?,
        None => Qualifier::Latest,
    };
    let mut qualifiers = function.capacity.provisioned.range(from..).map(|(qualifier, _)| qualifier);
    let mut page = Vec::new();
    for qualifier in qualifiers.by_ref().take(limit) {
        let standing = Standing::of(inner, &entry, qualifier).unwrap_or_default();
        page.push(ProvisionedConcurrencyConfigListItem {
            function_arn: Some(format!("{}:{qualifier}", function.arn())),
            requested_provisioned_concurrent_executions: standing.requested,
            available_provisioned_concurrent_executions: standing.available,
            allocated_provisioned_concurrent_executions: standing.allocated,
            status: standing.status,
            status_reason: standing.reason,
            last_modified: standing.last_modified,
        });
    }
    let next_marker = qualifiers.next().map(Qualifier::to_string);
    Ok(ListProvisionedConcurrencyConfigsResponse { provisioned_concurrency_configs: Some(page), next_marker })
}
