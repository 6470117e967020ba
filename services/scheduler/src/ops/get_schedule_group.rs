//! GetScheduleGroup.
//! <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_GetScheduleGroup.html>

use super::state;
use crate::Inner;
use crate::naming::GroupName;
use hearth_api::Grant;
use hearth_api::scheduler::{GetScheduleGroupInput, GetScheduleGroupOutput};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: GetScheduleGroupInput,
) -> Result<GetScheduleGroupOutput, Failure> {
    let name = GroupName::of(grant, input.name.as_deref());
    let record = inner.registry.known_group(&name, inner.clock.now()).await?;
    Ok(GetScheduleGroupOutput {
        arn: Some(name.arn()),
        state: Some(state(&record)),
        creation_date: Some(record.created),
        last_modification_date: Some(record.modified),
        name: Some(name.name),
    })
}
