//! ListSchedules.
//! <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_ListSchedules.html>

use super::{page_max, wrong_token};
use crate::Inner;
use crate::failures::storage;
use crate::naming::{GroupName, ScheduleName};
use crate::settings::summary;
use hearth_api::Grant;
use hearth_api::scheduler::{ListSchedulesInput, ListSchedulesOutput, ScheduleState};
use hearth_store::Listing;
use hearth_store::records::RecordError;
use hearth_wire::Failure;
use std::sync::Arc;

/// Schedules that one request looks at: a page may be short of what was asked for, and still not be the last.
const LOOKED_AT_MAX: usize = 10_000;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: ListSchedulesInput,
) -> Result<ListSchedulesOutput, Failure> {
    let (account, region) = (grant.account(), grant.region());
    let (account, region) = (account.as_str(), region.as_str());
    if let Some(group) = &input.group_name {
        inner.registry.known_group(&GroupName::of(grant, Some(group)), inner.clock.now()).await?;
    }
    let prefix = input.name_prefix.as_deref().unwrap_or_default();
    // Of one group the store finds names by how they begin.
    let (within, beginning) = match input.group_name.as_deref() {
        Some(group) => (vec![account, region, group], prefix),
        None => (vec![account, region], ""),
    };
    let max = page_max(input.max_results);
    let (mut schedules, mut token, mut looked_at) = (Vec::new(), input.next_token, 0);
    loop {
        let limit = max - schedules.len();
        let listing = Listing { within: &within, beginning, limit, token: token.as_deref(), reverse: false };
        let page = inner.registry.list(listing).await.map_err(|error| match error {
            RecordError::InvalidToken => wrong_token(),
            error => storage(&error),
        })?;
        looked_at += page.records.len();
        for (parts, record) in page.records {
            let Some(name) = ScheduleName::of_parts(parts) else { continue };
            let wanted = input
                .state
                .is_none_or(|state| record.value.settings.enabled == (state == ScheduleState::Enabled));
            if wanted && name.name.starts_with(prefix) {
                schedules.push(summary(&name, &record.value));
            }
        }
        token = page.next;
        if token.is_none() || schedules.len() >= max || looked_at >= LOOKED_AT_MAX {
            return Ok(ListSchedulesOutput { next_token: token, schedules: Some(schedules) });
        }
    }
}
