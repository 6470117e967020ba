//! What is stored: buses, rules with their targets, archives, replays, and events on their way.

use bytes::Bytes;
use hearth_base::Timestamp;
use hearth_store::Model;
use hearth_store::queue::EntryId;
use std::collections::BTreeMap;

/// The format of events written now, their first byte.
const FORMAT: u8 = 1;

/// A bus. Account, region and name are its key.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct BusRecord {
    /// Where its events wait to be handed to targets.
    pub storage: EntryId,
    pub created: Timestamp,
    pub modified: Timestamp,
    pub description: Option<String>,
    /// Who else may put events and rules, as JSON.
    pub policy: Option<String>,
    pub tags: BTreeMap<String, String>,
}

/// A rule. The parts of its bus's key and its name are its key.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RuleRecord {
    pub pattern: Option<String>,
    pub schedule: Option<String>,
    pub enabled: bool,
    pub description: Option<String>,
    pub role: Option<String>,
    /// The account that made it.
    pub created_by: String,
    /// Since when its rate counts: when it was made, changed or enabled.
    pub since: Timestamp,
    pub tags: BTreeMap<String, String>,
    pub targets: Vec<TargetRecord>,
}

/// A target of a rule.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TargetRecord {
    pub id: String,
    pub arn: String,
    /// Where its events wait to be delivered.
    pub storage: EntryId,
    pub role: Option<String>,
    pub input: Input,
    pub group: Option<String>,
    /// The ARN of the queue that gets what could not be delivered.
    pub dead_letter: Option<String>,
    pub retries_max: Option<u32>,
    pub age_s_max: Option<u32>,
}

/// What a target gets of an event.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub enum Input {
    /// The event.
    #[default]
    Matched,
    /// Always this JSON text.
    Constant(String),
    /// A part of the event.
    Path(String),
    /// A text in which parts of the event are put.
    Template { paths: BTreeMap<String, String>, template: String },
}

/// An archive. Account, region and name are its key.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ArchiveRecord {
    /// What tells its events from those of an archive of the same name before.
    pub storage: EntryId,
    /// The name of its bus, which is of the same account and region.
    pub bus: String,
    pub created: Timestamp,
    pub description: Option<String>,
    pub pattern: Option<String>,
    /// Zero for ever.
    pub retention_days: u32,
}

/// How much is in an archive: a record of its own, which changes with every event. The archive's storage is its key.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct ArchiveSize {
    pub events: u64,
    pub bytes: u64,
}

/// A replay. Account, region and name are its key.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ReplayRecord {
    pub archive: String,
    /// The events are those of this archive, not of one of the same name that came later.
    pub storage: EntryId,
    /// The name of the bus that the archive is of.
    pub bus: String,
    pub description: Option<String>,
    /// The ARNs of the rules that are to get the events; empty for all.
    pub rules: Vec<String>,
    /// Which events: from the first time up to the second, which is left out.
    pub events: (Timestamp, Timestamp),
    pub state: ReplayState,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    /// The time of the last event that was replayed, and its key: after it the replay goes on.
    pub last: Option<(Timestamp, Vec<u8>)>,
}

/// Where a replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ReplayState {
    Starting,
    Running,
    Cancelling,
    Completed,
    Cancelled,
    Failed,
}

/// An event on its way.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Event {
    /// The event as targets get it: a JSON object.
    pub text: String,
    /// When it came, in milliseconds.
    pub at: i64,
    #[serde(default)]
    pub trace: Option<String>,
    /// The id of the request that put it.
    pub request: String,
    /// Whether it was on another bus before: it goes to no third one.
    #[serde(default)]
    pub forwarded: bool,
    /// Whether it comes out of an archive: it goes into none.
    #[serde(default)]
    pub replayed: bool,
    /// The ARNs of the only rules that get it; empty for all.
    #[serde(default)]
    pub rules: Vec<String>,
}

impl Model for BusRecord {
    const FORMAT: u32 = 1;
}

impl Model for RuleRecord {
    const FORMAT: u32 = 1;
}

impl Model for ArchiveRecord {
    const FORMAT: u32 = 1;
}

impl Model for ArchiveSize {
    const FORMAT: u32 = 1;
}

impl Model for ReplayRecord {
    const FORMAT: u32 = 1;
}

impl ReplayState {
    /// Whether it is over.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Failed)
    }
}

impl Event {
    /// As it is stored.
    pub fn encode(&self) -> Bytes {
        let mut bytes = vec![FORMAT];
        serde_json::to_writer(&mut bytes, self).expect("texts, numbers and lists of them have a JSON form");
        bytes.into()
    }

    /// Reads it back; none when it does not read.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes.strip_prefix(&[FORMAT])?).ok()
    }
}
