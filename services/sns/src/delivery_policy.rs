//! Delivery policies: how endpoints of http and https are tried again, how fast they are sent to, and as what.
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html>
//!
//! It refuses what AWS refuses when a policy is set, so that a stored one always reads.

use crate::failures::invalid;
use hearth_wire::Failure;
use serde_json::{Map, Value};
use std::time::Duration;

/// AWS: a policy may not try for longer in all.
const TOTAL_MAX: Duration = Duration::from_secs(3_600);
/// Retries.
const RETRIES_MAX: u64 = 100;
/// What notifications are, until a policy says so.
const CONTENT_TYPE: &str = "text/plain; charset=UTF-8";
/// What a policy may say that they are.
const CONTENT_TYPES: [&str; 2] = ["application/json", "text/plain"];
/// What it may say so of messages without their envelope beside these.
const CONTENT_TYPES_RAW: [&str; 10] = [
    "application/atom+xml",
    "application/octet-stream",
    "application/soap+xml",
    "application/x-www-form-urlencoded",
    "application/xhtml+xml",
    "application/xml",
    "text/css",
    "text/csv",
    "text/html",
    "text/xml",
];

/// How much longer each wait is than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backoff {
    Linear,
    Arithmetic,
    Geometric,
    Exponential,
}

const BACKOFFS: [(&str, Backoff); 4] = [
    ("linear", Backoff::Linear),
    ("arithmetic", Backoff::Arithmetic),
    ("geometric", Backoff::Geometric),
    ("exponential", Backoff::Exponential),
];

/// When a message is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Retry {
    min_delay: u64,
    max_delay: u64,
    retries: u64,
    at_max_delay: u64,
    without_delay: u64,
    at_min_delay: u64,
    backoff: Backoff,
}

/// What a policy says; what it leaves out is as another one has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Parts {
    retry: Option<Retry>,
    receives_per_second: Option<u64>,
    content_type: Option<String>,
}

/// How a subscription is delivered to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    retry: Retry,
    /// Most deliveries in a second.
    pub receives_per_second: Option<u64>,
    /// What notifications are sent as.
    pub content_type: String,
}

/// The members of a policy: they are named otherwise in that of a topic.
struct Names {
    within: &'static str,
    retry: &'static str,
    throttle: &'static str,
    request: &'static str,
    others: &'static [&'static str],
}

const OF_TOPIC: Names = Names {
    within: "http.",
    retry: "defaultHealthyRetryPolicy",
    throttle: "defaultThrottlePolicy",
    request: "defaultRequestPolicy",
    others: &["disableSubscriptionOverrides"],
};
const OF_SUBSCRIPTION: Names = Names {
    within: "",
    retry: "healthyRetryPolicy",
    throttle: "throttlePolicy",
    request: "requestPolicy",
    // AWS shows it and lets it be nothing else.
    others: &["sicklyRetryPolicy", "guaranteed"],
};

impl Default for Retry {
    fn default() -> Self {
        Self {
            min_delay: 20,
            max_delay: 20,
            retries: 3,
            at_max_delay: 0,
            without_delay: 0,
            at_min_delay: 0,
            backoff: Backoff::Linear,
        }
    }
}

/// Checks the policy of a topic.
pub fn check_topic(text: &str) -> Result<(), Failure> {
    topic(text).map(drop)
}

/// Checks the policy of a subscription.
pub fn check_subscription(text: &str, raw: bool) -> Result<(), Failure> {
    let parts = parts(&object(text)?, &OF_SUBSCRIPTION)?;
    let Some(content_type) = &parts.content_type else { return Ok(()) };
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    if !raw && CONTENT_TYPES_RAW.contains(&kind) {
        return Err(wrong(format!(
            "requestPolicy.headerContentType: {kind} is for subscriptions with raw message delivery"
        )));
    }
    Ok(())
}

/// The policy that holds for a subscription, of its own and its topic's.
pub fn effective(topic_text: Option<&String>, own: Option<&String>) -> Policy {
    // Both were checked when they were set.
    let (default, only) = topic_text.and_then(|text| topic(text).ok()).unwrap_or_default();
    let own = own.filter(|_| !only).and_then(|text| parts(&object(text).ok()?, &OF_SUBSCRIPTION).ok());
    let own = own.unwrap_or_default();
    Policy {
        retry: own.retry.or(default.retry).unwrap_or_default(),
        receives_per_second: own.receives_per_second.or(default.receives_per_second),
        content_type: own.content_type.or(default.content_type).unwrap_or_else(|| CONTENT_TYPE.to_owned()),
    }
}

/// `EffectiveDeliveryPolicy` of a topic.
pub fn show_topic(text: Option<&String>) -> String {
    let (_, only) = text.and_then(|text| topic(text).ok()).unwrap_or_default();
    let policy = effective(text, None);
    let throttle =
        policy.receives_per_second.map(|rate| format!(r#""defaultThrottlePolicy":{},"#, throttle(rate)));
    format!(
        r#"{{"http":{{"defaultHealthyRetryPolicy":{},"disableSubscriptionOverrides":{only},{}"defaultRequestPolicy":{}}}}}"#,
        policy.retry.show(),
        throttle.unwrap_or_default(),
        request(&policy.content_type),
    )
}

/// `EffectiveDeliveryPolicy` of a subscription.
pub fn show_subscription(topic_text: Option<&String>, own: Option<&String>) -> String {
    let policy = effective(topic_text, own);
    format!(
        r#"{{"healthyRetryPolicy":{},"sicklyRetryPolicy":null,"throttlePolicy":{},"requestPolicy":{},"guaranteed":false}}"#,
        policy.retry.show(),
        policy.receives_per_second.map_or_else(|| "null".to_owned(), throttle),
        request(&policy.content_type),
    )
}

fn throttle(rate: u64) -> String {
    format!(r#"{{"maxReceivesPerSecond":{rate}}}"#)
}

fn request(content_type: &str) -> String {
    format!(r#"{{"headerContentType":{}}}"#, Value::from(content_type))
}

/// What the policy of a topic says, and whether subscriptions may not say otherwise.
fn topic(text: &str) -> Result<(Parts, bool), Failure> {
    let whole = object(text)?;
    only_members(&whole, "", &["http"])?;
    let Some(http) = whole.get("http") else { return Ok(Default::default()) };
    let http = http.as_object().ok_or_else(|| wrong("http must be a JSON object"))?;
    let only = match http.get("disableSubscriptionOverrides") {
        None | Some(Value::Null) => false,
        Some(flag) => flag
            .as_bool()
            .or_else(|| flag.as_str()?.parse().ok())
            .ok_or_else(|| wrong("http.disableSubscriptionOverrides must be a boolean"))?,
    };
    let parts = parts(http, &OF_TOPIC)?;
    let kind = parts.content_type.as_deref().and_then(|it| it.split(';').next()).map(str::trim);
    if let Some(kind) = kind.filter(|kind| !CONTENT_TYPES.contains(kind)) {
        return Err(wrong(format!("http.defaultRequestPolicy.headerContentType: {kind} is not for topics")));
    }
    Ok((parts, only))
}

fn parts(policy: &Map<String, Value>, names: &Names) -> Result<Parts, Failure> {
    let Names { within, retry, throttle, request, others } = names;
    let known: Vec<&str> = [*retry, *throttle, *request].into_iter().chain(others.iter().copied()).collect();
    only_members(policy, within, &known)?;
    if policy.get("sicklyRetryPolicy").is_some_and(|it| !it.is_null()) {
        return Err(wrong("sicklyRetryPolicy must be null"));
    }
    if policy.get("guaranteed").is_some_and(|it| *it != Value::Bool(false)) {
        return Err(wrong("guaranteed must be false"));
    }
    let part = |name: &str| match policy.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(part)) => Ok(Some((part, format!("{within}{name}")))),
        Some(_) => Err(wrong(format!("{within}{name} must be a JSON object"))),
    };
    let mut parts = Parts::default();
    if let Some((part, name)) = part(retry)? {
        parts.retry = Some(read_retry(part, &name)?);
    }
    if let Some((part, name)) = part(throttle)? {
        only_members(part, &format!("{name}."), &["maxReceivesPerSecond"])?;
        parts.receives_per_second = number((part, &name), "maxReceivesPerSecond", 1)?;
    }
    if let Some((part, name)) = part(request)? {
        only_members(part, &format!("{name}."), &["headerContentType"])?;
        parts.content_type = content_type(part, &name)?;
    }
    Ok(parts)
}

fn content_type(part: &Map<String, Value>, name: &str) -> Result<Option<String>, Failure> {
    let Some(given) = part.get("headerContentType").filter(|it| !it.is_null()) else { return Ok(None) };
    let text = given.as_str().unwrap_or_default();
    let (kind, rest) = text.split_once(';').unwrap_or((text, "charset=UTF-8"));
    let known = CONTENT_TYPES.contains(&kind.trim()) || CONTENT_TYPES_RAW.contains(&kind.trim());
    if !known || !rest.trim().eq_ignore_ascii_case("charset=UTF-8") {
        return Err(wrong(format!("{name}.headerContentType: {given} is not supported")));
    }
    Ok(Some(text.to_owned()))
}

fn read_retry(part: &Map<String, Value>, name: &str) -> Result<Retry, Failure> {
    let names = [
        "minDelayTarget",
        "maxDelayTarget",
        "numRetries",
        "numMaxDelayRetries",
        "numNoDelayRetries",
        "numMinDelayRetries",
        "backoffFunction",
    ];
    only_members(part, &format!("{name}."), &names)?;
    let default = Retry::default();
    let get = |member: &str, least: u64| number((part, name), member, least);
    let backoff = match part.get("backoffFunction") {
        None | Some(Value::Null) => default.backoff,
        Some(given) => {
            let found = BACKOFFS.iter().find(|(name, _)| given == name).map(|(_, backoff)| *backoff);
            let allowed = "must be one of linear, arithmetic, geometric, exponential";
            found.ok_or_else(|| wrong(format!("{name}.backoffFunction {allowed}")))?
        }
    };
    let retry = Retry {
        min_delay: get("minDelayTarget", 1)?.unwrap_or(default.min_delay),
        max_delay: get("maxDelayTarget", 1)?.unwrap_or(default.max_delay),
        retries: get("numRetries", 0)?.unwrap_or(default.retries),
        at_max_delay: get("numMaxDelayRetries", 0)?.unwrap_or(0),
        without_delay: get("numNoDelayRetries", 0)?.unwrap_or(0),
        at_min_delay: get("numMinDelayRetries", 0)?.unwrap_or(0),
        backoff,
    };
    retry.check(name).map(|()| retry)
}

fn number(
    (part, name): (&Map<String, Value>, &str),
    member: &str,
    least: u64,
) -> Result<Option<u64>, Failure> {
    let Some(given) = part.get(member).filter(|it| !it.is_null()) else { return Ok(None) };
    if given.as_i64().is_some_and(|number| number < 0) || given.as_u64().is_some_and(|number| number < least)
    {
        return Err(wrong(format!("{name}.{member} must be greater than or equal to {least}")));
    }
    given.as_u64().map(Some).ok_or_else(|| wrong(format!("{name}.{member} must be an integer")))
}

fn object(text: &str) -> Result<Map<String, Value>, Failure> {
    serde_json::from_str(text).map_err(|_| wrong("failed to parse JSON."))
}

fn only_members(object: &Map<String, Value>, within: &str, known: &[&str]) -> Result<(), Failure> {
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(wrong(format!("Unexpected JSON member: {within}{name}"))),
        None => Ok(()),
    }
}

fn wrong(what: impl std::fmt::Display) -> Failure {
    invalid(format!("DeliveryPolicy: {what}"))
}

impl Retry {
    fn check(&self, name: &str) -> Result<(), Failure> {
        let refuse = |what: &str| Err(wrong(format!("{name}.{what}")));
        let most = TOTAL_MAX.as_secs();
        if self.max_delay > most {
            return refuse(&format!("maxDelayTarget must be less than or equal to {most}"));
        }
        if self.min_delay > self.max_delay {
            return refuse("maxDelayTarget must be greater than or equal to minDelayTarget");
        }
        if self.retries > RETRIES_MAX {
            return refuse(&format!("numRetries must be less than or equal to {RETRIES_MAX}"));
        }
        let phases = [self.without_delay, self.at_min_delay, self.at_max_delay];
        if phases.iter().fold(0, |sum: u64, it| sum.saturating_add(*it)) > self.retries {
            return refuse(
                "numRetries must be greater than or equal to total of numMinDelayRetries, numNoDelayRetries and numMaxDelayRetries",
            );
        }
        let total: Duration = (1..=self.retries).filter_map(|retry| self.wait(retry)).sum();
        if total > TOTAL_MAX {
            return Err(wrong(format!(
                "{name}: Total policy retry time cannot be greater than {most} seconds"
            )));
        }
        Ok(())
    }

    /// How long to wait before a retry, counted from one; none when there is no such retry.
    fn wait(&self, retry: u64) -> Option<Duration> {
        let Self { min_delay, max_delay, .. } = *self;
        if retry > self.retries {
            return None;
        }
        let growing = self.retries - self.without_delay - self.at_min_delay - self.at_max_delay;
        let place = retry.checked_sub(self.without_delay + self.at_min_delay);
        Some(match place {
            _ if retry <= self.without_delay => Duration::ZERO,
            None | Some(0) => Duration::from_secs(min_delay),
            Some(place) if place > growing => Duration::from_secs(max_delay),
            Some(place) => self.backoff.wait((place, growing), (min_delay, max_delay)),
        })
    }

    fn show(&self) -> String {
        let Self { min_delay, max_delay, retries, at_max_delay, without_delay, at_min_delay, backoff } = self;
        let backoff = BACKOFFS.iter().find(|(_, it)| it == backoff).map_or("linear", |(name, _)| name);
        format!(
            r#"{{"minDelayTarget":{min_delay},"maxDelayTarget":{max_delay},"numRetries":{retries},"numMaxDelayRetries":{at_max_delay},"numNoDelayRetries":{without_delay},"numMinDelayRetries":{at_min_delay},"backoffFunction":"{backoff}"}}"#
        )
    }
}

impl Backoff {
    /// The wait at a place among those that grow from `min` at the first to `max` at the last. AWS publishes the curves as a
    /// picture only: arithmetic growth adds one step more each time, geometric doubles the step, exponential multiplies the
    /// wait itself.
    fn wait(self, (place, count): (u64, u64), (min, max): (u64, u64)) -> Duration {
        let (min, max) = (min as f64, max as f64);
        let (at, last) = ((place - 1) as f64, count.saturating_sub(1).max(1) as f64);
        let share = match self {
            Self::Linear => at / last,
            Self::Arithmetic => at * (at + 1.0) / (last * (last + 1.0)),
            Self::Geometric => (at.exp2() - 1.0) / (last.exp2() - 1.0),
            Self::Exponential => return Duration::from_secs_f64(min * (max / min).powf(at / last)),
        };
        Duration::from_secs_f64(min + (max - min) * share)
    }
}

impl Policy {
    /// How long to wait after so many tries; none when there is no further one.
    pub fn wait_after(&self, tries: u32) -> Option<Duration> {
        self.retry.wait(u64::from(tries.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(own: &str) -> Vec<u64> {
        check_subscription(own, false).unwrap();
        let policy = effective(None, Some(&own.to_owned()));
        (1..).map_while(|tries| policy.wait_after(tries)).map(|wait| wait.as_secs()).collect()
    }

    #[test]
    fn retries_go_through_four_phases() {
        assert_eq!(waits("{}"), [20, 20, 20]);
        let phases = r#"{"healthyRetryPolicy":{"minDelayTarget":1,"maxDelayTarget":60,"numRetries":10,"numNoDelayRetries":2,
            "numMinDelayRetries":2,"numMaxDelayRetries":2,"backoffFunction":"BACKOFF"}}"#;
        for (backoff, growing) in [
            ("linear", [1, 20, 40, 60]),
            ("arithmetic", [1, 10, 30, 60]),
            ("geometric", [1, 9, 26, 60]),
            ("exponential", [1, 3, 15, 60]),
        ] {
            let waited = waits(&phases.replace("BACKOFF", backoff));
            assert_eq!(waited[..4], [0, 0, 1, 1], "{backoff}");
            let near = waited[4..8].iter().zip(growing).all(|(one, other)| one.abs_diff(other) <= 1);
            assert!(near, "{backoff}: {waited:?}");
            assert_eq!(waited[8..], [60, 60], "{backoff}");
        }
        assert_eq!(waits(r#"{"healthyRetryPolicy":{"numRetries":0}}"#), [0; 0]);
    }

    #[test]
    fn wrong_policies_are_refused_by_what_is_wrong() {
        for (text, words) in [
            ("{", "failed to parse JSON"),
            (r#"{"colour":1}"#, "Unexpected JSON member: colour"),
            (
                r#"{"healthyRetryPolicy":{"minDelayTarget":0}}"#,
                "healthyRetryPolicy.minDelayTarget must be greater than or equal to 1",
            ),
            (
                r#"{"healthyRetryPolicy":{"minDelayTarget":30}}"#,
                "maxDelayTarget must be greater than or equal to minDelayTarget",
            ),
            (r#"{"healthyRetryPolicy":{"maxDelayTarget":3601}}"#, "less than or equal to 3600"),
            (r#"{"healthyRetryPolicy":{"numRetries":101}}"#, "less than or equal to 100"),
            (r#"{"healthyRetryPolicy":{"numNoDelayRetries":4}}"#, "total of numMinDelayRetries"),
            (r#"{"healthyRetryPolicy":{"backoffFunction":"cubic"}}"#, "must be one of linear"),
            (
                r#"{"healthyRetryPolicy":{"minDelayTarget":1500,"maxDelayTarget":1500}}"#,
                "healthyRetryPolicy: Total policy retry time cannot be greater than 3600 seconds",
            ),
            (
                r#"{"throttlePolicy":{"maxReceivesPerSecond":0}}"#,
                "throttlePolicy.maxReceivesPerSecond must be greater",
            ),
            (r#"{"requestPolicy":{"headerContentType":"video/mp4"}}"#, "is not supported"),
            (r#"{"requestPolicy":{"headerContentType":"text/csv"}}"#, "raw message delivery"),
            (r#"{"sicklyRetryPolicy":{}}"#, "sicklyRetryPolicy must be null"),
        ] {
            let failure = check_subscription(text, false).unwrap_err();
            assert!(failure.message.contains(words), "{text}: {}", failure.message);
        }
        check_subscription(r#"{"requestPolicy":{"headerContentType":"text/csv"}}"#, true).unwrap();
        let failure = check_topic(r#"{"healthyRetryPolicy":{}}"#).unwrap_err();
        assert!(failure.message.contains("Unexpected JSON member: healthyRetryPolicy"));
        // What is shown can be set again.
        check_subscription(&show_subscription(None, None), false).unwrap();
        check_topic(&show_topic(None)).unwrap();
    }

    #[test]
    fn a_subscription_says_otherwise_unless_its_topic_forbids_it() {
        let topic = |only: bool| {
            format!(
                r#"{{"http":{{"defaultHealthyRetryPolicy":{{"numRetries":5}},"disableSubscriptionOverrides":{only},
                "defaultRequestPolicy":{{"headerContentType":"application/json"}}}}}}"#
            )
        };
        let own = r#"{"healthyRetryPolicy":{"numRetries":1},"throttlePolicy":{"maxReceivesPerSecond":7}}"#
            .to_owned();
        for (only, retries, rate) in [(false, 1, Some(7)), (true, 5, None)] {
            check_topic(&topic(only)).unwrap();
            let policy = effective(Some(&topic(only)), Some(&own));
            assert_eq!((policy.retry.retries, policy.receives_per_second), (retries, rate));
            assert_eq!(policy.content_type, "application/json");
        }
    }
}
