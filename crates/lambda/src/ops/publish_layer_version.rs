//! `PublishLayerVersion`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_PublishLayerVersion.html>

use crate::failures::{invalid_parameter, not_yet};
use crate::layer::naming::LayerKey;
use crate::layer::{LayerVersion, render};
use crate::{Inner, deploy};
use bytes::Bytes;
use hearth_api::Grant;
use hearth_api::lambda::{LayerVersionContentInput, PublishLayerVersionRequest, PublishLayerVersionResponse};
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn publish_layer_version(
    inner: &Arc<Inner>,
    grant: Grant,
    input: PublishLayerVersionRequest,
) -> Result<PublishLayerVersionResponse, Failure> {
    let layer = LayerKey::read_own(&grant, input.layer_name.as_deref(), "PublishLayerVersion")?;
    let zip = zip_of(input.content.unwrap_or_default())?;
    let runtimes = input.compatible_runtimes.unwrap_or_default();
    let architectures = input.compatible_architectures.unwrap_or_default();
    let _package = inner.packages.read().await;
    let version = LayerVersion {
        description: input.description.unwrap_or_default(),
        license_info: input.license_info,
        compatible_runtimes: runtimes.into_iter().map(|runtime| runtime.as_str().to_owned()).collect(),
        compatible_architectures: architectures.into_iter().map(|name| name.as_str().to_owned()).collect(),
        created: inner.clock.now(),
        code: deploy::store_package(inner, zip).await?,
        policy: None,
    };
    let number = inner.layers.publish(&layer, version.clone()).await?;
    let key = layer.version(i64::try_from(number).ok())?;
    let shown = render::version(inner, &grant, &key, &version);
    Ok(PublishLayerVersionResponse {
        content: shown.content,
        layer_arn: shown.layer_arn,
        layer_version_arn: shown.layer_version_arn,
        description: shown.description,
        created_date: shown.created_date,
        version: shown.version,
        compatible_architectures: shown.compatible_architectures,
        compatible_runtimes: shown.compatible_runtimes,
        license_info: shown.license_info,
    })
}

/// The zip of a request, or why there is none.
fn zip_of(content: LayerVersionContentInput) -> Result<Bytes, Failure> {
    let LayerVersionContentInput { s3_bucket, s3_key, s3_object_version, s3_object_storage_mode, zip_file } =
        content;
    if s3_bucket.is_some() || s3_key.is_some() || s3_object_version.is_some() {
        return Err(not_yet("Content.S3Bucket", "packages in S3; send the package as Content.ZipFile"));
    }
    if s3_object_storage_mode.is_some() {
        return Err(not_yet("Content.S3ObjectStorageMode", "packages in S3"));
    }
    zip_file.ok_or_else(|| invalid_parameter("Please provide a source for layer content."))
}
