//! PutEvents.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>

use crate::Inner;
use crate::failures::{invalid, no_such_bus, unsupported};
use crate::incoming::{BYTES_MAX, Head, Request, accept, event, size};
use crate::model::Event;
use crate::naming::{Name, Place};
use bytes::Bytes;
use hearth_api::delivery;
use hearth_api::events::{PutEventsRequest, PutEventsResponse, PutEventsResultEntry};
use hearth_api::{Grant, Principal};
use hearth_base::id;
use hearth_wire::Failure;
use std::collections::BTreeMap;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: PutEventsRequest,
) -> Result<PutEventsResponse, Failure> {
    if input.endpoint_id.is_some() {
        return Err(unsupported("EndpointId: global endpoints"));
    }
    let entries = input.entries.unwrap_or_default();
    if entries.iter().map(size).sum::<usize>() > BYTES_MAX {
        return Err(invalid("Total size of the entries in the request is over the limit."));
    }
    let place = Place::of(grant);
    let request = Request {
        place: &place,
        id: grant.request_id().to_string(),
        trace: grant.trace_header().map(str::to_owned),
        service: matches!(grant.principal(), Principal::Service(_)),
    };
    let mut results = Vec::with_capacity(entries.len());
    let mut buses: BTreeMap<Name, Vec<(usize, Event)>> = BTreeMap::new();
    for (index, entry) in entries.into_iter().enumerate() {
        let bus = Name::bus(grant, entry.event_bus_name.as_deref());
        results.push(match event(inner, &request, entry) {
            Ok((id, event)) => {
                buses.entry(bus).or_default().push((index, event));
                PutEventsResultEntry { event_id: Some(id), ..Default::default() }
            }
            Err(failure) => failed(&failure),
        });
    }
    for (bus, events) in buses {
        let (places, events): (Vec<usize>, Vec<Event>) = events.into_iter().unzip();
        if let Err(failure) = accept(inner, &bus, events).await {
            places.into_iter().for_each(|index| results[index] = failed(&failure));
        }
    }
    let failures = results.iter().filter(|result| result.error_code.is_some()).count();
    Ok(PutEventsResponse { failed_entry_count: i64::try_from(failures).ok(), entries: Some(results) })
}

fn failed(failure: &Failure) -> PutEventsResultEntry {
    PutEventsResultEntry {
        error_code: Some(failure.code.to_string()),
        error_message: Some(failure.message.clone()),
        ..Default::default()
    }
}

/// Puts the event of a service or of another bus on a bus.
pub async fn one(
    inner: &Arc<Inner>,
    grant: &Grant,
    (bus, (envelope, detail)): (&str, (delivery::Event, Bytes)),
) -> Result<(), Failure> {
    let bus = Name::bus(grant, Some(bus));
    // A client learns nothing of a bus that is not there; whoever delivers has somewhere else to send the event.
    inner.registry.has_bus(&bus).map_err(|_| no_such_bus(&bus))?;
    let now = inner.clock.now();
    let (account, region) = (grant.account().to_string(), grant.region().as_str().to_owned());
    let forwarded = envelope.before.is_some();
    let before = envelope.before.unwrap_or_else(|| delivery::Before {
        id: id::uuid(&*inner.rng),
        account,
        region,
        time: now.date_time(),
    });
    let text = Head {
        id: &before.id,
        detail_type: &envelope.detail_type,
        source: &envelope.source,
        account: &before.account,
        time: &before.time,
        region: &before.region,
        resources: &envelope.resources,
    }
    .text(&String::from_utf8_lossy(&detail));
    let event = Event {
        text,
        at: now.millis(),
        trace: grant.trace_header().map(str::to_owned),
        request: grant.request_id().to_string(),
        forwarded,
        ..Event::default()
    };
    accept(inner, &bus, vec![event]).await
}
