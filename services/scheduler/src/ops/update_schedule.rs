//! UpdateSchedule.
//! <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_UpdateSchedule.html>

use crate::Inner;
use crate::model::{ScheduleRecord, Timing};
use crate::naming::ScheduleName;
use crate::settings::Asked;
use crate::timing;
use hearth_api::Grant;
use hearth_api::scheduler::{UpdateScheduleInput, UpdateScheduleOutput};
use hearth_schedule::ZonedSchedule;
use hearth_wire::Failure;
use std::sync::Arc;

/// AWS: all settings are given anew; what is left out has its default again.
pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: UpdateScheduleInput,
) -> Result<UpdateScheduleOutput, Failure> {
    let name = ScheduleName::of(grant, input.group_name.as_deref(), input.name.as_deref());
    inner.registry.known_group(&name.group(), inner.clock.now()).await?;
    let changing = inner.registry.changing().await;
    let former = inner.registry.known(&name).await?;
    let asked = Asked::from(input);
    let token = asked.token.clone();
    if token.is_some() && former.changed_by == token {
        return Ok(UpdateScheduleOutput { schedule_arn: Some(name.arn()) });
    }
    let (settings, schedule) = asked.check(inner, &name, Some(&former.settings.timing))?;
    let now = inner.clock.now();
    let same = is_same(&schedule, &former.settings.timing, &settings.timing);
    let mut record = ScheduleRecord { settings, modified: now, changed_by: token, ..former.clone() };
    // A schedule whose times stay keeps its pace: what was due is not due once more.
    record.next = match (record.settings.enabled, same) {
        (false, _) => None,
        (true, true) if former.settings.enabled => former.next,
        (true, true) => timing::resumed(&schedule, &record, now),
        (true, false) => timing::first(&schedule, &record.settings.timing, now),
    };
    if !same {
        record.anchor = timing::anchor(&record.settings.timing, now);
    }
    changing.put(&name, (Some(&former), &record)).await?;
    Ok(UpdateScheduleOutput { schedule_arn: Some(name.arn()) })
}

/// Whether a schedule is due at the same times. One-time schedules have no use for dates.
fn is_same(schedule: &ZonedSchedule, former: &Timing, timing: &Timing) -> bool {
    let expression = |it: &Timing| (it.expression.clone(), it.zone.clone());
    let dates = |it: &Timing| (it.start, it.end);
    expression(former) == expression(timing) && (schedule.is_once() || dates(former) == dates(timing))
}
