//! PutRule.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html>

use super::create_archive::check_pattern;
use super::rule_name;
use super::tags::{check_tags, of_list};
use crate::Inner;
use crate::failures::{invalid, too_many, unsupported};
use crate::model::RuleRecord;
use crate::naming::DEFAULT_BUS;
use crate::task;
use hearth_api::Grant;
use hearth_api::events::{PutRuleRequest, PutRuleResponse, RuleState};
use hearth_schedule::Schedule;
use hearth_wire::Failure;
use std::collections::BTreeMap;
use std::sync::Arc;

/// AWS: rules of one bus.
const RULES_MAX: usize = 300;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: PutRuleRequest,
) -> Result<PutRuleResponse, Failure> {
    let name = rule_name(grant, input.name, input.event_bus_name.as_deref());
    inner.registry.has_bus(&name.bus)?;
    let pattern = input.event_pattern.filter(|text| !text.is_empty());
    let schedule = input.schedule_expression.filter(|text| !text.is_empty());
    if pattern.is_none() && schedule.is_none() {
        return Err(invalid("Parameter(s) EventPattern or ScheduleExpression must be specified."));
    }
    check_pattern(pattern.as_deref())?;
    if let Some(text) = &schedule {
        if name.bus.name != DEFAULT_BUS {
            return Err(invalid("ScheduleExpression is supported only on the default event bus."));
        }
        if Schedule::parse(text).is_none() {
            return Err(invalid("Parameter ScheduleExpression is not valid."));
        }
    }
    let enabled = match input.state {
        None | Some(RuleState::Enabled) => true,
        Some(RuleState::Disabled) => false,
        Some(state) => return Err(unsupported(format!("the state {} of rules", state.as_str()))),
    };
    let tags = of_list(input.tags.unwrap_or_default());
    check_tags(&tags)?;
    let now = inner.clock.now();
    let (bus, made) = inner.registry.ensure_bus(&name.bus, now).await?;
    if made {
        task::start_bus(inner, bus);
    }
    let put = inner.registry.put_rule(&name, |found, there| {
        if found.is_none() && there >= RULES_MAX {
            return Err(too_many());
        }
        let same = found.filter(|found| found.schedule == schedule && found.enabled == enabled);
        Ok(RuleRecord {
            since: same.map_or(now, |found| found.since),
            pattern,
            schedule,
            enabled,
            description: input.description,
            role: input.role_arn,
            created_by: found.map_or_else(|| grant.account().to_string(), |found| found.created_by.clone()),
            // AWS: the tags of a rule that is there are changed by TagResource alone.
            tags: found.map_or(tags, |found| BTreeMap::clone(&found.tags)),
            targets: found.map(|found| found.targets.clone()).unwrap_or_default(),
        })
    });
    put.await?;
    inner.schedules.change();
    Ok(PutRuleResponse { rule_arn: Some(name.arn()) })
}
