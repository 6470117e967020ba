//! One file for each action, named after it. Each has `run`, which is the action, and what only it needs.

pub mod cancel_replay;
pub mod create_archive;
pub mod create_event_bus;
pub mod delete_archive;
pub mod delete_event_bus;
pub mod delete_rule;
pub mod describe_archive;
pub mod describe_event_bus;
pub mod describe_replay;
pub mod describe_rule;
pub mod disable_rule;
pub mod enable_rule;
pub mod list_archives;
pub mod list_event_buses;
pub mod list_replays;
pub mod list_rule_names_by_target;
pub mod list_rules;
pub mod list_tags_for_resource;
pub mod list_targets_by_rule;
pub mod put_events;
pub mod put_permission;
pub mod put_rule;
pub mod put_targets;
pub mod remove_permission;
pub mod remove_targets;
pub mod start_replay;
pub mod tag_resource;
pub mod tags;
pub mod test_event_pattern;
pub mod untag_resource;
pub mod update_archive;
pub mod update_event_bus;

use crate::failures::invalid_parameter;
use crate::naming::{Name, Place, RuleName};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_api::Grant;
use hearth_api::events::{ArchiveState, ReplayState as Shown};
use hearth_wire::Failure;

use crate::model::ReplayState;

/// What one page has at most, and has when nothing else is asked for.
const PAGE_MAX: usize = 100;

/// A page of what comes in the order of its names, and the token for the next.
fn page<T>(
    all: impl Iterator<Item = (String, T)>,
    (token, limit): (Option<String>, Option<i64>),
) -> Result<(Vec<T>, Option<String>), Failure> {
    let after = match token.filter(|token| !token.is_empty()) {
        None => String::new(),
        Some(token) => {
            let bytes = URL_SAFE_NO_PAD.decode(&token).ok();
            let text = bytes.and_then(|it| String::from_utf8(it).ok());
            text.ok_or_else(|| invalid_parameter("NextToken", "It was not given out by this action."))?
        }
    };
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let mut all: Vec<(String, T)> = all.filter(|(name, _)| *name > after).collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    let more = all.len() > limit;
    all.truncate(limit);
    let next = all.last().filter(|_| more).map(|(name, _)| URL_SAFE_NO_PAD.encode(name));
    Ok((all.into_iter().map(|(_, it)| it).collect(), next))
}

/// The rule that a request names with its bus.
fn rule_name(grant: &Grant, name: Option<String>, bus: Option<&str>) -> RuleName {
    Name::bus(grant, bus).rule(&name.unwrap_or_default())
}

/// The archive or the replay that a request names.
fn own_name(grant: &Grant, name: Option<String>) -> Name {
    Place::of(grant).name(&name.unwrap_or_default())
}

/// Whether a name is one that a list asks for.
fn begins(name: &str, prefix: Option<&String>) -> bool {
    prefix.is_none_or(|prefix| name.starts_with(prefix.as_str()))
}

/// Archives are never on their way to anything here.
const ARCHIVE_STATE: ArchiveState = ArchiveState::Enabled;

/// A state as AWS writes it.
fn shown_state(state: ReplayState) -> Shown {
    match state {
        ReplayState::Starting => Shown::Starting,
        ReplayState::Running => Shown::Running,
        ReplayState::Cancelling => Shown::Cancelling,
        ReplayState::Completed => Shown::Completed,
        ReplayState::Cancelled => Shown::Cancelled,
        ReplayState::Failed => Shown::Failed,
    }
}
