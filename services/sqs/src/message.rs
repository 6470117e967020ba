//! A message as it is stored, and as it is given out.
//!
//! What the queue itself keeps is not repeated here: when a message was sent is in its id, how often it was received in
//! its claim.

use crate::digest;
use crate::handle;
use bytes::Bytes;
use hearth_api::sqs::{Message as WireMessage, MessageAttributeValue};
use hearth_store::queue::{Claimed, EntryId};
use std::collections::BTreeMap;

/// The format written now, the first byte of every message.
const FORMAT: u8 = 1;
/// What sequence numbers begin from, so that all have twenty digits as AWS's have.
const SEQUENCE_BASE: u128 = 18_000_000_000_000_000_000;

/// A message as it is stored.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Message {
    pub id: String,
    pub body: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Attribute>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_header: Option<String>,
    pub sender: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deduplication: Option<String>,
    /// The ARN of the queue it came from, in a dead-letter queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter_source: Option<String>,
}

/// A message attribute: a text or bytes.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Attribute {
    pub data_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "base64_bytes")]
    pub binary: Option<Bytes>,
}

impl Attribute {
    /// The value.
    pub fn bytes(&self) -> &[u8] {
        match (&self.binary, &self.text) {
            (Some(bytes), _) => bytes,
            (None, Some(text)) => text.as_bytes(),
            (None, None) => &[],
        }
    }

    fn to_wire(&self) -> MessageAttributeValue {
        MessageAttributeValue {
            string_value: self.text.clone(),
            binary_value: self.binary.clone(),
            data_type: Some(self.data_type.clone()),
            ..Default::default()
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
        let json = bytes.strip_prefix(&[FORMAT])?;
        serde_json::from_slice(json).ok()
    }

    /// The group as the queue keeps it.
    pub fn group_bytes(&self, fifo: bool) -> Option<Bytes> {
        self.group.as_ref().filter(|_| fifo).map(|group| Bytes::from(group.clone()))
    }
}

/// The sequence number of a message of a FIFO queue.
pub fn sequence_number(id: EntryId) -> String {
    (SEQUENCE_BASE + u128::from(id.ordinal())).to_string()
}

/// Which attributes a receiver asks for.
#[derive(Debug, Default)]
pub struct Selection {
    pub system: Vec<String>,
    pub user: Vec<String>,
}

/// The system attributes that can be asked for.
pub const SYSTEM_ATTRIBUTES: [&str; 10] = [
    "All",
    "SenderId",
    "SentTimestamp",
    "ApproximateReceiveCount",
    "ApproximateFirstReceiveTimestamp",
    "SequenceNumber",
    "MessageDeduplicationId",
    "MessageGroupId",
    "AWSTraceHeader",
    "DeadLetterQueueSourceArn",
];

impl Selection {
    fn wants_system(&self, name: &str) -> bool {
        self.system.iter().any(|wanted| wanted == name || wanted == "All")
    }

    /// AWS: `All` and `.*` mean all, `foo.*` all that begin with `foo`.
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html>
    fn wants(&self, name: &str) -> bool {
        self.user.iter().any(|wanted| match wanted.strip_suffix(".*") {
            _ if wanted == "All" || wanted == name => true,
            Some(beginning) => name.starts_with(beginning),
            None => false,
        })
    }
}

/// A received message for its receiver.
pub fn to_wire(storage: EntryId, fifo: bool, claimed: Claimed, selection: &Selection) -> Option<WireMessage> {
    let message = Message::decode(&claimed.value)?;
    let selected: BTreeMap<String, Attribute> =
        message.attributes.iter().filter(|(name, _)| selection.wants(name)).map(clone_pair).collect();
    let id = claimed.receipt.id;
    let system = [
        ("SenderId", Some(message.sender.clone())),
        ("SentTimestamp", Some(id.millis().to_string())),
        ("ApproximateReceiveCount", Some(claimed.claims.to_string())),
        ("ApproximateFirstReceiveTimestamp", Some(claimed.first.millis().to_string())),
        ("SequenceNumber", fifo.then(|| sequence_number(id))),
        ("MessageDeduplicationId", message.deduplication.clone()),
        ("MessageGroupId", message.group.clone()),
        ("AWSTraceHeader", message.trace_header.clone()),
        ("DeadLetterQueueSourceArn", message.dead_letter_source.clone()),
    ];
    let system: BTreeMap<String, String> = system
        .into_iter()
        .filter(|(name, _)| selection.wants_system(name))
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect();
    Some(WireMessage {
        message_id: Some(message.id),
        receipt_handle: Some(handle::write(storage, &claimed.receipt)),
        md5_of_body: Some(digest::of_body(&message.body)),
        body: Some(message.body),
        attributes: (!system.is_empty()).then_some(system),
        md5_of_message_attributes: digest::of_attributes(&selected),
        message_attributes: (!selected.is_empty())
            .then(|| selected.iter().map(|(name, attribute)| (name.clone(), attribute.to_wire())).collect()),
    })
}

fn clone_pair((name, attribute): (&String, &Attribute)) -> (String, Attribute) {
    (name.clone(), attribute.clone())
}

/// Bytes in JSON.
mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(bytes: &Option<Bytes>, serializer: S) -> Result<S::Ok, S::Error> {
        bytes.as_ref().map(|bytes| STANDARD.encode(bytes)).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Bytes>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        STANDARD.decode(text).map(|bytes| Some(bytes.into())).map_err(serde::de::Error::custom)
    }
}
