//! SetTopicAttributes.
//! <https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html>

use crate::Inner;
use crate::attributes::set_topic;
use crate::naming::TopicName;
use hearth_api::Grant;
use hearth_api::sns::SetTopicAttributesInput;
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(inner: &Arc<Inner>, grant: &Grant, input: SetTopicAttributesInput) -> Result<(), Failure> {
    let name = TopicName::of_request(grant, input.topic_arn.as_deref(), "TopicArn")?;

    let attribute = input.attribute_name.unwrap_or_default();
    let value = input.attribute_value.unwrap_or_default();
    inner.registry.update_topic(&name, |record| set_topic(record, &attribute, &value)).await
}
