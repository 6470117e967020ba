//! DisableRule.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DisableRule.html>

use super::rule_name;
use crate::Inner;
use hearth_api::Grant;
use hearth_api::events::DisableRuleRequest;
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(inner: &Arc<Inner>, grant: &Grant, input: DisableRuleRequest) -> Result<(), Failure> {
    let name = rule_name(grant, input.name, input.event_bus_name.as_deref());
    let changed = inner.registry.update_rule(&name, |record| {
        record.enabled = false;
        Ok(())
    });
    changed.await?;
    inner.schedules.change();
    Ok(())
}
