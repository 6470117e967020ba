//! `DeleteLayerVersion`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_DeleteLayerVersion.html>

use crate::Inner;
use crate::layer::naming::LayerKey;
use hearth_api::Grant;
use hearth_api::lambda::DeleteLayerVersionRequest;
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn delete_layer_version(
    inner: &Arc<Inner>,
    grant: Grant,
    input: DeleteLayerVersionRequest,
) -> Result<(), Failure> {
    let layer = LayerKey::read_own(&grant, input.layer_name.as_deref(), "DeleteLayerVersion")?;
    // AWS: to delete what is not there is no error.
    inner.layers.delete(&layer.version(input.version_number)?).await?;
    inner.garbage.notify_one();
    Ok(())
}
