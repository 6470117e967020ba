//! One file for each action, named after it. Each has `run`, which is the action, and what only it needs.

pub mod create_log_group;
pub mod create_log_stream;
pub mod delete_log_group;
pub mod delete_log_stream;
pub mod delete_resource_policy;
pub mod delete_retention_policy;
pub mod describe_log_groups;
pub mod describe_log_streams;
pub mod describe_resource_policies;
pub mod filter_log_events;
pub mod get_log_events;
pub mod list_tags_for_resource;
pub mod list_tags_log_group;
pub mod put_log_events;
pub mod put_resource_policy;
pub mod put_retention_policy;
pub mod tag_log_group;
pub mod tag_resource;
pub mod untag_log_group;
pub mod untag_resource;

use crate::table::TableError;
use hearth_api::logs::errors;
use hearth_base::Timestamp;
use hearth_store::records::RecordError;
use hearth_wire::Failure;

/// What an event counts for beside its message.
pub const EVENT_OVERHEAD_BYTES: usize = 26;
/// Bytes of one request's or one page's events, overhead counted in.
pub const EVENTS_BYTES_MAX: usize = 1_048_576;
/// Events of one request or one page.
pub const EVENTS_MAX: usize = 10_000;
/// Groups or streams of one page.
const DESCRIBED_MAX: usize = 50;

/// The size of a page: what was asked for, within AWS's bound.
fn page_limit(asked: Option<i64>, most: usize) -> usize {
    asked.and_then(|limit| usize::try_from(limit).ok()).map_or(most, |limit| limit.clamp(1, most))
}

/// The last time that positions and tokens can hold; no event is as late.
const TIME_MAX: u64 = 9_999_999_999_999;

/// A time of the request, brought within what events can have: none is before the epoch.
fn millis(time: i64) -> u64 {
    u64::try_from(time).unwrap_or(0).min(TIME_MAX)
}

/// A time for an answer.
fn to_wire(timestamp: u64) -> i64 {
    i64::try_from(timestamp).unwrap_or(i64::MAX)
}

/// Milliseconds since the epoch.
fn now_millis(now: Timestamp) -> u64 {
    millis(now.millis())
}

fn invalid_token() -> Failure {
    errors::invalid_parameter("The specified nextToken is invalid.")
}

/// Why records could not be listed: for one, because the token is of another listing.
fn listing_failure(error: RecordError) -> Failure {
    match error {
        RecordError::InvalidToken => invalid_token(),
        other => TableError::from(other).into(),
    }
}

fn unsupported(member: &str) -> Failure {
    errors::invalid_parameter(format!("{member} is not supported by this server"))
}
