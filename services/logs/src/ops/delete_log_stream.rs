//! DeleteLogStream.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteLogStream.html>

use crate::Inner;
use crate::scope::{Scope, required};
use crate::table::{TableError, deleted_stream_key};
use hearth_api::logs::DeleteLogStreamRequest;
use hearth_store::{CommitError, Expect};
use hearth_wire::Failure;

/// The stream is gone at once; its events are removed in the background.
pub async fn run(inner: &Inner, scope: &Scope, input: DeleteLogStreamRequest) -> Result<(), Failure> {
    let group_name = required(input.log_group_name, "logGroupName")?;
    let name = required(input.log_stream_name, "logStreamName")?;
    let tables = &inner.tables;
    let group_key = tables.groups.key(&scope.group_name(&group_name));
    loop {
        let group = tables.group(scope, &group_name).await?;
        let stream = tables.stream(group.value.id, &name).await?;
        let key = tables.streams.key(&[&group.value.id.to_string(), &name]);
        // The group is expected too: a tombstone written behind a removed group would name nothing.
        let batch = tables
            .batch()
            .expect(key.clone(), Expect::Revision(stream.revision))
            .expect(group_key.clone(), Expect::Revision(group.revision))
            .delete(key)
            .put(deleted_stream_key(group.value.id, stream.value.id), group_key.as_bytes().to_vec());
        match tables.commit(batch).await {
            Ok(()) => break,
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(TableError::from(error).into()),
        }
    }
    inner.deleted.notify_one();
    Ok(())
}
