//! `ListLayers`, and the pages of both lists of layers.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_ListLayers.html>

use crate::Inner;
use crate::failures::invalid_parameter;
use crate::layer::naming::{LayerKey, LayerVersionKey};
use crate::layer::{Fitting, render};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_api::Grant;
use hearth_api::lambda::{LayersListItem, ListLayersRequest, ListLayersResponse};
use hearth_wire::Failure;
use std::sync::Arc;

/// Entries on a page, and how many there are when the request does not say.
const PAGE_MAX: usize = 50;

pub(crate) async fn list_layers(
    inner: &Arc<Inner>,
    grant: Grant,
    input: ListLayersRequest,
) -> Result<ListLayersResponse, Failure> {
    let limit = page_limit(input.max_items);
    let fitting = Fitting { runtime: input.compatible_runtime, architecture: input.compatible_architecture };
    let name = read_marker(input.marker.as_deref())?.unwrap_or_default();
    let from = LayerKey { account: grant.account(), region: grant.region().clone(), name };
    let mut layers = Vec::new();
    for layer in inner.layers.list(from) {
        // A layer without such a version is not there for this list.
        let Some((number, newest)) = layer.newest_fitting(fitting).next() else { continue };
        if layers.len() == limit {
            return Ok(ListLayersResponse { layers: Some(layers), next_marker: Some(marker(&layer.name)) });
        }
        let key = LayerKey { account: layer.account, region: layer.region.clone(), name: layer.name.clone() };
        let key = LayerVersionKey { layer: key, number };
        layers.push(LayersListItem {
            layer_name: Some(layer.name.clone()),
            layer_arn: Some(key.layer.arn()),
            latest_matching_version: Some(render::item(&key, newest)),
        });
    }
    Ok(ListLayersResponse { layers: Some(layers), next_marker: None })
}

/// How many entries a page has.
pub(crate) fn page_limit(max_items: Option<i64>) -> usize {
    max_items.and_then(|items| usize::try_from(items).ok()).unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX)
}

/// A marker names the first entry of the next page.
pub(crate) fn marker(entry: &str) -> String {
    URL_SAFE_NO_PAD.encode(entry)
}

/// The entry that a marker names.
pub(crate) fn read_marker(marker: Option<&str>) -> Result<Option<String>, Failure> {
    let Some(marker) = marker else { return Ok(None) };
    let entry = URL_SAFE_NO_PAD.decode(marker).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    entry.map(Some).ok_or_else(|| invalid_parameter("Invalid Marker"))
}
