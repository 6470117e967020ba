//! CreateTopic.
//! <https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html>

use super::tags::{check_tags, of_list};
use crate::Inner;
use crate::failures::{invalid, unsupported};
use crate::model::TopicRecord;
use crate::naming::{FIFO_SUFFIX, TopicName, check_name};
use crate::{attributes, task};
use hearth_api::Grant;
use hearth_api::sns::{CreateTopicInput, CreateTopicResponse};
use hearth_wire::Failure;
use std::collections::BTreeMap;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: CreateTopicInput,
) -> Result<CreateTopicResponse, Failure> {
    if input.data_protection_policy.is_some_and(|policy| !policy.is_empty()) {
        return Err(unsupported("DataProtectionPolicy"));
    }
    let mut given = input.attributes.unwrap_or_default();
    let name = input.name.unwrap_or_default();
    let fifo = match given.remove("FifoTopic").map(|flag| flag.to_ascii_lowercase()).as_deref() {
        None => false,
        Some("true") => true,
        Some("false") => false,
        Some(_) => return Err(invalid("Attributes Reason: FifoTopic must be true or false")),
    };
    if name.ends_with(FIFO_SUFFIX) && !fifo {
        return Err(invalid("Topic Name"));
    }
    check_name(&name, fifo)?;
    let name = TopicName::of(grant, &name);
    let tags = of_list(input.tags.unwrap_or_default());
    check_tags(&tags)?;
    let mut record = TopicRecord {
        storage: inner.registry.queues().next_id(),
        created: inner.clock.now(),
        attributes: BTreeMap::new(),
        tags,
        subscriptions_deleted: 0,
    };
    if fifo {
        record.attributes.insert("FifoTopic".to_owned(), "true".to_owned());
    }
    for (attribute, text) in &given {
        attributes::set_topic(&mut record, attribute, text)?;
    }
    let (wanted, tags) = (record.attributes.clone(), record.tags.clone());
    let judge = |there: &TopicRecord| {
        // AWS: what is not given is not compared.
        if wanted.iter().any(|(name, value)| there.attributes.get(name) != Some(value)) {
            return Err(invalid("Attributes Reason: Topic already exists with different attributes"));
        }
        if !tags.is_empty() && there.tags != tags {
            return Err(invalid("Tags Reason: Topic already exists with different tags"));
        }
        Ok(())
    };
    if let Some(made) = inner.registry.create_topic(&name, record, judge).await? {
        task::start_topic(inner, made);
    }
    Ok(CreateTopicResponse { topic_arn: Some(name.arn()) })
}
