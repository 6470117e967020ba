//! PutPermission.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutPermission.html>

use crate::Inner;
use crate::failures::{invalid, invalid_parameter};
use crate::naming::{DEFAULT_BUS, Place};
use crate::task;
use hearth_api::Grant;
use hearth_api::events::{Condition, PutPermissionRequest, errors};
use hearth_iam::policy::Document;
use hearth_iam::policy::permission::statements;
use hearth_wire::Failure;
use serde_json::{Value, json};
use std::sync::Arc;

/// AWS: bytes of a policy.
const POLICY_BYTES_MAX: usize = 10 << 10;

pub async fn run(inner: &Arc<Inner>, grant: &Grant, input: PutPermissionRequest) -> Result<(), Failure> {
    let name = Place::of(grant).name(input.event_bus_name.as_deref().unwrap_or(DEFAULT_BUS));
    let now = inner.clock.now();
    let statement = match &input.policy {
        Some(_) if input.statement_id.is_some() || input.principal.is_some() || input.action.is_some() => {
            return Err(invalid(
                "Policy can only be given without StatementId, Principal, Action and Condition.",
            ));
        }
        Some(_) => None,
        None => Some(statement(&input, &name.bus_arn())?),
    };
    let (bus, made) = inner.registry.ensure_bus(&name, now).await?;
    if made {
        task::start_bus(inner, bus);
    }
    let changed = inner.registry.update_bus(&name, |record| {
        let text = match (input.policy, statement) {
            (Some(text), _) => text,
            (None, statement) => add(record.policy.as_deref(), statement.unwrap_or_default()),
        };
        if text.len() > POLICY_BYTES_MAX {
            return Err(errors::policy_length_exceeded(
                "The size of the policy exceeds the maximum allowed.".to_owned(),
            ));
        }
        if let Err(error) = Document::resource(&text) {
            return Err(invalid_parameter("Policy", &error.to_string()));
        }
        record.policy = Some(text);
        record.modified = now;
        Ok(())
    });
    changed.await.map(drop)
}

fn statement(input: &PutPermissionRequest, arn: &str) -> Result<Value, Failure> {
    let given = |value: &Option<String>, name: &str| {
        value.clone().ok_or_else(|| invalid(format!("Parameter {name} must be specified.")))
    };
    let id = given(&input.statement_id, "StatementId")?;
    let action = given(&input.action, "Action")?;
    let principal = given(&input.principal, "Principal")?;
    if action != "events:PutEvents" {
        return Err(invalid("Provided value in parameter 'action' is not supported."));
    }
    let partition = arn.split(':').nth(1).unwrap_or("aws");
    let principal = match principal.as_str() {
        "*" => json!("*"),
        account => json!({"AWS": format!("arn:{partition}:iam::{account}:root")}),
    };
    let mut statement =
        json!({"Sid": id, "Effect": "Allow", "Principal": principal, "Action": action, "Resource": arn});
    if let Some(Condition { r#type: Some(kind), key: Some(key), value: Some(value) }) = &input.condition {
        statement["Condition"] = json!({kind: {key: value}});
    }
    Ok(statement)
}

/// The policy with a statement, which takes the place of one of the same id.
fn add(policy: Option<&str>, statement: Value) -> String {
    let mut policy: Value = policy
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_else(|| json!({"Version": "2012-10-17", "Statement": []}));
    let statements = statements(&mut policy);
    statements.retain(|it| it["Sid"] != statement["Sid"]);
    statements.push(statement);
    policy.to_string()
}
