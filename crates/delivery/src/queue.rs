//! Delivery to a queue: a message, with its attributes.

use crate::Inner;
use hearth_api::Delivery;
use hearth_api::delivery::Attribute;
use hearth_api::sqs::{MessageAttributeValue, MessageSystemAttributeValue, SendMessageRequest, Sqs};
use hearth_base::Arn;
use hearth_wire::Failure;

/// Sends the body as a message.
pub(crate) async fn deliver(
    inner: &Inner,
    sqs: &dyn Sqs,
    (target, delivery): (&Arn, Delivery),
) -> Result<(), Failure> {
    let grant = inner.grant("sqs:SendMessage", (target, &delivery))?;
    let attributes = delivery.extras.attributes.into_iter().map(attribute).collect();
    let trace = delivery.trace_header.map(|header| {
        let value = MessageSystemAttributeValue {
            data_type: Some("String".to_owned()),
            string_value: Some(header),
            ..Default::default()
        };
        [("AWSTraceHeader".into(), value)].into()
    });
    let request = SendMessageRequest {
        // Queues are told apart by account and name; the host is that of whoever asks.
        queue_url: Some(format!("http://localhost/{}/{}", target.account, target.resource)),
        message_body: Some(String::from_utf8_lossy(&delivery.body).into_owned()),
        message_attributes: Some(attributes),
        message_system_attributes: trace,
        message_group_id: delivery.extras.group_id,
        message_deduplication_id: delivery.extras.deduplication_id,
        ..Default::default()
    };
    sqs.send_message(grant, request).await.map(drop)
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
