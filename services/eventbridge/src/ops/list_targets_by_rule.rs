//! ListTargetsByRule.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListTargetsByRule.html>

use super::{page, rule_name};
use crate::Inner;
use crate::targets;
use hearth_api::Grant;
use hearth_api::events::{ListTargetsByRuleRequest, ListTargetsByRuleResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: ListTargetsByRuleRequest,
) -> Result<ListTargetsByRuleResponse, Failure> {
    let name = rule_name(grant, input.rule, input.event_bus_name.as_deref());
    let record = inner.registry.known_rule(&name)?.record;
    let named = record.targets.iter().map(|target| (target.id.clone(), targets::shown(target)));
    let (targets, next_token) = page(named, (input.next_token, input.limit))?;
    Ok(ListTargetsByRuleResponse { targets: Some(targets), next_token })
}
