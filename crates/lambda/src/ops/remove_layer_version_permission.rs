//! `RemoveLayerVersionPermission`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_RemoveLayerVersionPermission.html>

use crate::Inner;
use crate::failures::{layer_revision_mismatch, layer_version_not_found, no_policy};
use crate::layer::naming::LayerKey;
use hearth_api::Grant;
use hearth_api::lambda::{RemoveLayerVersionPermissionRequest, errors};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn remove_layer_version_permission(
    inner: &Arc<Inner>,
    grant: Grant,
    input: RemoveLayerVersionPermissionRequest,
) -> Result<(), Failure> {
    let layer = LayerKey::read_own(&grant, input.layer_name.as_deref(), "RemoveLayerVersionPermission")?;
    let key = layer.version(input.version_number)?;
    let id = input.statement_id.unwrap_or_default();
    let change = |version: &mut crate::layer::LayerVersion| {
        let policy = version.policy.as_mut().ok_or_else(no_policy)?;
        if input.revision_id.as_ref().is_some_and(|expected| *expected != policy.revision_id) {
            return Err(layer_revision_mismatch());
        }
        let before = policy.statements.len();
        policy.statements.retain(|statement| statement.id != id);
        if policy.statements.len() == before {
            return Err(errors::resource_not_found(format!(
                "Statement {id} is not found in resource policy."
            )));
        }
        policy.revision_id = hearth_base::id::uuid(inner.rng.as_ref());
        if policy.statements.is_empty() {
            version.policy = None;
        }
        Ok(())
    };
    inner.layers.change(&key, change, || layer_version_not_found(&key)).await
}
