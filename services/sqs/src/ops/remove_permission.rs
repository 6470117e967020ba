//! RemovePermission.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_RemovePermission.html>

use crate::Inner;
use crate::failures::required;
use crate::permission;
use hearth_api::Grant;
use hearth_api::sqs::RemovePermissionRequest;
use hearth_wire::Failure;

pub async fn run(inner: &Inner, grant: &Grant, input: RemovePermissionRequest) -> Result<(), Failure> {
    let found = inner.registry.resolve_own(grant, input.queue_url)?;
    let label = required(input.label, "Label")?;
    let now = inner.clock.now();
    inner
        .registry
        .update(&found.name, |record| {
            record.settings.policy = permission::remove_from(record.settings.policy.as_deref(), &label)?;
            record.modified = now;
            Ok(())
        })
        .await
}
