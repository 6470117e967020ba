//! What goes on in the background: one task for each topic hands its messages to the subscriptions that want them, and
//! one for each subscription delivers what was handed to it. So a target that fails holds up no other.
//!
//! Both take from durable queues and remove what is done only when it is: a crash in between does it once more.

use crate::Inner;
use crate::model::{Kind, Message, Protocol};
use crate::naming::{SubscriptionName, TopicName};
use crate::outgoing::sequence_number;
use crate::registry::{Subscription, Topic};
use crate::signing::SigningError;
use crate::{attributes, delivery_policy, envelope};
use bytes::Bytes;
use hearth_api::delivery::{self, Delivery, Extras, Posting, Sender};
use hearth_base::{RequestId, Running, Timestamp};
use hearth_store::queue::{Claim, Claimed, Extension, New, Queue, QueueError};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// For how long something stays claimed by a task that may have gone.
const CLAIM: Duration = Duration::from_secs(30);
/// After this long without work a task looks again.
const IDLE: Duration = Duration::from_secs(30 * 86_400);
/// How many messages of one subscription may wait for another try; later ones wait behind them.
const WAITING_MAX: usize = 10_000;
/// Messages of a topic that are handed to its subscriptions at once.
const HANDED_AT_ONCE: usize = 64;
/// Bytes of them that are put into a subscription's queue together; a larger message goes alone.
const HANDED_BYTES_MAX: usize = 1 << 20;
/// Messages of a subscription that are delivered at once.
const AT_ONCE: usize = 16;
/// After this long storage is asked again when it failed.
const PAUSE: Duration = Duration::from_secs(1);
/// Who says to be calling at a URL.
const USER_AGENT: &str = "Amazon Simple Notification Service Agent";
/// Between two removals of what is left of deleted topics, and of subscriptions that nobody consented to.
const SWEEP: Duration = Duration::from_secs(60);

/// Starts the tasks of all there is.
pub fn start(inner: &Arc<Inner>) -> Running {
    let running = inner.background.open();
    for topic in inner.registry.topics() {
        start_topic(inner, topic);
    }
    for subscription in inner.registry.subscriptions() {
        start_subscription(inner, subscription);
    }
    inner.background.spawn(sweep(Arc::clone(inner)));
    running
}

/// Starts the task of a topic.
pub fn start_topic(inner: &Arc<Inner>, topic: Topic) {
    inner.background.spawn(fan_out(Arc::clone(inner), topic.name, topic.queue));
}

/// Starts the task of a subscription.
pub fn start_subscription(inner: &Arc<Inner>, subscription: Subscription) {
    inner.background.spawn(deliver_all(Arc::clone(inner), subscription.name, subscription.queue));
}

/// Returns when no message waits for anything but another try, and none is on its way to a subscription.
pub async fn quiet(inner: &Inner) {
    let topics = inner.registry.topics().into_iter().map(|topic| topic.queue);
    let subscriptions = inner.registry.subscriptions().into_iter().map(|subscription| subscription.queue);
    let queues: Vec<Queue> = topics.chain(subscriptions).collect();
    for queue in queues {
        queue.rest().await;
    }
}

async fn sweep(inner: Arc<Inner>) {
    loop {
        let queues = inner.registry.queues();
        let mut swept = queues.remove_gone().await;
        for topic in inner.registry.topics().iter().filter(|topic| topic.record.is_fifo()) {
            swept = swept.and(queues.forget_tokens(topic.record.storage).await);
        }
        let now = inner.clock.now();
        if let Err(error) = inner.registry.forget(|record| record.is_over(now)).await {
            tracing::error!(%error, "cannot remove subscriptions that nobody consented to; trying again");
        }
        if let Err(error) = swept {
            tracing::error!(%error, "cannot remove what is left of topics; trying again");
        }
        inner.clock.idle_until(inner.clock.now().after(SWEEP)).await;
    }
}

/// What is there to do; none when the queue has gone.
async fn next(inner: &Inner, queue: &Queue, max: usize) -> Option<Vec<Claimed>> {
    let claim = || Claim {
        max,
        until: inner.clock.now().after(CLAIM),
        since: Timestamp::from_millis(0),
        delay: Duration::ZERO,
        claimed_max: WAITING_MAX,
        dead: None,
        again: Vec::new(),
    };
    loop {
        match queue.claim_within(inner.clock.now().after(IDLE), claim).await {
            Ok(claimed) => return Some(claimed),
            Err(QueueError::Closed) => return None,
            Err(QueueError::TooManyClaimed) => {}
            Err(error) => {
                tracing::error!(%error, "cannot take messages of SNS; trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Notes what became of messages: they are done with, or come back after a while.
async fn settle(queue: &Queue, claimed: &[Claimed], again: Option<Duration>) {
    let receipts = claimed.iter().map(|claimed| claimed.receipt);
    let settled = match again {
        None => queue.remove(receipts.collect()).await,
        Some(wait) => {
            let total_max = Duration::from_secs(12 * 3_600);
            queue.extend(receipts.map(|receipt| Extension { receipt, wait, total_max }).collect()).await
        }
    };
    match settled {
        Ok(_) | Err(QueueError::Closed) => {}
        // They come back when their claim ends.
        Err(error) => tracing::error!(%error, "cannot note what became of messages of SNS"),
    }
}

async fn fan_out(inner: Arc<Inner>, topic: TopicName, queue: Queue) {
    while let Some(claimed) = next(&inner, &queue, HANDED_AT_ONCE).await {
        let again = match hand_out(&inner, &topic, &claimed).await {
            Ok(()) => None,
            Err(error) => {
                tracing::error!(%error, "cannot hand messages to subscriptions; trying again");
                Some(PAUSE)
            }
        };
        settle(&queue, &claimed, again).await;
    }
}

/// Hands messages to the subscriptions that want them, to each all at once, in their order.
async fn hand_out(inner: &Inner, topic: &TopicName, claimed: &[Claimed]) -> Result<(), QueueError> {
    let is_fifo = inner.registry.topic(topic).is_some_and(|topic| topic.record.is_fifo());
    let messages: Vec<(Message, New)> =
        claimed.iter().filter_map(|claimed| to_hand_out(topic, claimed, is_fifo)).collect();
    for subscription in inner.registry.subscriptions_of(topic) {
        if !subscription.record.is_in_force() {
            continue;
        }
        let wants = |message: &Message| {
            let filter = subscription.filter.as_ref();
            filter
                .is_none_or(|filter| filter.matches(message, &message.text_for(subscription.record.protocol)))
        };
        let wanted = messages.iter().filter(|(message, _)| wants(message));
        for entries in in_parts(wanted.map(|(_, entry)| entry.clone())) {
            match subscription.queue.enqueue(entries).await {
                // Deleted in between.
                Ok(_) | Err(QueueError::Closed) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// In the same order, as many together as one commit has room for.
fn in_parts(entries: impl Iterator<Item = New>) -> Vec<Vec<New>> {
    let (mut parts, mut room) = (Vec::<Vec<New>>::new(), 0);
    for entry in entries {
        let length = entry.value.len();
        match parts.last_mut() {
            Some(part) if length <= room => part.push(entry),
            _ => {
                parts.push(vec![entry]);
                room = HANDED_BYTES_MAX;
            }
        }
        room = room.saturating_sub(length);
    }
    parts
}

/// A message, and what is put into the queues of subscriptions; None of what does not read.
fn to_hand_out(topic: &TopicName, claimed: &Claimed, is_fifo: bool) -> Option<(Message, New)> {
    let Some(mut message) = Message::decode(&claimed.value) else {
        tracing::error!(topic = topic.arn(), "a stored message does not read and is dropped");
        return None;
    };
    let mut group = None;
    if is_fifo {
        message.sequence = Some(sequence_number(claimed.receipt.id));
        group = message.group.clone().map(Bytes::from);
    }
    let value = message.encode();
    Some((message, New { value, group, ..New::default() }))
}

async fn deliver_all(inner: Arc<Inner>, name: SubscriptionName, queue: Queue) {
    let fifo = inner.registry.topic(&name.topic).is_some_and(|topic| topic.record.is_fifo());
    let mut running = JoinSet::new();
    loop {
        let rate = policy(&inner, &name).and_then(|policy| policy.receives_per_second);
        // Of a FIFO topic one at a time: while one waits for another try, its group waits behind it.
        let max = if fifo { 1 } else { rate.map_or(AT_ONCE, at_once) };
        // A slow one holds up none, and yet not each is taken from storage alone.
        while running.len() > max / 2 {
            running.join_next().await;
        }
        let begun = inner.clock.now();
        let Some(claimed) = next(&inner, &queue, max - running.len()).await else { break };
        let count = claimed.len();
        for claimed in claimed {
            let (inner, name, queue) = (Arc::clone(&inner), name.clone(), queue.clone());
            running.spawn(async move {
                if let Some(subscription) = inner.registry.subscription(&name) {
                    let again = deliver_one(&inner, &subscription, &claimed).await;
                    settle(&queue, &[claimed], again).await;
                }
            });
        }
        if let Some(rate) = rate {
            inner.clock.sleep_until(begun.after(Duration::from_secs_f64(count as f64 / rate as f64))).await;
        }
    }
    while running.join_next().await.is_some() {}
}

/// How many are delivered at once at a rate a second: few, so that no second sees many more than it may.
fn at_once(rate: u64) -> usize {
    usize::try_from(rate / 10).unwrap_or(AT_ONCE).clamp(1, AT_ONCE)
}

/// The delivery policy of a subscription to a URL.
fn policy(inner: &Inner, name: &SubscriptionName) -> Option<delivery_policy::Policy> {
    let record = inner.registry.subscription(name).filter(|found| found.record.protocol.is_http())?.record;
    let topic = inner.registry.topic(&name.topic);
    let default = topic.as_ref().and_then(|topic| topic.record.attributes.get("DeliveryPolicy"));
    Some(delivery_policy::effective(default, record.attributes.get("DeliveryPolicy")))
}

/// Whether there is a point in delivering a message to a subscription as it is now.
fn is_wanted(message: &Message, to: &Subscription) -> bool {
    match message.kind {
        Kind::Notification => to.record.is_in_force(),
        Kind::SubscriptionConfirmation => to.record.is_pending(),
        Kind::UnsubscribeConfirmation => to.record.has_ended(),
    }
}

/// Delivers a message. Says when to try again; not at all when it is done with.
async fn deliver_one(inner: &Inner, to: &Subscription, claimed: &Claimed) -> Option<Duration> {
    let Some(message) = Message::decode(&claimed.value) else {
        tracing::error!(subscription = to.name.arn(), "a stored message does not read and is dropped");
        return None;
    };
    if !is_wanted(&message, to) {
        return None;
    }
    let policy = policy(inner, &to.name);
    let wait_after = |tries| match &policy {
        Some(policy) => policy.wait_after(tries),
        None => back_off(tries),
    };
    let delivery = match delivery(inner, to, &message).await {
        Ok(delivery) => delivery,
        Err(error) => {
            tracing::error!(%error, "cannot sign a message of SNS; trying again");
            return Some(PAUSE);
        }
    };
    let dead = attributes::dead_letters(&to.record).filter(|_| message.kind == Kind::Notification);
    // What was tried for the last time, and then did not get into the dead-letter queue, is not tried again.
    let is_spent =
        policy.is_some() && dead.is_some() && claimed.claims > 1 && wait_after(claimed.claims - 1).is_none();
    let mut told = "it was tried too often".to_owned();
    if !is_spent {
        let delivered = match &policy {
            Some(policy) => inner.post.post(posting(policy, &delivery, (&message, to))).await,
            None => inner.deliver.deliver(delivery.clone()).await,
        };
        let Err(failure) = delivered else { return None };
        let wait = if delivery::is_worth_another_try(&failure) { wait_after(claimed.claims) } else { None };
        if wait.is_some() {
            tracing::debug!(subscription = to.name.arn(), error = %failure.message, "a message is to be tried again");
            return wait;
        }
        told = failure.message;
    }
    let Some(target) = dead else {
        tracing::warn!(
            subscription = to.name.arn(),
            error = told,
            "a message could not be delivered and is dropped"
        );
        return None;
    };
    let again = bury(inner, to, Delivery { target, ..delivery }).await;
    if again { back_off(claimed.claims.max(16)) } else { None }
}

/// Sends to the dead-letter queue. Says whether that is to be tried again.
async fn bury(inner: &Inner, to: &Subscription, letter: Delivery) -> bool {
    let Err(failure) = inner.deliver.deliver(letter).await else { return false };
    let again = delivery::is_worth_another_try(&failure);
    if !again {
        tracing::warn!(subscription = to.name.arn(), error = %failure.message, "a message could not be sent to the dead-letter queue and is dropped");
    }
    again
}

/// The request to a URL.
/// <https://docs.aws.amazon.com/sns/latest/dg/http-header.html>
fn posting(
    policy: &delivery_policy::Policy,
    delivery: &Delivery,
    (message, to): (&Message, &Subscription),
) -> Posting {
    let notifies = message.kind == Kind::Notification;
    let mut headers = vec![
        ("x-amz-sns-message-type", message.kind.as_str().to_owned()),
        ("x-amz-sns-message-id", message.id.clone()),
        ("x-amz-sns-topic-arn", to.name.topic.arn()),
    ];
    if message.kind != Kind::SubscriptionConfirmation {
        headers.push(("x-amz-sns-subscription-arn", to.name.arn()));
    }
    if notifies && to.record.is_raw() {
        headers.push(("x-amz-sns-rawdelivery", "true".to_owned()));
    }
    headers.push(("content-type", policy.content_type.clone()));
    headers.push(("user-agent", USER_AGENT.to_owned()));
    Posting { url: to.record.endpoint.clone(), headers, body: delivery.body.clone() }
}

async fn delivery(inner: &Inner, to: &Subscription, message: &Message) -> Result<Delivery, SigningError> {
    let raw = to.record.is_raw();
    let body = Bytes::from(envelope::body(inner, message, to).await?);
    let mut extras = Extras::default();
    if to.record.protocol == Protocol::Sqs {
        if raw {
            let attributes = message.attributes.iter().map(|(name, it)| delivery::Attribute {
                name: name.clone(),
                data_type: it.data_type.clone(),
                value: it.bytes(),
            });
            extras.attributes = attributes.collect();
        }
        extras.group_id = message.group.clone();
        let fifo = to.record.endpoint.ends_with(".fifo");
        extras.deduplication_id = message.deduplication.clone().filter(|_| fifo);
    }
    Ok(Delivery {
        target: to.record.endpoint.clone(),
        sender: Sender::Service { principal: "sns.amazonaws.com", source_arn: to.name.topic.arn() },
        body,
        extras,
        region: to.name.topic.region.parse().unwrap_or_default(),
        request_id: RequestId::parse(&message.request).unwrap_or_else(|| RequestId::new(&*inner.rng)),
        trace_header: message.trace.clone(),
    })
}

/// How long to wait after this many tries; none when there is no further one.
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html>
pub fn back_off(tries: u32) -> Option<Duration> {
    match tries {
        0..=3 => Some(Duration::ZERO),
        4..=5 => Some(Duration::from_secs(1)),
        6..=15 => Some(Duration::from_secs_f64(20f64.powf(f64::from(tries - 6) / 9.0))),
        16..=100_015 => Some(Duration::from_secs(20)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_handed_out_together_keeps_its_order_and_fits_a_commit() {
        let sizes = [10, HANDED_BYTES_MAX - 10, 1, HANDED_BYTES_MAX + 1, 5, 6];
        let entries = sizes.map(|size| New { value: vec![0; size].into(), ..New::default() });
        let parts = in_parts(entries.into_iter());
        let sizes: Vec<Vec<usize>> =
            parts.iter().map(|part| part.iter().map(|entry| entry.value.len()).collect()).collect();
        assert_eq!(sizes, [vec![10, HANDED_BYTES_MAX - 10], vec![1], vec![HANDED_BYTES_MAX + 1], vec![5, 6]]);
        assert!(in_parts([].into_iter()).is_empty());
    }
}
