//! PutRetentionPolicy.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html>

use crate::Inner;
use crate::scope::{Scope, required};
use hearth_api::logs::{PutRetentionPolicyRequest, errors};
use hearth_wire::Failure;

/// The numbers of days that AWS allows.
const DAYS: [u16; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

pub async fn run(inner: &Inner, scope: &Scope, input: PutRetentionPolicyRequest) -> Result<(), Failure> {
    let name = required(input.log_group_name, "logGroupName")?;
    let asked = required(input.retention_in_days, "retentionInDays")?;
    let days = u16::try_from(asked).ok().filter(|days| DAYS.contains(days)).ok_or_else(|| {
        let allowed: Vec<String> = DAYS.iter().map(u16::to_string).collect();
        errors::invalid_parameter(format!(
            "1 validation error detected: Value '{asked}' at 'retentionInDays' failed to satisfy constraint: \
             Member must satisfy enum value set: [{}]",
            allowed.join(", ")
        ))
    })?;
    inner
        .tables
        .update_group(scope, &name, |group| {
            group.retention_in_days = Some(days);
            Ok(())
        })
        .await
}
