//! `UpdateFunctionCode`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionCode.html>

use crate::failures::{invalid_parameter, not_yet, revision_mismatch};
use crate::layer::attach::check_size;
use crate::model::Function;
use crate::naming::Target;
use crate::registry::refuse_while_updating;
use crate::settings::host_architecture;
use crate::{Inner, deploy, render};
use hearth_api::Grant;
use hearth_api::lambda::{FunctionConfiguration, UpdateFunctionCodeRequest};
use hearth_base::Qualifier;
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn update_function_code(
    inner: &Arc<Inner>,
    grant: Grant,
    mut input: UpdateFunctionCodeRequest,
) -> Result<FunctionConfiguration, Failure> {
    let key = Target::read_unqualified(&grant, input.function_name.as_deref())?;
    refuse_unsupported(&input)?;
    let zip = input
        .zip_file
        .take()
        .ok_or_else(|| invalid_parameter("Please provide a source for function code."))?;
    let entry = inner.registry.find(&key, None)?;
    check(entry.function(), input.revision_id.as_deref())?;
    let publish = input.publish.unwrap_or(false);
    if input.dry_run == Some(true) {
        let mut function = entry.function().clone();
        function.latest.code = deploy::check_package(&zip)?;
        check_size(&function.latest.code, &function.latest.settings.layers)?;
        return Ok(render::configuration(&function, &Qualifier::Latest, &function.latest, None));
    }
    let _package = inner.packages.read().await;
    let code = deploy::store_package(inner, zip).await?;
    let (entry, qualifier) = inner
        .registry
        .update(&key, |function| {
            check(function, input.revision_id.as_deref())?;
            let latest = &mut function.latest;
            check_size(&code, &latest.settings.layers)?;
            latest.begin_update(inner.clock.now(), hearth_base::id::uuid(inner.rng.as_ref()));
            latest.code = code.clone();
            Ok(if publish {
                Qualifier::Version(function.publish(None, hearth_base::id::uuid(inner.rng.as_ref())))
            } else {
                Qualifier::Latest
            })
        })
        .await?;
    deploy::start(inner, key);
    let function = entry.function();
    let version = function.version(&qualifier).unwrap_or(&function.latest);
    Ok(render::configuration(function, &qualifier, version, publish.then_some(&qualifier)))
}

fn check(function: &Function, revision_id: Option<&str>) -> Result<(), Failure> {
    refuse_while_updating(function)?;
    match revision_id {
        Some(expected) if expected != function.latest.revision_id => Err(revision_mismatch()),
        _ => Ok(()),
    }
}

fn refuse_unsupported(input: &UpdateFunctionCodeRequest) -> Result<(), Failure> {
    if input.image_uri.is_some() {
        return Err(not_yet("ImageUri", "container images"));
    }
    if input.s3_bucket.is_some() || input.s3_key.is_some() {
        return Err(not_yet("S3Bucket", "packages in S3; send the package as ZipFile"));
    }
    if input.source_kms_key_arn.is_some() {
        return Err(not_yet("SourceKMSKeyArn", "customer managed keys"));
    }
    if input.publish_to.is_some() {
        return Err(not_yet("PublishTo", "it"));
    }
    let wanted = input.architectures.as_ref().and_then(|list| list.first());
    match wanted {
        Some(wanted) if wanted.as_str() != host_architecture() => Err(invalid_parameter(&format!(
            "Architectures: this machine runs {} functions and cannot run {}.",
            host_architecture(),
            wanted.as_str()
        ))),
        _ => Ok(()),
    }
}
