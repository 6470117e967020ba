//! GetTopicAttributes.
//! <https://docs.aws.amazon.com/sns/latest/api/API_GetTopicAttributes.html>

use crate::Inner;
use crate::attributes::show_topic;
use crate::naming::TopicName;
use hearth_api::Grant;
use hearth_api::sns::{GetTopicAttributesInput, GetTopicAttributesResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: GetTopicAttributesInput,
) -> Result<GetTopicAttributesResponse, Failure> {
    let name = TopicName::of_request(grant, input.topic_arn.as_deref(), "TopicArn")?;

    let topic = inner.registry.known(&name)?;
    let subscriptions = inner.registry.subscriptions_of(&name);
    let confirmed = subscriptions.iter().filter(|found| found.record.is_in_force()).count();
    let pending = subscriptions.iter().filter(|found| found.record.is_pending()).count();
    Ok(GetTopicAttributesResponse { attributes: Some(show_topic(&topic, (confirmed, pending))) })
}
