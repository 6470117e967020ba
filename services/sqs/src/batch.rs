//! What holds for the entries of every batch request.

use crate::failures::missing;
use hearth_api::sqs::{BatchResultErrorEntry, errors};
use hearth_wire::Failure;
use std::collections::HashSet;

/// Entries of one request.
const ENTRIES_MAX: usize = 10;
/// Characters of an entry's id.
const ID_LENGTH_MAX: usize = 80;

/// Checks the number of entries and their ids.
pub fn check<'a>(kind: &str, ids: impl ExactSizeIterator<Item = Option<&'a str>>) -> Result<(), Failure> {
    let count = ids.len();
    if count == 0 {
        return Err(errors::empty_batch_request(format!(
            "There should be at least one {kind} in the request."
        )));
    }
    if count > ENTRIES_MAX {
        return Err(errors::too_many_entries_in_batch_request(format!(
            "Maximum number of entries per request are {ENTRIES_MAX}. You have sent {count}."
        )));
    }
    let mut seen = HashSet::new();
    for (index, id) in ids.enumerate() {
        let id = id.ok_or_else(|| missing(&format!("{kind}.{}.Id", index + 1)))?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if id.is_empty() || id.len() > ID_LENGTH_MAX || !id.bytes().all(allowed) {
            return Err(errors::invalid_batch_entry_id(
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most \
                 80 letters long.",
            ));
        }
        if !seen.insert(id) {
            return Err(errors::batch_entry_ids_not_distinct(format!("Id {id} repeated.")));
        }
    }
    Ok(())
}

/// An entry that was not done.
pub fn failed(id: String, failure: &Failure) -> BatchResultErrorEntry {
    BatchResultErrorEntry {
        id: Some(id),
        sender_fault: Some(failure.sender),
        code: Some(failure.code.to_string()),
        message: Some(failure.message.clone()),
    }
}

/// A list for an answer: AWS leaves out what is empty.
pub fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
