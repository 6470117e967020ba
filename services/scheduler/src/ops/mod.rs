//! One file for each action, named after it. Each has `run`, which is the action, and what only it needs.

pub mod create_schedule;
pub mod create_schedule_group;
pub mod delete_schedule;
pub mod delete_schedule_group;
pub mod get_schedule;
pub mod get_schedule_group;
pub mod list_schedule_groups;
pub mod list_schedules;
pub mod list_tags_for_resource;
pub mod tag_resource;
pub mod tags;
pub mod untag_resource;
pub mod update_schedule;

use crate::failures::invalid;
use crate::model::GroupRecord;
use hearth_api::scheduler::ScheduleGroupState;
use hearth_wire::Failure;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Schedules or groups of one page.
const PAGE_MAX: usize = 100;
/// Deletions that are known again.
const DELETIONS_MAX: usize = 1_000;

/// The ARNs and tokens of the latest deletions: who asks once more with the same token is answered as at first.
#[derive(Default)]
pub struct Deletions {
    latest: Mutex<VecDeque<(String, String)>>,
}

impl Deletions {
    /// Remembers a deletion.
    fn note(&self, arn: String, token: Option<String>) {
        let Some(token) = token else { return };
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.len() >= DELETIONS_MAX {
            latest.pop_front();
        }
        latest.push_back((arn, token));
    }

    /// Whether there was one.
    fn know(&self, arn: &str, token: Option<&str>) -> bool {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        token.is_some_and(|token| latest.iter().any(|known| known.0 == arn && known.1 == token))
    }
}

/// How many a page may have.
fn page_max(asked: Option<i64>) -> usize {
    asked.and_then(|asked| usize::try_from(asked).ok()).map_or(PAGE_MAX, |asked| asked.clamp(1, PAGE_MAX))
}

/// A token that was not given out.
fn wrong_token() -> Failure {
    invalid("Invalid NextToken.")
}

fn state(record: &GroupRecord) -> ScheduleGroupState {
    if record.deleting { ScheduleGroupState::Deleting } else { ScheduleGroupState::Active }
}
