//! DeleteLogGroup.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteLogGroup.html>

use crate::Inner;
use crate::scope::{Scope, required};
use crate::table::{TableError, deleted_group_key};
use hearth_api::logs::DeleteLogGroupRequest;
use hearth_store::{CommitError, Expect};
use hearth_wire::Failure;

/// The group is gone at once; its streams and events are removed in the background, however many they are.
pub async fn run(inner: &Inner, scope: &Scope, input: DeleteLogGroupRequest) -> Result<(), Failure> {
    let name = required(input.log_group_name, "logGroupName")?;
    let tables = &inner.tables;
    loop {
        let group = tables.group(scope, &name).await?;
        let key = tables.groups.key(&scope.group_name(&name));
        let batch = tables
            .batch()
            .expect(key.clone(), Expect::Revision(group.revision))
            .delete(key)
            .put(deleted_group_key(group.value.id), "");
        match tables.commit(batch).await {
            Ok(()) => break,
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(TableError::from(error).into()),
        }
    }
    inner.deleted.notify_one();
    Ok(())
}
