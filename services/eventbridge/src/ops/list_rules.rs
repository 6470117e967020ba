//! ListRules.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListRules.html>

use super::describe_rule::state;
use super::{begins, page};
use crate::Inner;
use crate::naming::Name;
use hearth_api::Grant;
use hearth_api::events::{ListRulesRequest, ListRulesResponse, Rule};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: ListRulesRequest,
) -> Result<ListRulesResponse, Failure> {
    let bus = Name::bus(grant, input.event_bus_name.as_deref());
    inner.registry.has_bus(&bus)?;
    let rules = inner.registry.rules_of(&bus).into_iter();
    let asked = rules.filter(|rule| begins(&rule.name.name, input.name_prefix.as_ref()));
    let named = asked.map(|rule| (rule.name.name.clone(), rule));
    let (rules, next_token) = page(named, (input.next_token, input.limit))?;
    let shown = rules.into_iter().map(|rule| Rule {
        arn: Some(rule.name.arn()),
        name: Some(rule.name.name),
        event_pattern: rule.record.pattern.clone(),
        state: Some(state(rule.record.enabled)),
        description: rule.record.description.clone(),
        schedule_expression: rule.record.schedule.clone(),
        role_arn: rule.record.role.clone(),
        event_bus_name: Some(rule.name.bus.name),
        ..Default::default()
    });
    Ok(ListRulesResponse { rules: Some(shown.collect()), next_token })
}
