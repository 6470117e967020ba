//! UpdateEventBus.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_UpdateEventBus.html>

use super::create_archive::refuse_key;
use super::create_event_bus::refuse_settings;
use crate::Inner;
use crate::naming::Name;
use crate::task;
use hearth_api::Grant;
use hearth_api::events::{UpdateEventBusRequest, UpdateEventBusResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: UpdateEventBusRequest,
) -> Result<UpdateEventBusResponse, Failure> {
    refuse_key(input.kms_key_identifier.as_deref())?;
    refuse_settings(input.dead_letter_config.as_ref(), input.log_config.as_ref())?;
    let name = Name::bus(grant, input.name.as_deref());
    let now = inner.clock.now();
    let (bus, made) = inner.registry.ensure_bus(&name, now).await?;
    if made {
        task::start_bus(inner, bus);
    }
    let changed = inner.registry.update_bus(&name, |record| {
        record.description = input.description;
        record.modified = now;
        Ok(())
    });
    let changed = changed.await?;
    Ok(UpdateEventBusResponse {
        arn: Some(name.bus_arn()),
        name: Some(name.name),
        description: changed.record.description.clone(),
        ..Default::default()
    })
}
