//! DeleteQueue.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html>

use crate::Inner;
use hearth_api::Grant;
use hearth_api::sqs::DeleteQueueRequest;
use hearth_wire::Failure;

pub async fn run(inner: &Inner, grant: &Grant, input: DeleteQueueRequest) -> Result<(), Failure> {
    let found = inner.registry.resolve_own(grant, input.queue_url)?;
    let now = inner.clock.now();
    inner
        .registry
        .leave(&found.name, |record| {
            record.deleted = Some(now);
            Ok(())
        })
        .await?;
    inner.work.notify_one();
    Ok(())
}
