//! Targets: what a schedule may invoke, and what arrives there.
//! <https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets.html>
//!
//! Templated targets are named by the ARN of a function, a queue, a topic or an event bus; of universal targets, which are
//! named by an operation, the operations that do the same. It refuses all others by name.

use crate::failures::{invalid, unsupported};
use crate::model::{Invocation, Target};
use hearth_api::delivery::{Delivery, Event, Extras, Sender};
use hearth_base::{Arn, RequestId};
use hearth_wire::Failure;
use serde_json::{Map, Value, json};

/// The name of the sessions in which targets are invoked.
const SESSION: &str = "AmazonEventBridgeScheduler";

/// A kind of target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Function,
    Queue,
    Topic,
    Bus,
    /// `aws-sdk:lambda:invoke`
    Invoke,
    /// `aws-sdk:sqs:sendMessage`
    SendMessage,
    /// `aws-sdk:sns:publish`
    Publish,
}

impl Kind {
    /// The kind of target that an ARN names.
    pub fn of(arn: &str) -> Result<Self, Failure> {
        let parsed: Arn = arn.parse().map_err(|_| invalid("Provided Arn is not in correct format."))?;
        let plain = !parsed.account.is_empty() && !parsed.region.is_empty();
        let resource = parsed.resource.as_str();
        match parsed.service.as_str() {
            "lambda" if plain && resource.starts_with("function:") => Ok(Self::Function),
            "sqs" if plain && !resource.contains(':') => Ok(Self::Queue),
            "sns" if plain && !resource.contains(':') => Ok(Self::Topic),
            "events" if plain && resource.starts_with("event-bus/") => Ok(Self::Bus),
            "lambda" | "sqs" | "sns" | "events" => Err(invalid("Provided Arn is not in correct format.")),
            "scheduler" => match resource {
                "aws-sdk:lambda:invoke" => Ok(Self::Invoke),
                "aws-sdk:sqs:sendMessage" => Ok(Self::SendMessage),
                "aws-sdk:sns:publish" => Ok(Self::Publish),
                _ => Err(unsupported(format_args!("the target {arn}"))),
            },
            service => Err(unsupported(format_args!("targets of the service {service} ({arn})"))),
        }
    }

    /// Refuses what the target does not take.
    pub fn check(self, target: &Target) -> Result<(), Failure> {
        let fifo = target.arn.ends_with(".fifo");
        if target.group.is_some() && self != Self::Queue {
            return Err(invalid(
                "SqsParameters can only be provided for a target that is an Amazon SQS queue.",
            ));
        }
        if self == Self::Queue && fifo && target.group.is_none() {
            return Err(invalid(
                "SqsParameters MessageGroupId must be provided for a target that is a FIFO queue.",
            ));
        }
        match (self, &target.event) {
            (Self::Bus, None) => {
                return Err(invalid(
                    "EventBridgeParameters must be provided for a target that is an event bus.",
                ));
            }
            (Self::Bus, Some(_)) | (_, None) => {}
            _ => {
                return Err(invalid(
                    "EventBridgeParameters can only be provided for a target that is an event bus.",
                ));
            }
        }
        let Some(input) = &target.input else {
            return match self {
                Self::Invoke | Self::SendMessage | Self::Publish => {
                    Err(invalid("Input must be provided for a universal target."))
                }
                _ => Ok(()),
            };
        };
        match self {
            Self::Function | Self::Bus if serde_json::from_str::<Value>(input).is_err() => {
                Err(invalid("Input must be well-formed JSON for this type of target."))
            }
            Self::Function | Self::Queue | Self::Topic | Self::Bus => Ok(()),
            _ => self.request(input).map(drop),
        }
    }

    /// What the input of a universal target asks for.
    fn request(self, input: &str) -> Result<Request, Failure> {
        let members: Map<String, Value> = serde_json::from_str(input)
            .map_err(|_| invalid("Input must be a JSON object for a universal target."))?;
        let mut members = Members(members);
        let request = match self {
            Self::Invoke => {
                let function = members.text("FunctionName")?.unwrap_or_default();
                match members.text("InvocationType")?.as_deref() {
                    Some("Event") => {}
                    other => {
                        let other = other.unwrap_or("RequestResponse");
                        return Err(unsupported(format_args!(
                            "the InvocationType {other} in a schedule's Input"
                        )));
                    }
                }
                // AWS: text, which may also be given as the JSON that it holds.
                let payload = members.0.remove("Payload").unwrap_or(Value::Null);
                let body = match payload {
                    Value::String(text) => text,
                    Value::Null => String::new(),
                    other => other.to_string(),
                };
                Request { to: function, body, ..Request::default() }
            }
            Self::SendMessage => Request {
                to: members.text("QueueUrl")?.unwrap_or_default(),
                body: members.text("MessageBody")?.unwrap_or_default(),
                group: members.text("MessageGroupId")?,
                deduplication: members.text("MessageDeduplicationId")?,
                subject: None,
            },
            _ => Request {
                to: members.text("TopicArn")?.unwrap_or_default(),
                body: members.text("Message")?.unwrap_or_default(),
                group: members.text("MessageGroupId")?,
                deduplication: members.text("MessageDeduplicationId")?,
                subject: members.text("Subject")?,
            },
        };
        if let Some(name) = members.0.keys().next() {
            return Err(unsupported(format_args!("{name} in the Input of this target")));
        }
        if request.to.is_empty() {
            return Err(invalid("Input must name the resource that the target is to call."));
        }
        Ok(request)
    }
}

/// What a universal target is asked.
#[derive(Default)]
struct Request {
    /// A function's name or ARN, a queue's URL or a topic's ARN.
    to: String,
    body: String,
    group: Option<String>,
    deduplication: Option<String>,
    subject: Option<String>,
}

/// The members of an input. AWS: their names are those of the API.
struct Members(Map<String, Value>);

impl Members {
    fn text(&mut self, name: &str) -> Result<Option<String>, Failure> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(invalid(format!("{name} in the Input must be a string."))),
        }
    }
}

/// The input of an invocation, with the values of its context attributes; when it has none, AWS's notification.
/// <https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html>
pub fn input(invocation: &Invocation) -> String {
    let arn = invocation.schedule.arn();
    let scheduled = hearth_base::Timestamp::from_seconds(invocation.scheduled.seconds()).date_time();
    let Some(input) = &invocation.target.input else {
        let notification = json!({
            "version": "0",
            "id": invocation.execution,
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": invocation.schedule.account,
            "time": scheduled,
            "region": invocation.schedule.region,
            "resources": [arn],
            "detail": "{}",
        });
        return notification.to_string();
    };
    if !input.contains("<aws.scheduler.") {
        return input.clone();
    }
    let attempt = (invocation.tries + 1).to_string();
    [
        ("<aws.scheduler.schedule-arn>", &arn),
        ("<aws.scheduler.scheduled-time>", &scheduled),
        ("<aws.scheduler.execution-id>", &invocation.execution),
        ("<aws.scheduler.attempt-number>", &attempt),
    ]
    .iter()
    .fold(input.clone(), |text, (name, value)| text.replace(name, value))
}

/// An invocation on its way to its target.
pub fn delivery(invocation: &Invocation, request_id: RequestId) -> Result<Delivery, Failure> {
    let target = &invocation.target;
    let kind = Kind::of(&target.arn)?;
    let input = input(invocation);
    let mut extras = Extras::default();
    let (to, body) = match kind {
        Kind::Function | Kind::Topic => (target.arn.clone(), input),
        Kind::Queue => {
            extras.group_id = target.group.clone();
            (target.arn.clone(), input)
        }
        Kind::Bus => {
            extras.event = target.event.as_ref().map(|event| Event {
                source: event.source.clone(),
                detail_type: event.detail_type.clone(),
                resources: vec![invocation.schedule.arn()],
                before: None,
            });
            (target.arn.clone(), input)
        }
        Kind::Invoke | Kind::SendMessage | Kind::Publish => {
            let request = kind.request(&input)?;
            extras.group_id = request.group;
            extras.deduplication_id = request.deduplication;
            extras.subject = request.subject;
            (resource(kind, &request.to, invocation), request.body)
        }
    };
    Ok(of_role(invocation, (to, body, extras), request_id))
}

/// Something that is delivered in the name of the schedule's role.
pub fn of_role(
    invocation: &Invocation,
    (target, body, extras): (String, String, Extras),
    request_id: RequestId,
) -> Delivery {
    Delivery {
        target,
        sender: Sender::Role { arn: invocation.target.role.clone(), session: SESSION.into() },
        body: body.into(),
        extras,
        region: invocation.schedule.region.parse().unwrap_or_default(),
        request_id,
        trace_header: None,
    }
}

/// The ARN of what a universal target names in its API's own way.
fn resource(kind: Kind, name: &str, invocation: &Invocation) -> String {
    let (account, region) = (&invocation.schedule.account, &invocation.schedule.region);
    let partition = invocation.target.role.split(':').nth(1).unwrap_or("aws");
    if name.starts_with("arn:") {
        return name.to_owned();
    }
    match kind {
        Kind::Invoke => format!("arn:{partition}:lambda:{region}:{account}:function:{name}"),
        Kind::SendMessage => {
            // `https://sqs.us-east-1.amazonaws.com/123456789012/queue`
            let mut parts = name.rsplit('/');
            let queue = parts.next().unwrap_or_default();
            let account = parts.next().filter(|part| !part.is_empty()).unwrap_or(account);
            format!("arn:{partition}:sqs:{region}:{account}:{queue}")
        }
        _ => name.to_owned(),
    }
}
