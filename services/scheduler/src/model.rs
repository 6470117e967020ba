//! What is stored: groups, schedules, and invocations on their way.

use crate::naming::ScheduleName;
use bytes::Bytes;
use hearth_base::Timestamp;
use hearth_store::Model;
use std::collections::BTreeMap;

/// The format of invocations written now, their first byte.
const FORMAT: u8 = 1;

/// A group. Account, region and name are its key.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct GroupRecord {
    pub created: Timestamp,
    pub modified: Timestamp,
    pub tags: BTreeMap<String, String>,
    /// Its schedules are being deleted, and it goes with the last.
    #[serde(default)]
    pub deleting: bool,
    /// The token of the request that made it.
    #[serde(default)]
    pub token: Option<String>,
}

/// A schedule. Account, region, group and name are its key.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ScheduleRecord {
    /// Tells it from earlier and later schedules of its name.
    pub id: String,
    pub settings: Settings,
    pub created: Timestamp,
    pub modified: Timestamp,
    /// Where a rate counts from.
    pub anchor: Timestamp,
    /// When it is due next. The index of what is due has a row for it.
    pub next: Option<Timestamp>,
    /// The tokens of the requests that made it and that changed it last.
    #[serde(default)]
    pub made_by: Option<String>,
    #[serde(default)]
    pub changed_by: Option<String>,
}

/// What a request says of a schedule.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Settings {
    pub timing: Timing,
    pub description: Option<String>,
    pub enabled: bool,
    /// Minutes of a flexible time window.
    pub window: Option<u32>,
    /// Whether it is deleted after it was due for the last time.
    pub deletes: bool,
    pub target: Target,
}

/// When a schedule is due.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Timing {
    pub expression: String,
    pub zone: String,
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
}

/// What is invoked, and in whose name.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Target {
    pub arn: String,
    pub role: String,
    pub input: Option<String>,
    /// The queue of what could not be delivered.
    pub dead_letters: Option<String>,
    pub max_age_s: u32,
    pub max_retries: u32,
    /// `SqsParameters.MessageGroupId`
    pub group: Option<String>,
    /// `EventBridgeParameters`
    pub event: Option<EventParameters>,
}

/// What an event on a bus is called.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EventParameters {
    pub detail_type: String,
    pub source: String,
}

/// An invocation that is due: all it needs, so that it goes its way whatever becomes of its schedule.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Invocation {
    /// `<aws.scheduler.execution-id>`
    pub execution: String,
    pub schedule: ScheduleName,
    /// The schedule's id.
    pub of: String,
    /// The time that the schedule names.
    pub scheduled: Timestamp,
    /// From when on its age counts.
    pub begun: Timestamp,
    /// How often it was tried.
    pub tries: u32,
    /// Whether the schedule is not due after it.
    pub last: bool,
    pub target: Target,
    /// Why it was given up: it waits for its queue of dead letters.
    #[serde(default)]
    pub dead: Option<Death>,
}

/// Why an invocation was given up.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Death {
    pub code: String,
    pub message: String,
    /// Which bound of the retry policy was reached, when one was.
    pub condition: Option<String>,
    /// How often it was tried to bring it to the queue.
    pub tries: u32,
}

impl Model for GroupRecord {
    const FORMAT: u32 = 1;
}

impl Model for ScheduleRecord {
    const FORMAT: u32 = 1;
}

impl Invocation {
    /// As it is stored.
    pub fn encode(&self) -> Bytes {
        let mut bytes = vec![FORMAT];
        serde_json::to_writer(&mut bytes, self).expect("texts and numbers have a JSON form");
        bytes.into()
    }

    /// Reads it back; none when it does not read.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes.strip_prefix(&[FORMAT])?).ok()
    }
}
