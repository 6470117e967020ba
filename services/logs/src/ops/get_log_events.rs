//! GetLogEvents.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html>

use super::{EVENT_OVERHEAD_BYTES, EVENTS_BYTES_MAX, EVENTS_MAX, invalid_token, millis, page_limit, to_wire};
use crate::Inner;
use crate::chunk::StoredEvent;
use crate::cursor::{Cursor, Reading, Window};
use crate::position::{Direction, Position};
use crate::scope::{Scope, required};
use hearth_api::logs::{GetLogEventsRequest, GetLogEventsResponse, OutputLogEvent};
use hearth_wire::Failure;

pub async fn run(
    inner: &Inner,
    scope: &Scope,
    input: GetLogEventsRequest,
) -> Result<GetLogEventsResponse, Failure> {
    let group_name =
        scope.group_of(input.log_group_name.as_deref(), input.log_group_identifier.as_deref())?;
    let stream_name = required(input.log_stream_name, "logStreamName")?;
    let token =
        input.next_token.as_deref().map(|token| parse_token(token).ok_or_else(invalid_token)).transpose()?;
    let group = inner.tables.group(scope, group_name).await?.value;
    let stream = inner.tables.stream(group.id, &stream_name).await?.value;

    let start = input.start_time.map_or(0, millis).max(group.cutoff(inner.clock.now()));
    let mut window = Window::between(start, input.end_time.map_or(u64::MAX, millis));
    let direction = match token {
        Some((direction, _)) => direction,
        None if input.start_from_head == Some(true) => Direction::Forward,
        None => Direction::Backward,
    };
    match token {
        Some((Direction::Forward, position)) => window.start = window.start.max(position),
        Some((Direction::Backward, position)) => window.end = window.end.min(position),
        None => {}
    }
    let reading = Reading { group: group.id, window, direction };
    let cursor = Cursor::new(&inner.tables, stream.id, reading);
    let mut events = page(cursor, page_limit(input.limit, EVENTS_MAX)).await?;
    if direction == Direction::Backward {
        // AWS: a page reads from the oldest to the newest whichever way the pages go.
        events.reverse();
    }

    // A token is a place between two events. At the end of the stream it is the one that was passed in.
    let here = token.map_or(window.start, |(_, position)| position);
    let before = events.first().map_or(here, |event| event.position);
    let after = events.last().map_or(here, |event| event.position.next());
    Ok(GetLogEventsResponse {
        events: Some(events.iter().map(to_output).collect()),
        next_forward_token: Some(format!("f/{after}/s")),
        next_backward_token: Some(format!("b/{before}/s")),
    })
}

/// As many events as fit on a page; one at least.
async fn page(mut cursor: Cursor<'_>, limit: usize) -> Result<Vec<StoredEvent>, Failure> {
    let (mut events, mut bytes) = (Vec::new(), 0);
    while events.len() < limit {
        let Some(event) = cursor.next().await? else { break };
        bytes += event.message.len() + EVENT_OVERHEAD_BYTES;
        if bytes > EVENTS_BYTES_MAX && !events.is_empty() {
            break;
        }
        events.push(event);
    }
    Ok(events)
}

/// Reads `f/…/s` or `b/…/s`; the end may be missing, as in AWS's older tokens.
fn parse_token(token: &str) -> Option<(Direction, Position)> {
    let (direction, rest) = match token.split_once('/')? {
        ("f", rest) => (Direction::Forward, rest),
        ("b", rest) => (Direction::Backward, rest),
        _ => return None,
    };
    Some((direction, Position::parse(rest.strip_suffix("/s").unwrap_or(rest))?))
}

fn to_output(event: &StoredEvent) -> OutputLogEvent {
    OutputLogEvent {
        timestamp: Some(to_wire(event.position.timestamp)),
        message: Some(event.text()),
        ingestion_time: Some(event.position.request.made().millis()),
    }
}
