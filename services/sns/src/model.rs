//! What is stored: topics, subscriptions, and messages on their way.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_base::Timestamp;
use hearth_store::Model;
use hearth_store::queue::EntryId;
use std::collections::BTreeMap;
use std::time::Duration;

/// The format of messages written now, their first byte.
const FORMAT: u8 = 1;

/// A topic. Account, region and name are its key.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TopicRecord {
    /// Where its messages wait to be handed to subscriptions.
    pub storage: EntryId,
    pub created: Timestamp,
    /// The attributes that were set, as they were set.
    pub attributes: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    /// How many subscriptions were deleted.
    #[serde(default)]
    pub subscriptions_deleted: u64,
}

/// A subscription. The parts of its topic's key and its id are its key.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SubscriptionRecord {
    /// Where its messages wait to be delivered.
    pub storage: EntryId,
    pub protocol: Protocol,
    pub endpoint: String,
    /// The account that subscribed.
    pub owner: String,
    /// The ARN of who subscribed.
    pub principal: String,
    /// The attributes that were set, as they were set.
    pub attributes: BTreeMap<String, String>,
    /// How it stands with the consent of whoever has the endpoint; none where no consent is asked for.
    #[serde(default)]
    pub consent: Option<Consent>,
}

/// The consent of whoever has an endpoint.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Consent {
    pub state: ConsentState,
    /// What was sent to the endpoint last, so that it can consent.
    pub token: String,
    /// When that was sent.
    pub asked: Timestamp,
    /// Whether who consented has signed the request.
    #[serde(default)]
    pub authenticated: bool,
    /// Whether nobody may unsubscribe without a signature.
    #[serde(default)]
    pub closed: bool,
}

/// How it stands with consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsentState {
    /// It was asked for.
    Pending,
    Given,
    /// It was given and taken back: what is left of the subscription can be restored.
    Withdrawn,
}

/// How a subscription is delivered to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Lambda,
    Sqs,
    Http,
    Https,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Kind {
    /// It was published.
    #[default]
    Notification,
    /// It asks for consent to a subscription.
    SubscriptionConfirmation,
    /// It tells that a subscription has ended.
    UnsubscribeConfirmation,
}

/// A message that was published, or one of the service's own to an endpoint.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Message {
    #[serde(default)]
    pub kind: Kind,
    /// What the endpoint answers with, if the message asks it something.
    #[serde(default)]
    pub token: Option<String>,
    pub id: String,
    pub at: i64,
    /// The message, or with `structured` the JSON object that has one for each protocol.
    pub text: String,
    #[serde(default)]
    pub structured: bool,
    #[serde(default)]
    pub subject: Option<String>,
    #[serde(default)]
    pub attributes: BTreeMap<String, Attribute>,
    #[serde(default)]
    pub group: Option<String>,
    #[serde(default)]
    pub deduplication: Option<String>,
    #[serde(default)]
    pub sequence: Option<String>,
    #[serde(default)]
    pub trace: Option<String>,
    /// Under which address the publisher reached the server.
    pub endpoint: String,
    /// The id of the request that published it.
    pub request: String,
}

/// A message attribute. The value of a binary one is in Base64.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Attribute {
    pub data_type: String,
    pub value: String,
}

impl Model for TopicRecord {
    const FORMAT: u32 = 1;
}

impl Model for SubscriptionRecord {
    const FORMAT: u32 = 1;
}

impl TopicRecord {
    /// Whether an attribute was set to true.
    pub fn flag(&self, name: &str) -> bool {
        self.attributes.get(name).is_some_and(|value| value == "true")
    }

    /// Whether messages keep their order.
    pub fn is_fifo(&self) -> bool {
        self.flag("FifoTopic")
    }
}

/// For how long an endpoint may consent, and may take back that it left.
/// <https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.confirm.html>
const CONSENT_MAX: Duration = Duration::from_secs(2 * 24 * 3_600);

impl SubscriptionRecord {
    /// Whether messages are delivered to it.
    pub fn is_in_force(&self) -> bool {
        self.consent.as_ref().is_none_or(|consent| consent.state == ConsentState::Given)
    }

    /// Whether it waits for consent.
    pub fn is_pending(&self) -> bool {
        self.consent.as_ref().is_some_and(|consent| consent.state == ConsentState::Pending)
    }

    /// Whether it has ended for all but who may restore it.
    pub fn has_ended(&self) -> bool {
        self.consent.as_ref().is_some_and(|consent| consent.state == ConsentState::Withdrawn)
    }

    /// Whether a token is the one that was sent last, and still good.
    pub fn is_asked_with(&self, token: &str, now: Timestamp) -> bool {
        self.consent
            .as_ref()
            .is_some_and(|consent| same(&consent.token, token) && now <= consent.asked.after(CONSENT_MAX))
    }

    /// Whether nobody can consent to it any more.
    pub fn is_over(&self, now: Timestamp) -> bool {
        !self.is_in_force() && self.consent.as_ref().is_some_and(|it| now > it.asked.after(CONSENT_MAX))
    }

    /// Whether messages arrive without an envelope.
    pub fn is_raw(&self) -> bool {
        self.attributes.get("RawMessageDelivery").is_some_and(|value| value == "true")
    }
}

/// Compares secrets in a time that does not tell where they differ.
fn same(one: &str, other: &str) -> bool {
    let differences = one.bytes().zip(other.bytes()).fold(0, |all, (one, other)| all | (one ^ other));
    one.len() == other.len() && differences == 0
}

impl Consent {
    /// Consent that is asked for now.
    pub fn asked(token: String, now: Timestamp) -> Self {
        Self { state: ConsentState::Pending, token, asked: now, authenticated: false, closed: false }
    }
}

impl Kind {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notification => "Notification",
            Self::SubscriptionConfirmation => "SubscriptionConfirmation",
            Self::UnsubscribeConfirmation => "UnsubscribeConfirmation",
        }
    }
}

impl Protocol {
    /// Whether the endpoint is a URL.
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }

    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lambda => "lambda",
            Self::Sqs => "sqs",
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl Message {
    /// As it is stored.
    pub fn encode(&self) -> Bytes {
        let mut bytes = vec![FORMAT];
        serde_json::to_writer(&mut bytes, self).expect("texts and maps of texts have a JSON form");
        bytes.into()
    }

    /// Reads it back; none when it does not read.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes.strip_prefix(&[FORMAT])?).ok()
    }

    /// The message for a protocol.
    pub fn text_for(&self, protocol: Protocol) -> String {
        if !self.structured {
            return self.text.clone();
        }
        let texts: BTreeMap<String, serde_json::Value> = serde_json::from_str(&self.text).unwrap_or_default();
        let text = texts.get(protocol.as_str()).filter(|text| text.is_string()).or(texts.get("default"));
        text.and_then(|text| text.as_str()).unwrap_or_default().to_owned()
    }
}

impl Attribute {
    /// The value itself.
    pub fn bytes(&self) -> Bytes {
        if self.data_type.starts_with("Binary") {
            return STANDARD.decode(&self.value).unwrap_or_default().into();
        }
        Bytes::from(self.value.clone())
    }
}
