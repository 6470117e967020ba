//! UpdateArchive.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_UpdateArchive.html>

use super::create_archive::{check_pattern, days, refuse_key};
use super::{ARCHIVE_STATE, own_name};
use crate::Inner;
use crate::failures::no_such;
use hearth_api::Grant;
use hearth_api::events::{UpdateArchiveRequest, UpdateArchiveResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: UpdateArchiveRequest,
) -> Result<UpdateArchiveResponse, Failure> {
    refuse_key(input.kms_key_identifier.as_deref())?;
    check_pattern(input.event_pattern.as_deref())?;
    let name = own_name(grant, input.archive_name);
    let changed = inner.registry.put_archive(&name, |found| {
        let mut record = found.ok_or_else(|| no_such("Archive", &name))?.clone();
        // What is not given stays as it is.
        record.description = input.description.or(record.description);
        record.pattern = input.event_pattern.or(record.pattern);
        record.retention_days = input.retention_days.map_or(record.retention_days, |given| days(Some(given)));
        Ok(record)
    });
    let changed = changed.await?;
    Ok(UpdateArchiveResponse {
        archive_arn: Some(name.arn("archive")),
        state: Some(ARCHIVE_STATE),
        creation_time: Some(changed.record.created),
        ..Default::default()
    })
}
