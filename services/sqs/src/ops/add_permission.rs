//! AddPermission.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_AddPermission.html>

use crate::Inner;
use crate::failures::required;
use crate::permission::Permission;
use hearth_api::Grant;
use hearth_api::sqs::AddPermissionRequest;
use hearth_wire::Failure;

pub async fn run(inner: &Inner, grant: &Grant, input: AddPermissionRequest) -> Result<(), Failure> {
    let found = inner.registry.resolve_own(grant, input.queue_url)?;
    let permission = Permission {
        label: required(input.label, "Label")?,
        accounts: input.aws_account_ids.unwrap_or_default(),
        actions: input.actions.unwrap_or_default(),
    };
    let now = inner.clock.now();
    inner
        .registry
        .update(&found.name, |record| {
            record.settings.policy = Some(permission.add_to(record.settings.policy.as_deref(), &found.name)?);
            record.modified = now;
            Ok(())
        })
        .await
}
