//! The attributes of topics and subscriptions: checked when they are set, and shown.
//! <https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html>
//! <https://docs.aws.amazon.com/sns/latest/api/API_SetSubscriptionAttributes.html>

use crate::delivery_policy;
use crate::failures::{invalid, unsupported};
use crate::filter::{self, Scope};
use crate::model::{Protocol, SubscriptionRecord, TopicRecord};
use crate::naming::{SubscriptionName, TopicName};
use crate::registry::{Subscription, Topic};
use hearth_iam::policy::Document;
use hearth_wire::Failure;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Bytes of a policy.
const POLICY_BYTES_MAX: usize = 30_720;
/// Characters of a display name.
const DISPLAY_NAME_MAX: usize = 100;
/// Sets an attribute of a topic.
pub fn set_topic(record: &mut TopicRecord, name: &str, text: &str) -> Result<(), Failure> {
    let fifo = record.is_fifo();
    let value = match name {
        "DisplayName" if text.chars().count() > DISPLAY_NAME_MAX => return Err(invalid("DisplayName")),
        "DisplayName" => text.to_owned(),
        "Policy" if text.is_empty() => String::new(),
        "Policy" => {
            if text.len() > POLICY_BYTES_MAX {
                return Err(invalid("Policy is too long"));
            }
            if let Err(error) = Document::resource(text) {
                return Err(invalid(format!("Policy Error: {error}")));
            }
            text.to_owned()
        }
        "ContentBasedDeduplication" if fifo => flag(name, text)?,
        "FifoThroughputScope" if fifo => one_of(name, text, &["Topic", "MessageGroup"])?,
        "ContentBasedDeduplication" | "FifoThroughputScope" => {
            return Err(invalid(format!("{name} Reason: The attribute is for FIFO topics only")));
        }
        "SignatureVersion" => one_of(name, text, &["1", "2"])?,
        "TracingConfig" if text == "Active" => return Err(unsupported("TracingConfig Active of topics")),
        "TracingConfig" => one_of(name, text, &["PassThrough"])?,
        "FifoTopic" => return Err(invalid("AttributeName")),
        "DeliveryPolicy" if text.is_empty() => String::new(),
        "DeliveryPolicy" => delivery_policy::check_topic(text).map(|()| text.to_owned())?,
        "KmsMasterKeyId" | "ArchivePolicy" if text.is_empty() => return Ok(()),
        "KmsMasterKeyId" | "ArchivePolicy" | "DataProtectionPolicy" => {
            return Err(unsupported(format!("the attribute {name} of topics")));
        }
        name if name.ends_with("FeedbackRoleArn") || name.ends_with("FeedbackSampleRate") => {
            return Err(unsupported(format!("the attribute {name} of topics")));
        }
        _ => return Err(invalid("AttributeName")),
    };
    if value.is_empty() {
        record.attributes.remove(name);
    } else {
        record.attributes.insert(name.to_owned(), value);
    }
    Ok(())
}

fn flag(name: &str, text: &str) -> Result<String, Failure> {
    one_of(name, &text.to_ascii_lowercase(), &["true", "false"])
}

fn one_of(name: &str, text: &str, allowed: &[&str]) -> Result<String, Failure> {
    if allowed.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(invalid(format!("{name} Reason: The value must be one of {}", allowed.join(", "))))
}

/// The policy of a topic: the one that AWS makes, until another is set.
pub fn policy_of(name: &TopicName, record: &TopicRecord) -> String {
    if let Some(policy) = record.attributes.get("Policy") {
        return policy.clone();
    }
    json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": [
                "SNS:GetTopicAttributes",
                "SNS:SetTopicAttributes",
                "SNS:AddPermission",
                "SNS:RemovePermission",
                "SNS:DeleteTopic",
                "SNS:Subscribe",
                "SNS:ListSubscriptionsByTopic",
                "SNS:Publish",
            ],
            "Resource": name.arn(),
            "Condition": {"StringEquals": {"AWS:SourceOwner": name.account}},
        }],
    })
    .to_string()
}

/// Every attribute that a topic has.
pub fn show_topic(topic: &Topic, (confirmed, pending): (usize, usize)) -> BTreeMap<String, String> {
    let Topic { name, record, .. } = topic;
    let mut shown = record.attributes.clone();
    let mut add = |key: &str, value: String| {
        shown.entry(key.to_owned()).or_insert(value);
    };
    add("TopicArn", name.arn());
    add("Owner", name.account.clone());
    add("Policy", policy_of(name, record));
    add("DisplayName", String::new());
    add("EffectiveDeliveryPolicy", delivery_policy::show_topic(record.attributes.get("DeliveryPolicy")));
    add("SubscriptionsConfirmed", confirmed.to_string());
    add("SubscriptionsPending", pending.to_string());
    add("SubscriptionsDeleted", record.subscriptions_deleted.to_string());
    if record.is_fifo() {
        add("ContentBasedDeduplication", "false".to_owned());
        add("FifoThroughputScope", "Topic".to_owned());
    }
    shown
}

/// What a filter policy of a subscription looks at.
pub fn scope_of(record: &SubscriptionRecord) -> Scope {
    match record.attributes.get("FilterPolicyScope").map(String::as_str) {
        Some("MessageBody") => Scope::Body,
        _ => Scope::Attributes,
    }
}

/// Sets attributes of a subscription: first what others are read by.
pub fn set_subscription(
    record: &mut SubscriptionRecord,
    given: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let first = |name: &&String| *name != "FilterPolicyScope";
    let mut names: Vec<&String> = given.keys().collect();
    names.sort_by_key(first);
    for name in names {
        set_one(record, name, &given[name])?;
    }
    if let Some(policy) = record.attributes.get("DeliveryPolicy") {
        delivery_policy::check_subscription(policy, record.is_raw())?;
    }
    // A policy must be one for its scope, whichever of them was set last.
    match record.attributes.get("FilterPolicy") {
        Some(policy) => filter::read(policy, scope_of(record)).map(drop),
        None => Ok(()),
    }
}

fn set_one(record: &mut SubscriptionRecord, name: &str, text: &str) -> Result<(), Failure> {
    let value = match name {
        "RawMessageDelivery" => {
            let value = flag(name, text).map_err(|_| {
                invalid(format!("Attributes Reason: RawMessageDelivery: Invalid value [{text}]. Must be true or false."))
            })?;
            if value == "true" && record.protocol == Protocol::Lambda {
                return Err(invalid(
                    "Attributes Reason: RawMessageDelivery is not supported for the protocol lambda",
                ));
            }
            value
        }
        "FilterPolicyScope" => one_of(name, text, &["MessageAttributes", "MessageBody"])
            .map_err(|_| invalid(format!("FilterPolicyScope: Invalid value [{text}]. Please use either MessageBody or MessageAttributes")))?,
        "FilterPolicy" if text.is_empty() => String::new(),
        // AWS: an empty policy is none.
        "FilterPolicy" => match filter::read(text, Scope::Body)? {
            Some(_) => text.to_owned(),
            None => String::new(),
        },
        "RedrivePolicy" => redrive(text)?,
        "DeliveryPolicy" if text.is_empty() => String::new(),
        "DeliveryPolicy" if record.protocol.is_http() => text.to_owned(),
        "DeliveryPolicy" => return Err(invalid("DeliveryPolicy: it is for the protocols http and https only")),
        "SubscriptionRoleArn" => return Err(invalid("SubscriptionRoleArn: it is for the protocol firehose only")),
        "ReplayPolicy" => return Err(unsupported("the attribute ReplayPolicy of subscriptions")),
        _ => return Err(invalid("AttributeName")),
    };
    if value.is_empty() {
        record.attributes.remove(name);
    } else {
        record.attributes.insert(name.to_owned(), value);
    }
    Ok(())
}

fn redrive(text: &str) -> Result<String, Failure> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let policy: Value =
        serde_json::from_str(text).map_err(|_| invalid("RedrivePolicy: failed to parse JSON."))?;
    if policy.as_object().is_some_and(serde_json::Map::is_empty) {
        return Ok(String::new());
    }
    let target = policy["deadLetterTargetArn"].as_str();
    let Some(target) = target else {
        return Err(invalid("RedrivePolicy: deadLetterTargetArn is a required attribute"));
    };
    match target.parse::<hearth_base::Arn>() {
        Ok(arn) if arn.service == "sqs" => Ok(text.to_owned()),
        _ => Err(invalid("RedrivePolicy: deadLetterTargetArn is an invalid arn")),
    }
}

/// The ARN of the queue that gets what could not be delivered.
pub fn dead_letters(record: &SubscriptionRecord) -> Option<String> {
    let policy: Value = serde_json::from_str(record.attributes.get("RedrivePolicy")?).ok()?;
    policy["deadLetterTargetArn"].as_str().map(str::to_owned)
}

/// Every attribute that a subscription has.
pub fn show_subscription(found: &Subscription, of: &Topic) -> BTreeMap<String, String> {
    let SubscriptionName { topic, .. } = &found.name;
    let record = &found.record;
    let mut shown = record.attributes.clone();
    let mut add = |key: &str, value: String| {
        shown.entry(key.to_owned()).or_insert(value);
    };
    add("SubscriptionArn", found.name.arn());
    add("TopicArn", topic.arn());
    add("Owner", record.owner.clone());
    add("Protocol", record.protocol.as_str().to_owned());
    add("Endpoint", record.endpoint.clone());
    add("SubscriptionPrincipal", record.principal.clone());
    let authenticated = record.consent.as_ref().is_none_or(|consent| consent.authenticated);
    add("ConfirmationWasAuthenticated", authenticated.to_string());
    add("PendingConfirmation", record.is_pending().to_string());
    if record.protocol.is_http() {
        let (default, own) =
            (of.record.attributes.get("DeliveryPolicy"), record.attributes.get("DeliveryPolicy"));
        add("EffectiveDeliveryPolicy", delivery_policy::show_subscription(default, own));
    }
    add("RawMessageDelivery", "false".to_owned());
    if record.attributes.contains_key("FilterPolicy") {
        add("FilterPolicyScope", "MessageAttributes".to_owned());
    }
    shown
}
