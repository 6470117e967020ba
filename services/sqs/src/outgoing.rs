//! A message on its way into a queue: what a sender gives, checked and made into what is stored.
//!
//! AWS's words are those that its SDKs' users quote; the bounds are in
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>.

use crate::Inner;
use crate::digest;
use crate::failures::{invalid, invalid_value, missing, of_queue, unknown_attribute, wrong_queue_type};
use crate::message::{Attribute, Message, sequence_number};
use crate::model::{DeduplicationScope, Settings};
use crate::registry::Found;
use bytes::Bytes;
use hearth_api::sqs::{MessageAttributeValue, MessageSystemAttributeValue, SendMessageResult, errors};
use hearth_api::{Grant, Principal};
use hearth_base::Timestamp;
use hearth_store::queue::{New, QueueError};
use hearth_wire::Failure;
use std::collections::BTreeMap;
use std::time::Duration;

/// Message attributes of one message.
const ATTRIBUTES_MAX: usize = 10;
/// Characters of an attribute's name and of its type.
const ATTRIBUTE_NAME_MAX: usize = 256;
/// Seconds that a message may wait.
pub const DELAY_SECONDS_MAX: i64 = 900;
/// Characters of a group's and a deduplication's id.
const ID_LENGTH_MAX: usize = 128;

/// What a sender gives.
#[derive(Debug, Default)]
pub struct Draft {
    pub body: Option<String>,
    pub delay_seconds: Option<i64>,
    pub attributes: Option<BTreeMap<String, MessageAttributeValue>>,
    pub system_attributes: Option<BTreeMap<String, MessageSystemAttributeValue>>,
    pub deduplication: Option<String>,
    pub group: Option<String>,
}

/// A message that may be enqueued.
#[derive(Debug)]
pub struct Outgoing {
    message: Message,
    due: Option<Timestamp>,
    once: Option<Bytes>,
    md5_of_system: Option<String>,
}

impl Draft {
    /// What counts against size limits.
    pub fn size(&self) -> usize {
        let attributes = self.attributes.iter().flatten().map(|(name, value)| {
            let binary = value.binary_value.as_ref().map_or(0, Bytes::len);
            name.len() + length(&value.data_type) + length(&value.string_value) + binary
        });
        length(&self.body) + attributes.sum::<usize>()
    }

    /// Checks it for a queue.
    pub fn check(self, inner: &Inner, grant: &Grant, settings: &Settings) -> Result<Outgoing, Failure> {
        let size = self.size();
        let body = self.body.filter(|body| !body.is_empty()).ok_or_else(|| missing("MessageBody"))?;
        if size > settings.maximum_message_size as usize {
            let max = settings.maximum_message_size;
            return Err(invalid(format!(
                "One or more parameters are invalid. Reason: Message must be shorter than {max} bytes."
            )));
        }
        check_characters(&body)?;
        let due = due(inner, settings, self.delay_seconds)?;
        let attributes = attributes(self.attributes.unwrap_or_default())?;
        let system = system_attributes(self.system_attributes.unwrap_or_default())?;
        let md5_of_system = digest::of_attributes(&system);
        let trace_header = system.into_values().next().and_then(|attribute| attribute.text);
        let trace_header = trace_header.or_else(|| grant.trace_header().map(str::to_owned));
        let (deduplication, once) = deduplication(settings, self.deduplication, (&self.group, &body))?;
        check_group(settings, self.group.as_deref())?;
        let message = Message {
            id: hearth_base::id::uuid(&*inner.rng),
            body,
            attributes,
            trace_header,
            sender: sender(grant.principal()),
            group: self.group,
            deduplication,
            dead_letter_source: None,
        };
        Ok(Outgoing { message, due, once, md5_of_system })
    }
}

/// Enqueues messages, all or none.
pub async fn send(
    inner: &Inner,
    found: Found,
    outgoing: Vec<Outgoing>,
) -> Result<Vec<SendMessageResult>, Failure> {
    let fifo = found.record.settings.fifo;
    let entries: Vec<New> = outgoing
        .iter()
        .map(|outgoing| New {
            due: outgoing.due,
            group: outgoing.message.group_bytes(fifo),
            once: outgoing.once.clone(),
            label: Bytes::from(outgoing.message.id.clone()),
            value: outgoing.message.encode(),
        })
        .collect();
    let enqueued = match found.queue.enqueue(entries.clone()).await {
        // The queue was purged at this moment: what is sent now comes after.
        Err(QueueError::Closed) => {
            let found = inner.registry.after_change(&found.name).await?;
            found.queue.enqueue(entries).await
        }
        other => other,
    };
    let enqueued = enqueued.map_err(of_queue)?;
    let answers = outgoing.into_iter().zip(enqueued).map(|(outgoing, enqueued)| SendMessageResult {
        md5_of_message_body: Some(digest::of_body(&outgoing.message.body)),
        md5_of_message_attributes: digest::of_attributes(&outgoing.message.attributes),
        md5_of_message_system_attributes: outgoing.md5_of_system,
        message_id: Some(String::from_utf8_lossy(&enqueued.label).into_owned()),
        sequence_number: fifo.then(|| sequence_number(enqueued.id)),
    });
    Ok(answers.collect())
}

fn length(text: &Option<String>) -> usize {
    text.as_ref().map_or(0, String::len)
}

/// Who `SenderId` says the sender is.
fn sender(principal: &Principal) -> String {
    match principal {
        Principal::Root(account) => account.to_string(),
        Principal::AssumedRole { role, session, .. } => format!("{role}:{session}"),
        other => other.arn("aws"),
    }
}

fn check_characters(body: &str) -> Result<(), Failure> {
    let allowed = |character: char| matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    if body.chars().all(allowed) {
        return Ok(());
    }
    Err(errors::invalid_message_contents(
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | \
         #x10000 to #x10FFFF",
    ))
}

fn due(inner: &Inner, settings: &Settings, asked: Option<i64>) -> Result<Option<Timestamp>, Failure> {
    if let Some(asked) = asked {
        if !(0..=DELAY_SECONDS_MAX).contains(&asked) {
            let reason = format!("DelaySeconds must be >= 0 and <= {DELAY_SECONDS_MAX}.");
            return Err(invalid_value(asked, "DelaySeconds", &reason));
        }
        if settings.fifo && asked != 0 {
            return Err(wrong_queue_type(asked, "DelaySeconds"));
        }
    }
    // The messages of a FIFO queue all wait alike, for as long as its attribute says when they are received.
    let seconds = asked.map_or(u64::from(settings.delay_seconds), i64::unsigned_abs);
    Ok((!settings.fifo && seconds > 0).then(|| inner.clock.now().after(Duration::from_secs(seconds))))
}

fn attributes(
    given: BTreeMap<String, MessageAttributeValue>,
) -> Result<BTreeMap<String, Attribute>, Failure> {
    if given.len() > ATTRIBUTES_MAX {
        let count = given.len();
        return Err(invalid(format!(
            "Number of message attributes [{count}] exceeds the allowed maximum [{ATTRIBUTES_MAX}]."
        )));
    }
    given
        .into_iter()
        .map(|(name, value)| {
            check_attribute_name(&name)?;
            let lists = value.string_list_values.iter().len() + value.binary_list_values.iter().len();
            if lists > 0 {
                return Err(invalid(format!(
                    "Message attribute list values in SendMessage operation are not supported: {name}."
                )));
            }
            let attribute = Attribute {
                data_type: value.data_type.unwrap_or_default(),
                text: value.string_value,
                binary: value.binary_value,
            };
            Ok((name.clone(), check_attribute(&name, attribute)?))
        })
        .collect()
}

/// Checks a value against its type.
fn check_attribute(name: &str, attribute: Attribute) -> Result<Attribute, Failure> {
    let Attribute { data_type, text, binary } = attribute;
    if data_type.is_empty() {
        return Err(invalid(format!(
            "The message attribute '{name}' must contain non-empty message attribute type."
        )));
    }
    let kind = data_type.split('.').next().unwrap_or_default();
    let empty = || {
        invalid(format!(
            "The message attribute '{name}' must contain non-empty message attribute value for message attribute type \
             '{kind}'."
        ))
    };
    match kind {
        _ if data_type.len() > ATTRIBUTE_NAME_MAX => Err(invalid(format!(
            "Length of message attribute type must be less than {ATTRIBUTE_NAME_MAX} bytes."
        ))),
        "Binary" => {
            let binary = binary.filter(|bytes| !bytes.is_empty()).ok_or_else(empty)?;
            Ok(Attribute { data_type, text: None, binary: Some(binary) })
        }
        "String" | "Number" => {
            let text = text.filter(|text| !text.is_empty()).ok_or_else(empty)?;
            if kind == "Number" && text.trim().parse::<f64>().map_or(true, |number| !number.is_finite()) {
                return Err(invalid(format!(
                    "Can't cast the value of message (user) attribute '{name}' to a number."
                )));
            }
            check_characters(&text)?;
            Ok(Attribute { data_type, text: Some(text), binary: None })
        }
        _ => Err(invalid(format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes \
             is Binary, Number, and String."
        ))),
    }
}

fn check_attribute_name(name: &str) -> Result<(), Failure> {
    let lower = name.to_ascii_lowercase();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if name.is_empty() || name.len() > ATTRIBUTE_NAME_MAX {
        return Err(invalid(format!(
            "Length of message attribute name must be between 1 and {ATTRIBUTE_NAME_MAX} bytes."
        )));
    }
    if !name.bytes().all(allowed) {
        return Err(invalid(format!(
            "Invalid non-alphanumeric character was found in the message attribute name {name}. Can only include alphanumeric characters, hyphens, underscores, or dots."
        )));
    }
    if lower.starts_with("aws.") || lower.starts_with("amazon.") {
        return Err(invalid(
            "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings are reserved for internal use.",
        ));
    }
    if name.starts_with('.') || name.ends_with('.') || name.contains("..") {
        return Err(invalid(
            "Message attribute names can't start or end with a period, or have periods in succession.",
        ));
    }
    Ok(())
}

fn system_attributes(
    given: BTreeMap<String, MessageSystemAttributeValue>,
) -> Result<BTreeMap<String, Attribute>, Failure> {
    given
        .into_iter()
        .map(|(name, value)| {
            if name != "AWSTraceHeader" {
                return Err(unknown_attribute(&name));
            }
            let data_type = value.data_type.unwrap_or_default();
            if data_type != "String" {
                return Err(invalid("Message system attribute AWSTraceHeader must be of type String."));
            }
            let attribute = Attribute { data_type, text: value.string_value, binary: None };
            Ok((name.clone(), check_attribute(&name, attribute)?))
        })
        .collect()
}

/// The deduplication id of a message, and what must not have been sent within five minutes for it to be sent.
fn deduplication(
    settings: &Settings,
    given: Option<String>,
    (group, body): (&Option<String>, &str),
) -> Result<(Option<String>, Option<Bytes>), Failure> {
    if let Some(id) = &given {
        if !settings.fifo {
            return Err(wrong_queue_type(id, "MessageDeduplicationId"));
        }
        check_id(id, "MessageDeduplicationId")?;
    }
    if !settings.fifo {
        return Ok((None, None));
    }
    let id = match given {
        Some(id) => id,
        None if settings.content_based_deduplication => digest::of_content(body),
        None => {
            return Err(invalid(
                "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
            ));
        }
    };
    let scope = match (settings.deduplication_scope, group) {
        (DeduplicationScope::MessageGroup, Some(group)) => group.as_str(),
        _ => "",
    };
    let once = Bytes::from(format!("{scope}\0{id}"));
    Ok((Some(id), Some(once)))
}

fn check_group(settings: &Settings, group: Option<&str>) -> Result<(), Failure> {
    match group {
        None if settings.fifo => Err(missing("MessageGroupId")),
        None => Ok(()),
        Some(group) => check_id(group, "MessageGroupId"),
    }
}

fn check_id(id: &str, parameter: &str) -> Result<(), Failure> {
    if !id.is_empty() && id.len() <= ID_LENGTH_MAX && id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    let reason = format!(
        "{parameter} can only include alphanumeric and punctuation characters. 1 to {ID_LENGTH_MAX} in length."
    );
    Err(invalid_value(id, parameter, &reason))
}
