//! StartReplay.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_StartReplay.html>

use super::{own_name, shown_state};
use crate::Inner;
use crate::archive;
use crate::failures::{exists, invalid_parameter, too_many};
use crate::model::{ReplayRecord, ReplayState};
use crate::naming::{Name, RuleName};
use hearth_api::Grant;
use hearth_api::events::{StartReplayRequest, StartReplayResponse};
use hearth_wire::Failure;
use std::sync::Arc;

/// AWS: replays of one account and region at once.
const RUNNING_MAX: usize = 10;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: StartReplayRequest,
) -> Result<StartReplayResponse, Failure> {
    let name = own_name(grant, input.replay_name);
    let destination = input.destination.unwrap_or_default();
    let bus = Name::of_arn(destination.arn.as_deref().unwrap_or_default(), "event-bus")
        .ok_or_else(|| invalid_parameter("Destination.Arn", "Must contain an event bus ARN."))?;
    inner.registry.has_bus(&bus)?;
    let source = Name::of_arn(input.event_source_arn.as_deref().unwrap_or_default(), "archive")
        .filter(|archive| archive.place == name.place)
        .ok_or_else(|| invalid_parameter("EventSourceArn", "Must contain an archive ARN."))?;
    let archived = inner.registry.archive(&source)?.record;
    if bus.place != source.place || bus.name != archived.bus {
        return Err(invalid_parameter("Destination.Arn", "Cross event bus replay is not permitted."));
    }
    let (first, last) =
        (input.event_start_time.unwrap_or_default(), input.event_end_time.unwrap_or_default());
    if first >= last {
        return Err(invalid_parameter("EventEndTime", "EventStartTime must be before EventEndTime."));
    }
    let rules = destination.filter_arns.unwrap_or_default();
    for rule in &rules {
        let known = RuleName::of_arn(rule).filter(|rule| rule.bus == bus);
        let known = known.is_some_and(|rule| inner.registry.rule(&rule).is_some());
        if !known {
            return Err(invalid_parameter(
                "Destination.FilterArns",
                &format!("{rule} is no rule of the event bus."),
            ));
        }
    }
    let running = inner.registry.replays().into_iter();
    let running = running.filter(|(it, replay)| it.place == name.place && !replay.state.is_over());
    if running.count() >= RUNNING_MAX {
        return Err(too_many());
    }
    let record = ReplayRecord {
        archive: source.name,
        storage: archived.storage,
        bus: bus.name,
        description: input.description,
        rules,
        events: (first, last),
        state: ReplayState::Starting,
        started: inner.clock.now(),
        ended: None,
        last: None,
    };
    let made = inner.registry.put_replay(&name, |found| match found {
        Some(_) => Err(exists("Replay", &name)),
        None => Ok(record),
    });
    let made = made.await?;
    archive::start_replay(inner, name.clone());
    Ok(StartReplayResponse {
        replay_arn: Some(name.arn("replay")),
        state: Some(shown_state(made.state)),
        replay_start_time: Some(made.started),
        ..Default::default()
    })
}
