//! DescribeRule.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DescribeRule.html>

use super::rule_name;
use crate::Inner;
use hearth_api::Grant;
use hearth_api::events::{DescribeRuleRequest, DescribeRuleResponse, RuleState};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: DescribeRuleRequest,
) -> Result<DescribeRuleResponse, Failure> {
    let name = rule_name(grant, input.name, input.event_bus_name.as_deref());
    let record = inner.registry.known_rule(&name)?.record;
    Ok(DescribeRuleResponse {
        arn: Some(name.arn()),
        name: Some(name.name),
        event_pattern: record.pattern.clone(),
        schedule_expression: record.schedule.clone(),
        state: Some(state(record.enabled)),
        description: record.description.clone(),
        role_arn: record.role.clone(),
        event_bus_name: Some(name.bus.name),
        created_by: Some(record.created_by.clone()),
        ..Default::default()
    })
}

/// As AWS writes it.
pub fn state(enabled: bool) -> RuleState {
    if enabled { RuleState::Enabled } else { RuleState::Disabled }
}
