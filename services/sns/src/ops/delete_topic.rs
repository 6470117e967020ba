//! DeleteTopic.
//! <https://docs.aws.amazon.com/sns/latest/api/API_DeleteTopic.html>

use crate::Inner;
use crate::naming::TopicName;
use hearth_api::Grant;
use hearth_api::sns::DeleteTopicInput;
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(inner: &Arc<Inner>, grant: &Grant, input: DeleteTopicInput) -> Result<(), Failure> {
    let name = TopicName::of_request(grant, input.topic_arn.as_deref(), "TopicArn")?;

    // AWS: a topic that is not there is deleted already.
    inner.registry.delete_topic(&name).await
}
