//! `ListLayerVersions`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_ListLayerVersions.html>

use crate::Inner;
use crate::failures::invalid_parameter;
use crate::layer::naming::{LayerKey, LayerVersionKey};
use crate::layer::{Fitting, render};
use crate::ops::list_layers::{marker, page_limit, read_marker};
use hearth_api::Grant;
use hearth_api::lambda::{ListLayerVersionsRequest, ListLayerVersionsResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn list_layer_versions(
    inner: &Arc<Inner>,
    grant: Grant,
    input: ListLayerVersionsRequest,
) -> Result<ListLayerVersionsResponse, Failure> {
    let key = LayerKey::read_own(&grant, input.layer_name.as_deref(), "ListLayerVersions")?;
    let limit = page_limit(input.max_items);
    let fitting = Fitting { runtime: input.compatible_runtime, architecture: input.compatible_architecture };
    let from: u64 = match read_marker(input.marker.as_deref())? {
        Some(number) => number.parse().map_err(|_| invalid_parameter("Invalid Marker"))?,
        None => u64::MAX,
    };
    let mut versions = Vec::new();
    let mut next_marker = None;
    // AWS: a layer that never was has no versions, and that is no error.
    let layer = inner.layers.get(&key);
    let fitting = layer.iter().flat_map(|layer| layer.newest_fitting(fitting));
    for (number, version) in fitting.filter(|(number, _)| *number <= from) {
        if versions.len() == limit {
            next_marker = Some(marker(&number.to_string()));
            break;
        }
        versions.push(render::item(&LayerVersionKey { layer: key.clone(), number }, version));
    }
    Ok(ListLayerVersionsResponse { layer_versions: Some(versions), next_marker })
}
