//! From lines of execution environments to CloudWatch Logs, in the name of the function's execution role.
//!
//! A role that may not write logs writes none, as on AWS. It refuses to hold lines back: the environment's bounded queue
//! does that.

use hearth_api::Grant;
use hearth_api::logs::{
    CreateLogGroupRequest, CreateLogStreamRequest, InputLogEvent, Logs, PutLogEventsRequest,
};
use hearth_base::{BoxFuture, Rng};
use hearth_environment::{Definition, LogEvent, LogSink};
use hearth_iam::{Access, Authority, Call};
use hearth_wire::Failure;
use std::sync::Arc;

/// Limits of one PutLogEvents request; each event counts 26 bytes beside its text.
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html>
const BATCH_EVENTS_MAX: usize = 10_000;
const BATCH_BYTES_MAX: usize = 1_048_576;
const EVENT_OVERHEAD_BYTES: usize = 26;

/// Whom delivery speaks for and to.
pub struct Writers {
    /// CloudWatch Logs.
    pub logs: Arc<dyn Logs>,
    /// Makes the grants of execution roles.
    pub authority: Arc<Authority>,
    /// Randomness for request ids.
    pub rng: Arc<dyn Rng>,
}

/// What an action of CloudWatch Logs is on.
#[derive(Clone, Copy)]
enum Target<'a> {
    /// The function's group.
    Group,
    /// A stream of it.
    Stream(&'a str),
}

/// Writes the lines of environments to CloudWatch Logs.
pub struct LogDelivery {
    writers: Writers,
}

impl LogDelivery {
    /// Delivery over these.
    pub fn new(writers: Writers) -> Self {
        Self { writers }
    }

    async fn deliver(
        &self,
        definition: &Definition,
        stream: &str,
        events: Vec<LogEvent>,
    ) -> Result<(), Failure> {
        let group = definition.logging.group.as_str();
        for batch in batches(events) {
            let request = || PutLogEventsRequest {
                log_group_name: Some(group.to_owned()),
                log_stream_name: Some(stream.to_owned()),
                log_events: Some(batch.clone()),
                ..Default::default()
            };
            let target = Target::Stream(stream);
            let grant = self.grant(definition, "logs:PutLogEvents", target)?;
            let first = self.writers.logs.put_log_events(grant, request()).await;
            match first {
                Ok(_) => {}
                Err(failure) if failure.code == "ResourceNotFoundException" => {
                    self.create(definition, stream).await?;
                    let grant = self.grant(definition, "logs:PutLogEvents", target)?;
                    self.writers.logs.put_log_events(grant, request()).await?;
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// Makes the group and the stream; that another environment made the group first is no failure.
    async fn create(&self, definition: &Definition, name: &str) -> Result<(), Failure> {
        let logs = &self.writers.logs;
        let group = CreateLogGroupRequest {
            log_group_name: Some(definition.logging.group.clone()),
            ..Default::default()
        };
        // A role that may not make the group can still write to one that is there.
        match self.grant(definition, "logs:CreateLogGroup", Target::Group) {
            Ok(grant) => tolerate_existing(logs.create_log_group(grant, group).await)?,
            Err(denied) => tracing::debug!(function = %definition.arn, %denied, "no log group is made"),
        }
        let stream = CreateLogStreamRequest {
            log_group_name: Some(definition.logging.group.clone()),
            log_stream_name: Some(name.to_owned()),
        };
        let grant = self.grant(definition, "logs:CreateLogStream", Target::Stream(name))?;
        tolerate_existing(logs.create_log_stream(grant, stream).await)
    }

    /// Leave for the function's execution role to do this, or why it has none.
    fn grant(&self, definition: &Definition, action: &str, target: Target<'_>) -> Result<Grant, Failure> {
        let call = Call {
            account: definition.key.account,
            region: definition.key.region.clone(),
            request_id: hearth_base::RequestId::new(self.writers.rng.as_ref()),
            endpoint: "".into(),
        };
        let (region, account) = (&definition.key.region, definition.key.account);
        let (partition, group) = (region.partition(), &definition.logging.group);
        let stream = if let Target::Stream(name) = target { name } else { "" };
        let resource =
            format!("arn:{partition}:logs:{region}:{account}:log-group:{group}:log-stream:{stream}");
        let access = Access::new(action, &resource);
        self.writers.authority.as_role((&definition.role_arn, &definition.key.name), &access, call)
    }
}

impl LogSink for LogDelivery {
    fn write(
        &self,
        definition: Arc<Definition>,
        stream: Arc<str>,
        events: Vec<LogEvent>,
    ) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Err(failure) = self.deliver(&definition, &stream, events).await {
                // What a role may not do is its owner's doing and no fault of the server, however many lines there are.
                if failure.code == "AccessDeniedException" {
                    tracing::debug!(function = %definition.arn, %failure, "log lines were not written");
                } else {
                    tracing::warn!(function = %definition.arn, %failure, "log lines were not written");
                }
            }
        })
    }
}

fn tolerate_existing(outcome: Result<(), Failure>) -> Result<(), Failure> {
    match outcome {
        Err(failure) if failure.code == "ResourceAlreadyExistsException" => Ok(()),
        other => other,
    }
}

/// Cuts events into batches that one request may carry. Empty lines are no events to CloudWatch Logs.
fn batches(events: Vec<LogEvent>) -> Vec<Vec<InputLogEvent>> {
    let mut batches: Vec<Vec<InputLogEvent>> = Vec::new();
    let mut room = 0;
    for event in events.into_iter().filter(|event| !event.message.is_empty()) {
        let bytes = event.message.len() + EVENT_OVERHEAD_BYTES;
        let full = batches.last().is_none_or(|batch| batch.len() == BATCH_EVENTS_MAX);
        if full || bytes > room {
            batches.push(Vec::new());
            room = BATCH_BYTES_MAX;
        }
        room = room.saturating_sub(bytes);
        let input = InputLogEvent { timestamp: Some(event.timestamp.millis()), message: Some(event.message) };
        batches.last_mut().expect("a batch was pushed when there was none").push(input);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_base::Timestamp;

    #[test]
    fn batches_stay_within_what_one_request_may_carry() {
        let event =
            |bytes: usize| LogEvent { timestamp: Timestamp::from_millis(1), message: "x".repeat(bytes) };
        let sizes = |events: Vec<LogEvent>| batches(events).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(vec![]), Vec::<usize>::new());
        assert_eq!(sizes(vec![event(0), event(1)]), [1]);
        assert_eq!(sizes((0..10_001).map(|_| event(1)).collect()), [10_000, 1]);
        assert_eq!(sizes((0..5).map(|_| event(250_000)).collect()), [4, 1]);
    }
}
