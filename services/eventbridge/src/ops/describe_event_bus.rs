//! DescribeEventBus.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DescribeEventBus.html>

use crate::Inner;
use crate::naming::Name;
use hearth_api::Grant;
use hearth_api::events::{DescribeEventBusRequest, DescribeEventBusResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: DescribeEventBusRequest,
) -> Result<DescribeEventBusResponse, Failure> {
    let name = Name::bus(grant, input.name.as_deref());
    inner.registry.has_bus(&name)?;
    // Of the default bus nothing is kept until something is made on it.
    let record = inner.registry.bus(&name).map(|bus| bus.record);
    Ok(DescribeEventBusResponse {
        arn: Some(name.bus_arn()),
        name: Some(name.name),
        description: record.as_ref().and_then(|record| record.description.clone()),
        policy: record.as_ref().and_then(|record| record.policy.clone()),
        creation_time: record.as_ref().map(|record| record.created),
        last_modified_time: record.as_ref().map(|record| record.modified),
        ..Default::default()
    })
}
