//! GetQueueAttributes.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html>

use crate::failures::{of_queue, unknown_attribute};
use crate::{Inner, attributes, task};
use hearth_api::Grant;
use hearth_api::sqs::{GetQueueAttributesRequest, GetQueueAttributesResult};
use hearth_store::queue::Counts;
use hearth_wire::Failure;

pub async fn run(
    inner: &Inner,
    grant: &Grant,
    input: GetQueueAttributesRequest,
) -> Result<GetQueueAttributesResult, Failure> {
    let found = inner.registry.resolve(grant, input.queue_url)?;
    let wanted = input.attribute_names.unwrap_or_default();
    if let Some(other) = wanted.iter().find(|name| !attributes::NAMES.contains(&name.as_str())) {
        return Err(unknown_attribute(other));
    }
    let all = wanted.iter().any(|name| name == "All");
    let counts = if all || wanted.iter().any(|name| name.starts_with("Approximate")) {
        task::expire(&found, inner.clock.now()).await.map_err(of_queue)?;
        found.queue.counts(found.record.settings.fifo_delay()).await.map_err(of_queue)?
    } else {
        Counts::default()
    };
    let mut attributes = attributes::render(&found.name, &found.record, counts);
    attributes.retain(|name, _| all || wanted.contains(name));
    Ok(GetQueueAttributesResult { attributes: (!attributes.is_empty()).then_some(attributes) })
}
