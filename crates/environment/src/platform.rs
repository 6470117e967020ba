//! The platform's own log lines: INIT_START, START, END, REPORT and their like, as text and as JSON.
//!
//! It refuses to decide when they are written.
//! <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html>

use crate::extensions_api::Standing;
use crate::{Definition, LogFormat, LogLevel, Report};
use hearth_base::{RequestId, Timestamp};
use serde::Serialize;
use std::time::Duration;

/// Something the platform says.
pub(crate) enum Event<'a> {
    /// An initialisation starts.
    InitStart { phase: Phase, version: &'a str, version_arn: &'a str },
    /// Where an extension is at the end of an initialisation.
    Extension { standing: &'a Standing, error_type: Option<&'a str> },
    /// An initialisation ended.
    InitReport { phase: Phase, duration: Duration, status: &'a Status },
    /// An invocation starts.
    Start { request_id: RequestId },
    /// The runtime has done an invocation.
    RuntimeDone { request_id: RequestId, duration: Duration, produced_bytes: usize, status: &'a Status },
    /// An invocation ended.
    Report { request_id: RequestId, report: &'a Report, status: &'a Status },
    /// Something the user should know, that AWS has no line for.
    Warning { text: &'a str },
    /// Lines were dropped because the log could not take them.
    LogsDropped { records: u64, bytes: u64 },
}

/// When an initialisation runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Before the first invocation.
    Init,
    /// Within an invocation, because the first try failed or the environment was reset.
    Invoke,
}

/// How an initialisation or an invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Status {
    /// The runtime answered, be it with the handler's error.
    Success,
    /// It ended otherwise: the error type.
    Error(String),
    /// The time was over.
    Timeout,
}

impl Phase {
    fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Invoke => "invoke",
        }
    }
}

impl Status {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error(_) => "error",
            Self::Timeout => "timeout",
        }
    }

    fn error_type(&self) -> Option<&str> {
        match self {
            Self::Error(error_type) => Some(error_type),
            Self::Success | Self::Timeout => None,
        }
    }

    /// The fields at the end of a line: nothing after success.
    fn fields(&self) -> String {
        match self {
            Self::Success => String::new(),
            Self::Error(error_type) => format!("Status: error\tError Type: {error_type}"),
            Self::Timeout => "Status: timeout".to_owned(),
        }
    }
}

/// The lines of one event, in the function's log format; none when its level is not kept.
pub(crate) fn lines(definition: &Definition, now: Timestamp, event: &Event<'_>) -> Vec<String> {
    match definition.logging.format {
        LogFormat::Text => text(definition, event),
        LogFormat::Json => json(definition, now, event),
    }
}

fn text(definition: &Definition, event: &Event<'_>) -> Vec<String> {
    let line = match event {
        Event::InitStart { phase: Phase::Init, version, version_arn } => {
            format!("INIT_START Runtime Version: {version}\tRuntime Version ARN: {version_arn}\n")
        }
        Event::InitReport { phase, duration, status } if **status != Status::Success => format!(
            "INIT_REPORT Init Duration: {:.2} ms\tPhase: {}\t{}\n",
            milliseconds(*duration),
            phase.as_str(),
            status.fields()
        ),
        Event::Extension { standing, error_type } => {
            let Standing { name, state, events } = standing;
            let events = events.join(",");
            let error = error_type.map(|kind| format!("\tError Type: {kind}")).unwrap_or_default();
            format!("EXTENSION\tName: {name}\tState: {state}\tEvents: [{events}]{error}\n")
        }
        Event::Start { request_id } => {
            format!("START RequestId: {request_id} Version: {}\n", definition.key.version)
        }
        Event::Report { request_id, report, status } => {
            return vec![format!("END RequestId: {request_id}\n"), report_text(*request_id, report, status)];
        }
        Event::Warning { text } => format!("[WARNING] Hearth: {text}\n"),
        Event::LogsDropped { records, bytes } => format!(
            "[WARNING] Hearth: {records} log lines ({bytes} bytes) were dropped, because they came faster than the log takes them\n"
        ),
        Event::InitStart { .. } | Event::InitReport { .. } | Event::RuntimeDone { .. } => return Vec::new(),
    };
    vec![line]
}

fn report_text(request_id: RequestId, report: &Report, status: &Status) -> String {
    let init =
        report.init.map(|init| format!("Init Duration: {:.2} ms\t", milliseconds(init))).unwrap_or_default();
    format!(
        "REPORT RequestId: {request_id}\tDuration: {:.2} ms\tBilled Duration: {} ms\tMemory Size: {} MB\tMax Memory Used: {} MB\t{init}{}\n",
        milliseconds(report.duration),
        report.billed.as_millis(),
        report.memory_size_mb,
        report.max_memory_used_mb,
        status.fields()
    )
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// To three decimals, as the JSON lines have them.
fn rounded(duration: Duration) -> f64 {
    (milliseconds(duration) * 1000.0).round() / 1000.0
}

#[derive(Serialize)]
struct Line<R: Serialize> {
    time: String,
    r#type: &'static str,
    record: R,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InitStartRecord<'a> {
    initialization_type: &'static str,
    phase: &'static str,
    runtime_version: &'a str,
    runtime_version_arn: &'a str,
    function_name: &'a str,
    function_version: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InitReportRecord<'a> {
    initialization_type: &'static str,
    phase: &'static str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<DurationMetrics>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExtensionRecord<'a> {
    name: &'a str,
    state: &'a str,
    events: &'a [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    error_type: Option<&'a str>,
}

#[derive(Serialize)]
struct DurationMetrics {
    #[serde(rename = "durationMs")]
    duration: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StartRecord<'a> {
    request_id: String,
    version: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EndRecord<'a, M: Serialize> {
    request_id: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_type: Option<&'a str>,
    metrics: M,
}

#[derive(Serialize)]
struct RuntimeDoneMetrics {
    #[serde(rename = "durationMs")]
    duration: f64,
    #[serde(rename = "producedBytes")]
    produced_bytes: usize,
}

#[derive(Serialize)]
struct ReportMetrics {
    #[serde(rename = "durationMs")]
    duration: f64,
    #[serde(rename = "billedDurationMs")]
    billed: u128,
    #[serde(rename = "memorySizeMB")]
    memory_size: u32,
    #[serde(rename = "maxMemoryUsedMB")]
    max_memory_used: u32,
    #[serde(rename = "initDurationMs", skip_serializing_if = "Option::is_none")]
    init: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DroppedRecord {
    reason: &'static str,
    dropped_records: u64,
    dropped_bytes: u64,
}

#[derive(Serialize)]
struct WarningLine<'a> {
    timestamp: String,
    level: &'static str,
    message: &'a str,
}

/// The level AWS gives each event.
/// <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html>
fn level(event: &Event<'_>) -> LogLevel {
    match event {
        Event::InitStart { .. } | Event::Start { .. } | Event::Extension { error_type: None, .. } => {
            LogLevel::Info
        }
        Event::InitReport { status: Status::Success, .. }
        | Event::RuntimeDone { status: Status::Success, .. } => LogLevel::Debug,
        Event::Report { status: Status::Success, .. } => LogLevel::Info,
        Event::InitReport { .. }
        | Event::Extension { .. }
        | Event::RuntimeDone { .. }
        | Event::Report { .. }
        | Event::Warning { .. }
        | Event::LogsDropped { .. } => LogLevel::Warn,
    }
}

fn json(definition: &Definition, now: Timestamp, event: &Event<'_>) -> Vec<String> {
    if level(event) < definition.logging.system_level {
        return Vec::new();
    }
    let at = Moment(now);
    match event {
        Event::InitStart { phase, version, version_arn } => vec![at.line(
            "platform.initStart",
            InitStartRecord {
                initialization_type: definition.initialization.as_str(),
                phase: phase.as_str(),
                runtime_version: version,
                runtime_version_arn: version_arn,
                function_name: &definition.key.name,
                function_version: &definition.key.version,
            },
        )],
        Event::InitReport { phase, duration, status } => {
            let record = |metrics| InitReportRecord {
                initialization_type: definition.initialization.as_str(),
                phase: phase.as_str(),
                status: status.as_str(),
                error_type: status.error_type(),
                metrics,
            };
            let metrics = DurationMetrics { duration: rounded(*duration) };
            vec![
                at.line("platform.initRuntimeDone", record(None)),
                at.line("platform.initReport", record(Some(metrics))),
            ]
        }
        Event::Extension { standing, error_type } => {
            let Standing { name, state, events } = standing;
            vec![
                at.line(
                    "platform.extension",
                    ExtensionRecord { name, state, events, error_type: *error_type },
                ),
            ]
        }
        Event::Start { request_id } => {
            let version = &definition.key.version;
            vec![at.line("platform.start", StartRecord { request_id: request_id.to_string(), version })]
        }
        Event::RuntimeDone { request_id, duration, produced_bytes, status } => {
            let metrics =
                RuntimeDoneMetrics { duration: rounded(*duration), produced_bytes: *produced_bytes };
            vec![at.line("platform.runtimeDone", EndRecord::new(*request_id, status, metrics))]
        }
        Event::Report { request_id, report, status } => {
            let metrics = ReportMetrics {
                duration: rounded(report.duration),
                billed: report.billed.as_millis(),
                memory_size: report.memory_size_mb,
                max_memory_used: report.max_memory_used_mb,
                init: report.init.map(rounded),
            };
            vec![at.line("platform.report", EndRecord::new(*request_id, status, metrics))]
        }
        Event::LogsDropped { records, bytes } => vec![at.line(
            "platform.logsDropped",
            DroppedRecord {
                reason: "Log lines came faster than the log takes them",
                dropped_records: *records,
                dropped_bytes: *bytes,
            },
        )],
        Event::Warning { text } => {
            vec![encode(&WarningLine { timestamp: now.date_time_millis(), level: "WARN", message: text })]
        }
    }
}

/// The time of a line.
struct Moment(Timestamp);

impl Moment {
    fn line(&self, kind: &'static str, record: impl Serialize) -> String {
        encode(&Line { time: self.0.date_time_millis(), r#type: kind, record })
    }
}

impl<'a, M: Serialize> EndRecord<'a, M> {
    fn new(id: RequestId, status: &'a Status, metrics: M) -> Self {
        Self { request_id: id.to_string(), status: status.as_str(), error_type: status.error_type(), metrics }
    }
}

fn encode(line: &impl Serialize) -> String {
    let mut text = serde_json::to_string(line).expect("strings and finite numbers are always JSON");
    text.push('\n');
    text
}
