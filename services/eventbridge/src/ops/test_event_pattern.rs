//! TestEventPattern.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_TestEventPattern.html>

use crate::Inner;
use crate::failures::{invalid_parameter, invalid_pattern};
use hearth_api::Grant;
use hearth_api::events::{TestEventPatternRequest, TestEventPatternResponse};
use hearth_pattern::Pattern;
use hearth_wire::Failure;
use serde_json::Value;
use std::sync::Arc;

/// AWS: what an event to be tested must have.
const FIELDS: [&str; 7] = ["id", "account", "source", "time", "region", "resources", "detail-type"];

pub async fn run(
    _inner: &Arc<Inner>,
    _grant: &Grant,
    input: TestEventPatternRequest,
) -> Result<TestEventPatternResponse, Failure> {
    let pattern = Pattern::parse(&input.event_pattern.unwrap_or_default());
    let pattern = pattern.map_err(|reason| invalid_pattern(&reason))?;
    let event: Value = serde_json::from_str(&input.event.unwrap_or_default())
        .map_err(|error| invalid_parameter("Event", &error.to_string()))?;
    if let Some(field) = FIELDS.iter().find(|field| event.get(**field).is_none()) {
        return Err(invalid_parameter("Event", &format!("The event has no {field}.")));
    }
    Ok(TestEventPatternResponse { result: Some(pattern.matches(&event)) })
}
