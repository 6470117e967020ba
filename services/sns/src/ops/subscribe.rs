//! Subscribe.
//! <https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html>

use crate::Inner;
use crate::failures::{invalid, unsupported};
use crate::model::{Protocol, SubscriptionRecord};
use crate::naming::{FIFO_SUFFIX, SubscriptionName, TopicName};
use crate::registry::Subscription;
use crate::{attributes, task};
use hearth_api::Grant;
use hearth_api::sns::{SubscribeInput, SubscribeResponse};
use hearth_base::Arn;
use hearth_wire::Failure;
use std::collections::BTreeMap;
use std::sync::Arc;

pub async fn run(
    inner: &Arc<Inner>,
    grant: &Grant,
    input: SubscribeInput,
) -> Result<SubscribeResponse, Failure> {
    let name = TopicName::of_request(grant, input.topic_arn.as_deref(), "TopicArn")?;

    let topic = inner.registry.known(&name)?;
    let protocol = protocol(&input.protocol.unwrap_or_default())?;
    let endpoint = input.endpoint.unwrap_or_default();
    let arn = check_endpoint(protocol, &endpoint, topic.record.is_fifo())?;
    // AWS asks whoever owns the endpoint to confirm; only what needs no confirmation is made here.
    if arn.account != grant.account().as_str() {
        return Err(unsupported("subscriptions of endpoints in other accounts than the subscriber's"));
    }
    let mut record = SubscriptionRecord {
        storage: inner.registry.queues().next_id(),
        protocol,
        endpoint,
        owner: grant.account().as_str().to_owned(),
        principal: grant.principal().arn(grant.region().partition()),
        attributes: BTreeMap::new(),
    };
    attributes::set_subscription(&mut record, &input.attributes.unwrap_or_default())?;
    let id = hearth_base::id::uuid(&*inner.rng);
    let (endpoint, wanted) = (record.endpoint.clone(), record.attributes.clone());
    let same = |all: &[Subscription]| {
        let there = all.iter().find(|it| it.record.protocol == protocol && it.record.endpoint == endpoint);
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
    Ok(SubscribeResponse { subscription_arn: Some(name.arn()) })
}

fn protocol(text: &str) -> Result<Protocol, Failure> {
    match text {
        "lambda" => Ok(Protocol::Lambda),
        "sqs" => Ok(Protocol::Sqs),
        "http" | "https" | "email" | "email-json" | "sms" | "application" | "firehose" => {
            Err(unsupported(format!("the protocol {text}")))
        }
        _ => Err(invalid(format!("Does not support this protocol string: {text}"))),
    }
}

fn check_endpoint(protocol: Protocol, endpoint: &str, fifo: bool) -> Result<Arn, Failure> {
    let arn: Option<Arn> = endpoint.parse().ok();
    let (wrong, service) = match protocol {
        Protocol::Lambda => ("Lambda endpoint ARN", "lambda"),
        Protocol::Sqs => ("SQS endpoint ARN", "sqs"),
    };
    let arn = arn.filter(|arn| arn.service == service).ok_or_else(|| invalid(wrong))?;
    match protocol {
        Protocol::Lambda if fifo => {
            Err(invalid("Invalid protocol type: lambda Reason: FIFO topics can be subscribed by queues only"))
        }
        Protocol::Lambda if !arn.resource.starts_with("function:") => Err(invalid(wrong)),
        Protocol::Sqs if !fifo && arn.resource.ends_with(FIFO_SUFFIX) => Err(invalid(
            "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics",
        )),
        _ => Ok(arn),
    }
}
