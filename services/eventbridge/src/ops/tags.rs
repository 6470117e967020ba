//! What holds for tags of buses and rules.
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-tagging.html>

use crate::Inner;
use crate::failures::invalid_parameter;
use crate::naming::{DEFAULT_BUS, Name, RuleName};
use crate::task;
use hearth_api::events::{Tag, errors};
use hearth_wire::Failure;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Tags of one resource.
const TAGS_MAX: usize = 50;

/// Tags as a request lists them.
pub fn of_list(tags: Vec<Tag>) -> BTreeMap<String, String> {
    tags.into_iter().map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default())).collect()
}

/// Checks all tags of a resource; their lengths are in the model.
pub fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Failure> {
    if tags.len() > TAGS_MAX {
        return Err(invalid_parameter("Tags", "A resource has at most 50 tags."));
    }
    // AWS: keys that begin with `aws:` are its own.
    let reserved = |key: &String| key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"));
    match tags.keys().find(|key| reserved(key)) {
        Some(_) => Err(invalid_parameter("Tags", "Keys that begin with aws: are reserved.")),
        None => Ok(()),
    }
}

/// The tags of a bus or a rule; none when there is none of this ARN.
pub fn of_arn(inner: &Inner, arn: &str) -> Option<BTreeMap<String, String>> {
    if let Some(bus) = Name::of_arn(arn, "event-bus") {
        let found = inner.registry.bus(&bus);
        let default = (bus.name == DEFAULT_BUS).then(BTreeMap::new);
        return found.map(|found| found.record.tags.clone()).or(default);
    }
    let rule = inner.registry.rule(&RuleName::of_arn(arn)?)?;
    Some(rule.record.tags.clone())
}

/// There is nothing of this ARN to be tagged.
pub fn no_such_resource(arn: &str) -> Failure {
    errors::resource_not_found(format!("Resource {arn} does not exist."))
}

/// Changes the tags of a bus or a rule.
pub async fn change(
    inner: &Arc<Inner>,
    arn: &str,
    change: impl FnOnce(&mut BTreeMap<String, String>),
) -> Result<(), Failure> {
    of_arn(inner, arn).ok_or_else(|| no_such_resource(arn))?;
    let change = |tags: &mut BTreeMap<String, String>| {
        change(tags);
        check_tags(tags)
    };
    if let Some(bus) = Name::of_arn(arn, "event-bus") {
        let (made, new) = inner.registry.ensure_bus(&bus, inner.clock.now()).await?;
        if new {
            task::start_bus(inner, made);
        }
        return inner.registry.update_bus(&bus, |record| change(&mut record.tags)).await.map(drop);
    }
    let rule = RuleName::of_arn(arn).ok_or_else(|| no_such_resource(arn))?;
    inner.registry.update_rule(&rule, |record| change(&mut record.tags)).await.map(drop)
}
