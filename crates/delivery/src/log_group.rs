//! Delivery to a log group: a log event in a stream of its own.
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html#targets-specifics-cwl>

use crate::{Inner, Targets};
use hearth_api::Delivery;
use hearth_api::logs::{CreateLogStreamRequest, InputLogEvent, PutLogEventsRequest};
use hearth_base::Arn;
use hearth_wire::Failure;
use serde_json::Value;

/// Writes the body as a log event.
pub(crate) async fn deliver(
    inner: &Inner,
    targets: &Targets,
    (target, delivery): (&Arn, Delivery),
) -> Result<(), Failure> {
    let group = target.resource.strip_prefix("log-group:").unwrap_or(&target.resource);
    let group = group.strip_suffix(":*").unwrap_or(group).to_owned();
    // What writes must be allowed on streams of the group, whose names are ids.
    let stream = delivery.request_id.to_string();
    let group_arn = Arn { resource: format!("log-group:{group}"), ..target.clone() };
    let stream_arn = format!("{group_arn}:log-stream:{stream}");
    let grant =
        |action| inner.grant(action, (target, &Delivery { target: stream_arn.clone(), ..delivery.clone() }));
    let create =
        CreateLogStreamRequest { log_group_name: Some(group.clone()), log_stream_name: Some(stream.clone()) };
    match targets.logs.create_log_stream(grant("logs:CreateLogStream")?, create).await {
        Err(failure) if failure.code != "ResourceAlreadyExistsException" => return Err(failure),
        _ => {}
    }
    let event = event(&delivery.body, targets.clock.now().millis());
    let put = PutLogEventsRequest {
        log_group_name: Some(group),
        log_stream_name: Some(stream),
        log_events: Some(vec![event]),
        ..Default::default()
    };
    let put = targets.logs.put_log_events(grant("logs:PutLogEvents")?, put).await?;
    match put.rejected_log_events_info {
        None => Ok(()),
        Some(_) => {
            let message = "The timestamp of the event is too old or too far in the future for the log group.";
            Err(Failure::sender("InvalidParameter", 400, message))
        }
    }
}

/// An object of just `timestamp` and `message` says itself what the log event is; all else is its message.
fn event(body: &[u8], now: i64) -> InputLogEvent {
    let read: Option<Value> = serde_json::from_slice(body).ok();
    let own =
        read.as_ref().and_then(Value::as_object).filter(|members| members.len() == 2).and_then(|members| {
            let timestamp = members.get("timestamp")?;
            let timestamp = timestamp.as_i64().or_else(|| timestamp.as_str()?.parse().ok())?;
            Some((timestamp, members.get("message")?.as_str()?.to_owned()))
        });
    let (timestamp, message) = own.unwrap_or_else(|| (now, String::from_utf8_lossy(body).into_owned()));
    InputLogEvent { timestamp: Some(timestamp), message: Some(message) }
}
