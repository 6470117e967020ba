//! Delivery to a topic: a message that is published, with its attributes.

use crate::Inner;
use hearth_api::Delivery;
use hearth_api::delivery::Attribute;
use hearth_api::sns::{MessageAttributeValue, PublishInput, Sns};
use hearth_base::Arn;
use hearth_wire::Failure;

/// Publishes the body.
pub(crate) async fn deliver(
    inner: &Inner,
    sns: &dyn Sns,
    (target, delivery): (&Arn, Delivery),
) -> Result<(), Failure> {
    let grant = inner.grant("sns:Publish", (target, &delivery))?;
    let attributes = delivery.extras.attributes.into_iter().map(attribute).collect();
    let request = PublishInput {
        topic_arn: Some(delivery.target),
        message: Some(String::from_utf8_lossy(&delivery.body).into_owned()),
        subject: delivery.extras.subject,
        message_attributes: Some(attributes),
        message_group_id: delivery.extras.group_id,
        message_deduplication_id: delivery.extras.deduplication_id,
        ..Default::default()
    };
    sns.publish(grant, request).await.map(drop)
}

fn attribute(attribute: Attribute) -> (String, MessageAttributeValue) {
    let Attribute { name, data_type, value } = attribute;
    let mut sent = MessageAttributeValue::default();
    if data_type.starts_with("Binary") {
        sent.binary_value = Some(value);
    } else {
        sent.string_value = Some(String::from_utf8_lossy(&value).into_owned());
    }
    sent.data_type = Some(data_type);
    (name, sent)
}
