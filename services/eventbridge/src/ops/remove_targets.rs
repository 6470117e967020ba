//! RemoveTargets.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_RemoveTargets.html>

use super::rule_name;
use crate::Inner;
use hearth_api::Grant;
use hearth_api::events::{RemoveTargetsRequest, RemoveTargetsResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: RemoveTargetsRequest,
) -> Result<RemoveTargetsResponse, Failure> {
    let name = rule_name(grant, input.rule, input.event_bus_name.as_deref());
    inner.registry.remove_targets(&name, &input.ids.unwrap_or_default()).await?;
    Ok(RemoveTargetsResponse { failed_entry_count: Some(0), failed_entries: Some(Vec::new()) })
}
