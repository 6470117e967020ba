//! DescribeArchive.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DescribeArchive.html>

use super::{ARCHIVE_STATE, own_name};
use crate::Inner;
use crate::archive;
use hearth_api::Grant;
use hearth_api::events::{DescribeArchiveRequest, DescribeArchiveResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: DescribeArchiveRequest,
) -> Result<DescribeArchiveResponse, Failure> {
    let name = own_name(grant, input.archive_name);
    let record = inner.registry.archive(&name)?.record;
    let size = archive::size(inner, record.storage).await;
    Ok(DescribeArchiveResponse {
        archive_arn: Some(name.arn("archive")),
        event_source_arn: Some(name.place.clone().name(&record.bus).bus_arn()),
        archive_name: Some(name.name),
        description: record.description.clone(),
        event_pattern: record.pattern.clone(),
        state: Some(ARCHIVE_STATE),
        retention_days: Some(record.retention_days.into()),
        size_bytes: i64::try_from(size.bytes).ok(),
        event_count: i64::try_from(size.events).ok(),
        creation_time: Some(record.created),
        ..Default::default()
    })
}
