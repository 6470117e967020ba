//! CreateSchedule.
//! <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html>

use crate::Inner;
use crate::failures::storage;
use crate::model::ScheduleRecord;
use crate::naming::ScheduleName;
use crate::settings::Asked;
use crate::timing;
use hearth_api::Grant;
use hearth_api::scheduler::{CreateScheduleInput, CreateScheduleOutput, errors};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: CreateScheduleInput,
) -> Result<CreateScheduleOutput, Failure> {
    let name = ScheduleName::of(grant, input.group_name.as_deref(), input.name.as_deref());
    inner.registry.known_group(&name.group(), inner.clock.now()).await?;
    let asked = Asked::from(input);
    let token = asked.token.clone();
    let (settings, schedule) = asked.check(inner, &name, None)?;
    let changing = inner.registry.changing().await;
    changing.room_for(&name)?;
    if let Some(there) = inner.registry.schedule(&name).await.map_err(|error| storage(&error))? {
        if token.is_some() && there.made_by == token {
            return Ok(CreateScheduleOutput { schedule_arn: Some(name.arn()) });
        }
        return Err(errors::conflict(format!("Schedule {} already exists.", name.name)));
    }
    let now = inner.clock.now();
    let next = if settings.enabled { timing::first(&schedule, &settings.timing, now) } else { None };
    let record = ScheduleRecord {
        id: hearth_base::id::uuid(&*inner.rng),
        anchor: timing::anchor(&settings.timing, now),
        settings,
        created: now,
        modified: now,
        next,
        made_by: token,
        changed_by: None,
    };
    changing.put(&name, (None, &record)).await?;
    Ok(CreateScheduleOutput { schedule_arn: Some(name.arn()) })
}
