//! What arrives at an endpoint: the notification, or the event of a function.
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html>
//!
//! Signatures are empty: there is no certificate that vouches for this server, and none is feigned.

use crate::model::{Message, Protocol};
use crate::registry::Subscription;
use hearth_base::Timestamp;
use serde_json::{Map, Value, json};

/// The body for a subscription.
pub fn body(message: &Message, to: &Subscription) -> String {
    match to.record.protocol {
        Protocol::Lambda => event(message, to).to_string(),
        Protocol::Sqs if to.record.is_raw() => message.text_for(Protocol::Sqs),
        Protocol::Sqs => notification(message, to),
    }
}

fn attributes(message: &Message) -> Map<String, Value> {
    let shown = message.attributes.iter();
    shown.map(|(name, it)| (name.clone(), json!({"Type": it.data_type, "Value": it.value}))).collect()
}

fn unsubscribe_url(message: &Message, to: &Subscription) -> String {
    let endpoint = message.endpoint.trim_end_matches('/');
    format!("{endpoint}/?Action=Unsubscribe&SubscriptionArn={}", to.name.arn())
}

fn event(message: &Message, to: &Subscription) -> Value {
    json!({"Records": [{
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": to.name.arn(),
        "Sns": {
            "Type": "Notification",
            "MessageId": message.id,
            "TopicArn": to.name.topic.arn(),
            "Subject": message.subject,
            "Message": message.text_for(Protocol::Lambda),
            "Timestamp": Timestamp::from_millis(message.at).date_time_millis(),
            "SignatureVersion": "1",
            "Signature": "",
            "SigningCertUrl": "",
            "UnsubscribeUrl": unsubscribe_url(message, to),
            "MessageAttributes": attributes(message),
        },
    }]})
}

/// The notification as AWS lays it out: one member a line, in this order.
fn notification(message: &Message, to: &Subscription) -> String {
    let mut members = vec![("Type", json!("Notification")), ("MessageId", json!(message.id))];
    members.extend(message.sequence.iter().map(|number| ("SequenceNumber", json!(number))));
    members.push(("TopicArn", json!(to.name.topic.arn())));
    members.extend(message.subject.iter().map(|subject| ("Subject", json!(subject))));
    members.extend([
        ("Message", json!(message.text_for(Protocol::Sqs))),
        ("Timestamp", json!(Timestamp::from_millis(message.at).date_time_millis())),
    ]);
    // AWS: what comes from FIFO topics is not signed.
    if message.sequence.is_none() {
        members.extend([
            ("SignatureVersion", json!("1")),
            ("Signature", json!("")),
            ("SigningCertURL", json!("")),
        ]);
    }
    members.push(("UnsubscribeURL", json!(unsubscribe_url(message, to))));
    if !message.attributes.is_empty() {
        members.push(("MessageAttributes", Value::Object(attributes(message))));
    }
    let lines: Vec<String> = members.iter().map(|(name, value)| format!("  \"{name}\" : {value}")).collect();
    format!("{{\n{}\n}}", lines.join(",\n"))
}
