//! CreateQueue.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html>

use super::tag_queue::check_tags;
use crate::failures::required;
use crate::model::{QueueRecord, Settings};
use crate::naming::{FIFO_SUFFIX, QueueName, check_name};
use crate::task::NAME_REST;
use crate::{Inner, attributes, redrive};
use hearth_api::Grant;
use hearth_api::sqs::{CreateQueueRequest, CreateQueueResult, errors};
use hearth_wire::Failure;

pub async fn run(
    inner: &Inner,
    grant: &Grant,
    input: CreateQueueRequest,
) -> Result<CreateQueueResult, Failure> {
    let name = required(input.queue_name, "QueueName")?;
    let given = input.attributes.unwrap_or_default();
    let tags = input.tags.unwrap_or_default();
    let fifo = given.get("FifoQueue").is_some_and(|flag| flag.eq_ignore_ascii_case("true"));
    check_name(&name, fifo)?;
    let name = QueueName::of(grant, &name);
    debug_assert_eq!(fifo, name.name.ends_with(FIFO_SUFFIX));
    let mut settings = Settings::new(fifo);
    attributes::apply(&mut settings, &given)?;
    let redrive_text = given.get("RedrivePolicy").map_or("", String::as_str);
    redrive::check(&inner.registry, &name, (redrive_text, &settings))?;
    check_tags(&tags)?;
    let now = inner.clock.now();
    let record = QueueRecord {
        storage: inner.registry.next_storage(),
        created: now,
        modified: now,
        settings,
        tags,
        purged: None,
        deleted: None,
    };
    let judge = |former: &QueueRecord| match former.deleted {
        Some(deleted) if now.since(deleted) < NAME_REST => Err(errors::queue_deleted_recently(
            "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
        )),
        Some(_) => Ok(()),
        None => match attributes::difference(&former.settings, &given)? {
            None => Ok(()),
            Some(attribute) => Err(errors::queue_name_exists(format!(
                "A queue already exists with the same name and a different value for attribute {attribute}"
            ))),
        },
    };
    inner.registry.create(&name, record, judge).await?;
    Ok(CreateQueueResult { queue_url: Some(name.url(grant)) })
}
