//! ListEventBuses.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListEventBuses.html>

use super::{begins, page};
use crate::Inner;
use crate::naming::{DEFAULT_BUS, Name, Place};
use hearth_api::Grant;
use hearth_api::events::{EventBus, ListEventBusesRequest, ListEventBusesResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: ListEventBusesRequest,
) -> Result<ListEventBusesResponse, Failure> {
    let place = Place::of(grant);
    let own = inner.registry.buses().into_iter().map(|bus| bus.name).filter(|name| name.place == place);
    let mut names: Vec<Name> = own.collect();
    let default = place.name(DEFAULT_BUS);
    if !names.contains(&default) {
        names.push(default);
    }
    let asked = names.into_iter().filter(|name| begins(&name.name, input.name_prefix.as_ref()));
    let (names, next_token) =
        page(asked.map(|name| (name.name.clone(), name)), (input.next_token, input.limit))?;
    let buses = names.into_iter().map(|name| {
        let record = inner.registry.bus(&name).map(|bus| bus.record);
        EventBus {
            arn: Some(name.bus_arn()),
            name: Some(name.name),
            description: record.as_ref().and_then(|record| record.description.clone()),
            policy: record.as_ref().and_then(|record| record.policy.clone()),
            creation_time: record.as_ref().map(|record| record.created),
            last_modified_time: record.as_ref().map(|record| record.modified),
            ..Default::default()
        }
    });
    Ok(ListEventBusesResponse { event_buses: Some(buses.collect()), next_token })
}
