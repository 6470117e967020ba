//! Messages as they are published: checked, and put where they are handed to subscriptions from.
//! <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>

use crate::Inner;
use crate::failures::{invalid, of_queue};
use crate::model::{Attribute, Message};
use crate::registry::Topic;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_api::Grant;
use hearth_api::sns::{MessageAttributeValue, errors};
use hearth_store::queue::{EntryId, New};
use hearth_wire::Failure;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Bytes of a message with its attributes, and of all messages of a batch.
pub const BYTES_MAX: usize = 256 << 10;
/// Characters of a subject.
const SUBJECT_LENGTH_MAX: usize = 100;
/// Characters of the ids of FIFO topics.
const ID_LENGTH_MAX: usize = 128;
/// What sequence numbers begin from: twenty digits, as AWS's have.
const SEQUENCE_BASE: u128 = 10_000_000_000_000_000_000;

/// A message as a request has it.
#[derive(Default)]
pub struct Draft {
    pub message: Option<String>,
    pub subject: Option<String>,
    pub structure: Option<String>,
    pub attributes: Option<BTreeMap<String, MessageAttributeValue>>,
    pub group: Option<String>,
    pub deduplication: Option<String>,
}

/// A message that was accepted.
pub struct Published {
    pub id: String,
    pub sequence: Option<String>,
}

impl Draft {
    /// What counts against the limit.
    pub fn size(&self) -> usize {
        let attributes = self.attributes.iter().flatten().map(|(name, it)| {
            let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
            name.len()
                + length(&it.data_type)
                + length(&it.string_value)
                + it.binary_value.as_ref().map_or(0, Bytes::len)
        });
        self.message.as_ref().map_or(0, String::len) + attributes.sum::<usize>()
    }

    /// The message, if it is one for the topic.
    pub fn check(self, inner: &Inner, (grant, topic): (&Grant, &Topic)) -> Result<Message, Failure> {
        let size = self.size();
        let text = self.message.filter(|text| !text.is_empty()).ok_or_else(|| invalid("Empty message"))?;
        if size > BYTES_MAX {
            return Err(invalid("Message too long"));
        }
        let structured = match self.structure.as_deref() {
            None | Some("") => false,
            Some("json") => check_structure(&text).map(|()| true)?,
            Some(_) => return Err(invalid("MessageStructure")),
        };
        check_subject(self.subject.as_deref())?;
        let mut attributes = BTreeMap::new();
        for (name, value) in self.attributes.unwrap_or_default() {
            let value = attribute(&name, value)?;
            attributes.insert(name, value);
        }
        let (group, deduplication) = ordering(topic, &text, (self.group, self.deduplication))?;
        Ok(Message {
            id: hearth_base::id::uuid(&*inner.rng),
            at: inner.clock.now().millis(),
            text,
            structured,
            subject: self.subject.filter(|subject| !subject.is_empty()),
            attributes,
            group,
            deduplication,
            sequence: None,
            trace: grant.trace_header().map(str::to_owned),
            endpoint: grant.endpoint().to_owned(),
            request: grant.request_id().to_string(),
            ..Message::default()
        })
    }
}

fn check_structure(text: &str) -> Result<(), Failure> {
    let refuse = |reason: &str| Err(invalid(format!("Message Structure - {reason}")));
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(texts)) => match texts.get("default") {
            Some(Value::String(_)) => Ok(()),
            _ => refuse("No default entry in JSON message body"),
        },
        _ => refuse("JSON message body failed to parse"),
    }
}

fn check_subject(subject: Option<&str>) -> Result<(), Failure> {
    let Some(subject) = subject.filter(|subject| !subject.is_empty()) else { return Ok(()) };
    let long = subject.chars().count() > SUBJECT_LENGTH_MAX;
    let starts = subject.starts_with(|first: char| !first.is_whitespace());
    if long || !starts || subject.contains(|it: char| it.is_control()) {
        return Err(invalid("Subject"));
    }
    Ok(())
}

fn attribute(name: &str, value: MessageAttributeValue) -> Result<Attribute, Failure> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > 256 || !name.bytes().all(allowed) {
        return Err(errors::invalid_parameter_value(format!(
            "Invalid parameter: Message attribute name {name} is not valid"
        )));
    }
    let refuse = |reason: &str| {
        Err(errors::invalid_parameter_value(format!("The message attribute '{name}' {reason}")))
    };
    let data_type = value.data_type.unwrap_or_default();
    let value = match data_type.split('.').next() {
        _ if data_type.is_empty() => return refuse("must contain a non-empty message attribute type."),
        Some("Binary") => value.binary_value.filter(|it| !it.is_empty()).map(|it| STANDARD.encode(it)),
        Some("String" | "Number") => value.string_value.filter(|it| !it.is_empty()),
        _ => {
            return refuse(
                "has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.",
            );
        }
    };
    let Some(value) = value else {
        return refuse(&format!(
            "must contain a non-empty message attribute value for the type '{data_type}'."
        ));
    };
    if data_type.starts_with("Number") && value.trim().parse::<f64>().is_err() {
        return refuse("Could not cast message attribute value to number.");
    }
    Ok(Attribute { data_type, value })
}

/// The group and the deduplication id of a message.
fn ordering(
    topic: &Topic,
    text: &str,
    (group, deduplication): (Option<String>, Option<String>),
) -> Result<(Option<String>, Option<String>), Failure> {
    for (id, parameter) in [(&group, "MessageGroupId"), (&deduplication, "MessageDeduplicationId")] {
        let wrong = |id: &String| id.len() > ID_LENGTH_MAX || !id.bytes().all(|byte| byte.is_ascii_graphic());
        if id.as_ref().is_some_and(wrong) {
            return Err(invalid(parameter));
        }
    }
    let (group, deduplication) =
        (group.filter(|id| !id.is_empty()), deduplication.filter(|id| !id.is_empty()));
    if !topic.record.is_fifo() {
        return match deduplication {
            Some(_) => Err(invalid(
                "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type",
            )),
            None => Ok((group, None)),
        };
    }
    if group.is_none() {
        return Err(invalid("The MessageGroupId parameter is required for FIFO topics"));
    }
    let deduplication = match deduplication {
        Some(id) => id,
        None if topic.record.flag("ContentBasedDeduplication") => {
            Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
        }
        None => {
            return Err(invalid(
                "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
            ));
        }
    };
    Ok((group, Some(deduplication)))
}

/// The sequence number of a message of a FIFO topic.
pub fn sequence_number(id: EntryId) -> String {
    (SEQUENCE_BASE + u128::from(id.ordinal())).to_string()
}

/// Accepts messages: they are stored when this returns.
pub async fn publish(topic: &Topic, messages: Vec<Message>) -> Result<Vec<Published>, Failure> {
    let fifo = topic.record.is_fifo();
    let by_group = topic.record.attributes.get("FifoThroughputScope").is_some_and(|it| it == "MessageGroup");
    let entries = messages.into_iter().map(|message| New {
        due: None,
        group: message.group.as_ref().filter(|_| fifo).map(|group| Bytes::from(group.clone())),
        once: message.deduplication.as_ref().map(|id| match &message.group {
            Some(group) if by_group => Bytes::from(format!("{group}\n{id}")),
            _ => Bytes::from(id.clone()),
        }),
        label: Bytes::from(message.id.clone()),
        value: message.encode(),
    });
    let enqueued = topic.queue.enqueue(entries.collect()).await.map_err(of_queue)?;
    let published = enqueued.into_iter().map(|entry| Published {
        id: String::from_utf8_lossy(&entry.label).into_owned(),
        sequence: fifo.then(|| sequence_number(entry.id)),
    });
    Ok(published.collect())
}
