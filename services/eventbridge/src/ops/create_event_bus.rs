//! CreateEventBus.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateEventBus.html>

use super::create_archive::refuse_key;
use super::tags::{check_tags, of_list};
use crate::Inner;
use crate::failures::{exists, invalid, too_many, unsupported};
use crate::model::BusRecord;
use crate::naming::{DEFAULT_BUS, Place};
use crate::task;
use hearth_api::Grant;
use hearth_api::events::{CreateEventBusRequest, CreateEventBusResponse, DeadLetterConfig, Level, LogConfig};
use hearth_wire::Failure;
use std::sync::Arc;

/// AWS: buses of one account and region.
const BUSES_MAX: usize = 100;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: CreateEventBusRequest,
) -> Result<CreateEventBusResponse, Failure> {
    if input.event_source_name.is_some() {
        return Err(unsupported("EventSourceName: partner event sources"));
    }
    refuse_key(input.kms_key_identifier.as_deref())?;
    refuse_settings(input.dead_letter_config.as_ref(), input.log_config.as_ref())?;
    let name = Place::of(grant).name(&input.name.unwrap_or_default());
    if name.name == DEFAULT_BUS {
        return Err(exists("Event bus", &name));
    }
    if name.name.contains('/') {
        return Err(invalid("Event bus name must not contain '/'."));
    }
    let tags = of_list(input.tags.unwrap_or_default());
    check_tags(&tags)?;
    let now = inner.clock.now();
    let record = BusRecord {
        storage: inner.registry.queues().next_id(),
        created: now,
        modified: now,
        description: input.description.clone(),
        policy: None,
        tags,
    };
    let made = inner.registry.create_bus((&name, record), |there| {
        if there.iter().any(|bus| bus.name == name) {
            return Err(exists("Event bus", &name));
        }
        let own = there.iter().filter(|bus| bus.name.place == name.place);
        if own.count() >= BUSES_MAX { Err(too_many()) } else { Ok(()) }
    });
    task::start_bus(inner, made.await?);
    Ok(CreateEventBusResponse {
        event_bus_arn: Some(name.bus_arn()),
        description: input.description,
        ..Default::default()
    })
}

/// What buses cannot have here.
pub fn refuse_settings(
    dead_letter: Option<&DeadLetterConfig>,
    log: Option<&LogConfig>,
) -> Result<(), Failure> {
    if dead_letter.is_some_and(|config| config.arn.is_some()) {
        return Err(unsupported("DeadLetterConfig of event buses, which is for encrypted ones,"));
    }
    match log.and_then(|config| config.level.as_ref()) {
        None | Some(Level::Off) => Ok(()),
        Some(_) => Err(unsupported("LogConfig of event buses")),
    }
}
