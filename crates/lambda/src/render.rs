//! How a version is shown to clients: `FunctionConfiguration`.

use crate::model::{AttachedLayer, Function, LastUpdate, State, Version};
use crate::settings::host_architecture;
use hearth_api::lambda as api;
use hearth_base::Qualifier;

/// A version as `GetFunctionConfiguration` and its like answer it. The ARN ends in `qualifier`, if there is one.
pub(crate) fn configuration(
    function: &Function,
    number: &Qualifier,
    version: &Version,
    qualifier: Option<&Qualifier>,
) -> api::FunctionConfiguration {
    let settings = &version.settings;
    let arn = function.arn();
    let (state, state_code, state_reason) = state(version);
    let (update, update_code, update_reason) = last_update(version);
    api::FunctionConfiguration {
        function_name: Some(function.name.clone()),
        function_arn: Some(match qualifier {
            Some(qualifier) => format!("{arn}:{qualifier}"),
            None => arn,
        }),
        runtime: api::Runtime::parse(&settings.runtime),
        role: Some(settings.role.clone()),
        handler: Some(settings.handler.clone()),
        code_size: i64::try_from(version.code.bytes).ok(),
        description: Some(settings.description.clone()),
        timeout: Some(settings.timeout_s.into()),
        memory_size: Some(settings.memory_mb.into()),
        last_modified: Some(version.last_modified.lambda_last_modified()),
        code_sha256: Some(version.code.sha256.clone()),
        version: Some(number.to_string()),
        environment: settings.variables.clone().map(|variables| api::EnvironmentResponse {
            variables: Some(variables.into_iter().collect()),
            error: None,
        }),
        tracing_config: Some(api::TracingConfigResponse { mode: Some(api::TracingMode::PassThrough) }),
        revision_id: Some(version.revision_id.clone()),
        state: Some(state),
        state_reason,
        state_reason_code: state_code.and_then(|code| api::StateReasonCode::parse(&code)),
        last_update_status: update,
        last_update_status_reason: update_reason,
        last_update_status_reason_code: update_code
            .and_then(|code| api::LastUpdateStatusReasonCode::parse(&code)),
        package_type: Some(api::PackageType::Zip),
        architectures: api::Architecture::parse(host_architecture()).map(|architecture| vec![architecture]),
        ephemeral_storage: Some(api::EphemeralStorage { size: Some(settings.ephemeral_storage_mb.into()) }),
        snap_start: Some(api::SnapStartResponse {
            apply_on: Some(api::SnapStartApplyOn::None),
            optimization_status: Some(api::SnapStartOptimizationStatus::Off),
        }),
        runtime_version_config: runtime_version(version),
        logging_config: Some(logging(version)),
        layers: layers(version),
        dead_letter_config: settings
            .dead_letter
            .clone()
            .map(|arn| api::DeadLetterConfig { target_arn: Some(arn) }),
        ..Default::default()
    }
}

fn state(version: &Version) -> (api::State, Option<String>, Option<String>) {
    match &version.state {
        State::Pending => (
            api::State::Pending,
            Some("Creating".to_owned()),
            Some("The function is being created.".to_owned()),
        ),
        // A version that runs on another interpreter than it asked for says so where people look.
        State::Active => (api::State::Active, None, version.runtime_warning.clone()),
        State::Failed(reason) => {
            (api::State::Failed, Some(reason.code.clone()), Some(reason.message.clone()))
        }
    }
}

fn last_update(version: &Version) -> (Option<api::LastUpdateStatus>, Option<String>, Option<String>) {
    match &version.last_update {
        None => (None, None, None),
        // AWS: the reason of an update under way is that the function "is being created", with the code Creating, which
        // the model's own list of codes lacks.
        Some(LastUpdate::InProgress) => (
            Some(api::LastUpdateStatus::InProgress),
            Some("Creating".to_owned()),
            Some("The function is being created.".to_owned()),
        ),
        Some(LastUpdate::Successful) => (Some(api::LastUpdateStatus::Successful), None, None),
        Some(LastUpdate::Failed(reason)) => {
            (Some(api::LastUpdateStatus::Failed), Some(reason.code.clone()), Some(reason.message.clone()))
        }
    }
}

fn runtime_version(version: &Version) -> Option<api::RuntimeVersionConfig> {
    Some(api::RuntimeVersionConfig {
        runtime_version_arn: Some(version.runtime_version_arn.clone()?),
        error: version.runtime_warning.clone().map(|message| api::RuntimeVersionError {
            error_code: Some("RuntimeVersionSubstituted".to_owned()),
            message: Some(message),
        }),
    })
}

fn layers(version: &Version) -> Option<Vec<api::Layer>> {
    let layer = |layer: &AttachedLayer| api::Layer {
        arn: Some(layer.arn.clone()),
        code_size: i64::try_from(layer.code.bytes).ok(),
        ..Default::default()
    };
    let layers: Vec<_> = version.settings.layers.iter().map(layer).collect();
    (!layers.is_empty()).then_some(layers)
}

fn logging(version: &Version) -> api::LoggingConfig {
    let logging = &version.settings.logging;
    api::LoggingConfig {
        log_format: Some(if logging.json { api::LogFormat::Json } else { api::LogFormat::Text }),
        application_log_level: logging.application_level.as_deref().and_then(api::ApplicationLogLevel::parse),
        system_log_level: logging.system_level.as_deref().and_then(api::SystemLogLevel::parse),
        log_group: Some(logging.group.clone()),
    }
}
