//! What is told of an asynchronous invocation that has ended: the record for a destination, and the attributes of an
//! event in a dead-letter queue.
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>
//!
//! It refuses to send anything.

use super::event::Event;
use bytes::Bytes;
use hearth_api::delivery::Attribute;
use hearth_base::Timestamp;
use hearth_environment::Outcome;
use serde::de::IgnoredAny;
use serde_json::json;

/// `requestContext.condition`: why an event is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The function returned.
    Success,
    /// The function failed as often as it may.
    RetriesExhausted,
    /// The event waited longer than it may.
    EventAgeExceeded,
    /// The function may not run at all: its reserved concurrency is zero.
    ZeroReservedConcurrency,
    /// It belongs to a loop that was broken off. AWS documents no word for it.
    RecursiveInvocation,
}

/// An event that is done with.
pub struct Concluded<'a> {
    /// The event, as it was when it was taken.
    pub event: &'a Event,
    /// The ARN with a qualifier.
    pub function_arn: &'a str,
    /// Why.
    pub condition: Condition,
    /// How often the function was invoked with it.
    pub invoke_count: u32,
    /// How the last invocation ended, and which version it was.
    pub last: Option<(&'a Outcome, &'a str)>,
}

/// Bytes of an error message that goes into an attribute.
const ERROR_MESSAGE_BYTES_MAX: usize = 1_024;

impl Condition {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::RetriesExhausted => "RetriesExhausted",
            Self::EventAgeExceeded => "EventAgeExceeded",
            Self::ZeroReservedConcurrency => "ZeroReservedConcurrency",
            Self::RecursiveInvocation => "RecursiveInvocation",
        }
    }

    /// What the words of an error message are when the function made none.
    fn message(self) -> &'static str {
        match self {
            Self::Success | Self::RetriesExhausted => "",
            Self::EventAgeExceeded => "The event was not processed within its maximum age.",
            Self::ZeroReservedConcurrency => "The function's reserved concurrency is zero.",
            Self::RecursiveInvocation => "The function was invoked in a recursive loop.",
        }
    }
}

impl Concluded<'_> {
    /// The record, version 1.0.
    pub fn record(&self, now: Timestamp) -> Bytes {
        let mut record = Vec::with_capacity(512 + self.event.payload.len());
        let context = json!({
            "requestId": self.event.header.request_id,
            "functionArn": self.function_arn,
            "condition": self.condition.as_str(),
            "approximateInvokeCount": self.invoke_count,
        });
        let timestamp = now.date_time_millis();
        record.extend_from_slice(
            format!("{{\"version\":\"1.0\",\"timestamp\":\"{timestamp}\",\"requestContext\":{context}")
                .as_bytes(),
        );
        record.extend_from_slice(b",\"requestPayload\":");
        append_json(&mut record, &self.event.payload);
        if let Some((outcome, version)) = self.last {
            let mut response = json!({"statusCode": 200, "executedVersion": version});
            if let Some(error) = outcome.function_error() {
                response["functionError"] = error.into();
            }
            record.extend_from_slice(
                format!(",\"responseContext\":{response},\"responsePayload\":").as_bytes(),
            );
            append_json(&mut record, outcome.payload());
        }
        record.push(b'}');
        record.into()
    }

    /// What stands beside the event in a dead-letter queue.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html#invocation-dlq>
    pub fn dead_letter_attributes(&self) -> Vec<Attribute> {
        let attribute = |name: &str, data_type: &str, value: String| Attribute {
            name: name.to_owned(),
            data_type: data_type.to_owned(),
            value: value.into(),
        };
        let message = self.last.and_then(|(outcome, _)| error_message(outcome.payload()));
        let mut message = message.unwrap_or_else(|| self.condition.message().to_owned());
        message.truncate(message.floor_char_boundary(ERROR_MESSAGE_BYTES_MAX));
        let code = if self.last.is_some() { "200" } else { "429" };
        let mut attributes = vec![
            attribute("RequestID", "String", self.event.header.request_id.clone()),
            attribute("ErrorCode", "Number", code.to_owned()),
        ];
        // An attribute must not be empty.
        if !message.is_empty() {
            attributes.push(attribute("ErrorMessage", "String", message));
        }
        attributes
    }
}

/// What is JSON goes in as it is, anything else as a string.
fn append_json(record: &mut Vec<u8>, payload: &Bytes) {
    if serde_json::from_slice::<IgnoredAny>(payload).is_ok() {
        record.extend_from_slice(payload);
    } else {
        let text = serde_json::Value::from(String::from_utf8_lossy(payload));
        record.extend_from_slice(text.to_string().as_bytes());
    }
}

fn error_message(error: &Bytes) -> Option<String> {
    let error: serde_json::Value = serde_json::from_slice(error).ok()?;
    Some(error.get("errorMessage")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::event::NewEvent;
    use super::*;
    use hearth_base::{RequestId, SeededRng};
    use hearth_environment::Failure;
    use serde_json::Value;

    fn event(payload: &'static str) -> Event {
        Event::from(NewEvent {
            request_id: RequestId::new(&SeededRng::new(3)),
            qualifier: None,
            accepted: Timestamp::from_millis(0),
            client_context: None,
            trace_header: None,
            payload: payload.into(),
        })
    }

    fn record(concluded: &Concluded<'_>) -> Value {
        serde_json::from_slice(&concluded.record(Timestamp::from_millis(1_573_755_365_568))).unwrap()
    }

    const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST";

    #[test]
    fn a_record_is_as_aws_documents_it() {
        let event = event("{\"ORDER_IDS\": [1.0, 9007199254740993]}");
        let payload = Bytes::from("{\"errorType\":\"E\",\"errorMessage\":\"no\"}");
        let outcome = Outcome::Failed { failure: Failure::Reported, payload };
        let concluded = Concluded {
            event: &event,
            function_arn: ARN,
            condition: Condition::RetriesExhausted,
            invoke_count: 3,
            last: Some((&outcome, "$LATEST")),
        };
        assert_eq!(
            record(&concluded),
            json!({
                "version": "1.0",
                "timestamp": "2019-11-14T18:16:05.568Z",
                "requestContext": {
                    "requestId": event.header.request_id,
                    "functionArn": ARN,
                    "condition": "RetriesExhausted",
                    "approximateInvokeCount": 3,
                },
                "requestPayload": {"ORDER_IDS": [1.0, 9_007_199_254_740_993_u64]},
                "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
                "responsePayload": {"errorType": "E", "errorMessage": "no"},
            })
        );
        let attributes = concluded.dead_letter_attributes();
        let told: Vec<(&str, &[u8])> =
            attributes.iter().map(|it| (it.name.as_str(), it.value.as_ref())).collect();
        let id = event.header.request_id.as_bytes();
        assert_eq!(told, [("RequestID", id), ("ErrorCode", b"200"), ("ErrorMessage", b"no")]);
    }

    #[test]
    fn what_never_ran_has_no_response_and_text_is_a_string() {
        let event = event("not json");
        let mut concluded = Concluded {
            event: &event,
            function_arn: ARN,
            condition: Condition::EventAgeExceeded,
            invoke_count: 0,
            last: None,
        };
        let told = record(&concluded);
        assert_eq!(told["requestPayload"], "not json");
        assert!(told.get("responseContext").is_none() && told.get("responsePayload").is_none());
        assert_eq!(concluded.dead_letter_attributes()[1].value, "429");
        let outcome = Outcome::Returned { payload: "plain".into(), content_type: "text/plain".to_owned() };
        concluded.last = Some((&outcome, "7"));
        concluded.condition = Condition::Success;
        let told = record(&concluded);
        assert_eq!(told["responsePayload"], "plain");
        assert_eq!(told["responseContext"], json!({"statusCode": 200, "executedVersion": "7"}));
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let event = event("{}");
        let payload = Bytes::from(json!({"errorMessage": "é".repeat(1_000)}).to_string());
        let outcome = Outcome::Failed { failure: Failure::Reported, payload };
        let concluded = Concluded {
            event: &event,
            function_arn: ARN,
            condition: Condition::RetriesExhausted,
            invoke_count: 1,
            last: Some((&outcome, "1")),
        };
        assert_eq!(concluded.dead_letter_attributes()[2].value, "é".repeat(512));
    }
}
