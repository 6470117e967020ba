//! CreateArchive.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateArchive.html>

use super::{ARCHIVE_STATE, own_name};
use crate::Inner;
use crate::failures::{exists, invalid_parameter, invalid_pattern, no_such_bus, unsupported};
use crate::model::ArchiveRecord;
use crate::naming::Name;
use crate::task;
use hearth_api::Grant;
use hearth_api::events::{CreateArchiveRequest, CreateArchiveResponse};
use hearth_pattern::Pattern;
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: CreateArchiveRequest,
) -> Result<CreateArchiveResponse, Failure> {
    refuse_key(input.kms_key_identifier.as_deref())?;
    let name = own_name(grant, input.archive_name);
    let source = input.event_source_arn.unwrap_or_default();
    let bus = Name::of_arn(&source, "event-bus")
        .ok_or_else(|| invalid_parameter("EventSourceArn", "Must contain an event bus ARN."))?;
    // An archive and its bus are of one account and one region.
    if bus.place != name.place {
        return Err(no_such_bus(&bus));
    }
    check_pattern(input.event_pattern.as_deref())?;
    let (made_bus, new) = inner.registry.ensure_bus(&bus, inner.clock.now()).await?;
    if new {
        task::start_bus(inner, made_bus);
    }
    let record = ArchiveRecord {
        storage: inner.registry.queues().next_id(),
        bus: bus.name,
        created: inner.clock.now(),
        description: input.description,
        pattern: input.event_pattern,
        retention_days: days(input.retention_days),
    };
    let made = inner.registry.put_archive(&name, |found| match found {
        Some(_) => Err(exists("Archive", &name)),
        None => Ok(record),
    });
    let made = made.await?;
    Ok(CreateArchiveResponse {
        archive_arn: Some(name.arn("archive")),
        state: Some(ARCHIVE_STATE),
        creation_time: Some(made.record.created),
        ..Default::default()
    })
}

pub fn refuse_key(key: Option<&str>) -> Result<(), Failure> {
    if key.is_some_and(|key| !key.is_empty()) { Err(unsupported("KmsKeyIdentifier")) } else { Ok(()) }
}

pub fn check_pattern(pattern: Option<&str>) -> Result<(), Failure> {
    pattern.map_or(Ok(()), |text| Pattern::parse(text).map(drop).map_err(|reason| invalid_pattern(&reason)))
}

pub fn days(given: Option<i64>) -> u32 {
    given.and_then(|days| u32::try_from(days).ok()).unwrap_or_default()
}
