//! CreateLogStream.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogStream.html>

use crate::Inner;
use crate::model::LogStream;
use crate::scope::{Scope, required};
use crate::table::TableError;
use hearth_api::logs::{CreateLogStreamRequest, errors};
use hearth_store::{CommitError, Expect};
use hearth_wire::Failure;

/// A name is part of a key, and keys are bounded. AWS counts 512 characters; only names of many-byte characters are refused here.
const NAME_BYTES_MAX: usize = 1_900;

pub async fn run(inner: &Inner, scope: &Scope, input: CreateLogStreamRequest) -> Result<(), Failure> {
    let group_name = required(input.log_group_name, "logGroupName")?;
    let name = required(input.log_stream_name, "logStreamName")?;
    if name.len() > NAME_BYTES_MAX {
        return Err(errors::invalid_parameter(format!("logStreamName has more than {NAME_BYTES_MAX} bytes")));
    }
    let tables = &inner.tables;
    let group_key = tables.groups.key(&scope.group_name(&group_name));
    loop {
        // The group must still be the same when the stream is written: a stream of a group that is being deleted would stay for ever.
        let group = tables.group(scope, &group_name).await?;
        let group_id = group.value.id.to_string();
        let parts = [group_id.as_str(), name.as_str()];
        let now = inner.clock.now();
        let stream = LogStream { id: inner.ids.next(now), created: now };
        let value = tables.streams.encode(&parts, &stream).map_err(TableError::from)?;
        let key = tables.streams.key(&parts);
        let batch = tables
            .batch()
            .expect(key.clone(), Expect::Absent)
            .expect(group_key.clone(), Expect::Revision(group.revision))
            .put(key.clone(), value);
        match tables.commit(batch).await {
            Ok(()) => return Ok(()),
            Err(CommitError::Conflict { key: found, .. }) if found == key => {
                return Err(errors::resource_already_exists("The specified log stream already exists"));
            }
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(TableError::from(error).into()),
        }
    }
}
