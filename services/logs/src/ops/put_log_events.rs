//! PutLogEvents.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html>

use super::{EVENT_OVERHEAD_BYTES, EVENTS_BYTES_MAX, EVENTS_MAX, millis, now_millis, to_wire};
use crate::Inner;
use crate::chunk::{self, NewEvent};
use crate::model::{DAY_MS, LogGroup};
use crate::position::Id;
use crate::scope::{Scope, required};
use crate::stored_bytes::Counted;
use crate::table::{self, TableError};
use crate::target::{Found, Target};
use hearth_api::logs::{
    EntityRejectionErrorType, InputLogEvent, PutLogEventsRequest, PutLogEventsResponse, RejectedEntityInfo,
    RejectedLogEventsInfo, errors,
};
use hearth_base::Timestamp;
use hearth_store::{CommitError, Expect};
use hearth_wire::Failure;

/// Events older than this are refused.
const AGE_MS_MAX: u64 = 14 * DAY_MS;
/// Events further ahead than this are refused.
const AHEAD_MS_MAX: u64 = 2 * 3_600_000;
/// Chunks of one batch. Only requests whose events are seconds apart have more; these are written in several.
const CHUNKS_MAX: usize = 2_000;
/// How often the group may change under a write before it is given up.
const ATTEMPTS_MAX: u32 = 16;

pub async fn run(
    inner: &Inner,
    scope: &Scope,
    input: PutLogEventsRequest,
) -> Result<PutLogEventsResponse, Failure> {
    let group_name = required(input.log_group_name, "logGroupName")?;
    let stream_name = required(input.log_stream_name, "logStreamName")?;
    let events = events_of(required(input.log_events.as_deref(), "logEvents")?)?;
    let name = (group_name.as_str(), stream_name.as_str());
    for _ in 0..ATTEMPTS_MAX {
        let Found { target, remembered } = inner.targets.find(&inner.tables, scope, name).await?;
        let now = inner.clock.now();
        let sorted = sort(&events, now, &target.group.value);
        if remembered && sorted.as_ref().map_or(true, |sorted| sorted.accepted.is_empty()) {
            // Nothing would be written, so nothing would tell that the target is out of date.
            inner.targets.forget(scope, name);
            continue;
        }
        let Sorted { accepted, rejected } = sorted?;
        let request = inner.ids.next(now);
        match write(inner, &target, (request, accepted)).await {
            Ok(()) => {
                return Ok(PutLogEventsResponse {
                    next_sequence_token: Some(sequence_token(request)),
                    rejected_log_events_info: rejected,
                    // Nothing here relates events to entities, and AWS has words for a group where that is so.
                    rejected_entity_info: input.entity.map(|_| RejectedEntityInfo {
                        error_type: Some(EntityRejectionErrorType::UnsupportedLogGroupType),
                    }),
                });
            }
            Err(CommitError::Conflict { .. }) => inner.targets.forget(scope, name),
            Err(error) => return Err(TableError::from(error).into()),
        }
    }
    Err(errors::service_unavailable("The service cannot complete the request."))
}

/// AWS's sequence tokens are 56 digits. They mean nothing since 2023.
pub fn sequence_token(request: Id) -> String {
    format!("49{:054}", request.0)
}

/// Checks what holds for a request whatever the group.
fn events_of(input: &[InputLogEvent]) -> Result<Vec<NewEvent<'_>>, Failure> {
    if input.is_empty() || input.len() > EVENTS_MAX {
        let bound = if input.is_empty() {
            "greater than or equal to 1".to_owned()
        } else {
            format!("less than or equal to {EVENTS_MAX}")
        };
        return Err(errors::invalid_parameter(format!(
            "1 validation error detected: Value at 'logEvents' failed to satisfy constraint: Member must have length {bound}"
        )));
    }
    let mut events: Vec<NewEvent<'_>> = Vec::with_capacity(input.len());
    let mut bytes = 0;
    for (index, event) in (0..).zip(input) {
        let timestamp = millis(required(event.timestamp, "logEvents.member.timestamp")?);
        let message = required(event.message.as_deref(), "logEvents.member.message")?;
        if events.last().is_some_and(|last| last.timestamp > timestamp) {
            return Err(errors::invalid_parameter(
                "Log events in a single PutLogEvents request must be in chronological order.",
            ));
        }
        let size = message.len() + EVENT_OVERHEAD_BYTES;
        if size > EVENTS_BYTES_MAX {
            return Err(errors::invalid_parameter(format!(
                "Log event too large: {size} bytes exceeds limit of {EVENTS_BYTES_MAX}"
            )));
        }
        bytes += size;
        events.push(NewEvent { timestamp, index, message });
    }
    if bytes > EVENTS_BYTES_MAX {
        return Err(errors::invalid_parameter(format!(
            "Upload too large: {bytes} bytes exceeds limit of {EVENTS_BYTES_MAX}"
        )));
    }
    Ok(events)
}

struct Sorted<'e, 'm> {
    accepted: &'e [NewEvent<'m>],
    rejected: Option<RejectedLogEventsInfo>,
}

/// Tells the events that are taken from those that are too old, expired or too new.
fn sort<'e, 'm>(
    events: &'e [NewEvent<'m>],
    now: Timestamp,
    group: &LogGroup,
) -> Result<Sorted<'e, 'm>, Failure> {
    let (cutoff, now) = (group.cutoff(now), now_millis(now));
    let before = |time: u64| events.partition_point(|event| event.timestamp < time);
    let too_old = before(now.saturating_sub(AGE_MS_MAX));
    let expired = before(cutoff);
    let too_new = before(now + AHEAD_MS_MAX + 1);
    let accepted = &events[too_old.max(expired).min(too_new)..too_new];
    if let (Some(first), Some(last)) = (accepted.first(), accepted.last())
        && last.timestamp - first.timestamp > DAY_MS
    {
        return Err(errors::invalid_parameter(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ));
    }
    let index = |index: usize| to_wire(index as u64);
    let rejected = RejectedLogEventsInfo {
        too_new_log_event_start_index: (too_new < events.len()).then(|| index(too_new)),
        too_old_log_event_end_index: (too_old > 0).then(|| index(too_old)),
        expired_log_event_end_index: (expired > too_old).then(|| index(expired)),
    };
    let any = accepted.len() < events.len();
    Ok(Sorted { accepted, rejected: any.then_some(rejected) })
}

/// Writes the events, expecting the group and the stream to be as they were when they were looked up.
async fn write(
    inner: &Inner,
    target: &Target,
    (request, events): (Id, &[NewEvent<'_>]),
) -> Result<(), CommitError> {
    let (group, stream) = (target.group.value.id, target.stream.value.id);
    let prefix = table::events_of_stream(group, stream);
    for chunks in chunk::pack(request, events).chunks(CHUNKS_MAX) {
        let mut batch = inner
            .tables
            .batch()
            .expect(target.group_key.clone(), Expect::Revision(target.group.revision))
            .expect(target.stream_key.clone(), Expect::Revision(target.stream.revision));
        let mut active = None;
        for (key, value) in chunks {
            let bucket = chunk::bucket(key.0.timestamp);
            if active != Some(bucket) && !target.is_active(bucket) {
                batch = batch.put(table::activity_key(group, bucket, stream), target.stream_name.clone());
            }
            active = Some(bucket);
            batch = batch.put(table::event_key(&prefix, *key), value.clone());
        }
        inner.tables.commit(batch).await?;
        if let Some(bucket) = active {
            target.set_active(bucket);
        }
    }
    let bytes: usize = events.iter().map(|event| event.message.len() + EVENT_OVERHEAD_BYTES).sum();
    let counted = Counted { id: group, key: target.group_key.clone() };
    inner.stored_bytes.add(&counted, i64::try_from(bytes).unwrap_or(i64::MAX));
    Ok(())
}
