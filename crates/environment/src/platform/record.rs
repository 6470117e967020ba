//! Events of the platform as JSON: in the log when its format is JSON, and for those who subscribed to telemetry.
//!
//! It refuses to know who subscribed, and where to.
//! <https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html>
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-logs-api.html#runtimes-logs-api-msg>

use super::{Done, Event, Phase, Span, Status};
use crate::extensions_api::Standing;
use crate::telemetry::{Api, Kind, Schema};
use crate::{Definition, Report};
use hearth_base::Timestamp;
use serde::Serialize;
use std::time::Duration;

/// Who reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// The function's log.
    Log,
    /// A subscriber, by the schema it asked for.
    Subscriber(Schema),
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
    #[serde(flatten)]
    instance: InstanceRecord<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InstanceRecord<'a> {
    runtime_version: &'a str,
    runtime_version_arn: &'a str,
    function_name: &'a str,
    function_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_max_memory: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhaseRecord<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    initialization_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<&'static str>,
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
struct SubscriptionRecord<'a> {
    name: &'a str,
    state: &'static str,
    types: &'a [Kind],
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
    #[serde(skip_serializing_if = "Option::is_none")]
    tracing: Option<TraceContext<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EndRecord {
    request_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DoneRecord<'a, M: Serialize> {
    request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<M>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracing: Option<TraceContext<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    spans: Vec<SpanRecord>,
}

#[derive(Serialize)]
struct TraceContext<'a> {
    r#type: &'static str,
    value: &'a str,
}

#[derive(Serialize)]
struct SpanRecord {
    name: &'static str,
    start: String,
    #[serde(rename = "durationMs")]
    duration: f64,
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
    #[serde(rename = "restoreDurationMs", skip_serializing_if = "Option::is_none")]
    restore: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DroppedRecord {
    reason: &'static str,
    dropped_records: u64,
    dropped_bytes: u64,
}

impl Audience {
    /// Whether the times and the trace within an invocation are told.
    fn has_detail(self) -> bool {
        matches!(self, Self::Subscriber(schema) if schema.api() == Api::Telemetry)
    }

    /// Whether it is told of what only newer schemas have.
    fn has(self, event: &Event<'_>) -> bool {
        let Self::Subscriber(schema) = self else { return true };
        match event {
            Event::Warning { .. } => false,
            Event::Fault { .. } => schema.api() == Api::Logs,
            Event::RuntimeDone { .. } => schema != Schema::Logs2020August,
            Event::InitStart { .. }
            | Event::InitRuntimeDone { .. }
            | Event::InitReport { .. }
            | Event::RestoreStart { .. }
            | Event::RestoreRuntimeDone { .. }
            | Event::RestoreReport { .. } => schema.api() == Api::Telemetry,
            _ => true,
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Log => "Log lines came faster than the log takes them",
            Self::Subscriber(schema) if schema.api() == Api::Logs => {
                "Consumer seems to have fallen behind as it has not acknowledged receipt of logs."
            }
            Self::Subscriber(_) => {
                "Some logs were dropped because the downstream consumer is slower than the logs production rate"
            }
        }
    }
}

/// The event as one line of JSON without its end; None when it is not for this audience.
pub(crate) fn event(
    definition: &Definition,
    now: Timestamp,
    (event, audience): (&Event<'_>, Audience),
) -> Option<String> {
    if !audience.has(event) {
        return None;
    }
    let at = Moment(now);
    let about = About { definition, audience };
    Some(match event {
        Event::InitStart { phase, version, version_arn } => {
            let initialization_type = definition.initialization.as_str();
            let (phase, instance) = (phase.as_str(definition), about.instance(version, version_arn));
            at.line("platform.initStart", InitStartRecord { initialization_type, phase, instance })
        }
        Event::InitRuntimeDone { phase, status } => {
            at.line("platform.initRuntimeDone", about.phase(Some(*phase), None, status))
        }
        Event::InitReport { phase, duration, status } => {
            at.line("platform.initReport", about.phase(Some(*phase), Some(*duration), status))
        }
        Event::RestoreStart { version, version_arn } => {
            at.line("platform.restoreStart", about.instance(version, version_arn))
        }
        Event::RestoreRuntimeDone { status } => {
            at.line("platform.restoreRuntimeDone", about.phase(None, None, status))
        }
        Event::RestoreReport { duration, status } => {
            at.line("platform.restoreReport", about.phase(None, Some(*duration), status))
        }
        Event::Extension { standing: Standing { name, state, events }, error_type } => {
            at.line("platform.extension", ExtensionRecord { name, state, events, error_type: *error_type })
        }
        Event::Subscription { api, name, kinds } => {
            at.line(api.subscription(), SubscriptionRecord { name, state: "Subscribed", types: kinds })
        }
        Event::Start { request_id, trace } => {
            let (version, tracing) = (definition.key.version.as_str(), about.tracing(trace));
            let request_id = request_id.to_string();
            at.line("platform.start", StartRecord { request_id, version, tracing })
        }
        Event::RuntimeDone { done, duration, produced_bytes } => {
            let metrics =
                RuntimeDoneMetrics { duration: rounded(*duration), produced_bytes: *produced_bytes };
            let record = about.done(done, metrics);
            match audience {
                Audience::Subscriber(Schema::Logs2021March) => {
                    let status = if record.status == Some("error") { Some("failure") } else { record.status };
                    let record = DoneRecord { status, error_type: None, metrics: None, ..record };
                    at.line("platform.runtimeDone", record)
                }
                _ => at.line("platform.runtimeDone", record),
            }
        }
        Event::Report { done, report } => {
            let record = about.done(done, report_metrics(report));
            match audience {
                Audience::Subscriber(schema) if schema.api() == Api::Logs => {
                    at.line("platform.report", DoneRecord { status: None, error_type: None, ..record })
                }
                _ => at.line("platform.report", record),
            }
        }
        Event::LogsDropped { records, bytes } => {
            let (reason, dropped_records, dropped_bytes) = (audience.reason(), *records, *bytes);
            at.line("platform.logsDropped", DroppedRecord { reason, dropped_records, dropped_bytes })
        }
        Event::Fault { text } => at.line("platform.fault", text),
        Event::Warning { text } => at.line("platform.warning", text),
    })
}

/// `platform.end`, which only the Logs API has.
pub(crate) fn end(now: Timestamp, request_id: hearth_base::RequestId) -> String {
    Moment(now).line("platform.end", EndRecord { request_id: request_id.to_string() })
}

/// A line that a function or an extension printed: an object when it is one and the schema has such.
pub(crate) fn printed(now: Timestamp, kind: &'static str, (text, structured): (&str, bool)) -> String {
    let object = text.trim();
    let is_object = structured && object.starts_with('{');
    if is_object && serde_json::from_str::<serde::de::IgnoredAny>(object).is_ok() {
        // As it is, with its order and its numbers. A line end in it can only stand between tokens.
        let (time, object) = (now.date_time_millis(), object.replace(['\n', '\r'], " "));
        return format!(r#"{{"time":"{time}","type":"{kind}","record":{object}}}"#);
    }
    Moment(now).line(kind, text)
}

fn report_metrics(report: &Report) -> ReportMetrics {
    ReportMetrics {
        duration: rounded(report.duration),
        billed: report.billed.as_millis(),
        memory_size: report.memory_size_mb,
        max_memory_used: report.max_memory_used_mb,
        init: report.init.map(rounded),
        restore: report.restore.map(rounded),
    }
}

/// Of whom, and for whom.
struct About<'a> {
    definition: &'a Definition,
    audience: Audience,
}

impl<'a> About<'a> {
    fn instance(&self, runtime_version: &'a str, runtime_version_arn: &'a str) -> InstanceRecord<'a> {
        InstanceRecord {
            runtime_version,
            runtime_version_arn,
            function_name: &self.definition.key.name,
            function_version: &self.definition.key.version,
            instance_max_memory: self.audience.has_detail().then_some(self.definition.memory_mb),
        }
    }

    /// Without a phase it is that of a restore.
    fn phase<'s>(&self, phase: Option<Phase>, took: Option<Duration>, status: &'s Status) -> PhaseRecord<'s> {
        PhaseRecord {
            initialization_type: phase.map(|_| self.definition.initialization.as_str()),
            phase: phase.map(|phase| phase.as_str(self.definition)),
            status: status.as_str(),
            error_type: status.error_type(),
            metrics: took.map(|duration| DurationMetrics { duration: rounded(duration) }),
        }
    }

    fn done<'d, M: Serialize>(&self, done: &Done<'d>, metrics: M) -> DoneRecord<'d, M> {
        let Done { request_id, status, trace, spans } = *done;
        let spans = if self.audience.has_detail() { spans } else { &[] };
        DoneRecord {
            request_id: request_id.to_string(),
            status: Some(status.as_str()),
            error_type: status.error_type(),
            metrics: Some(metrics),
            tracing: self.tracing(trace),
            spans: spans.iter().map(Span::record).collect(),
        }
    }

    fn tracing<'t>(&self, value: &'t str) -> Option<TraceContext<'t>> {
        self.audience.has_detail().then_some(TraceContext { r#type: "X-Amzn-Trace-Id", value })
    }
}

impl Span {
    fn record(&self) -> SpanRecord {
        let Self { name, start, duration } = *self;
        SpanRecord { name, start: start.date_time_millis(), duration: rounded(duration) }
    }
}

/// The time of a line.
struct Moment(Timestamp);

impl Moment {
    fn line(&self, kind: &'static str, record: impl Serialize) -> String {
        encode(&Line { time: self.0.date_time_millis(), r#type: kind, record })
    }
}

/// To three decimals, as the JSON lines have them.
fn rounded(duration: Duration) -> f64 {
    (super::milliseconds(duration) * 1000.0).round() / 1000.0
}

pub(super) fn encode(line: &impl Serialize) -> String {
    serde_json::to_string(line).expect("strings and finite numbers are always JSON")
}
