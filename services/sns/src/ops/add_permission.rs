//! AddPermission.
//! <https://docs.aws.amazon.com/sns/latest/api/API_AddPermission.html>

use crate::Inner;
use crate::attributes::policy_of;
use crate::naming::TopicName;
use crate::permission::Permission;
use hearth_api::Grant;
use hearth_api::sns::AddPermissionInput;
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(inner: &Arc<Inner>, grant: &Grant, input: AddPermissionInput) -> Result<(), Failure> {
    let name = TopicName::of_request(grant, input.topic_arn.as_deref(), "TopicArn")?;

    let permission = Permission {
        label: input.label.unwrap_or_default(),
        accounts: input.aws_account_id.unwrap_or_default(),
        actions: input.action_name.unwrap_or_default(),
    };
    let change = inner.registry.update_topic(&name, |record| {
        let policy = permission.add_to(&policy_of(&name, record), &name.arn())?;
        record.attributes.insert("Policy".to_owned(), policy);
        Ok(())
    });
    change.await
}
