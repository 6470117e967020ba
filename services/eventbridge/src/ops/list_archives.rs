//! ListArchives.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListArchives.html>

use super::{ARCHIVE_STATE, begins, page};
use crate::Inner;
use crate::archive;
use crate::naming::Place;
use hearth_api::Grant;
use hearth_api::events::{Archive, ListArchivesRequest, ListArchivesResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: ListArchivesRequest,
) -> Result<ListArchivesResponse, Failure> {
    let place = Place::of(grant);
    let source = |record: &crate::model::ArchiveRecord| place.clone().name(&record.bus).bus_arn();
    let found = inner.registry.archives().into_iter().filter(|archive| {
        archive.name.place == place
            && begins(&archive.name.name, input.name_prefix.as_ref())
            && input.event_source_arn.as_ref().is_none_or(|arn| *arn == source(&archive.record))
            && input.state.as_ref().is_none_or(|state| *state == ARCHIVE_STATE)
    });
    let named = found.map(|archive| (archive.name.name.clone(), archive));
    let (found, next_token) = page(named, (input.next_token, input.limit))?;
    let mut archives = Vec::with_capacity(found.len());
    for found in found {
        let size = archive::size(inner, found.record.storage).await;
        archives.push(Archive {
            archive_name: Some(found.name.name),
            event_source_arn: Some(source(&found.record)),
            state: Some(ARCHIVE_STATE),
            retention_days: Some(found.record.retention_days.into()),
            size_bytes: i64::try_from(size.bytes).ok(),
            event_count: i64::try_from(size.events).ok(),
            creation_time: Some(found.record.created),
            ..Default::default()
        });
    }
    Ok(ListArchivesResponse { archives: Some(archives), next_token })
}
