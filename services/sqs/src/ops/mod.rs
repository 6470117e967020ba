//! One file for each action, named after it. Each has `run`, which is the action, and what only it needs.

pub mod add_permission;
pub mod cancel_message_move_task;
pub mod change_message_visibility;
pub mod change_message_visibility_batch;
pub mod create_queue;
pub mod delete_message;
pub mod delete_message_batch;
pub mod delete_queue;
pub mod get_queue_attributes;
pub mod get_queue_url;
pub mod list_dead_letter_source_queues;
pub mod list_message_move_tasks;
pub mod list_queue_tags;
pub mod list_queues;
pub mod purge_queue;
pub mod receive_message;
pub mod remove_permission;
pub mod send_message;
pub mod send_message_batch;
pub mod set_queue_attributes;
pub mod start_message_move_task;
pub mod tag_queue;
pub mod untag_queue;

use crate::failures::{invalid, invalid_value};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_wire::Failure;

/// Queues of one page.
const PAGE_MAX: i64 = 1_000;

/// The size of a page.
fn page_limit(asked: Option<i64>) -> Result<usize, Failure> {
    let limit = asked.unwrap_or(PAGE_MAX);
    if !(1..=PAGE_MAX).contains(&limit) {
        let reason = format!("Value must be between 1 and {PAGE_MAX}.");
        return Err(invalid_value(limit, "MaxResults", &reason));
    }
    Ok(usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Where a page begins: behind this name.
fn page_start(token: Option<String>) -> Result<String, Failure> {
    let Some(token) = token else { return Ok(String::new()) };
    let bytes = URL_SAFE_NO_PAD.decode(&token).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| invalid("Invalid or expired next token."))
}

/// The token for the page behind a name.
fn page_token(name: &str) -> String {
    URL_SAFE_NO_PAD.encode(name)
}
