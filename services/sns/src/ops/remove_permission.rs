//! RemovePermission.
//! <https://docs.aws.amazon.com/sns/latest/api/API_RemovePermission.html>

use crate::Inner;
use crate::attributes::policy_of;
use crate::naming::TopicName;
use crate::permission::remove_from;
use hearth_api::Grant;
use hearth_api::sns::RemovePermissionInput;
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(inner: &Arc<Inner>, grant: &Grant, input: RemovePermissionInput) -> Result<(), Failure> {
    let name = TopicName::of_request(grant, input.topic_arn.as_deref(), "TopicArn")?;

    let label = input.label.unwrap_or_default();
    let change = inner.registry.update_topic(&name, |record| {
        let policy = remove_from(&policy_of(&name, record), &label)?;
        record.attributes.insert("Policy".to_owned(), policy);
        Ok(())
    });
    change.await
}
