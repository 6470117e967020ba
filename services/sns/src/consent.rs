//! Consent: what is sent to an endpoint so that whoever has it can say that it wants a subscription, and that it has ended.
//! <https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.confirm.html>
//!
//! Both go the way of notifications, through the subscription's durable queue, and are tried again like them.

use crate::Inner;
use crate::failures::of_queue;
use crate::model::{Kind, Message};
use crate::naming::FIFO_SUFFIX;
use crate::registry::Subscription;
use bytes::Bytes;
use hearth_api::Grant;
use hearth_base::Rng;
use hearth_base::id::{random_hex, uuid};
use hearth_store::queue::New;
use hearth_wire::Failure;

/// Bytes of a token: nobody guesses one.
const TOKEN_BYTES: usize = 64;

/// A token that nobody can guess.
pub fn token(rng: &dyn Rng) -> String {
    random_hex(rng, TOKEN_BYTES)
}

/// Asks an endpoint whether it wants the subscription.
pub async fn ask(inner: &Inner, grant: &Grant, of: &Subscription) -> Result<(), Failure> {
    let text = format!(
        "You have chosen to subscribe to the topic {}.\nTo confirm the subscription, visit the SubscribeURL included in this message.",
        of.name.topic.arn()
    );
    send(inner, grant, (of, Kind::SubscriptionConfirmation, text)).await
}

/// Tells an endpoint that the subscription has ended, and how to have it back.
pub async fn take_leave(inner: &Inner, grant: &Grant, of: &Subscription) -> Result<(), Failure> {
    let text = format!(
        "You have chosen to deactivate subscription {}.\nTo cancel this operation and restore the subscription, visit the SubscribeURL included in this message.",
        of.name.arn()
    );
    send(inner, grant, (of, Kind::UnsubscribeConfirmation, text)).await
}

async fn send(
    inner: &Inner,
    grant: &Grant,
    (of, kind, text): (&Subscription, Kind, String),
) -> Result<(), Failure> {
    // A FIFO queue takes no message without a group and an id.
    let fifo = of.record.endpoint.ends_with(FIFO_SUFFIX);
    let id = uuid(&*inner.rng);
    let message = Message {
        kind,
        group: fifo.then(|| kind.as_str().to_owned()),
        deduplication: fifo.then(|| id.clone()),
        token: of.record.consent.as_ref().map(|consent| consent.token.clone()),
        id,
        at: inner.clock.now().millis(),
        text,
        endpoint: grant.endpoint().to_owned(),
        request: grant.request_id().to_string(),
        ..Message::default()
    };
    let group = message.group.clone().map(Bytes::from);
    let entry = New { value: message.encode(), group, ..New::default() };
    of.queue.enqueue(vec![entry]).await.map(drop).map_err(of_queue)
}
