//! CreateLogGroup.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html>

use super::tag_resource::check_keys;
use super::unsupported;
use crate::Inner;
use crate::model::LogGroup;
use crate::scope::{Scope, required};
use crate::table::TableError;
use hearth_api::logs::{CreateLogGroupRequest, LogGroupClass, errors};
use hearth_store::records::RecordError;
use hearth_wire::Failure;

pub async fn run(inner: &Inner, scope: &Scope, input: CreateLogGroupRequest) -> Result<(), Failure> {
    let name = required(input.log_group_name, "logGroupName")?;
    if name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws/")) {
        return Err(errors::invalid_parameter("Log groups starting with AWS/ are reserved for AWS."));
    }
    if input.kms_key_id.is_some() {
        return Err(unsupported("kmsKeyId"));
    }
    if let Some(class) = input.log_group_class.filter(|class| *class != LogGroupClass::Standard) {
        return Err(unsupported(&format!("logGroupClass {class}")));
    }
    if input.deletion_protection_enabled == Some(true) {
        return Err(unsupported("deletionProtectionEnabled"));
    }
    let tags = input.tags.unwrap_or_default();
    check_keys(&tags)?;
    let now = inner.clock.now();
    let group = LogGroup { id: inner.ids.next(now), created: now, retention_in_days: None, tags };
    match inner.tables.groups.insert(&scope.group_name(&name), &group).await {
        Ok(_) => Ok(()),
        Err(RecordError::Exists { .. }) => {
            Err(errors::resource_already_exists("The specified log group already exists"))
        }
        Err(error) => Err(TableError::from(error).into()),
    }
}
