//! What is stored: topics, subscriptions, and messages on their way.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_base::Timestamp;
use hearth_store::Model;
use hearth_store::queue::EntryId;
use std::collections::BTreeMap;

/// The format of messages written now, their first byte.
const FORMAT: u8 = 1;

/// A topic. Account, region and name are its key.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TopicRecord {
    /// Where its messages wait to be handed to subscriptions.
    #[serde(with = "hex_id")]
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
    #[serde(with = "hex_id")]
    pub storage: EntryId,
    pub protocol: Protocol,
    pub endpoint: String,
    /// The account that subscribed.
    pub owner: String,
    /// The ARN of who subscribed.
    pub principal: String,
    /// The attributes that were set, as they were set.
    pub attributes: BTreeMap<String, String>,
}

/// How a subscription is delivered to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Lambda,
    Sqs,
}

/// A message that was published.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Message {
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

impl SubscriptionRecord {
    /// Whether messages arrive without an envelope.
    pub fn is_raw(&self) -> bool {
        self.attributes.get("RawMessageDelivery").is_some_and(|value| value == "true")
    }
}

impl Protocol {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lambda => "lambda",
            Self::Sqs => "sqs",
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

/// Ids in records are hexadecimal: JSON readers lose digits of large numbers.
mod hex_id {
    use hearth_store::queue::EntryId;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(id: &EntryId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EntryId, D::Error> {
        let text = String::deserialize(deserializer)?;
        u128::from_str_radix(&text, 16).map(EntryId).map_err(serde::de::Error::custom)
    }
}
