//! Greets whoever the event names, and says how much time was left.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};
use std::time::SystemTime;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(handler)).await
}

async fn handler(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let (event, context) = event.into_parts();
    let name = event["name"].as_str().unwrap_or("world");
    eprintln!("greeting {name}");
    let remaining = context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
    Ok(json!({
        "message": format!("Hello, {name}!"),
        "function": context.env_config.function_name,
        "requestId": context.request_id,
        "remainingMillis": remaining.as_millis() as u64,
    }))
}
