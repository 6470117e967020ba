//! How a layer version is shown to clients.

use crate::Inner;
use crate::layer::LayerVersion;
use crate::layer::naming::LayerVersionKey;
use hearth_api::Grant;
use hearth_api::lambda::{
    Architecture, GetLayerVersionResponse, LayerVersionContentOutput, LayerVersionsListItem, Runtime,
};

/// A version in a list.
pub(crate) fn item(key: &LayerVersionKey, version: &LayerVersion) -> LayerVersionsListItem {
    let runtimes = version.compatible_runtimes.iter().filter_map(|name| Runtime::parse(name)).collect();
    let architectures =
        version.compatible_architectures.iter().filter_map(|name| Architecture::parse(name)).collect();
    LayerVersionsListItem {
        layer_version_arn: Some(key.arn()),
        version: i64::try_from(key.number).ok(),
        description: Some(version.description.clone()),
        created_date: Some(version.created.lambda_last_modified()),
        compatible_architectures: Some(architectures).filter(|list: &Vec<_>| !list.is_empty()),
        compatible_runtimes: Some(runtimes).filter(|list: &Vec<_>| !list.is_empty()),
        license_info: version.license_info.clone(),
    }
}

/// A version with the URL of its package.
pub(crate) fn version(
    inner: &Inner,
    grant: &Grant,
    key: &LayerVersionKey,
    version: &LayerVersion,
) -> GetLayerVersionResponse {
    let item = item(key, version);
    let location = inner.downloads.url(grant.endpoint(), &version.code.blob, inner.clock.now());
    GetLayerVersionResponse {
        content: Some(LayerVersionContentOutput {
            location: Some(location),
            code_sha256: Some(version.code.sha256.clone()),
            code_size: i64::try_from(version.code.bytes).ok(),
            ..Default::default()
        }),
        layer_arn: Some(key.layer.arn()),
        layer_version_arn: item.layer_version_arn,
        description: item.description,
        created_date: item.created_date,
        version: item.version,
        compatible_architectures: item.compatible_architectures,
        compatible_runtimes: item.compatible_runtimes,
        license_info: item.license_info,
    }
}
