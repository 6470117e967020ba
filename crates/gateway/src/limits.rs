//! The bounds on connections, heads and bodies.

use hearth_wire::{Operation, Service};
use std::time::Duration;

/// Bytes of a body when no other bound is known.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Operations whose bodies have another bound, with the name that the error gives the operation.
///
/// AWS: the numbers and names are those of the recorded errors, such as "Request must be smaller than 70167211 bytes
/// for the CreateFunction operation". <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const BODY_BOUNDS: &[(&str, &str, Bound)] = &[
    ("lambda", "CreateFunction", Bound { bytes: 70_167_211, name: "CreateFunction" }),
    ("lambda", "UpdateFunctionCode", Bound { bytes: 70_167_211, name: "UpdateFunctionCode" }),
    ("lambda", "PublishLayerVersion", Bound { bytes: 70_167_211, name: "PublishLayerVersion" }),
    ("lambda", "Invoke", Bound { bytes: 6_291_456, name: "InvokeFunction" }),
    ("lambda", "InvokeAsync", Bound { bytes: 1 << 20, name: "InvokeFunction" }),
    ("lambda", "InvokeWithResponseStream", Bound { bytes: 6_291_456, name: "InvokeFunction" }),
    // A batch is at most 1 MiB of messages; as JSON with every character escaped it is up to six times that.
    ("logs", "PutLogEvents", Bound { bytes: 7 << 20, name: "PutLogEvents" }),
    // The same of messages; the query protocol names the operation in the body, after its bound is needed.
    ("sqs", "SendMessage", Bound { bytes: 7 << 20, name: "SendMessage" }),
    ("sqs", "SendMessageBatch", Bound { bytes: 7 << 20, name: "SendMessageBatch" }),
    ("sqs", "requested", Bound { bytes: 7 << 20, name: "requested" }),
    // 1 MiB of events; as JSON within JSON every character may become several.
    ("events", "PutEvents", Bound { bytes: 7 << 20, name: "PutEvents" }),
    // A topic takes 256 KiB, of which every byte may become three in a form.
    ("sns", "requested", Bound { bytes: 2 << 20, name: "requested" }),
];

/// How large a body may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) bytes: usize,
    /// The operation, as the error names it.
    pub(crate) name: &'static str,
}

impl Bound {
    /// The bound for an operation, or for any of the service while it is not known.
    pub(crate) fn of(service: &Service, operation: Option<&'static Operation>) -> Self {
        let name = operation.map_or("requested", |operation| operation.name);
        BODY_BOUNDS
            .iter()
            .find(|(of, operation, _)| *of == service.name && *operation == name)
            .map_or(Self { bytes: BODY_BYTES_MAX, name }, |(_, _, bound)| *bound)
    }

    /// Room for the framing of `aws-chunked`: 90 bytes and more a chunk of at least 8 KiB, and trailers.
    pub(crate) fn with_framing(self) -> Self {
        Self { bytes: self.bytes + self.bytes / 64 + 8_192, ..self }
    }
}

/// The bounds of a gateway. Times are of real sockets and so of the machine's own clock.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections from the listener at once; more wait in the kernel's backlog.
    pub connections_max: usize,
    /// Requests under way at once over all connections; more are told to come back.
    pub requests_max: usize,
    /// KiB of bodies over 64 KiB being read at once; more wait.
    pub buffers_kib_max: usize,
    /// Bytes of a request's head.
    pub head_bytes_max: usize,
    /// Headers of a request.
    pub headers_max: usize,
    /// Streams of an HTTP/2 connection at once.
    pub streams_max: u32,
    /// How long a connection may take to send a request's head; also how long it may be idle.
    pub head_timeout: Duration,
    /// How long a body may take, beside the time that its bytes take at `body_bytes_per_second`.
    pub body_timeout: Duration,
    /// The slowest that a large body may come in.
    pub body_bytes_per_second: u64,
    /// How long requests under way may go on after the shutdown has begun.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 4_096,
            requests_max: 10_000,
            buffers_kib_max: 512 * 1024,
            head_bytes_max: 64 * 1024,
            headers_max: 100,
            streams_max: 256,
            head_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(30),
            body_bytes_per_second: 100 * 1024,
            grace: Duration::from_secs(30),
        }
    }
}
