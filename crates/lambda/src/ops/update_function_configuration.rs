//! `UpdateFunctionConfiguration`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html>

use crate::failures::revision_mismatch;
use crate::layer::attach::{attach, check_size};
use crate::naming::Target;
use crate::registry::refuse_while_updating;
use crate::role::check_role;
use crate::settings::{Change, change_of};
use crate::{Inner, deploy, render, settings};
use hearth_api::Grant;
use hearth_api::lambda::{FunctionConfiguration, UpdateFunctionConfigurationRequest};
use hearth_base::Qualifier;
use hearth_wire::Failure;
use std::sync::Arc;

pub(crate) async fn update_function_configuration(
    inner: &Arc<Inner>,
    grant: Grant,
    mut input: UpdateFunctionConfigurationRequest,
) -> Result<FunctionConfiguration, Failure> {
    let key = Target::read_unqualified(&grant, input.function_name.as_deref())?;
    check_role(inner, &key, input.role.as_deref())?;
    let revision_id = input.revision_id.clone();
    let _package = inner.packages.read().await;
    let layers = input.layers.take().map(|arns| attach(&inner.layers, &grant, &arns)).transpose()?;
    let change = Change { layers, ..change(input) };
    let (entry, ()) = inner
        .registry
        .update(&key, |function| {
            refuse_while_updating(function)?;
            let latest = &mut function.latest;
            if revision_id.as_ref().is_some_and(|expected| *expected != latest.revision_id) {
                return Err(revision_mismatch());
            }
            let settings = settings::apply(&key.name, latest.settings.clone(), change.clone())?;
            check_size(&latest.code, &settings.layers)?;
            latest.begin_update(inner.clock.now(), hearth_base::id::uuid(inner.rng.as_ref()));
            latest.settings = settings;
            Ok(())
        })
        .await?;
    deploy::start(inner, key);
    let function = entry.function();
    Ok(render::configuration(function, &Qualifier::Latest, &function.latest, None))
}

fn change(input: UpdateFunctionConfigurationRequest) -> Change {
    let others = [
        ("CapacityProviderConfig", input.capacity_provider_config.is_some()),
        ("DurableConfig", input.durable_config.is_some()),
        ("RuntimeConfig", input.runtime_config.is_some()),
        ("AcceleratorConfig", input.accelerator_config.is_some()),
    ];
    change_of!(input, None, others)
}
