//! The attributes of queues: read from requests, checked and written into answers.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>

use crate::failures::{invalid_attribute, invalid_value, unknown_attribute};
use crate::model::{
    DeduplicationScope, FifoThroughputLimit, QueueRecord, RedriveAllowPolicy, RedrivePermission,
    RedrivePolicy, Settings,
};
use crate::naming::QueueName;
use hearth_api::sqs::errors;
use hearth_iam::policy::Document;
use hearth_store::queue::Counts;
use hearth_wire::Failure;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Bytes of a policy.
const POLICY_BYTES_MAX: usize = 8_192;
/// Queues that a redrive allow policy names.
const SOURCES_MAX: usize = 10;

/// Every attribute that can be asked for.
pub const NAMES: [&str; 22] = [
    "All",
    "Policy",
    "VisibilityTimeout",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
    "ApproximateNumberOfMessagesDelayed",
    "DelaySeconds",
    "ReceiveMessageWaitTimeSeconds",
    "RedrivePolicy",
    "FifoQueue",
    "ContentBasedDeduplication",
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "DeduplicationScope",
    "FifoThroughputLimit",
    "RedriveAllowPolicy",
    "SqsManagedSseEnabled",
];

/// Sets attributes as a request gives them.
pub fn apply(settings: &mut Settings, given: &BTreeMap<String, String>) -> Result<(), Failure> {
    for (name, text) in given {
        set(settings, name, text)?;
    }
    if settings.fifo_throughput_limit == FifoThroughputLimit::PerMessageGroupId
        && settings.deduplication_scope != DeduplicationScope::MessageGroup
    {
        return Err(errors::invalid_attribute_value(
            "The perMessageGroupId value for FifoThroughputLimit is allowed only when the value for DeduplicationScope is \
             messageGroup.",
        ));
    }
    Ok(())
}

fn set(settings: &mut Settings, name: &str, text: &str) -> Result<(), Failure> {
    match name {
        "VisibilityTimeout" => settings.visibility_timeout = number(name, text, 0..=43_200)?,
        "MaximumMessageSize" => settings.maximum_message_size = number(name, text, 1_024..=1_048_576)?,
        "MessageRetentionPeriod" => settings.message_retention_period = number(name, text, 60..=1_209_600)?,
        "DelaySeconds" => settings.delay_seconds = number(name, text, 0..=900)?,
        "ReceiveMessageWaitTimeSeconds" => {
            settings.receive_message_wait_time_seconds = number(name, text, 0..=20)?;
        }
        "SqsManagedSseEnabled" => settings.sqs_managed_sse_enabled = flag(name, text)?,
        "Policy" => settings.policy = policy(text)?,
        "RedrivePolicy" => settings.redrive_policy = redrive_policy(text)?,
        "RedriveAllowPolicy" => settings.redrive_allow_policy = redrive_allow_policy(text)?,
        "KmsMasterKeyId" if text.is_empty() => {}
        "KmsMasterKeyId" | "KmsDataKeyReusePeriodSeconds" => {
            return Err(errors::invalid_attribute_value(format!("{name} is not supported by this server.")));
        }
        // AWS: a queue that is not FIFO has no such attribute, not even to be told that it is false.
        "FifoQueue" if settings.fifo && flag(name, text)? => {}
        "ContentBasedDeduplication" if settings.fifo => {
            settings.content_based_deduplication = flag(name, text)?;
        }
        "DeduplicationScope" if settings.fifo => {
            settings.deduplication_scope = match text {
                "queue" => DeduplicationScope::Queue,
                "messageGroup" => DeduplicationScope::MessageGroup,
                _ => return Err(invalid_attribute(name)),
            }
        }
        "FifoThroughputLimit" if settings.fifo => {
            settings.fifo_throughput_limit = match text {
                "perQueue" => FifoThroughputLimit::PerQueue,
                "perMessageGroupId" => FifoThroughputLimit::PerMessageGroupId,
                _ => return Err(invalid_attribute(name)),
            }
        }
        _ => return Err(unknown_attribute(name)),
    }
    Ok(())
}

fn number(name: &str, text: &str, range: RangeInclusive<u32>) -> Result<u32, Failure> {
    text.trim().parse().ok().filter(|number| range.contains(number)).ok_or_else(|| invalid_attribute(name))
}

fn flag(name: &str, text: &str) -> Result<bool, Failure> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(invalid_attribute(name)),
    }
}

fn policy(text: &str) -> Result<Option<String>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > POLICY_BYTES_MAX || Document::resource(text).is_err() {
        return Err(invalid_attribute("Policy"));
    }
    Ok(Some(text.to_owned()))
}

fn redrive_policy(text: &str) -> Result<Option<RedrivePolicy>, Failure> {
    let refuse = |reason: &str| Err(invalid_value(text, "RedrivePolicy", reason));
    if text.is_empty() {
        return Ok(None);
    }
    let Ok(serde_json::Value::Object(policy)) = serde_json::from_str(text) else {
        return refuse("Redrive policy is not a valid JSON map.");
    };
    if policy.is_empty() {
        return Ok(None);
    }
    if let Some(other) =
        policy.keys().find(|key| !["deadLetterTargetArn", "maxReceiveCount"].contains(&key.as_str()))
    {
        return refuse(&format!("Redrive policy contains an unknown key: {other}."));
    }
    let Some(serde_json::Value::String(arn)) = policy.get("deadLetterTargetArn") else {
        return refuse("Redrive policy does not contain mandatory attribute: deadLetterTargetArn.");
    };
    // Clients write the number as a number or as a text.
    let count = match policy.get("maxReceiveCount") {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(count) => count.to_string(),
        None => return refuse("Redrive policy does not contain mandatory attribute: maxReceiveCount."),
    };
    let Some(max_receive_count) = count.parse().ok().filter(|count| (1..=1_000).contains(count)) else {
        return refuse(&format!(
            "Invalid value for maxReceiveCount: {count}, valid values are from 1 to 1000 both inclusive."
        ));
    };
    if QueueName::of_arn(arn).is_none() {
        return refuse("Invalid value for deadLetterTargetArn.");
    }
    Ok(Some(RedrivePolicy { dead_letter_target_arn: arn.clone(), max_receive_count }))
}

fn redrive_allow_policy(text: &str) -> Result<Option<RedriveAllowPolicy>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    let refuse = |reason: &str| Err(invalid_value(text, "RedriveAllowPolicy", reason));
    let Ok(policy) = serde_json::from_str::<RedriveAllowPolicy>(text) else {
        return refuse("Amazon SQS can't create the redrive allow policy, as it's in an unsupported format.");
    };
    let by_queue = policy.redrive_permission == RedrivePermission::ByQueue;
    let sources = &policy.source_queue_arns;
    if by_queue == sources.is_empty() || sources.len() > SOURCES_MAX {
        return refuse(
            "sourceQueueArns must have 1 to 10 ARNs when redrivePermission is byQueue, and none otherwise.",
        );
    }
    if sources.iter().any(|arn| QueueName::of_arn(arn).is_none()) {
        return refuse("sourceQueueArns must hold ARNs of queues.");
    }
    Ok(Some(policy))
}

/// Every attribute that a queue has.
pub fn render(name: &QueueName, record: &QueueRecord, counts: Counts) -> BTreeMap<String, String> {
    let QueueRecord { settings, created, modified, .. } = record;
    let json = |policy: serde_json::Result<String>| policy.unwrap_or_default();
    let mut all = vec![
        ("QueueArn", name.arn()),
        ("ApproximateNumberOfMessages", counts.ready.to_string()),
        ("ApproximateNumberOfMessagesNotVisible", counts.claimed.to_string()),
        ("ApproximateNumberOfMessagesDelayed", counts.delayed.to_string()),
        ("CreatedTimestamp", created.seconds().to_string()),
        ("LastModifiedTimestamp", modified.seconds().to_string()),
        ("VisibilityTimeout", settings.visibility_timeout.to_string()),
        ("MaximumMessageSize", settings.maximum_message_size.to_string()),
        ("MessageRetentionPeriod", settings.message_retention_period.to_string()),
        ("DelaySeconds", settings.delay_seconds.to_string()),
        ("ReceiveMessageWaitTimeSeconds", settings.receive_message_wait_time_seconds.to_string()),
        ("SqsManagedSseEnabled", settings.sqs_managed_sse_enabled.to_string()),
    ];
    all.extend(settings.policy.iter().map(|policy| ("Policy", policy.clone())));
    let redrive = settings.redrive_policy.as_ref();
    all.extend(redrive.map(|policy| ("RedrivePolicy", json(serde_json::to_string(policy)))));
    let allow = settings.redrive_allow_policy.as_ref();
    all.extend(allow.map(|policy| ("RedriveAllowPolicy", json(serde_json::to_string(policy)))));
    if settings.fifo {
        let scope = match settings.deduplication_scope {
            DeduplicationScope::Queue => "queue",
            DeduplicationScope::MessageGroup => "messageGroup",
        };
        let limit = match settings.fifo_throughput_limit {
            FifoThroughputLimit::PerQueue => "perQueue",
            FifoThroughputLimit::PerMessageGroupId => "perMessageGroupId",
        };
        all.extend([
            ("FifoQueue", "true".to_owned()),
            ("ContentBasedDeduplication", settings.content_based_deduplication.to_string()),
            ("DeduplicationScope", scope.to_owned()),
            ("FifoThroughputLimit", limit.to_owned()),
        ]);
    }
    all.into_iter().map(|(name, text)| (name.to_owned(), text)).collect()
}

/// The first of the given attributes that a queue of other settings does not have so.
pub fn difference<'a>(
    existing: &Settings,
    given: &'a BTreeMap<String, String>,
) -> Result<Option<&'a str>, Failure> {
    for (name, text) in given {
        let mut changed = existing.clone();
        set(&mut changed, name, text)?;
        if changed != *existing {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
