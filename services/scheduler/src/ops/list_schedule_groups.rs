//! ListScheduleGroups.
//! <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_ListScheduleGroups.html>

use super::{page_max, state, wrong_token};
use crate::Inner;
use crate::naming::GroupName;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_api::Grant;
use hearth_api::scheduler::{ListScheduleGroupsInput, ListScheduleGroupsOutput, ScheduleGroupSummary};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: ListScheduleGroupsInput,
) -> Result<ListScheduleGroupsOutput, Failure> {
    inner.registry.known_group(&GroupName::of(grant, None), inner.clock.now()).await?;
    let after = match input.next_token {
        None => String::new(),
        Some(token) => {
            let bytes = URL_SAFE_NO_PAD.decode(&token).ok();
            bytes.and_then(|it| String::from_utf8(it).ok()).ok_or_else(wrong_token)?
        }
    };
    let prefix = input.name_prefix.unwrap_or_default();
    let mut groups = inner.registry.groups((grant.account().as_str(), grant.region().as_str()));
    groups.retain(|(name, _)| name.name > after && name.name.starts_with(&prefix));
    let max = page_max(input.max_results);
    let more = groups.len() > max;
    groups.truncate(max);
    let next_token = groups.last().filter(|_| more).map(|(name, _)| URL_SAFE_NO_PAD.encode(&name.name));
    let groups = groups.into_iter().map(|(name, record)| ScheduleGroupSummary {
        arn: Some(name.arn()),
        state: Some(state(&record)),
        creation_date: Some(record.created),
        last_modification_date: Some(record.modified),
        name: Some(name.name),
    });
    Ok(ListScheduleGroupsOutput { next_token, schedule_groups: Some(groups.collect()) })
}
