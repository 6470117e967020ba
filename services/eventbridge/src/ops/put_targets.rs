//! PutTargets.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutTargets.html>

use super::rule_name;
use crate::Inner;
use crate::failures::{invalid, too_many};
use crate::registry::Rule;
use crate::{targets, task};
use hearth_api::Grant;
use hearth_api::events::{PutTargetsRequest, PutTargetsResponse};
use hearth_wire::Failure;
use std::sync::Arc;

/// AWS: targets of one rule.
const TARGETS_MAX: usize = 5;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: PutTargetsRequest,
) -> Result<PutTargetsResponse, Failure> {
    let name = rule_name(grant, input.rule, input.event_bus_name.as_deref());
    let before = inner.registry.known_rule(&name)?;
    let mut read = Vec::new();
    for target in input.targets.unwrap_or_default() {
        let target = targets::read(target, inner.registry.queues().next_id())?;
        if read.iter().any(|it: &crate::model::TargetRecord| it.id == target.id) {
            return Err(invalid(format!("Target {} is given more than once.", target.id)));
        }
        if target.arn == name.bus.bus_arn() {
            return Err(invalid(format!("Target {} is the event bus of the rule itself.", target.id)));
        }
        read.push(target);
    }
    let put = inner.registry.update_rule(&name, |record| {
        for mut target in read {
            match record.targets.iter_mut().find(|there| there.id == target.id) {
                // What waits for the target waits for what it is now.
                Some(there) => {
                    target.storage = there.storage;
                    *there = target;
                }
                None => record.targets.push(target),
            }
        }
        if record.targets.len() > TARGETS_MAX { Err(too_many()) } else { Ok(()) }
    });
    start_new(inner, &before, &put.await?);
    Ok(PutTargetsResponse { failed_entry_count: Some(0), failed_entries: Some(Vec::new()) })
}

fn start_new(inner: &Arc<Inner>, before: &Rule, after: &Rule) {
    let known = |storage| before.targets.iter().any(|target| target.record.storage == storage);
    for target in after.targets.iter().filter(|target| !known(target.record.storage)) {
        task::start_target(inner, after.name.clone(), target.clone());
    }
}
