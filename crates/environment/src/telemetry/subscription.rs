//! What an extension asks for when it subscribes, checked. It refuses what AWS refuses, and whatever it does not know.
//! <https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api-reference.html>

use http::{Method, Uri};
use serde::Serialize;
use serde_json::Value;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Where the Runtime API listens: AWS keeps it from subscribers.
const RESERVED_PORT: u64 = 9001;
/// By these names a cage reaches itself.
const HOSTS: [&str; 2] = ["sandbox.localdomain", "sandbox"];

const MAX_ITEMS: RangeInclusive<u64> = 1_000..=10_000;
const MAX_BYTES: RangeInclusive<u64> = 262_144..=1_048_576;
const TIMEOUT_MS: RangeInclusive<u64> = 25..=30_000;
const MAX_BYTES_DEFAULT: u64 = 262_144;
const TIMEOUT_MS_DEFAULT: u64 = 1_000;

/// By which API it subscribes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    Telemetry,
    Logs,
}

/// What the events look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Schema {
    Logs2020August,
    Logs2021March,
    Telemetry2022July,
    Telemetry2022December,
    Telemetry2025January,
}

/// A kind of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Platform,
    Function,
    Extension,
}

/// What one extension wants, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) schema: Schema,
    pub(crate) kinds: Vec<Kind>,
    /// Events of one batch.
    pub(crate) items_max: usize,
    /// Bytes of one batch.
    pub(crate) bytes_max: usize,
    /// How long a batch waits for more.
    pub(crate) timeout: Duration,
    pub(crate) destination: Destination,
}

/// A port in the cage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    /// A request for each batch.
    Http {
        /// `POST`, or `PUT` when the Logs API was asked for it.
        method: Method,
        uri: Uri,
        port: u16,
    },
    /// A line for each event.
    Tcp { port: u16 },
}

/// What is wrong with a request, all of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Invalid(pub(crate) String);

impl Api {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Telemetry => "Telemetry",
            Self::Logs => "Logs",
        }
    }

    /// The type of the event that tells of a subscription.
    pub(crate) fn subscription(self) -> &'static str {
        match self {
            Self::Telemetry => "platform.telemetrySubscription",
            Self::Logs => "platform.logsSubscription",
        }
    }

    // AWS: the two APIs differ in this default.
    // https://docs.aws.amazon.com/lambda/latest/dg/runtimes-logs-api.html#runtimes-logs-api-buffering
    fn items_default(self) -> u64 {
        match self {
            Self::Telemetry => *MAX_ITEMS.start(),
            Self::Logs => *MAX_ITEMS.end(),
        }
    }

    fn schema(self, version: &str) -> Option<Schema> {
        Some(match (self, version) {
            (Self::Logs, "2020-08-15") => Schema::Logs2020August,
            (Self::Logs, "2021-03-18") => Schema::Logs2021March,
            (Self::Telemetry, "2022-07-01") => Schema::Telemetry2022July,
            (Self::Telemetry, "2022-12-13") => Schema::Telemetry2022December,
            (Self::Telemetry, "2025-01-29") => Schema::Telemetry2025January,
            _ => return None,
        })
    }
}

impl Schema {
    pub(crate) fn api(self) -> Api {
        match self {
            Self::Logs2020August | Self::Logs2021March => Api::Logs,
            Self::Telemetry2022July | Self::Telemetry2022December | Self::Telemetry2025January => {
                Api::Telemetry
            }
        }
    }

    /// Whether a line that is JSON is an object in its event.
    pub(crate) fn has_objects(self) -> bool {
        matches!(self, Self::Telemetry2022December | Self::Telemetry2025January)
    }
}

impl Kind {
    /// As the log has it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Platform => "Platform",
            Self::Function => "Function",
            Self::Extension => "Extension",
        }
    }

    fn of(name: &str) -> Option<Self> {
        match name {
            "platform" => Some(Self::Platform),
            "function" => Some(Self::Function),
            "extension" => Some(Self::Extension),
            _ => None,
        }
    }
}

impl Subscription {
    pub(crate) fn has(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }

    /// Reads the body of a request.
    pub(crate) fn read(api: Api, body: &[u8]) -> Result<Self, Invalid> {
        let body: Value = serde_json::from_slice(body)
            .map_err(|error| Invalid(format!("the request is not valid JSON: {error}")))?;
        if !body.is_object() {
            return Err(Invalid("the request is not an object".to_owned()));
        }
        let mut wrong = Vec::new();
        let schema = schema(api, &body["schemaVersion"], &mut wrong);
        let destination = destination(api, &body["destination"], &mut wrong);
        let kinds = kinds(&body["types"], &mut wrong);
        let buffering = &body["buffering"];
        if !buffering.is_object() && !buffering.is_null() {
            wrong.push("buffering should be an object".to_owned());
        }
        let mut number = |name: &str, range: RangeInclusive<u64>, default: u64| match &buffering[name] {
            Value::Null => default,
            given => given.as_u64().filter(|number| range.contains(number)).unwrap_or_else(|| {
                let (least, most) = (range.start(), range.end());
                wrong.push(format!("buffering.{name} should be an integer from {least} to {most}"));
                default
            }),
        };
        let items_max = number("maxItems", MAX_ITEMS, api.items_default());
        let bytes_max = number("maxBytes", MAX_BYTES, MAX_BYTES_DEFAULT);
        let timeout = Duration::from_millis(number("timeoutMs", TIMEOUT_MS, TIMEOUT_MS_DEFAULT));
        match (schema, destination) {
            (Some(schema), Some(destination)) if wrong.is_empty() => Ok(Self {
                schema,
                kinds,
                items_max: usize::try_from(items_max).unwrap_or(usize::MAX),
                bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX),
                timeout,
                destination,
            }),
            _ => Err(Invalid(wrong.join("; "))),
        }
    }
}

fn schema(api: Api, given: &Value, wrong: &mut Vec<String>) -> Option<Schema> {
    let schema = match (api, given) {
        (Api::Logs, Value::Null) => Some(Schema::Logs2020August),
        (_, Value::Null) => {
            wrong.push("schemaVersion is not provided".to_owned());
            return None;
        }
        (_, given) => given.as_str().and_then(|version| api.schema(version)),
    };
    if schema.is_none() {
        wrong.push(format!("schemaVersion {given} is not supported"));
    }
    schema
}

fn kinds(given: &Value, wrong: &mut Vec<String>) -> Vec<Kind> {
    let mut kinds = Vec::new();
    for name in given.as_array().into_iter().flatten() {
        match name.as_str().and_then(Kind::of) {
            Some(kind) if !kinds.contains(&kind) => kinds.push(kind),
            Some(_) => {}
            None => wrong.push(format!("types has {name}, which is none of platform, function, extension")),
        }
    }
    if given.as_array().is_none_or(Vec::is_empty) {
        wrong.push("types should not be empty".to_owned());
    }
    kinds
}

fn destination(api: Api, given: &Value, wrong: &mut Vec<String>) -> Option<Destination> {
    if !given.is_object() {
        wrong.push("destination is not provided".to_owned());
        return None;
    }
    let before = wrong.len();
    let destination = match given["protocol"].as_str() {
        Some("HTTP") => http(api, given, wrong),
        Some("TCP") => tcp(given, wrong),
        _ => {
            wrong.push(format!("destination.protocol {} is neither HTTP nor TCP", given["protocol"]));
            None
        }
    };
    destination.filter(|_| wrong.len() == before)
}

fn http(api: Api, given: &Value, wrong: &mut Vec<String>) -> Option<Destination> {
    let uri = uri(given, ("http", wrong))?;
    let method = match &given["method"] {
        Value::Null => Some(Method::POST),
        Value::String(name) if name == "POST" => Some(Method::POST),
        Value::String(name) if name == "PUT" && api == Api::Logs => Some(Method::PUT),
        other => {
            wrong.push(format!("destination.method {other} is not supported"));
            None
        }
    };
    if !matches!(&given["encoding"], Value::Null) && given["encoding"] != "JSON" {
        wrong.push(format!("destination.encoding {} is not supported", given["encoding"]));
    }
    let port = port(uri.port_u16().map(u64::from), ("URI port", wrong))?;
    Some(Destination::Http { method: method?, uri, port })
}

fn tcp(given: &Value, wrong: &mut Vec<String>) -> Option<Destination> {
    if given["port"].is_null() && !given["URI"].is_null() {
        let uri = uri(given, ("tcp", wrong))?;
        let port = port(uri.port_u16().map(u64::from), ("URI port", wrong))?;
        return Some(Destination::Tcp { port });
    }
    let port = port(given["port"].as_u64(), ("destination.port", wrong))?;
    Some(Destination::Tcp { port })
}

fn uri(given: &Value, (scheme, wrong): (&str, &mut Vec<String>)) -> Option<Uri> {
    let Some(text) = given["URI"].as_str() else {
        wrong.push("URI is not provided".to_owned());
        return None;
    };
    let uri = text.parse::<Uri>().ok().filter(|uri| uri.scheme_str() == Some(scheme));
    let Some(uri) = uri else {
        wrong.push(format!("URI {text:?} is not one of {scheme}"));
        return None;
    };
    if !uri.host().is_some_and(|host| HOSTS.contains(&host)) {
        wrong.push(format!("URI host should be {}", HOSTS[0]));
        return None;
    }
    Some(uri)
}

fn port(given: Option<u64>, (name, wrong): (&str, &mut Vec<String>)) -> Option<u16> {
    let Some(given) = given else {
        wrong.push(format!("{name} is not provided"));
        return None;
    };
    let port = u16::try_from(given).ok().filter(|port| *port > 0 && given != RESERVED_PORT);
    if port.is_none() {
        wrong.push(format!("{name} {given} cannot be used"));
    }
    port
}
