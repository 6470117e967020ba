//! `CreateFunction`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html>

use crate::failures::{invalid_parameter, not_yet, validation};
use crate::layer::attach::{attach, check_size};
use crate::model::{Code, Function, RecursiveLoop, State, Version};
use crate::naming::Target;
use crate::ops::tag_resource::check_tags;
use crate::registry::already_exists;
use crate::role::check_role;
use crate::settings::{Change, change_of};
use crate::{Inner, deploy, render, settings};
use hearth_api::Grant;
use hearth_api::lambda::{CreateFunctionRequest, FunctionCode, FunctionConfiguration, PackageType};
use hearth_base::{Qualifier, limits};
use hearth_wire::Failure;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) async fn create_function(
    inner: &Arc<Inner>,
    grant: Grant,
    mut input: CreateFunctionRequest,
) -> Result<FunctionConfiguration, Failure> {
    let name = input.function_name.take().unwrap_or_default();
    if !name.contains(':') && name.len() > limits::FUNCTION_NAME_BYTES_MAX {
        return Err(validation(&format!(
            "Value '{name}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64"
        )));
    }
    let key = Target::read_unqualified(&grant, Some(&name))?;
    if input.package_type == Some(PackageType::Image) {
        return Err(not_yet("PackageType", "container images"));
    }
    let tags = input.tags.take().unwrap_or_default();
    check_tags(&BTreeMap::new(), &tags)?;
    let (publish, source) = (input.publish.unwrap_or(false), input.code.take());
    let _package = inner.packages.read().await;
    let layers = input.layers.take().unwrap_or_default();
    let layers = Some(attach(&inner.layers, &grant, &layers)?);
    let settings = settings::create(&key.name, Change { layers, ..change(input) })?;
    check_role(inner, &key, Some(&settings.role))?;
    let zip = zip_of(source.unwrap_or_default())?;
    if inner.registry.get(&key).is_some() {
        return Err(already_exists(&key.name));
    }
    let code = deploy::store_package(inner, zip).await?;
    check_size(&code, &settings.layers)?;
    let latest = new_version(inner, settings, code);
    let mut function = Function {
        account: key.account,
        region: key.region.clone(),
        name: key.name.clone(),
        latest,
        published: BTreeMap::new(),
        last_published: 0,
        tags,
        capacity: Default::default(),
        urls: BTreeMap::new(),
        url_ids: BTreeMap::new(),
        aliases: BTreeMap::new(),
        policies: BTreeMap::new(),
        event_invoke: BTreeMap::new(),
        recursive_loop: RecursiveLoop::default(),
    };
    let qualifier = if publish {
        Qualifier::Version(function.publish(None, hearth_base::id::uuid(inner.rng.as_ref())))
    } else {
        Qualifier::Latest
    };
    let entry = inner.registry.insert(function).await?;
    deploy::start(inner, key);
    let function = entry.function();
    let version = function.version(&qualifier).unwrap_or(&function.latest);
    Ok(render::configuration(function, &qualifier, version, publish.then_some(&qualifier)))
}

fn new_version(inner: &Inner, settings: crate::model::Settings, code: Code) -> Version {
    Version {
        settings,
        code,
        last_modified: inner.clock.now(),
        revision_id: hearth_base::id::uuid(inner.rng.as_ref()),
        state: State::Pending,
        last_update: None,
        runtime_warning: None,
        runtime_version_arn: None,
        deployment: None,
        former: None,
        published_from: None,
    }
}

/// The zip of a request, or why there is none.
fn zip_of(code: FunctionCode) -> Result<bytes::Bytes, Failure> {
    let FunctionCode { zip_file, s3_bucket, s3_key, image_uri, source_kms_key_arn, .. } = code;
    if image_uri.is_some() {
        return Err(not_yet("Code.ImageUri", "container images"));
    }
    if s3_bucket.is_some() || s3_key.is_some() {
        return Err(not_yet("Code.S3Bucket", "packages in S3; send the package as Code.ZipFile"));
    }
    if source_kms_key_arn.is_some() {
        return Err(not_yet("Code.SourceKMSKeyArn", "customer managed keys"));
    }
    zip_file.ok_or_else(|| invalid_parameter("Please provide a source for function code."))
}

fn change(input: CreateFunctionRequest) -> Change {
    let others = [
        ("PublishTo", input.publish_to.is_some()),
        ("CodeSigningConfigArn", input.code_signing_config_arn.is_some()),
        ("TenancyConfig", input.tenancy_config.is_some()),
        ("CapacityProviderConfig", input.capacity_provider_config.is_some()),
        ("DurableConfig", input.durable_config.is_some()),
        ("RuntimeConfig", input.runtime_config.is_some()),
        ("AcceleratorConfig", input.accelerator_config.is_some()),
    ];
    let architectures = input.architectures.clone();
    change_of!(input, architectures, others)
}
