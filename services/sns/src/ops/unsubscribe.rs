//! Unsubscribe.
//! <https://docs.aws.amazon.com/sns/latest/api/API_Unsubscribe.html>

use super::allowed;
use crate::Inner;
use crate::naming::SubscriptionName;
use hearth_api::Grant;
use hearth_api::sns::UnsubscribeInput;
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(inner: &Arc<Inner>, grant: &Grant, input: UnsubscribeInput) -> Result<(), Failure> {
    let name = SubscriptionName::of_arn(&input.subscription_arn.unwrap_or_default())?;
    // AWS: a subscription that is not there is no error.
    let Some(found) = inner.registry.subscription(&name) else { return Ok(()) };
    allowed(grant, &found)?;
    inner.registry.unsubscribe(&name).await
}
