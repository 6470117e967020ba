//! SetSubscriptionAttributes.
//! <https://docs.aws.amazon.com/sns/latest/api/API_SetSubscriptionAttributes.html>

use super::own_subscription;
use crate::Inner;
use crate::attributes::set_subscription;
use hearth_api::Grant;
use hearth_api::sns::SetSubscriptionAttributesInput;
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: SetSubscriptionAttributesInput,
) -> Result<(), Failure> {
    let found = own_subscription(inner, grant, input.subscription_arn)?;
    let given =
        [(input.attribute_name.unwrap_or_default(), input.attribute_value.unwrap_or_default())].into();
    inner.registry.update_subscription(&found.name, |record| set_subscription(record, &given)).await
}
