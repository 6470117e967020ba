//! SetQueueAttributes.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>

use crate::failures::{missing, unknown_attribute};
use crate::{Inner, attributes, redrive};
use hearth_api::Grant;
use hearth_api::sqs::SetQueueAttributesRequest;
use hearth_wire::Failure;

pub async fn run(inner: &Inner, grant: &Grant, input: SetQueueAttributesRequest) -> Result<(), Failure> {
    let found = inner.registry.resolve_own(grant, input.queue_url)?;
    let given =
        input.attributes.filter(|given| !given.is_empty()).ok_or_else(|| missing("Attribute.Name"))?;
    if given.contains_key("FifoQueue") && !found.record.settings.fifo {
        return Err(unknown_attribute("FifoQueue"));
    }
    let now = inner.clock.now();
    inner
        .registry
        .update(&found.name, |record| {
            attributes::apply(&mut record.settings, &given)?;
            if let Some(text) = given.get("RedrivePolicy") {
                redrive::check(&inner.registry, &found.name, (text, &record.settings))?;
            }
            record.modified = now;
            Ok(())
        })
        .await
}
