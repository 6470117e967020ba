//! DeleteSchedule.
//! <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_DeleteSchedule.html>

use crate::Inner;
use crate::failures::{no_such_schedule, storage};
use crate::naming::ScheduleName;
use hearth_api::Grant;
use hearth_api::scheduler::{DeleteScheduleInput, DeleteScheduleOutput};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: DeleteScheduleInput,
) -> Result<DeleteScheduleOutput, Failure> {
    let name = ScheduleName::of(grant, input.group_name.as_deref(), input.name.as_deref());
    let changing = inner.registry.changing().await;
    match inner.registry.schedule(&name).await.map_err(|error| storage(&error))? {
        Some(record) => changing.delete(&name, &record).await.map_err(|error| storage(&error))?,
        None if inner.deletions.know(&name.arn(), input.client_token.as_deref()) => {}
        None => return Err(no_such_schedule(&name.name)),
    }
    inner.deletions.note(name.arn(), input.client_token);
    Ok(DeleteScheduleOutput {})
}
