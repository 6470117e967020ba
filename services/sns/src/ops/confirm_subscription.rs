//! ConfirmSubscription.
//! <https://docs.aws.amazon.com/sns/latest/api/API_ConfirmSubscription.html>

use crate::Inner;
use crate::failures::invalid;
use crate::model::{ConsentState, SubscriptionRecord};
use crate::naming::TopicName;
use hearth_api::sns::{ConfirmSubscriptionInput, ConfirmSubscriptionResponse};
use hearth_api::{Grant, Principal};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: ConfirmSubscriptionInput,
) -> Result<ConfirmSubscriptionResponse, Failure> {
    let name = TopicName::of_request(grant, input.topic_arn.as_deref(), "TopicArn")?;

    inner.registry.known(&name)?;
    let token = input.token.unwrap_or_default();
    let asked = |record: &SubscriptionRecord| record.is_asked_with(&token, inner.clock.now());
    let mut all = inner.registry.subscriptions_of(&name).into_iter();
    let found = all.find(|found| asked(&found.record)).ok_or_else(|| invalid("Token"))?;
    let signed = *grant.principal() != Principal::Anonymous;
    let closed = input.authenticate_on_unsubscribe.is_some_and(|flag| flag.eq_ignore_ascii_case("true"));
    if closed && !signed {
        return Err(invalid("AuthenticateOnUnsubscribe Reason: The request must be signed"));
    }
    let consent = |record: &mut SubscriptionRecord| {
        if !asked(record) {
            return Err(invalid("Token"));
        }
        // AWS: whoever confirms twice has confirmed once.
        if let Some(consent) = record.consent.as_mut().filter(|it| it.state != ConsentState::Given) {
            consent.state = ConsentState::Given;
            consent.authenticated = signed;
            consent.closed = closed;
        }
        Ok(())
    };
    inner.registry.update_subscription(&found.name, consent).await?;
    Ok(ConfirmSubscriptionResponse { subscription_arn: Some(found.name.arn()) })
}
