//! CreateScheduleGroup.
//! <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateScheduleGroup.html>

use super::tags::{check_tags, of_list};
use crate::Inner;
use crate::model::GroupRecord;
use crate::naming::GroupName;
use hearth_api::Grant;
use hearth_api::scheduler::{CreateScheduleGroupInput, CreateScheduleGroupOutput, errors};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: CreateScheduleGroupInput,
) -> Result<CreateScheduleGroupOutput, Failure> {
    let name = GroupName::of(grant, input.name.as_deref());
    let tags = of_list(input.tags.unwrap_or_default());
    check_tags(&tags)?;
    let now = inner.clock.now();
    // The one that every account has is there already.
    let _ = inner.registry.known_group(&GroupName::of(grant, None), now).await?;
    let changing = inner.registry.changing().await;
    let token = input.client_token;
    match inner.registry.group(&name) {
        Some(there) if token.is_some() && there.token == token => {}
        Some(_) => {
            return Err(errors::conflict(format!("Schedule group {} already exists.", name.name)));
        }
        None => {
            changing.room_for_group(&name)?;
            let record = GroupRecord { created: now, modified: now, tags, deleting: false, token };
            changing.put_group(&name, &record).await?;
        }
    }
    Ok(CreateScheduleGroupOutput { schedule_group_arn: Some(name.arn()) })
}
