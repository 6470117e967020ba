//! Unsubscribe.
//! <https://docs.aws.amazon.com/sns/latest/api/API_Unsubscribe.html>

use super::allowed;
use crate::Inner;
use crate::consent;
use crate::failures::invalid;
use crate::model::{Consent, ConsentState, SubscriptionRecord};
use crate::naming::SubscriptionName;
use crate::registry::Subscription;
use hearth_api::sns::{UnsubscribeInput, errors};
use hearth_api::{Grant, Principal};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(inner: &Arc<Inner>, grant: &Grant, input: UnsubscribeInput) -> Result<(), Failure> {
    let name = SubscriptionName::of_arn(&input.subscription_arn.unwrap_or_default())?;
    // AWS: a subscription that is not there is no error.
    let found = inner.registry.subscription(&name).filter(|found| !found.record.has_ended());
    let Some(found) = found else { return Ok(()) };
    match grant.principal() {
        Principal::Anonymous => open_to_all(&found)?,
        _ => allowed(grant, &found)?,
    }
    if found.record.is_pending() {
        return Err(pending());
    }
    if !found.record.protocol.is_http() {
        return inner.registry.unsubscribe(&name).await;
    }
    let token = consent::token(&*inner.rng);
    let withdraw = |record: &mut SubscriptionRecord| {
        if !record.is_in_force() {
            return Err(pending());
        }
        let asked = Consent::asked(token, inner.clock.now());
        record.consent = Some(Consent { state: ConsentState::Withdrawn, ..asked });
        Ok(())
    };
    inner.registry.withdraw(&name, withdraw).await?;
    match inner.registry.subscription(&name) {
        Some(ended) => consent::take_leave(inner, grant, &ended).await,
        None => Ok(()),
    }
}

fn pending() -> Failure {
    invalid("SubscriptionArn Reason: Cannot unsubscribe a subscription that is pending confirmation")
}

/// AWS: without a signature one may only leave what was not confirmed with the wish that it be otherwise; and queues, and
/// what its owner subscribed, need one always.
/// <https://docs.aws.amazon.com/sns/latest/api/API_Unsubscribe.html>
fn open_to_all(found: &Subscription) -> Result<(), Failure> {
    let open = found.record.protocol.is_http() && !found.record.consent.as_ref().is_some_and(|it| it.closed);
    if open { Ok(()) } else { Err(errors::authorization_error("Authentication is required to unsubscribe")) }
}
