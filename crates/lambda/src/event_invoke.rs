//! How asynchronous invocations of a function, a version or an alias are retried, and where their records go.
//!
//! It owns what is stored and its rules. It refuses to act on it: the data plane asks [`crate::Functions`] for the
//! settings of what it runs.
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-configuring.html>

use crate::failures::{invalid_parameter, not_yet};
use crate::model::{Function, RecursiveLoop};
use hearth_api::lambda::{self as api, errors};
use hearth_base::{Arn, Qualifier, Timestamp};
use hearth_wire::Failure;
use serde::{Deserialize, Serialize};

/// Attempts after the first, and seconds that an event may wait, unless configured.
const RETRIES_DEFAULT: u32 = 2;
const EVENT_AGE_DEFAULT_S: u32 = 21_600;

/// The configuration of one qualifier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventInvokeConfig {
    /// When it last changed.
    pub last_modified: Timestamp,
    /// `MaximumRetryAttempts`; none when not set.
    pub retries: Option<u32>,
    /// `MaximumEventAgeInSeconds`; none when not set.
    pub event_age_s: Option<u32>,
    /// Where records of successes go.
    pub on_success: Option<String>,
    /// Where records of failures go.
    pub on_failure: Option<String>,
}

/// What the data plane acts on: a configuration with AWS's defaults for what it leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventInvoke {
    /// Attempts after the first when the function fails.
    pub retries: u32,
    /// Seconds after which an event is given up.
    pub event_age_s: u32,
    /// Where records of successes go.
    pub on_success: Option<String>,
    /// Where records of failures go.
    pub on_failure: Option<String>,
    /// The queue or topic for events that were given up.
    pub dead_letter: Option<String>,
    /// The execution role, in whose name all of it is sent.
    pub role: String,
    /// What is done about a loop.
    pub recursive_loop: RecursiveLoop,
}

/// What a request sets; none of a field where it says nothing of it.
pub(crate) struct Change {
    retries: Option<u32>,
    event_age_s: Option<u32>,
    on_success: Option<Destination>,
    on_failure: Option<Destination>,
}

/// A destination of a request; empty to take it away.
#[derive(Clone)]
struct Destination(Option<String>);

impl EventInvoke {
    /// The settings of a qualifier; none when there is no such version or alias.
    pub(crate) fn of(function: &Function, qualifier: &Qualifier) -> Option<Self> {
        let version = function.version(match qualifier {
            Qualifier::Alias(name) => &function.aliases.get(name)?.version,
            version => version,
        })?;
        let config = function.event_invoke.get(qualifier);
        Some(Self {
            retries: config.and_then(|config| config.retries).unwrap_or(RETRIES_DEFAULT),
            event_age_s: config.and_then(|config| config.event_age_s).unwrap_or(EVENT_AGE_DEFAULT_S),
            on_success: config.and_then(|config| config.on_success.clone()),
            on_failure: config.and_then(|config| config.on_failure.clone()),
            dead_letter: version.settings.dead_letter.clone(),
            role: version.settings.role.clone(),
            recursive_loop: function.recursive_loop,
        })
    }
}

impl EventInvokeConfig {
    /// Nothing configured yet.
    pub(crate) fn empty(now: Timestamp) -> Self {
        Self { last_modified: now, retries: None, event_age_s: None, on_success: None, on_failure: None }
    }

    /// The configuration after a change.
    pub(crate) fn changed(self, change: &Change, now: Timestamp) -> Self {
        let destination = |asked: &Option<Destination>, before| match asked {
            Some(Destination(given)) => given.clone(),
            None => before,
        };
        Self {
            last_modified: now,
            retries: change.retries.or(self.retries),
            event_age_s: change.event_age_s.or(self.event_age_s),
            on_success: destination(&change.on_success, self.on_success),
            on_failure: destination(&change.on_failure, self.on_failure),
        }
    }

    /// As clients see it.
    pub(crate) fn shown(&self, function: &Function, qualifier: &Qualifier) -> api::FunctionEventInvokeConfig {
        api::FunctionEventInvokeConfig {
            last_modified: Some(self.last_modified),
            function_arn: Some(format!("{}:{qualifier}", function.arn())),
            maximum_retry_attempts: self.retries.map(i64::from),
            maximum_event_age_in_seconds: self.event_age_s.map(i64::from),
            destination_config: Some(api::DestinationConfig {
                on_success: Some(api::OnSuccess { destination: self.on_success.clone() }),
                on_failure: Some(api::OnFailure { destination: self.on_failure.clone() }),
            }),
        }
    }
}

impl Change {
    /// Reads what both requests have in common.
    ///
    /// # Errors
    /// AWS's when nothing is set; ours for destinations that nothing can be sent to.
    pub(crate) fn read(
        function_arn: &str,
        retries: Option<i64>,
        event_age_s: Option<i64>,
        destinations: Option<api::DestinationConfig>,
    ) -> Result<Self, Failure> {
        if retries.is_none() && event_age_s.is_none() && destinations.is_none() {
            return Err(invalid_parameter(
                "You must specify at least one of error handling or destination setting.",
            ));
        }
        let api::DestinationConfig { on_success, on_failure } = destinations.unwrap_or_default();
        let success = on_success.and_then(|target| target.destination);
        let failure = on_failure.and_then(|target| target.destination);
        let read = |text: Option<String>, member| {
            text.map(|text| Destination::read(text, member, function_arn)).transpose()
        };
        Ok(Self {
            retries: retries.and_then(|number| u32::try_from(number).ok()),
            event_age_s: event_age_s.and_then(|number| u32::try_from(number).ok()),
            on_success: read(success, "OnSuccess")?,
            on_failure: read(failure, "OnFailure")?,
        })
    }
}

impl Destination {
    /// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html#invocation-async-destinations>
    fn read(text: String, member: &str, function_arn: &str) -> Result<Self, Failure> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        if text.starts_with("kafka:") {
            return Err(not_yet(&format!("DestinationConfig.{member}.Destination"), "Kafka topics"));
        }
        let refuse = |why: &str| {
            let field = format!("DestinationConfig.{member}.Destination");
            Err(invalid_parameter(&format!("{field}: {text} {why}")))
        };
        let Ok(arn) = text.parse::<Arn>() else { return refuse("is not an ARN.") };
        let resource = arn.resource.as_str();
        match arn.service.as_str() {
            "sqs" | "sns" if resource.ends_with(".fifo") => {
                return refuse("is FIFO; the queue or topic of a destination must be a standard one.");
            }
            "sqs" | "sns" => {}
            "events" if resource.starts_with("event-bus/") => {}
            "lambda" if resource.starts_with("function:") => {}
            "s3" if member == "OnFailure" => {}
            "s3" => return refuse("is an S3 bucket, which can be a destination for failures only."),
            _ => {
                return refuse(
                    "is none of a queue of SQS, a topic of SNS, a Lambda function, an EventBridge event bus and an S3 bucket.",
                );
            }
        }
        // Nothing is accepted that nothing will come to.
        if arn.service == "s3" {
            return Err(not_yet(
                &format!("DestinationConfig.{member}.Destination"),
                "S3 buckets as destinations",
            ));
        }
        let own = text.strip_prefix(function_arn);
        if own.is_some_and(|rest| rest.is_empty() || rest.starts_with(':')) {
            return Err(invalid_parameter("You can't specify the function as a destination for itself."));
        }
        Ok(Self(Some(text)))
    }
}

/// AWS's words for a function, version or alias that is not there.
pub(crate) fn no_function() -> Failure {
    errors::resource_not_found("The function doesn't exist.")
}

/// AWS's words for a qualifier without a configuration.
pub(crate) fn not_configured(function: &Function, qualifier: &Qualifier) -> Failure {
    errors::resource_not_found(format!(
        "The function {}:{qualifier} doesn't have an EventInvokeConfig",
        function.arn()
    ))
}
