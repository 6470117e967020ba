//! DeleteEventBus.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DeleteEventBus.html>

use crate::Inner;
use crate::failures::invalid;
use crate::naming::{DEFAULT_BUS, Name};
use hearth_api::Grant;
use hearth_api::events::DeleteEventBusRequest;
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(inner: &Arc<Inner>, grant: &Grant, input: DeleteEventBusRequest) -> Result<(), Failure> {
    let name = Name::bus(grant, input.name.as_deref());
    if name.name == DEFAULT_BUS {
        return Err(invalid("Cannot delete event bus default."));
    }
    let archives = !inner.registry.archives_of(&name).is_empty();
    let deleted = inner.registry.delete_bus(&name, |rules| {
        if rules.is_empty() && !archives {
            return Ok(());
        }
        let what = if archives { "archives" } else { "rules" };
        Err(invalid(format!("Event bus {} can't be deleted since it has {what}.", name.name)))
    });
    deleted.await
}
