//! From a request's configuration to checked [`Settings`]: AWS's rules, defaults and words.
//!
//! It refuses by name what Hearth cannot do yet, so that nothing is accepted and ignored.

use crate::failures::{invalid_parameter, not_yet, validation};
use crate::model::{AttachedLayer, Logging, Settings};
use hearth_api::lambda as api;
use hearth_base::limits;
use hearth_environment::Runtime;
use hearth_wire::Failure;
use std::collections::BTreeMap;

/// The configuration of a create or update request: an absent field keeps what is there.
#[derive(Clone, Default)]
pub(crate) struct Change {
    pub(crate) description: Option<String>,
    pub(crate) runtime: Option<api::Runtime>,
    pub(crate) handler: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) memory_mb: Option<i64>,
    pub(crate) timeout_s: Option<i64>,
    pub(crate) ephemeral_storage: Option<api::EphemeralStorage>,
    pub(crate) environment: Option<api::Environment>,
    pub(crate) logging: Option<api::LoggingConfig>,
    pub(crate) layers: Option<Vec<AttachedLayer>>,
    pub(crate) dead_letter: Option<api::DeadLetterConfig>,
    pub(crate) unsupported: Unsupported,
}

/// The fields that only their neutral value is accepted of, because Hearth cannot do what else they say yet.
#[derive(Clone, Default)]
pub(crate) struct Unsupported {
    pub(crate) vpc: Option<api::VpcConfig>,
    pub(crate) kms_key_arn: Option<String>,
    pub(crate) tracing: Option<api::TracingConfig>,
    pub(crate) file_systems: Option<Vec<api::FileSystemConfig>>,
    pub(crate) image: Option<api::ImageConfig>,
    pub(crate) snap_start: Option<api::SnapStart>,
    pub(crate) architectures: Option<Vec<api::Architecture>>,
    /// Names of further fields that were set.
    pub(crate) others: Vec<&'static str>,
}

/// The change in a create or update request, whose members have the same names; its layers are read elsewhere.
macro_rules! change_of {
    ($input:ident, $architectures:expr, $others:expr) => {
        $crate::settings::Change {
            description: $input.description,
            runtime: $input.runtime,
            handler: $input.handler,
            role: $input.role,
            memory_mb: $input.memory_size,
            timeout_s: $input.timeout,
            ephemeral_storage: $input.ephemeral_storage,
            environment: $input.environment,
            logging: $input.logging_config,
            layers: None,
            dead_letter: $input.dead_letter_config,
            unsupported: $crate::settings::Unsupported {
                vpc: $input.vpc_config,
                kms_key_arn: $input.kms_key_arn,
                tracing: $input.tracing_config,
                file_systems: $input.file_system_configs,
                image: $input.image_config,
                snap_start: $input.snap_start,
                architectures: $architectures,
                others: $others.into_iter().filter(|(_, set)| *set).map(|(name, _)| name).collect(),
            },
        }
    };
}
pub(crate) use change_of;

/// Reserved variables that a user may not set.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime>
const RESERVED_VARIABLES: &[&str] = &[
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_DAEMON_ADDRESS",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];

/// The settings of a new function.
pub(crate) fn create(name: &str, change: Change) -> Result<Settings, Failure> {
    if change.runtime.is_none() || change.handler.is_none() {
        return Err(invalid_parameter(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
        ));
    }
    let blank = Settings {
        description: String::new(),
        runtime: String::new(),
        handler: String::new(),
        role: String::new(),
        memory_mb: limits::MEMORY_DEFAULT_MB,
        timeout_s: limits::TIMEOUT_DEFAULT_S,
        ephemeral_storage_mb: *limits::EPHEMERAL_STORAGE_MB.start(),
        variables: None,
        logging: Logging {
            group: default_log_group(name),
            json: false,
            application_level: None,
            system_level: None,
        },
        layers: Vec::new(),
        dead_letter: None,
    };
    apply(name, blank, change)
}

/// The settings after an update.
pub(crate) fn apply(name: &str, current: Settings, change: Change) -> Result<Settings, Failure> {
    refuse_unsupported(&change.unsupported)?;
    let mut settings = current;
    if let Some(description) = change.description {
        settings.description = description;
    }
    if let Some(runtime) = change.runtime {
        settings.runtime = supported_runtime(runtime.as_str())?.identifier().to_owned();
    }
    if let Some(handler) = change.handler {
        settings.handler = handler;
    }
    if let Some(role) = change.role {
        // The model's pattern lets a role end in the path before its name.
        if role.ends_with('/') {
            return Err(invalid_parameter("The role defined for the function cannot be assumed by Lambda."));
        }
        settings.role = role;
    }
    if let Some(memory) = change.memory_mb {
        settings.memory_mb = bounded("memorySize", memory, limits::MEMORY_MB)?;
    }
    if let Some(timeout) = change.timeout_s {
        settings.timeout_s = bounded("timeout", timeout, limits::TIMEOUT_S)?;
    }
    if let Some(size) = change.ephemeral_storage.and_then(|storage| storage.size) {
        settings.ephemeral_storage_mb = bounded("ephemeralStorage.size", size, limits::EPHEMERAL_STORAGE_MB)?;
    }
    if let Some(environment) = change.environment {
        settings.variables = variables(environment)?;
    }
    if let Some(logging) = change.logging {
        settings.logging = logging_settings(name, settings.logging, logging)?;
    }
    if let Some(layers) = change.layers {
        settings.layers = layers;
    }
    if let Some(config) = change.dead_letter {
        settings.dead_letter = dead_letter(config)?;
    }
    Ok(settings)
}

/// The log group AWS gives a function that names none.
pub(crate) fn default_log_group(name: &str) -> String {
    format!("/aws/lambda/{name}")
}

/// The runtime, when Hearth runs its language.
fn supported_runtime(name: &str) -> Result<Runtime, Failure> {
    name.parse().map_err(|_| {
        not_yet(
            "Runtime",
            &format!(
                "the runtime {name}; it runs Python, Node.js, Ruby, Java, .NET and provided.al2 or provided.al2023"
            ),
        )
    })
}

fn bounded(member: &str, value: i64, range: std::ops::RangeInclusive<u32>) -> Result<u32, Failure> {
    let (least, most) = (i64::from(*range.start()), i64::from(*range.end()));
    let (word, bound) = if value < least { ("greater", least) } else { ("less", most) };
    match u32::try_from(value) {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(validation(&format!(
            "Value '{value}' at '{member}' failed to satisfy constraint: Member must have value {word} than or equal to {bound}"
        ))),
    }
}

/// The user's variables, checked; an empty set is none, as on AWS.
fn variables(environment: api::Environment) -> Result<Option<BTreeMap<String, String>>, Failure> {
    let variables: BTreeMap<String, String> = environment.variables.unwrap_or_default().into_iter().collect();
    let reserved: Vec<&str> =
        variables.keys().map(String::as_str).filter(|name| RESERVED_VARIABLES.contains(name)).collect();
    if !reserved.is_empty() {
        return Err(invalid_parameter(&format!(
            "Lambda was unable to configure your environment variables because the environment variables you have \
             provided contains reserved keys that are currently not supported for modification. Reserved keys used in \
             this request: {}",
            reserved.join(", ")
        )));
    }
    // AWS: the limit is on names and values together; the message shows them as JSON.
    // https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    let measured = serde_json::to_string(&variables).expect("a map of texts is JSON");
    let bytes: usize = variables.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > limits::ENVIRONMENT_VARIABLES_BYTES_MAX {
        return Err(invalid_parameter(&format!(
            "Lambda was unable to configure your environment variables because the environment variables you have \
             provided exceeded the 4KB limit. String measured: {measured}"
        )));
    }
    if let Some((name, _)) = variables.iter().find(|(name, value)| name.contains('=') || value.contains('\0'))
    {
        return Err(invalid_parameter(&format!("The environment variable {name:?} cannot be set on Linux.")));
    }
    Ok((!variables.is_empty()).then_some(variables))
}

fn logging_settings(name: &str, current: Logging, change: api::LoggingConfig) -> Result<Logging, Failure> {
    let json = change.log_format.map_or(current.json, |format| format == api::LogFormat::Json);
    let application = change.application_log_level.map(|level| level.as_str().to_owned());
    let system = change.system_log_level.map(|level| level.as_str().to_owned());
    if !json && (application.is_some() || system.is_some()) {
        return Err(invalid_parameter(
            "To use ApplicationLogLevel or SystemLogLevel, you must set LogFormat to JSON.",
        ));
    }
    let or_info = |given: Option<String>, before: Option<String>| {
        json.then(|| given.or(before).unwrap_or_else(|| "INFO".to_owned()))
    };
    Ok(Logging {
        group: change.log_group.unwrap_or_else(|| {
            if current.group.is_empty() { default_log_group(name) } else { current.group }
        }),
        json,
        application_level: or_info(application, current.application_level),
        system_level: or_info(system, current.system_level),
    })
}

/// The queue or topic for events that were given up; an empty ARN takes it away.
fn dead_letter(config: api::DeadLetterConfig) -> Result<Option<String>, Failure> {
    let Some(target) = config.target_arn.filter(|arn| !arn.is_empty()) else { return Ok(None) };
    Ok(Some(dead_letter_target(target)?))
}

/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html#invocation-dlq>
fn dead_letter_target(target: String) -> Result<String, Failure> {
    let service = target.parse::<hearth_base::Arn>().map(|arn| arn.service).unwrap_or_default();
    if service != "sqs" && service != "sns" {
        return Err(invalid_parameter(&format!(
            "The provided target ARN {target} is invalid: a dead-letter queue is a queue of SQS or a topic of SNS."
        )));
    }
    if target.ends_with(".fifo") {
        return Err(invalid_parameter(&format!(
            "The provided target ARN {target} is FIFO; a dead-letter queue must be a standard queue or topic."
        )));
    }
    Ok(target)
}

fn refuse_unsupported(fields: &Unsupported) -> Result<(), Failure> {
    let some_text = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    let vpc = fields.vpc.as_ref().is_some_and(|vpc| {
        vpc.subnet_ids.as_ref().is_some_and(|ids| !ids.is_empty())
            || vpc.security_group_ids.as_ref().is_some_and(|ids| !ids.is_empty())
    });
    let refused = [
        ("VpcConfig", vpc, "VPC networking"),
        ("KMSKeyArn", some_text(&fields.kms_key_arn), "customer managed keys"),
        (
            "TracingConfig.Mode",
            fields.tracing.as_ref().is_some_and(|config| config.mode == Some(api::TracingMode::Active)),
            "active X-Ray tracing",
        ),
        (
            "FileSystemConfigs",
            fields.file_systems.as_ref().is_some_and(|list| !list.is_empty()),
            "file systems",
        ),
        ("ImageConfig", fields.image.is_some(), "container images"),
        (
            "SnapStart.ApplyOn",
            fields
                .snap_start
                .as_ref()
                .is_some_and(|config| config.apply_on == Some(api::SnapStartApplyOn::PublishedVersions)),
            "SnapStart",
        ),
    ];
    if let Some((field, _, what)) = refused.into_iter().find(|(_, set, _)| *set) {
        return Err(not_yet(field, what));
    }
    let wanted = fields.architectures.as_ref().and_then(|list| list.first());
    if let Some(wanted) = wanted.filter(|wanted| wanted.as_str() != host_architecture()) {
        return Err(invalid_parameter(&format!(
            "Architectures: this machine runs {} functions and cannot run {}.",
            host_architecture(),
            wanted.as_str()
        )));
    }
    match fields.others.first() {
        Some(field) => Err(not_yet(field, "it")),
        None => Ok(()),
    }
}

/// AWS's name for the architecture of this machine.
pub(crate) fn host_architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_queue_is_a_standard_queue_or_topic() {
        let config = |arn: &str| api::DeadLetterConfig { target_arn: Some(arn.to_owned()) };
        for good in ["arn:aws:sqs:us-east-1:000000000000:q", "arn:aws:sns:us-east-1:000000000000:t"] {
            assert_eq!(dead_letter(config(good)).unwrap().as_deref(), Some(good));
        }
        for (wrong, words) in [
            ("arn:aws:s3:::b", "is a queue of SQS or a topic of SNS"),
            ("x", "is a queue of SQS or a topic of SNS"),
            ("arn:aws:sqs:us-east-1:000000000000:q.fifo", "must be a standard queue or topic"),
        ] {
            assert!(dead_letter_target(wrong.to_owned()).unwrap_err().message.contains(words), "{wrong}");
        }
        assert_eq!(dead_letter(config("")).unwrap(), None);
    }
}
