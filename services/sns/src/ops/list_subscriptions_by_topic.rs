//! ListSubscriptionsByTopic.
//! <https://docs.aws.amazon.com/sns/latest/api/API_ListSubscriptionsByTopic.html>

use super::{page, shown};
use crate::Inner;
use crate::naming::TopicName;
use hearth_api::Grant;
use hearth_api::sns::{ListSubscriptionsByTopicInput, ListSubscriptionsByTopicResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: ListSubscriptionsByTopicInput,
) -> Result<ListSubscriptionsByTopicResponse, Failure> {
    let name = TopicName::of_request(grant, input.topic_arn.as_deref(), "TopicArn")?;

    inner.registry.known(&name)?;
    let all = inner.registry.subscriptions_of(&name).into_iter().filter(|found| !found.record.has_ended());
    let (found, next_token) = page(all.map(|found| (found.name.arn(), found)), input.next_token)?;
    let subscriptions = Some(found.into_iter().map(shown).collect());
    Ok(ListSubscriptionsByTopicResponse { subscriptions, next_token })
}
