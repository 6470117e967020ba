//! GetSchedule.
//! <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_GetSchedule.html>

use crate::Inner;
use crate::naming::ScheduleName;
use crate::settings::shown;
use hearth_api::Grant;
use hearth_api::scheduler::{GetScheduleInput, GetScheduleOutput};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: GetScheduleInput,
) -> Result<GetScheduleOutput, Failure> {
    let name = ScheduleName::of(grant, input.group_name.as_deref(), input.name.as_deref());
    let record = inner.registry.known(&name).await?;
    Ok(shown(&name, &record))
}
