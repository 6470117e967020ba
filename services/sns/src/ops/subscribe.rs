//! Subscribe.
//! <https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html>

use crate::Inner;
use crate::failures::{invalid, unsupported};
use crate::model::{Consent, Protocol, SubscriptionRecord};
use crate::naming::{FIFO_SUFFIX, SubscriptionName, TopicName};
use crate::registry::Subscription;
use crate::{attributes, consent, task};
use hearth_api::Grant;
use hearth_api::delivery::PostRefusal;
use hearth_api::sns::{SubscribeInput, SubscribeResponse, errors};
use hearth_base::Arn;
use hearth_wire::Failure;
use std::collections::BTreeMap;
use std::sync::Arc;

/// AWS: subscriptions of an account that wait for consent.
const PENDING_MAX: usize = 5_000;
/// Bytes of a URL.
const URL_BYTES_MAX: usize = 2_048;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: SubscribeInput,
) -> Result<SubscribeResponse, Failure> {
    let name = TopicName::of_request(grant, input.topic_arn.as_deref(), "TopicArn")?;

    let topic = inner.registry.known(&name)?;
    let protocol = protocol(&input.protocol.unwrap_or_default())?;
    let endpoint = input.endpoint.unwrap_or_default();
    let owner = check_endpoint(inner, (protocol, &endpoint), topic.record.is_fifo())?;
    // AWS: whoever subscribes what is not its own account's waits for the consent of whoever has it.
    let asks = owner.is_none_or(|owner| owner != grant.account().as_str());
    if asks && protocol == Protocol::Lambda {
        return Err(unsupported("subscriptions of functions in other accounts than the subscriber's"));
    }
    let now = inner.clock.now();
    let mut record = SubscriptionRecord {
        storage: inner.registry.queues().next_id(),
        protocol,
        endpoint,
        owner: grant.account().as_str().to_owned(),
        principal: grant.principal().arn(grant.region().partition()),
        attributes: BTreeMap::new(),
        consent: asks.then(|| Consent::asked(consent::token(&*inner.rng), now)),
    };
    attributes::set_subscription(&mut record, &input.attributes.unwrap_or_default())
        .map_err(of_attributes)?;
    if asks {
        check_pending(inner, grant)?;
    }
    let id = hearth_base::id::uuid(&*inner.rng);
    let (endpoint, wanted) = (record.endpoint.clone(), record.attributes.clone());
    let same = |all: &[Subscription]| {
        let mut those = all.iter().filter(|it| !it.record.has_ended());
        let there = those.find(|it| it.record.protocol == protocol && it.record.endpoint == endpoint);
        match there {
            // AWS: subscribing twice is subscribing once, unless it would be something else.
            Some(there) if !wanted.is_empty() && there.record.attributes != wanted => {
                Err(invalid("Attributes Reason: Subscription already exists with different attributes"))
            }
            there => Ok(there.map(|there| there.name.clone())),
        }
    };
    let subscription = SubscriptionName { topic: name, id };
    let (name, made) = inner.registry.subscribe((subscription, record), same).await?;
    if let Some(made) = made {
        task::start_subscription(inner, made);
    }
    let found = inner.registry.subscription(&name).filter(|found| found.record.is_pending());
    let Some(found) = found else { return Ok(SubscribeResponse { subscription_arn: Some(name.arn()) }) };
    // AWS: an endpoint is asked each time somebody subscribes it, until it consents.
    let again = |record: &mut SubscriptionRecord| {
        if let Some(consent) = &mut record.consent {
            consent.asked = now;
        }
        Ok(())
    };
    inner.registry.update_subscription(&name, again).await?;
    consent::ask(inner, grant, &found).await?;
    let shown = input.return_subscription_arn == Some(true);
    Ok(SubscribeResponse {
        subscription_arn: Some(if shown { name.arn() } else { "pending confirmation".to_owned() }),
    })
}

/// AWS says of attributes that are given here that they are attributes.
fn of_attributes(mut failure: Failure) -> Failure {
    if let Some(what) = failure.message.strip_prefix("Invalid parameter: DeliveryPolicy:") {
        failure.message = format!("Invalid parameter: Attributes Reason: DeliveryPolicy:{what}");
    }
    failure
}

fn check_pending(inner: &Inner, grant: &Grant) -> Result<(), Failure> {
    let account = grant.account();
    let own = |record: &SubscriptionRecord| record.is_pending() && record.owner == account.as_str();
    if inner.registry.count(own) < PENDING_MAX {
        return Ok(());
    }
    Err(errors::subscription_limit_exceeded("You have reached the limit of pending subscriptions"))
}

fn protocol(text: &str) -> Result<Protocol, Failure> {
    match text {
        "lambda" => Ok(Protocol::Lambda),
        "sqs" => Ok(Protocol::Sqs),
        "http" => Ok(Protocol::Http),
        "https" => Ok(Protocol::Https),
        "email" | "email-json" | "sms" | "application" | "firehose" => {
            Err(unsupported(format!("the protocol {text}")))
        }
        _ => Err(invalid(format!("Does not support this protocol string: {text}"))),
    }
}

/// The account that an endpoint belongs to; none of URLs.
fn check_endpoint(
    inner: &Inner,
    (protocol, endpoint): (Protocol, &str),
    fifo: bool,
) -> Result<Option<String>, Failure> {
    let (wrong, service) = match protocol {
        Protocol::Lambda => ("Lambda endpoint ARN", "lambda"),
        Protocol::Sqs => ("SQS endpoint ARN", "sqs"),
        Protocol::Http | Protocol::Https => {
            return check_url(inner, (protocol, endpoint), fifo).map(|()| None);
        }
    };
    let arn: Option<Arn> = endpoint.parse().ok();
    let arn = arn.filter(|arn| arn.service == service).ok_or_else(|| invalid(wrong))?;
    match protocol {
        Protocol::Lambda if fifo => Err(queues_only(protocol)),
        Protocol::Lambda if !arn.resource.starts_with("function:") => Err(invalid(wrong)),
        Protocol::Sqs if !fifo && arn.resource.ends_with(FIFO_SUFFIX) => Err(invalid(
            "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics",
        )),
        _ => Ok(Some(arn.account)),
    }
}

fn queues_only(protocol: Protocol) -> Failure {
    let protocol = protocol.as_str();
    invalid(format!("Invalid protocol type: {protocol} Reason: FIFO topics can be subscribed by queues only"))
}

fn check_url(inner: &Inner, (protocol, url): (Protocol, &str), fifo: bool) -> Result<(), Failure> {
    if fifo {
        return Err(queues_only(protocol));
    }
    let begins = |scheme: &str| url.get(..scheme.len()).is_some_and(|it| it.eq_ignore_ascii_case(scheme));
    if !begins(&format!("{}://", protocol.as_str())) {
        return Err(invalid("Endpoint must match the specified protocol"));
    }
    if url.len() > URL_BYTES_MAX {
        return Err(invalid("Endpoint"));
    }
    inner.post.admit(url).map_err(|refusal| match refusal {
        PostRefusal::Malformed => invalid("Endpoint"),
        PostRefusal::Internal => {
            errors::authorization_error("Not authorized to subscribe internal endpoints")
        }
    })
}
