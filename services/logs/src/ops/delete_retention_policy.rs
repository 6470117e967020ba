//! DeleteRetentionPolicy.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteRetentionPolicy.html>

use crate::Inner;
use crate::scope::{Scope, required};
use hearth_api::logs::DeleteRetentionPolicyRequest;
use hearth_wire::Failure;

pub async fn run(inner: &Inner, scope: &Scope, input: DeleteRetentionPolicyRequest) -> Result<(), Failure> {
    let name = required(input.log_group_name, "logGroupName")?;
    inner
        .tables
        .update_group(scope, &name, |group| {
            group.retention_in_days = None;
            Ok(())
        })
        .await
}
