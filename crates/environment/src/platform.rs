//! What the platform has to say, and its log lines: INIT_START, START, END, REPORT and their like, as text and as JSON.
//!
//! It refuses to decide when they are written.
//! <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html>

pub(crate) mod record;

use crate::extensions_api::Standing;
use crate::telemetry::{Api, Kind};
use crate::{Definition, InitializationType, LogFormat, LogLevel, Report};
use hearth_base::{RequestId, Timestamp};
use serde::Serialize;
use std::time::Duration;

/// Something the platform says.
#[derive(Clone, Copy)]
pub(crate) enum Event<'a> {
    /// An initialisation starts.
    InitStart { phase: Phase, version: &'a str, version_arn: &'a str },
    /// The runtime has done its part of it.
    InitRuntimeDone { phase: Phase, status: &'a Status },
    /// Where an extension is at the end of an initialisation.
    Extension { standing: &'a Standing, error_type: Option<&'a str> },
    /// An initialisation ended.
    InitReport { phase: Phase, duration: Duration, status: &'a Status },
    /// A restore starts.
    RestoreStart { version: &'a str, version_arn: &'a str },
    /// The runtime has done its part of it.
    RestoreRuntimeDone { status: &'a Status },
    /// A restore ended.
    RestoreReport { duration: Duration, status: &'a Status },
    /// An extension subscribed.
    Subscription { api: Api, name: &'a str, kinds: &'a [Kind] },
    /// An invocation starts.
    Start { request_id: RequestId, trace: &'a str },
    /// The runtime has done an invocation.
    RuntimeDone { done: Done<'a>, duration: Duration, produced_bytes: usize },
    /// An invocation ended.
    Report { done: Done<'a>, report: &'a Report },
    /// What ended an invocation from outside the handler. In the log it is a line of its own wording.
    Fault { text: &'a str },
    /// Something the user should know, that AWS has no line for.
    Warning { text: &'a str },
    /// Lines were dropped because the log could not take them.
    LogsDropped { records: u64, bytes: u64 },
}

/// What the end of an invocation has to say of it.
#[derive(Clone, Copy)]
pub(crate) struct Done<'a> {
    pub(crate) request_id: RequestId,
    pub(crate) status: &'a Status,
    /// `X-Amzn-Trace-Id`.
    pub(crate) trace: &'a str,
    pub(crate) spans: &'a [Span],
}

/// How long a part of it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) name: &'static str,
    pub(crate) start: Timestamp,
    pub(crate) duration: Duration,
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
    fn as_str(self, definition: &Definition) -> &'static str {
        match self {
            Self::Init if definition.initialization == InitializationType::SnapStart => "snap-start",
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
            phase.as_str(definition),
            status.fields()
        ),
        // AWS: it is in no REPORT, for no invocation waited for it.
        // https://docs.aws.amazon.com/lambda/latest/dg/snapstart-monitoring.html
        Event::InitReport { phase: Phase::Init, duration, .. }
            if definition.initialization == InitializationType::SnapStart =>
        {
            format!("INIT_REPORT Init Duration: {:.2} ms\n", milliseconds(*duration))
        }
        Event::RestoreStart { version, version_arn } => {
            format!("RESTORE_START Runtime Version: {version}\tRuntime Version ARN: {version_arn}\n")
        }
        Event::RestoreReport { duration, status } => {
            let (duration, fields) = (milliseconds(*duration), status.fields());
            let apart = if fields.is_empty() { "" } else { "\t" };
            format!("RESTORE_REPORT Restore Duration: {duration:.2} ms{apart}{fields}\n")
        }
        Event::Subscription { api, name, kinds } => {
            let kinds: Vec<&str> = kinds.iter().map(|kind| kind.title()).collect();
            let api = api.name().to_ascii_uppercase();
            format!("{api}\tName: {name}\tState: Subscribed\tTypes: [{}]\n", kinds.join(", "))
        }
        Event::Extension { standing, error_type } => {
            let Standing { name, state, events } = standing;
            let events = events.join(",");
            let error = error_type.map(|kind| format!("\tError Type: {kind}")).unwrap_or_default();
            format!("EXTENSION\tName: {name}\tState: {state}\tEvents: [{events}]{error}\n")
        }
        Event::Start { request_id, .. } => {
            format!("START RequestId: {request_id} Version: {}\n", definition.key.version)
        }
        Event::Report { done: Done { request_id, status, .. }, report } => {
            return vec![format!("END RequestId: {request_id}\n"), report_text(*request_id, report, status)];
        }
        Event::Warning { text } => format!("[WARNING] Hearth: {text}\n"),
        Event::LogsDropped { records, bytes } => format!(
            "[WARNING] Hearth: {records} log lines ({bytes} bytes) were dropped, because they came faster than the log takes them\n"
        ),
        Event::InitStart { .. }
        | Event::InitRuntimeDone { .. }
        | Event::InitReport { .. }
        | Event::RestoreRuntimeDone { .. }
        | Event::RuntimeDone { .. }
        | Event::Fault { .. } => return Vec::new(),
    };
    vec![line]
}

fn report_text(request_id: RequestId, report: &Report, status: &Status) -> String {
    let init =
        report.init.map(|init| format!("Init Duration: {:.2} ms\t", milliseconds(init))).unwrap_or_default();
    let restore = report.restore.map(|restore| {
        let (restore, billed) = (milliseconds(restore), restore.as_millis());
        format!("Restore Duration: {restore:.2} ms\tBilled Restore Duration: {billed} ms\t")
    });
    let restore = restore.unwrap_or_default();
    format!(
        "REPORT RequestId: {request_id}\tDuration: {:.2} ms\tBilled Duration: {} ms\tMemory Size: {} MB\tMax Memory Used: {} MB\t{init}{restore}{}\n",
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

#[derive(Serialize)]
struct WarningLine<'a> {
    timestamp: String,
    level: &'static str,
    message: &'a str,
}

/// The level AWS gives each event.
/// <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html>
fn level(event: &Event<'_>) -> LogLevel {
    let usual = match event {
        Event::InitRuntimeDone { .. }
        | Event::InitReport { .. }
        | Event::RestoreRuntimeDone { .. }
        | Event::RestoreReport { .. }
        | Event::RuntimeDone { .. } => LogLevel::Debug,
        Event::Warning { .. } | Event::LogsDropped { .. } | Event::Fault { .. } => LogLevel::Warn,
        _ => LogLevel::Info,
    };
    if failed(event) { LogLevel::Warn } else { usual }
}

fn failed(event: &Event<'_>) -> bool {
    match event {
        Event::InitRuntimeDone { status, .. }
        | Event::InitReport { status, .. }
        | Event::RestoreRuntimeDone { status }
        | Event::RestoreReport { status, .. }
        | Event::RuntimeDone { done: Done { status, .. }, .. }
        | Event::Report { done: Done { status, .. }, .. } => **status != Status::Success,
        Event::Extension { error_type, .. } => error_type.is_some(),
        _ => false,
    }
}

fn json(definition: &Definition, now: Timestamp, event: &Event<'_>) -> Vec<String> {
    if level(event) < definition.logging.system_level {
        return Vec::new();
    }
    let line = match event {
        Event::Warning { text } => {
            let line = WarningLine { timestamp: now.date_time_millis(), level: "WARN", message: text };
            Some(record::encode(&line))
        }
        // The line of its own wording is JSON too.
        Event::Fault { .. } => None,
        _ => record::event(definition, now, (event, record::Audience::Log)),
    };
    line.into_iter().map(|line| line + "\n").collect()
}
