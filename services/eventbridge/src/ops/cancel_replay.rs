//! CancelReplay.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CancelReplay.html>

use super::{own_name, shown_state};
use crate::Inner;
use crate::failures::no_such;
use crate::model::ReplayState;
use hearth_api::Grant;
use hearth_api::events::{CancelReplayRequest, CancelReplayResponse, errors};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: CancelReplayRequest,
) -> Result<CancelReplayResponse, Failure> {
    let name = own_name(grant, input.replay_name);
    let cancelled = inner.registry.put_replay(&name, |found| {
        let mut record = found.ok_or_else(|| no_such("Replay", &name))?.clone();
        if !matches!(record.state, ReplayState::Starting | ReplayState::Running) {
            return Err(errors::illegal_status(format!(
                "Replay {} is not in a valid state for this operation.",
                name.name
            )));
        }
        record.state = ReplayState::Cancelling;
        Ok(record)
    });
    let record = cancelled.await?;
    Ok(CancelReplayResponse {
        replay_arn: Some(name.arn("replay")),
        state: Some(shown_state(record.state)),
        ..Default::default()
    })
}
