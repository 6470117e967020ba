//! DeleteArchive.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DeleteArchive.html>

use super::own_name;
use crate::Inner;
use crate::archive;
use hearth_api::Grant;
use hearth_api::events::{DeleteArchiveRequest, DeleteArchiveResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: DeleteArchiveRequest,
) -> Result<DeleteArchiveResponse, Failure> {
    let name = own_name(grant, input.archive_name);
    let storage = inner.registry.archive(&name)?.record.storage;
    inner.registry.delete_archive(&name, archive::tombstone(storage)).await?;
    Ok(DeleteArchiveResponse {})
}
