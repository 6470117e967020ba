//! PurgeQueue.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_PurgeQueue.html>

use crate::Inner;
use hearth_api::Grant;
use hearth_api::sqs::{PurgeQueueRequest, errors};
use hearth_wire::Failure;
use std::time::Duration;

/// Between two purges of a queue.
const REST: Duration = Duration::from_secs(60);

pub async fn run(inner: &Inner, grant: &Grant, input: PurgeQueueRequest) -> Result<(), Failure> {
    let found = inner.registry.resolve(grant, input.queue_url)?;
    let now = inner.clock.now();
    let storage = inner.registry.next_storage();
    inner
        .registry
        .leave(&found.name, |record| {
            if record.purged.is_some_and(|purged| now.since(purged) < REST) {
                return Err(errors::purge_queue_in_progress(format!(
                    "Only one PurgeQueue operation on {} is allowed every 60 seconds.",
                    found.name.name
                )));
            }
            record.storage = storage;
            record.purged = Some(now);
            Ok(())
        })
        .await?;
    inner.work.notify_one();
    Ok(())
}
