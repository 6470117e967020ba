//! The delivery of one event to one target: transformed, in the name of the rule, again when that may help, and to the
//! dead-letter queue when it does not.
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-event-delivery.html>

use crate::Inner;
use crate::model::Event;
use crate::registry::{Rule, Target};
use crate::transform::{Origin, transform};
use bytes::Bytes;
use hearth_api::delivery::{self, Attribute, Before, Delivery, Extras, Sender, is_worth_another_try};
use hearth_base::{RequestId, Timestamp};
use hearth_store::queue::Claimed;
use hearth_wire::Failure;
use serde_json::Value;
use std::time::Duration;

/// How often an event is tried again when the target does not say.
const RETRIES_MAX: u32 = 185;
/// For how long when the target does not say.
const AGE_S_MAX: u32 = 86_400;
/// The longest wait between two tries.
const WAIT_MAX: Duration = Duration::from_secs(600);
/// How often it is tried to reach a dead-letter queue.
const DEAD_LETTER_TRIES_MAX: u32 = 100;

/// Why an event is given up.
struct GivenUp {
    code: &'static str,
    message: String,
    exhausted: Option<&'static str>,
    retries: u32,
}

/// Delivers an event. Says when to try again; not at all when it is done with.
pub async fn deliver_one(
    inner: &Inner,
    (rule, target): (&Rule, &Target),
    claimed: &Claimed,
) -> Option<Duration> {
    let arn = rule.name.arn();
    let Some(event) = Event::decode(&claimed.value) else {
        tracing::error!(rule = arn, "a stored event does not read and is dropped");
        return None;
    };
    let retries = claimed.claims - 1;
    let given_up = match delivery(inner, (rule, target), &event) {
        Err(given_up) => given_up,
        Ok(delivery) => {
            let Err(failure) = inner.deliver.deliver(delivery).await else { return None };
            let age = inner.clock.now().since(Timestamp::from_millis(event.at));
            let age_max = Duration::from_secs(target.record.age_s_max.unwrap_or(AGE_S_MAX).into());
            let exhausted = if !is_worth_another_try(&failure) {
                None
            } else if retries >= target.record.retries_max.unwrap_or(RETRIES_MAX) {
                Some("MaximumRetryAttempts")
            } else if age >= age_max {
                Some("MaximumEventAgeInSeconds")
            } else {
                return Some(back_off(inner, retries).min(age_max.saturating_sub(age)));
            };
            GivenUp { code: error_code(&failure), message: failure.message, exhausted, retries }
        }
    };
    give_up(inner, (rule, target), (&event, given_up)).await.then(|| back_off(inner, retries))
}

fn delivery(inner: &Inner, (rule, target): (&Rule, &Target), event: &Event) -> Result<Delivery, GivenUp> {
    let arn = rule.name.arn();
    let record = &target.record;
    let mut extras = Extras { group_id: record.group.clone(), ..Extras::default() };
    let body = if record.arn.contains(":event-bus/") {
        let (envelope, detail) = forwarded(event)?;
        extras.event = Some(envelope);
        detail
    } else {
        let origin = Origin { arn: &arn, name: &rule.name.name };
        Bytes::from(transform(&record.input, event, &origin).into_owned())
    };
    if record.arn.ends_with(".fifo") {
        // Of an event and a target: tried again, it is the same message.
        let id = serde_json::from_str::<Value>(&event.text).ok();
        extras.deduplication_id = id.and_then(|event| event["id"].as_str().map(str::to_owned));
    }
    let sender = match record.role.as_ref().or(rule.record.role.as_ref()) {
        Some(role) => Sender::Role { arn: role.clone(), session: inner.session_name(&rule.name.name) },
        None => Sender::Service { principal: "events.amazonaws.com", source_arn: arn },
    };
    Ok(Delivery {
        target: record.arn.clone(),
        sender,
        body,
        extras,
        region: rule.name.bus.place.region.parse().unwrap_or_default(),
        request_id: RequestId::parse(&event.request).unwrap_or_else(|| RequestId::new(&*inner.rng)),
        trace_header: event.trace.clone(),
    })
}

/// The event for another bus.
fn forwarded(event: &Event) -> Result<(delivery::Event, Bytes), GivenUp> {
    if event.forwarded {
        // AWS: chains of buses end after two, and so do rings.
        return Err(GivenUp {
            code: "THIRD_ACCOUNT_HOP_DETECTED",
            message: "An event that came from another event bus is not sent to a third one.".to_owned(),
            exhausted: None,
            retries: 0,
        });
    }
    let document: Value = serde_json::from_str(&event.text).unwrap_or_default();
    let text = |key: &str| document[key].as_str().unwrap_or_default().to_owned();
    let resources = document["resources"].as_array().into_iter().flatten();
    let envelope = delivery::Event {
        source: text("source"),
        detail_type: text("detail-type"),
        resources: resources.filter_map(|it| it.as_str().map(str::to_owned)).collect(),
        before: Some(Before {
            id: text("id"),
            account: text("account"),
            region: text("region"),
            time: text("time"),
        }),
    };
    Ok((envelope, Bytes::from(document["detail"].to_string())))
}

/// Gives an event up: to the dead-letter queue, when there is one. Whether that has to be tried again.
async fn give_up(inner: &Inner, (rule, target): (&Rule, &Target), (event, why): (&Event, GivenUp)) -> bool {
    let (arn, record) = (rule.name.arn(), &target.record);
    let Some(queue) = &record.dead_letter else {
        tracing::warn!(
            rule = arn,
            target = record.arn,
            error = why.message,
            "an event could not be delivered and is dropped"
        );
        return false;
    };
    let text = |name: &str, value: String| Attribute {
        name: name.to_owned(),
        data_type: "String".to_owned(),
        value: Bytes::from(value),
    };
    let mut attributes = vec![
        text("RULE_ARN", arn.clone()),
        text("TARGET_ARN", record.arn.clone()),
        text("ERROR_CODE", why.code.to_owned()),
        text("ERROR_MESSAGE", why.message),
    ];
    if let Some(exhausted) = why.exhausted {
        attributes.push(text("EXHAUSTED_RETRY_CONDITION", exhausted.to_owned()));
        attributes.push(text("RETRY_ATTEMPTS", why.retries.to_string()));
    }
    let delivery = Delivery {
        target: queue.clone(),
        sender: Sender::Service { principal: "events.amazonaws.com", source_arn: arn.clone() },
        body: Bytes::from(event.text.clone()),
        extras: Extras { attributes, ..Extras::default() },
        region: rule.name.bus.place.region.parse().unwrap_or_default(),
        request_id: RequestId::parse(&event.request).unwrap_or_else(|| RequestId::new(&*inner.rng)),
        trace_header: event.trace.clone(),
    };
    let Err(failure) = inner.deliver.deliver(delivery).await else { return false };
    if is_worth_another_try(&failure) && why.retries < RETRIES_MAX + DEAD_LETTER_TRIES_MAX {
        return true;
    }
    tracing::warn!(rule = arn, queue, error = %failure.message, "an event could not be sent to the dead-letter queue and is dropped");
    false
}

/// How long to wait after this many further tries: twice as long each time, and up to half of it by chance.
fn back_off(inner: &Inner, retries: u32) -> Duration {
    let whole = Duration::from_secs(1 << retries.min(10)).min(WAIT_MAX);
    let chance = inner.rng.next_u64() % 1_000;
    whole / 2 + whole.mul_f64(chance as f64 / 2_000.0)
}

/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html>
fn error_code(failure: &Failure) -> &'static str {
    let code = &*failure.code;
    let has = |parts: &[&str]| parts.iter().any(|part| code.contains(part));
    if failure.status == 429 || has(&["Throttl", "TooManyRequests"]) {
        "THROTTLING"
    } else if has(&["AccessDenied", "NotAuthorized", "AuthorizationError"]) {
        "NO_PERMISSIONS"
    } else if has(&["NotFound", "NonExistent"]) {
        "NO_RESOURCE"
    } else if failure.status >= 500 {
        "INTERNAL_ERROR"
    } else if has(&["Invalid", "Validation"]) {
        "INVALID_PARAMETER"
    } else {
        "SDK_CLIENT_ERROR"
    }
}
