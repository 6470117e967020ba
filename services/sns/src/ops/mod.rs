//! One file for each action, named after it. Each has `run`, which is the action, and what only it needs.

pub mod add_permission;
pub mod confirm_subscription;
pub mod create_topic;
pub mod delete_topic;
pub mod get_subscription_attributes;
pub mod get_topic_attributes;
pub mod list_subscriptions;
pub mod list_subscriptions_by_topic;
pub mod list_tags_for_resource;
pub mod list_topics;
pub mod publish;
pub mod publish_batch;
pub mod remove_permission;
pub mod set_subscription_attributes;
pub mod set_topic_attributes;
pub mod subscribe;
pub mod tag_resource;
pub mod tags;
pub mod unsubscribe;
pub mod untag_resource;

use crate::Inner;
use crate::failures::{invalid, no_such_subscription};
use crate::naming::SubscriptionName;
use crate::registry::Subscription;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_api::Grant;
use hearth_api::sns::{Subscription as Shown, errors};
use hearth_wire::Failure;

/// Topics or subscriptions of one page.
const PAGE: usize = 100;

/// A page of what comes in the order of its names, and the token for the next.
fn page<T>(
    all: impl Iterator<Item = (String, T)>,
    token: Option<String>,
) -> Result<(Vec<T>, Option<String>), Failure> {
    let after = match token.filter(|token| !token.is_empty()) {
        None => String::new(),
        Some(token) => {
            let bytes = URL_SAFE_NO_PAD.decode(&token).ok();
            bytes.and_then(|it| String::from_utf8(it).ok()).ok_or_else(|| invalid("NextToken"))?
        }
    };
    let mut all: Vec<(String, T)> = all.filter(|(name, _)| *name > after).collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    let more = all.len() > PAGE;
    all.truncate(PAGE);
    let next = all.last().filter(|_| more).map(|(name, _)| URL_SAFE_NO_PAD.encode(name));
    Ok((all.into_iter().map(|(_, it)| it).collect(), next))
}

/// A subscription in a list.
fn shown(found: Subscription) -> Shown {
    Shown {
        // AWS: nobody learns the ARN of one that may never be.
        subscription_arn: Some(if found.record.is_pending() {
            "PendingConfirmation".to_owned()
        } else {
            found.name.arn()
        }),
        owner: Some(found.record.owner.clone()),
        protocol: Some(found.record.protocol.as_str().to_owned()),
        endpoint: Some(without_password(&found.record.endpoint)),
        topic_arn: Some(found.name.topic.arn()),
    }
}

/// AWS: a password in a URL is shown to who may read the subscription's attributes alone.
fn without_password(endpoint: &str) -> String {
    let Some((scheme, rest)) = endpoint.split_once("://") else { return endpoint.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => {
            let name = rest[..at].split(':').next().unwrap_or_default();
            format!("{scheme}://{name}:****{}", &rest[at..])
        }
        None => endpoint.to_owned(),
    }
}

/// The subscription that a request names, if it is the caller's.
fn own_subscription(inner: &Inner, grant: &Grant, arn: Option<String>) -> Result<Subscription, Failure> {
    let name = SubscriptionName::of_arn(&arn.unwrap_or_default())?;
    let found = inner.registry.subscription(&name).filter(|found| !found.record.has_ended());
    let found = found.ok_or_else(no_such_subscription)?;
    allowed(grant, &found).map(|()| found)
}

/// A subscription is for the account that made it and for that of its topic.
fn allowed(grant: &Grant, found: &Subscription) -> Result<(), Failure> {
    let account = grant.account();
    if found.record.owner == account.as_str() || found.name.topic.account == account.as_str() {
        return Ok(());
    }
    Err(errors::authorization_error("Not the owner of the subscription"))
}
