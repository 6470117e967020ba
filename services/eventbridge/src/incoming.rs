//! Events as they come: checked, written as targets get them, and put where rules look at them.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>

use crate::Inner;
use crate::model::Event;
use crate::naming::{Name, Place};
use crate::{failures, task};
use hearth_api::events::PutEventsRequestEntry;
use hearth_base::{Timestamp, id};
use hearth_store::queue::New;
use hearth_wire::Failure;
use serde_json::Value;
use std::sync::Arc;

/// Bytes of an entry, and of all entries of a request.
pub const BYTES_MAX: usize = 1 << 20;
/// What the time of an entry counts for.
const TIME_BYTES: usize = 14;

/// The fields of an event but its detail.
pub struct Head<'a> {
    pub id: &'a str,
    pub detail_type: &'a str,
    pub source: &'a str,
    pub account: &'a str,
    /// In the form of [`Timestamp::date_time`].
    pub time: &'a str,
    pub region: &'a str,
    pub resources: &'a [String],
}

impl Head<'_> {
    /// The event as targets get it. The detail is not read and written again: it stays as it was given.
    pub fn text(&self, detail: &str) -> String {
        let quoted = |text: &str| Value::from(text).to_string();
        format!(
            "{{\"version\":\"0\",\"id\":{},\"detail-type\":{},\"source\":{},\"account\":{},\"time\":{},\"region\":{},\
             \"resources\":{},\"detail\":{}}}",
            quoted(self.id),
            quoted(self.detail_type),
            quoted(self.source),
            quoted(self.account),
            quoted(self.time),
            quoted(self.region),
            Value::from(self.resources),
            detail.trim(),
        )
    }
}

/// What counts against the limit.
pub fn size(entry: &PutEventsRequestEntry) -> usize {
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let resources: usize = entry.resources.iter().flatten().map(String::len).sum();
    let time = entry.time.map_or(0, |_| TIME_BYTES);
    time + length(&entry.source) + length(&entry.detail_type) + length(&entry.detail) + resources
}

/// What a request says of all its entries.
pub struct Request<'a> {
    pub place: &'a Place,
    pub id: String,
    pub trace: Option<String>,
    /// Whether the caller is a service of AWS, which has sources of its own.
    pub service: bool,
}

/// An entry as an event, with its id. The failure is that of the entry alone.
pub fn event(
    inner: &Inner,
    request: &Request<'_>,
    entry: PutEventsRequestEntry,
) -> Result<(String, Event), Failure> {
    let source = required(entry.source, "Source")?;
    let detail_type = required(entry.detail_type, "DetailType")?;
    let detail = required(entry.detail, "Detail")?;
    if source.starts_with("aws.") && !request.service {
        return Err(Failure::sender(
            "NotAuthorizedForSourceException",
            400,
            "Not authorized for the source.",
        ));
    }
    if !serde_json::from_str::<Value>(&detail).is_ok_and(|detail| detail.is_object()) {
        return Err(Failure::sender("MalformedDetail", 400, "Detail is malformed."));
    }
    let now = inner.clock.now();
    let id = id::uuid(&*inner.rng);
    let text = Head {
        id: &id,
        detail_type: &detail_type,
        source: &source,
        account: &request.place.account,
        time: &entry.time.unwrap_or(now).date_time(),
        region: &request.place.region,
        resources: &entry.resources.unwrap_or_default(),
    }
    .text(&detail);
    let trace = entry.trace_header.or_else(|| request.trace.clone());
    let event = Event { text, at: now.millis(), trace, request: request.id.clone(), ..Event::default() };
    Ok((id, event))
}

fn required(value: Option<String>, name: &str) -> Result<String, Failure> {
    value.filter(|value| !value.is_empty()).ok_or_else(|| {
        let message = format!("Parameter {name} is not valid. Reason: {name} is a required argument.");
        Failure::sender("InvalidArgument", 400, message)
    })
}

/// Puts events on a bus: they are stored when this returns, if anything is there that may want them. AWS takes events
/// for a bus that is not there, and nobody gets them.
pub async fn accept(inner: &Arc<Inner>, bus: &Name, events: Vec<Event>) -> Result<(), Failure> {
    let rules = inner.registry.rules_of(bus);
    let wanted = rules.iter().any(|rule| rule.pattern.is_some() && rule.record.enabled)
        || !inner.registry.archives_of(bus).is_empty();
    if !wanted || inner.registry.has_bus(bus).is_err() {
        return Ok(());
    }
    let (bus, made) = inner.registry.ensure_bus(bus, inner.clock.now()).await?;
    if made {
        task::start_bus(inner, bus.clone());
    }
    let entries = events.into_iter().map(|event| New { value: event.encode(), ..New::default() });
    bus.queue.enqueue(entries.collect()).await.map(drop).map_err(failures::of_queue)
}

/// The time of an event, as it is written in it.
pub fn time_of(document: &Value, event: &Event) -> Timestamp {
    let written = document["time"].as_str().and_then(Timestamp::parse_date_time);
    written.unwrap_or_else(|| Timestamp::from_millis(event.at))
}
