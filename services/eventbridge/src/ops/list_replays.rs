//! ListReplays.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListReplays.html>

use super::{begins, page, shown_state};
use crate::Inner;
use crate::naming::Place;
use hearth_api::Grant;
use hearth_api::events::{ListReplaysRequest, ListReplaysResponse, Replay};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: ListReplaysRequest,
) -> Result<ListReplaysResponse, Failure> {
    let place = Place::of(grant);
    let shown =
        inner.registry.replays().into_iter().filter(|(name, _)| name.place == place).map(|(name, record)| {
            Replay {
                replay_name: Some(name.name),
                event_source_arn: Some(place.clone().name(&record.archive).arn("archive")),
                state: Some(shown_state(record.state)),
                event_start_time: Some(record.events.0),
                event_end_time: Some(record.events.1),
                event_last_replayed_time: record.last.as_ref().map(|(time, _)| *time),
                replay_start_time: Some(record.started),
                replay_end_time: record.ended,
                ..Default::default()
            }
        });
    let asked = shown.filter(|replay| {
        begins(replay.replay_name.as_deref().unwrap_or_default(), input.name_prefix.as_ref())
            && (input.state.is_none() || input.state == replay.state)
            && (input.event_source_arn.is_none() || input.event_source_arn == replay.event_source_arn)
    });
    let named = asked.map(|replay| (replay.replay_name.clone().unwrap_or_default(), replay));
    let (replays, next_token) = page(named, (input.next_token, input.limit))?;
    Ok(ListReplaysResponse { replays: Some(replays), next_token })
}
