//! ListSubscriptions.
//! <https://docs.aws.amazon.com/sns/latest/api/API_ListSubscriptions.html>

use super::{page, shown};
use crate::Inner;
use hearth_api::Grant;
use hearth_api::sns::{ListSubscriptionsInput, ListSubscriptionsResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: ListSubscriptionsInput,
) -> Result<ListSubscriptionsResponse, Failure> {
    let all = inner.registry.subscriptions().into_iter();
    let own = all.filter(|found| {
        let own = found.record.owner == grant.account().as_str() && !found.record.has_ended();
        own && found.name.topic.region == grant.region().as_str()
    });
    let (found, next_token) = page(own.map(|found| (found.name.arn(), found)), input.next_token)?;
    Ok(ListSubscriptionsResponse { subscriptions: Some(found.into_iter().map(shown).collect()), next_token })
}
