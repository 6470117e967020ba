//! RemovePermission.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_RemovePermission.html>

use crate::Inner;
use crate::failures::no_such_bus;
use crate::naming::{DEFAULT_BUS, Place};
use hearth_api::Grant;
use hearth_api::events::{RemovePermissionRequest, errors};
use hearth_iam::policy::permission::statements;
use hearth_wire::Failure;
use serde_json::Value;
use std::sync::Arc;

pub async fn run(inner: &Arc<Inner>, grant: &Grant, input: RemovePermissionRequest) -> Result<(), Failure> {
    let name = Place::of(grant).name(input.event_bus_name.as_deref().unwrap_or(DEFAULT_BUS));
    inner.registry.has_bus(&name)?;
    let without = || errors::resource_not_found("EventBus does not have a policy.");
    if inner.registry.bus(&name).is_none() {
        return Err(without());
    }
    let now = inner.clock.now();
    let changed = inner.registry.update_bus(&name, |record| {
        record.modified = now;
        if input.remove_all_permissions == Some(true) {
            record.policy = None;
            return Ok(());
        }
        let text = record.policy.as_deref().ok_or_else(without)?;
        let mut policy: Value = serde_json::from_str(text).map_err(|_| no_such_bus(&name))?;
        let statements = statements(&mut policy);
        let before = statements.len();
        statements.retain(|it| it["Sid"].as_str() != input.statement_id.as_deref());
        if statements.len() == before {
            return Err(errors::resource_not_found("Statement with the provided id does not exist."));
        }
        record.policy = (!statements.is_empty()).then(|| policy.to_string());
        Ok(())
    });
    changed.await.map(drop)
}
