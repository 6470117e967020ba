//! What an execution environment runs: one revision of one version of a function.
//!
//! It holds facts the control plane has checked; it refuses to validate them again.

use crate::Runtime;
use hearth_base::{AccountId, Region, limits};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Which environments may serve an invocation: those of the same key, and no others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// The function's account.
    pub account: AccountId,
    /// The function's region.
    pub region: Region,
    /// The bare name.
    pub name: String,
    /// `$LATEST` or a published version's number.
    pub version: String,
    /// Changes with every update of code or configuration, so that no environment serves what it was not made for.
    pub revision: String,
}

/// All that an environment needs to know of its function. Share it in an `Arc`: one for each revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Tells the definitions apart.
    pub key: Key,
    /// The qualified ARN: the function's own, with `:version`.
    pub arn: String,
    /// The runtime of the function.
    pub runtime: Runtime,
    /// `_HANDLER`: `module.function` and the like. Empty for `provided` runtimes without one.
    pub handler: String,
    /// The unpacked package: seen read-only as `/var/task`.
    pub code: PathBuf,
    /// The layers, unpacked over each other in their order into one directory: seen read-only as `/opt`.
    pub layers: Option<PathBuf>,
    /// Memory in MB (MiB, as AWS counts): the cage's limit, and the share of processors follows it.
    pub memory_mb: u32,
    /// After this an invocation ends as timed out. Whole seconds on AWS.
    pub timeout: Duration,
    /// Size of `/tmp` in MB.
    pub ephemeral_storage_mb: u32,
    /// The user's variables. Reserved names among them are overridden.
    pub variables: Vec<(String, String)>,
    /// The execution role: whose credentials the code gets.
    pub role_arn: String,
    /// How and where logs are written.
    pub logging: Logging,
    /// Whether X-Ray samples actively: `TracingConfig.Mode`.
    pub tracing: TracingMode,
    /// What makes environments, and so how long their initialisation may take.
    pub initialization: InitializationType,
}

/// What an environment is initialised for: `AWS_LAMBDA_INITIALIZATION_TYPE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum InitializationType {
    /// For an invocation that found none.
    #[default]
    OnDemand,
    /// Ahead of invocations, as many as were ordered.
    ProvisionedConcurrency,
    /// Once, to be snapped and restored.
    SnapStart,
}

/// `LoggingConfig` of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// The log group, `/aws/lambda/<name>` unless configured.
    pub group: String,
    /// Text, or one JSON object a line.
    pub format: LogFormat,
    /// The least level of the application's own lines that is kept: JSON format only.
    pub application_level: LogLevel,
    /// The least level of the platform's lines that is kept: JSON format only.
    pub system_level: LogLevel,
}

/// `LoggingConfig.LogFormat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Lines as they are printed.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// A log level, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum LogLevel {
    /// `TRACE`: application lines only.
    Trace,
    /// `DEBUG`.
    Debug,
    /// `INFO`: AWS's default for both kinds.
    #[default]
    Info,
    /// `WARN`.
    Warn,
    /// `ERROR`: application lines only.
    Error,
    /// `FATAL`: application lines only.
    Fatal,
}

/// `TracingConfig.Mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TracingMode {
    /// Follow the caller's sampling decision.
    #[default]
    PassThrough,
    /// Sample by Lambda's own rule.
    Active,
}

impl Definition {
    /// How long an initialisation may take when no invocation pays for it.
    ///
    /// AWS: one that no caller waits for has at least 130 s, and up to the function's own timeout.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib>
    pub(crate) fn initialization_limit(&self) -> Duration {
        match self.initialization {
            InitializationType::OnDemand => Duration::from_millis(limits::INIT_MS_MAX),
            InitializationType::ProvisionedConcurrency | InitializationType::SnapStart => {
                self.timeout.max(Duration::from_millis(limits::INIT_AHEAD_MS_MIN))
            }
        }
    }
}

impl LogLevel {
    /// The level as AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }
}

impl InitializationType {
    /// The type as AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OnDemand => "on-demand",
            Self::ProvisionedConcurrency => "provisioned-concurrency",
            Self::SnapStart => "snap-start",
        }
    }
}

impl LogFormat {
    /// The format as AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "Text",
            Self::Json => "JSON",
        }
    }
}

impl Default for Logging {
    /// Text, `INFO`, and no group: set the group.
    fn default() -> Self {
        Self {
            group: String::new(),
            format: LogFormat::default(),
            application_level: LogLevel::default(),
            system_level: LogLevel::default(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, region, name, version, revision } = self;
        write!(f, "{account}/{region}/{name}:{version}@{revision}")
    }
}

#[cfg(test)]
impl Definition {
    /// Any function at all.
    pub(crate) fn sample() -> Self {
        Self {
            key: Key {
                account: AccountId::DEVELOPMENT,
                region: "us-east-1".parse().unwrap(),
                name: "f".to_owned(),
                version: "$LATEST".to_owned(),
                revision: "1".to_owned(),
            },
            arn: String::new(),
            runtime: "provided".parse().unwrap(),
            handler: String::new(),
            code: "/nowhere".into(),
            layers: None,
            memory_mb: 128,
            timeout: Duration::from_secs(3),
            ephemeral_storage_mb: 512,
            variables: Vec::new(),
            role_arn: String::new(),
            logging: Logging { format: LogFormat::Text, ..Logging::default() },
            tracing: TracingMode::PassThrough,
            initialization: InitializationType::OnDemand,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_waits_for_has_more_time() {
        for (initialization, timeout, limit) in [
            (InitializationType::OnDemand, 900, 10),
            (InitializationType::ProvisionedConcurrency, 3, 130),
            (InitializationType::ProvisionedConcurrency, 900, 900),
            (InitializationType::SnapStart, 131, 131),
        ] {
            let timeout = Duration::from_secs(timeout);
            let definition = Definition { initialization, timeout, ..Definition::sample() };
            assert_eq!(definition.initialization_limit(), Duration::from_secs(limit), "{initialization:?}");
        }
    }
}
