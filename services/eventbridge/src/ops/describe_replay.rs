//! DescribeReplay.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DescribeReplay.html>

use super::{own_name, shown_state};
use crate::Inner;
use hearth_api::Grant;
use hearth_api::events::{DescribeReplayRequest, DescribeReplayResponse, ReplayDestination};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: DescribeReplayRequest,
) -> Result<DescribeReplayResponse, Failure> {
    let name = own_name(grant, input.replay_name);
    let record = inner.registry.replay(&name)?;
    let destination = ReplayDestination {
        arn: Some(name.place.clone().name(&record.bus).bus_arn()),
        filter_arns: Some(record.rules.clone()).filter(|rules| !rules.is_empty()),
    };
    Ok(DescribeReplayResponse {
        replay_arn: Some(name.arn("replay")),
        event_source_arn: Some(name.place.clone().name(&record.archive).arn("archive")),
        replay_name: Some(name.name),
        description: record.description.clone(),
        state: Some(shown_state(record.state)),
        destination: Some(destination),
        event_start_time: Some(record.events.0),
        event_end_time: Some(record.events.1),
        event_last_replayed_time: record.last.as_ref().map(|(time, _)| *time),
        replay_start_time: Some(record.started),
        replay_end_time: record.ended,
        ..Default::default()
    })
}
