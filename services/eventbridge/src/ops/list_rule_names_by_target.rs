//! ListRuleNamesByTarget.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListRuleNamesByTarget.html>

use super::page;
use crate::Inner;
use crate::naming::Name;
use hearth_api::Grant;
use hearth_api::events::{ListRuleNamesByTargetRequest, ListRuleNamesByTargetResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: ListRuleNamesByTargetRequest,
) -> Result<ListRuleNamesByTargetResponse, Failure> {
    let bus = Name::bus(grant, input.event_bus_name.as_deref());
    inner.registry.has_bus(&bus)?;
    let arn = input.target_arn.unwrap_or_default();
    let rules = inner.registry.rules_of(&bus).into_iter();
    let asked = rules.filter(|rule| rule.record.targets.iter().any(|target| target.arn == arn));
    let named = asked.map(|rule| (rule.name.name.clone(), rule.name.name));
    let (names, next_token) = page(named, (input.next_token, input.limit))?;
    Ok(ListRuleNamesByTargetResponse { rule_names: Some(names), next_token })
}
