//! What arrives at an endpoint: the notification, a question for consent, or the event of a function; signed.
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html>

use crate::Inner;
use crate::model::{Kind, Message, Protocol};
use crate::registry::Subscription;
use crate::signing::{Signature, SigningError, Text, Version};
use hearth_base::Timestamp;
use serde_json::{Map, Value, json};

/// A message for a subscription, with all that it is made of.
struct Sealed<'a> {
    message: &'a Message,
    to: &'a Subscription,
    /// Under which URL the server is reached.
    base: &'a str,
    text: String,
    at: String,
    version: Version,
    /// AWS: what comes from FIFO topics is not signed.
    signature: Option<Signature>,
}

/// The body for a subscription.
pub async fn body(inner: &Inner, message: &Message, to: &Subscription) -> Result<String, SigningError> {
    let protocol = to.record.protocol;
    let text = message.text_for(protocol);
    if message.kind == Kind::Notification && to.record.is_raw() {
        return Ok(text);
    }
    let topic = inner.registry.topic(&to.name.topic);
    let version = topic.as_ref().and_then(|topic| topic.record.attributes.get("SignatureVersion"));
    let mut sealed = Sealed {
        message,
        to,
        base: inner.base(&message.endpoint),
        text,
        at: Timestamp::from_millis(message.at).date_time_millis(),
        version: Version::of(version.map(String::as_str)),
        signature: None,
    };
    if message.sequence.is_none() {
        sealed.signature = Some(inner.signer.sign(sealed.signed(), sealed.version).await?);
    }
    Ok(if protocol == Protocol::Lambda { sealed.event().to_string() } else { sealed.envelope() })
}

impl Sealed<'_> {
    /// What the signature is of.
    /// <https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>
    fn signed(&self) -> Text {
        let Self { message, .. } = self;
        let mut text = Text::default().with("Message", &self.text).with("MessageId", &message.id);
        if let Some(subject) = &message.subject {
            text = text.with("Subject", subject);
        }
        if message.kind != Kind::Notification {
            text = text.with("SubscribeURL", &self.subscribe_url());
        }
        text = text.with("Timestamp", &self.at);
        if let Some(token) = &message.token {
            text = text.with("Token", token);
        }
        text.with("TopicArn", &self.to.name.topic.arn()).with("Type", message.kind.as_str())
    }

    fn subscribe_url(&self) -> String {
        let token = self.message.token.as_deref().unwrap_or_default();
        let topic = self.to.name.topic.arn();
        format!("{}/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}", self.base)
    }

    fn unsubscribe_url(&self) -> String {
        format!("{}/?Action=Unsubscribe&SubscriptionArn={}", self.base, self.to.name.arn())
    }

    fn certificate_url(&self) -> String {
        self.signature.as_ref().map(|it| format!("{}{}", self.base, it.certificate)).unwrap_or_default()
    }

    fn attributes(&self) -> Map<String, Value> {
        let shown = self.message.attributes.iter();
        shown.map(|(name, it)| (name.clone(), json!({"Type": it.data_type, "Value": it.value}))).collect()
    }

    fn event(&self) -> Value {
        json!({"Records": [{
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": self.to.name.arn(),
            "Sns": {
                "Type": "Notification",
                "MessageId": self.message.id,
                "TopicArn": self.to.name.topic.arn(),
                "Subject": self.message.subject,
                "Message": self.text,
                "Timestamp": self.at,
                "SignatureVersion": self.version.as_str(),
                "Signature": self.signature.as_ref().map(|it| &*it.value).unwrap_or_default(),
                "SigningCertUrl": self.certificate_url(),
                "UnsubscribeUrl": self.unsubscribe_url(),
                "MessageAttributes": self.attributes(),
            },
        }]})
    }

    /// The envelope as AWS lays it out: one member a line, in this order.
    fn envelope(&self) -> String {
        let Self { message, to, .. } = self;
        let notifies = message.kind == Kind::Notification;
        let mut members = vec![("Type", json!(message.kind.as_str())), ("MessageId", json!(message.id))];
        members.extend(message.sequence.iter().map(|number| ("SequenceNumber", json!(number))));
        members.extend(message.token.iter().map(|token| ("Token", json!(token))));
        members.push(("TopicArn", json!(to.name.topic.arn())));
        members.extend(message.subject.iter().map(|subject| ("Subject", json!(subject))));
        members.push(("Message", json!(self.text)));
        if !notifies {
            members.push(("SubscribeURL", json!(self.subscribe_url())));
        }
        members.push(("Timestamp", json!(self.at)));
        if let Some(signature) = &self.signature {
            members.extend([
                ("SignatureVersion", json!(self.version.as_str())),
                ("Signature", json!(signature.value)),
                ("SigningCertURL", json!(self.certificate_url())),
            ]);
        }
        if notifies {
            members.push(("UnsubscribeURL", json!(self.unsubscribe_url())));
        }
        if !message.attributes.is_empty() {
            members.push(("MessageAttributes", Value::Object(self.attributes())));
        }
        let lines: Vec<String> =
            members.iter().map(|(name, value)| format!("  \"{name}\" : {value}")).collect();
        format!("{{\n{}\n}}", lines.join(",\n"))
    }
}
