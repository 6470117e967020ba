//! `GetLayerVersion`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_GetLayerVersion.html>

use crate::Inner;
use crate::layer::naming::LayerKey;
use crate::layer::render;
use hearth_api::Grant;
use hearth_api::lambda::{GetLayerVersionRequest, GetLayerVersionResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn get_layer_version(
    inner: &Arc<Inner>,
    grant: Grant,
    input: GetLayerVersionRequest,
) -> Result<GetLayerVersionResponse, Failure> {
    let key = LayerKey::read(&grant, input.layer_name.as_deref())?.version(input.version_number)?;
    let version = inner.layers.readable(&grant, &key)?;
    Ok(render::version(inner, &grant, &key, &version))
}
