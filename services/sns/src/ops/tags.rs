//! What holds for tags of topics.
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-tags.html>

use crate::failures::invalid;
use hearth_api::sns::{Tag, errors};
use hearth_wire::Failure;
use std::collections::BTreeMap;

/// Tags of one topic.
const TAGS_MAX: usize = 50;
/// Characters of a key and of a value.
const KEY_LENGTH_MAX: usize = 128;
const VALUE_LENGTH_MAX: usize = 256;

/// Tags as a request lists them.
pub fn of_list(tags: Vec<Tag>) -> BTreeMap<String, String> {
    tags.into_iter().map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default())).collect()
}

/// There is no such topic to be tagged.
pub fn no_such_resource() -> Failure {
    errors::resource_not_found("Resource does not exist")
}

/// Checks all tags of a topic.
pub fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Failure> {
    if tags.len() > TAGS_MAX {
        return Err(errors::tag_limit_exceeded(
            "Could not complete request: tag quota of per resource exceeded",
        ));
    }
    for (key, value) in tags {
        let lengths = (key.chars().count(), value.chars().count());
        if !(1..=KEY_LENGTH_MAX).contains(&lengths.0) || lengths.1 > VALUE_LENGTH_MAX {
            return Err(invalid("Tags"));
        }
        // AWS: keys that begin with `aws:` are its own.
        if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
            return Err(invalid("Tags Reason: keys that begin with aws: are reserved"));
        }
    }
    Ok(())
}
