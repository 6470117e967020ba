//! GetSubscriptionAttributes.
//! <https://docs.aws.amazon.com/sns/latest/api/API_GetSubscriptionAttributes.html>

use super::own_subscription;
use crate::Inner;
use crate::attributes::show_subscription;
use hearth_api::Grant;
use hearth_api::sns::{GetSubscriptionAttributesInput, GetSubscriptionAttributesResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: GetSubscriptionAttributesInput,
) -> Result<GetSubscriptionAttributesResponse, Failure> {
    let found = own_subscription(inner, grant, input.subscription_arn)?;
    let topic = inner.registry.known(&found.name.topic)?;
    Ok(GetSubscriptionAttributesResponse { attributes: Some(show_subscription(&found, &topic)) })
}
