//! What is stored of a queue and of a message move task. Messages are in [`crate::message`].

use hearth_base::Timestamp;
use hearth_store::Model;
use hearth_store::queue::EntryId;
use std::collections::BTreeMap;
use std::time::Duration;

/// A queue. Account, region and name are its key.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct QueueRecord {
    /// Where its messages are: another after each purge.
    pub storage: EntryId,
    /// When it was created.
    pub created: Timestamp,
    /// When its attributes were last changed.
    pub modified: Timestamp,
    /// Its attributes.
    pub settings: Settings,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it was last purged.
    pub purged: Option<Timestamp>,
    /// When it was deleted. The record stays for as long as the name cannot be used again.
    pub deleted: Option<Timestamp>,
}

/// The attributes of a queue that can be set.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Settings {
    pub fifo: bool,
    pub visibility_timeout: u32,
    pub maximum_message_size: u32,
    pub message_retention_period: u32,
    pub delay_seconds: u32,
    pub receive_message_wait_time_seconds: u32,
    /// The text as it was set.
    pub policy: Option<String>,
    pub redrive_policy: Option<RedrivePolicy>,
    pub redrive_allow_policy: Option<RedriveAllowPolicy>,
    pub content_based_deduplication: bool,
    pub deduplication_scope: DeduplicationScope,
    pub fifo_throughput_limit: FifoThroughputLimit,
    pub sqs_managed_sse_enabled: bool,
}

/// Where messages go that were received too often. Its JSON is AWS's.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RedrivePolicy {
    pub dead_letter_target_arn: String,
    pub max_receive_count: u32,
}

/// Whose dead-letter queue a queue may be. Its JSON is AWS's.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RedriveAllowPolicy {
    pub redrive_permission: RedrivePermission,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_queue_arns: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RedrivePermission {
    AllowAll,
    DenyAll,
    ByQueue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeduplicationScope {
    Queue,
    MessageGroup,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FifoThroughputLimit {
    PerQueue,
    PerMessageGroupId,
}

/// A message move task. Account, region and name of the source and the order of starting are its key.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct MoveTask {
    /// Tells it from all others.
    pub id: String,
    pub source_arn: String,
    /// None: each message goes back to where it came from.
    pub destination_arn: Option<String>,
    pub messages_per_second_max: Option<u32>,
    pub started: Timestamp,
    pub status: MoveStatus,
    pub moved: u64,
    /// How many there were when it began.
    pub to_move: u64,
    pub failure: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MoveStatus {
    Running,
    Completed,
    Cancelling,
    Cancelled,
    Failed,
}

impl Model for QueueRecord {
    const FORMAT: u32 = 1;
}

impl Model for MoveTask {
    const FORMAT: u32 = 1;
}

impl Settings {
    /// AWS's defaults. <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html>
    pub fn new(fifo: bool) -> Self {
        Self {
            fifo,
            visibility_timeout: 30,
            maximum_message_size: 1_048_576,
            message_retention_period: 345_600,
            delay_seconds: 0,
            receive_message_wait_time_seconds: 0,
            policy: None,
            redrive_policy: None,
            redrive_allow_policy: None,
            content_based_deduplication: false,
            deduplication_scope: DeduplicationScope::Queue,
            fifo_throughput_limit: FifoThroughputLimit::PerQueue,
            sqs_managed_sse_enabled: true,
        }
    }

    /// The time before which messages have expired.
    pub fn cutoff(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_millis(now.millis().saturating_sub(i64::from(self.message_retention_period) * 1000))
    }

    /// For how long a message of a FIFO queue waits. Of standard queues it is settled when a message is sent.
    pub fn fifo_delay(&self) -> Duration {
        Duration::from_secs(if self.fifo { u64::from(self.delay_seconds) } else { 0 })
    }
}

impl MoveStatus {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Cancelling => "CANCELLING",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
        }
    }
}
