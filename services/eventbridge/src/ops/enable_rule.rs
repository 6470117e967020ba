//! EnableRule.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_EnableRule.html>

use super::rule_name;
use crate::Inner;
use hearth_api::Grant;
use hearth_api::events::EnableRuleRequest;
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(inner: &Arc<Inner>, grant: &Grant, input: EnableRuleRequest) -> Result<(), Failure> {
    let name = rule_name(grant, input.name, input.event_bus_name.as_deref());
    let now = inner.clock.now();
    let changed = inner.registry.update_rule(&name, |record| {
        if !record.enabled {
            record.enabled = true;
            record.since = now;
        }
        Ok(())
    });
    changed.await?;
    inner.schedules.change();
    Ok(())
}
