//! Delivery to an event bus: an event, of which the body is the detail.

use crate::Inner;
use hearth_api::Delivery;
use hearth_api::delivery::EventBuses;
use hearth_base::Arn;
use hearth_wire::Failure;

/// Puts the event on the bus.
pub(crate) async fn deliver(
    inner: &Inner,
    buses: &dyn EventBuses,
    (target, delivery): (&Arn, Delivery),
) -> Result<(), Failure> {
    let grant = inner.grant("events:PutEvents", (target, &delivery))?;
    let Some(event) = delivery.extras.event else {
        let message = format!("What is sent to {} is no event.", delivery.target);
        return Err(Failure::sender("InvalidParameter", 400, message));
    };
    buses.put_event(grant, &delivery.target, (event, delivery.body)).await
}
