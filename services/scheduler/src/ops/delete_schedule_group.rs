//! DeleteScheduleGroup.
//! <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_DeleteScheduleGroup.html>

use crate::Inner;
use crate::failures::{group_goes, invalid, no_such_group};
use crate::naming::{DEFAULT_GROUP, GroupName};
use hearth_api::Grant;
use hearth_api::scheduler::{DeleteScheduleGroupInput, DeleteScheduleGroupOutput};
use hearth_wire::Failure;
use std::sync::Arc;

/// The group goes when its schedules are gone, which the background task sees to.
pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: DeleteScheduleGroupInput,
) -> Result<DeleteScheduleGroupOutput, Failure> {
    let name = GroupName::of(grant, input.name.as_deref());
    if name.name == DEFAULT_GROUP {
        return Err(invalid("The default schedule group cannot be deleted."));
    }
    let changing = inner.registry.changing().await;
    let known = inner.deletions.know(&name.arn(), input.client_token.as_deref());
    match inner.registry.group(&name) {
        _ if known => return Ok(DeleteScheduleGroupOutput {}),
        None => return Err(no_such_group(&name.name)),
        Some(record) if record.deleting => return Err(group_goes(&name.name)),
        Some(_) => {}
    }
    let now = inner.clock.now();
    let change = changing.update_group(&name, |record| {
        (record.deleting, record.modified) = (true, now);
        Ok(())
    });
    change.await?;
    inner.deletions.note(name.arn(), input.client_token);
    Ok(DeleteScheduleGroupOutput {})
}
