//! DeleteRule.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DeleteRule.html>

use super::rule_name;
use crate::Inner;
use crate::failures::invalid;
use hearth_api::Grant;
use hearth_api::events::DeleteRuleRequest;
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(inner: &Arc<Inner>, grant: &Grant, input: DeleteRuleRequest) -> Result<(), Failure> {
    let name = rule_name(grant, input.name, input.event_bus_name.as_deref());
    inner.registry.has_bus(&name.bus)?;
    let deleted = inner.registry.delete_rule(&name, |rule| match rule.targets.is_empty() {
        true => Ok(()),
        false => Err(invalid("Rule can't be deleted since it has targets.")),
    });
    deleted.await?;
    inner.schedules.change();
    Ok(())
}
