//! FilterLogEvents: what `aws logs tail` and `aws logs filter-log-events` call.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html>

use super::{EVENT_OVERHEAD_BYTES, EVENTS_BYTES_MAX, EVENTS_MAX, invalid_token, millis, page_limit, to_wire};
use crate::Inner;
use crate::chunk::StoredEvent;
use crate::cursor::{Reading, Window};
use crate::filter_pattern::FilterPattern;
use crate::model::LogGroup;
use crate::position::{Direction, Position};
use crate::scope::Scope;
use crate::search::{Search, Streams};
use hearth_api::logs::{FilterLogEventsRequest, FilterLogEventsResponse, FilteredLogEvent, errors};
use hearth_wire::Failure;

/// Bytes of messages that one request looks at. AWS: a page may be partly full or empty and still not be the last.
const SEARCHED_BYTES_MAX: usize = 32 << 20;
/// Events that are looked at before other tasks get their turn.
const EVENTS_AT_ONCE: usize = 256;
/// AWS: the latest events first only for requests that start on or after 1 January 2024.
const BACKWARD_START_MIN: i64 = 1_704_067_200_000;

pub async fn run(
    inner: &Inner,
    scope: &Scope,
    input: FilterLogEventsRequest,
) -> Result<FilterLogEventsResponse, Failure> {
    let group_name =
        scope.group_of(input.log_group_name.as_deref(), input.log_group_identifier.as_deref())?;
    let pattern = FilterPattern::parse(input.filter_pattern.as_deref().unwrap_or(""))
        .map_err(|error| errors::invalid_parameter(error.to_string()))?;
    let resume =
        input.next_token.as_deref().map(|token| parse_token(token).ok_or_else(invalid_token)).transpose()?;
    let direction = match resume {
        Some((direction, _)) => direction,
        None if input.start_from_head == Some(false) => Direction::Backward,
        None => Direction::Forward,
    };
    if direction == Direction::Backward && input.start_time.unwrap_or(0) < BACKWARD_START_MIN {
        return Err(errors::invalid_parameter(
            "startFromHead can be false only when startTime is on or after Jan 1, 2024 00:00:00 UTC.",
        ));
    }
    let group = inner.tables.group(scope, group_name).await?.value;
    let streams = streams(inner, &group, &input).await?;

    let start = input.start_time.map_or(0, millis).max(group.cutoff(inner.clock.now()));
    // AWS: the end belongs to the range here; in GetLogEvents it does not.
    let mut window =
        Window::between(start, input.end_time.map_or(u64::MAX, |end| millis(end).saturating_add(1)));
    match resume {
        Some((Direction::Forward, position)) => window.start = window.start.max(position),
        Some((Direction::Backward, position)) => window.end = window.end.min(position),
        None => {}
    }
    let reading = Reading { group: group.id, window, direction };
    let search = Search::new(&inner.tables, streams, reading).await?;
    let page = page(search, &pattern, page_limit(input.limit, EVENTS_MAX)).await?;
    Ok(FilterLogEventsResponse {
        events: Some(page.events),
        // AWS: always empty since 2020.
        searched_log_streams: Some(Vec::new()),
        next_token: page.resume.map(|last| write_token(direction, last)),
    })
}

async fn streams(
    inner: &Inner,
    group: &LogGroup,
    input: &FilterLogEventsRequest,
) -> Result<Streams, Failure> {
    match (&input.log_stream_names, &input.log_stream_name_prefix) {
        (Some(_), Some(_)) => {
            Err(errors::invalid_parameter("logStreamNames and logStreamNamePrefix cannot both be specified."))
        }
        (Some(names), None) => {
            let mut streams = Vec::new();
            for name in names {
                let stream = inner.tables.stream(group.id, name).await?.value;
                if streams.iter().all(|(id, _)| *id != stream.id) {
                    streams.push((stream.id, name.clone()));
                }
            }
            Ok(Streams::Named(streams))
        }
        (None, prefix) => Ok(Streams::Beginning(prefix.clone().unwrap_or_default())),
    }
}

struct Page {
    events: Vec<FilteredLogEvent>,
    /// The last event that was looked at, when there may be more.
    resume: Option<Position>,
}

async fn page(mut search: Search<'_>, pattern: &FilterPattern, limit: usize) -> Result<Page, Failure> {
    let mut page = Page { events: Vec::new(), resume: None };
    let (mut bytes, mut searched_bytes, mut searched) = (0, 0, 0);
    while page.events.len() < limit && searched_bytes < SEARCHED_BYTES_MAX {
        let Some((event, stream)) = search.next().await? else {
            return Ok(Page { resume: None, ..page });
        };
        searched += 1;
        searched_bytes += event.message.len() + EVENT_OVERHEAD_BYTES;
        if searched % EVENTS_AT_ONCE == 0 {
            tokio::task::yield_now().await;
        }
        let message = event.text();
        if pattern.matches(&message) {
            bytes += message.len() + EVENT_OVERHEAD_BYTES;
            if bytes > EVENTS_BYTES_MAX && !page.events.is_empty() {
                return Ok(page);
            }
            page.events.push(to_filtered(&event, stream, message));
        }
        page.resume = Some(event.position);
    }
    // A token for a page behind the last one would make every client ask once more for nothing.
    let more = search.next().await?.is_some();
    Ok(Page { resume: page.resume.filter(|_| more), ..page })
}

fn to_filtered(event: &StoredEvent, stream: String, message: String) -> FilteredLogEvent {
    FilteredLogEvent {
        log_stream_name: Some(stream),
        timestamp: Some(to_wire(event.position.timestamp)),
        message: Some(message),
        ingestion_time: Some(event.position.request.made().millis()),
        event_id: Some(event.position.to_string()),
    }
}

/// The way and the place to go on from.
fn write_token(direction: Direction, last: Position) -> String {
    match direction {
        Direction::Forward => format!("f{}", last.next()),
        Direction::Backward => format!("b{last}"),
    }
}

fn parse_token(token: &str) -> Option<(Direction, Position)> {
    if let Some(rest) = token.strip_prefix('f') {
        return Some((Direction::Forward, Position::parse(rest)?));
    }
    Some((Direction::Backward, Position::parse(token.strip_prefix('b')?)?))
}
