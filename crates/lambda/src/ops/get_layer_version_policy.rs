//! `GetLayerVersionPolicy`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_GetLayerVersionPolicy.html>

use crate::Inner;
use crate::failures::{layer_version_not_found, no_policy};
use crate::layer::naming::LayerKey;
use hearth_api::Grant;
use hearth_api::lambda::{GetLayerVersionPolicyRequest, GetLayerVersionPolicyResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn get_layer_version_policy(
    inner: &Arc<Inner>,
    grant: Grant,
    input: GetLayerVersionPolicyRequest,
) -> Result<GetLayerVersionPolicyResponse, Failure> {
    let layer = LayerKey::read_own(&grant, input.layer_name.as_deref(), "GetLayerVersionPolicy")?;
    let key = layer.version(input.version_number)?;
    let layer = inner.layers.get(&key.layer).ok_or_else(|| layer_version_not_found(&key))?;
    let version = layer.versions.get(&key.number).ok_or_else(|| layer_version_not_found(&key))?;
    let policy = version.policy.as_ref().ok_or_else(no_policy)?;
    Ok(GetLayerVersionPolicyResponse {
        policy: Some(policy.json(&key)),
        revision_id: Some(policy.revision_id.clone()),
    })
}
