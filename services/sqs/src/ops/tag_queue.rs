//! TagQueue.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_TagQueue.html>

use crate::Inner;
use crate::failures::{invalid, missing};
use hearth_api::Grant;
use hearth_api::sqs::TagQueueRequest;
use hearth_wire::Failure;
use std::collections::BTreeMap;

/// Tags of one queue.
const TAGS_MAX: usize = 50;
/// Characters of a key and of a value.
const KEY_LENGTH_MAX: usize = 128;
const VALUE_LENGTH_MAX: usize = 256;

pub async fn run(inner: &Inner, grant: &Grant, input: TagQueueRequest) -> Result<(), Failure> {
    let found = inner.registry.resolve_own(grant, input.queue_url)?;
    let tags = input.tags.filter(|tags| !tags.is_empty()).ok_or_else(|| missing("Tags"))?;
    inner
        .registry
        .update(&found.name, |record| {
            record.tags.extend(tags);
            check_tags(&record.tags)
        })
        .await
}

/// Checks all tags of a queue.
pub fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Failure> {
    if tags.len() > TAGS_MAX {
        return Err(invalid(format!("Too many tags added for queue. Maximum is {TAGS_MAX}.")));
    }
    for (key, value) in tags {
        let lengths = (key.chars().count(), value.chars().count());
        if !(1..=KEY_LENGTH_MAX).contains(&lengths.0) || lengths.1 > VALUE_LENGTH_MAX {
            return Err(invalid(
                "Tag keys must be between 1 and 128 characters in length, and tag values at most 256.",
            ));
        }
        // AWS: keys that begin with `aws:` are its own.
        if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
            return Err(invalid(format!("Tag key {key} starts with aws:, which is reserved.")));
        }
    }
    Ok(())
}
