//! `GetLayerVersionByArn`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_GetLayerVersionByArn.html>

use crate::Inner;
use crate::failures::validation;
use crate::layer::naming::LayerVersionKey;
use crate::layer::render;
use hearth_api::Grant;
use hearth_api::lambda::{GetLayerVersionByArnRequest, GetLayerVersionResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn get_layer_version_by_arn(
    inner: &Arc<Inner>,
    grant: Grant,
    input: GetLayerVersionByArnRequest,
) -> Result<GetLayerVersionResponse, Failure> {
    let arn = input.arn.unwrap_or_default();
    let key = LayerVersionKey::parse(&arn).ok_or_else(|| {
        validation(&format!(
            "Value '{arn}' at 'arn' failed to satisfy constraint: Member must satisfy regular expression pattern: \
             arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\\d{{12}}:layer:[a-zA-Z0-9-_]+:[0-9]+"
        ))
    })?;
    let version = inner.layers.readable(&grant, &key)?;
    Ok(render::version(inner, &grant, &key, &version))
}
