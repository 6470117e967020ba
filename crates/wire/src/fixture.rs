//! Tables for the tests: shapes after those of Smithy's public protocol test service, built by hand. Not in the library.

use crate::json::{Names, Reader, Writer};
use crate::message::{Body, Request, Response};
use crate::schema::{
    ErrorTrait, EventRole, Kind, Location, Member, Operation, Protocol, Service, Shape, Structure,
    TimestampFormat, Unimplemented,
};
use crate::value::Value;
use bytes::Bytes;
use hearth_base::{RequestId, SeededRng};

const fn plain(name: &'static str, kind: Kind) -> Shape {
    Shape { name, kind, min: None, max: None, pattern: "", values: &[], sensitive: false }
}

pub(crate) static BOOLEAN: Shape = plain("Boolean", Kind::Boolean);
pub(crate) static INTEGER: Shape = plain("Integer", Kind::Integer);
pub(crate) static DOUBLE: Shape = plain("Double", Kind::Double);
pub(crate) static STRING: Shape = plain("String", Kind::String);
pub(crate) static BLOB: Shape = plain("Blob", Kind::Blob { streaming: false });
pub(crate) static TIMESTAMP: Shape = plain("Timestamp", Kind::Timestamp(None));
pub(crate) static EPOCH: Shape = plain("EpochSeconds", Kind::Timestamp(Some(TimestampFormat::UnixTimestamp)));
pub(crate) static DATE_TIME: Shape = plain("DateTime", Kind::Timestamp(Some(TimestampFormat::Iso8601)));
pub(crate) static HTTP_DATE: Shape = plain("HttpDate", Kind::Timestamp(Some(TimestampFormat::Rfc822)));
pub(crate) static DOCUMENT: Shape = plain("Document", Kind::Document);
pub(crate) static FOO_ENUM: Shape =
    Shape { values: &["Foo", "Baz", "Bar", "1", "0"], ..plain("FooEnum", Kind::String) };

/// A structure that holds itself, directly, in a list and in a map.
pub(crate) static NESTED: Shape = plain(
    "Nested",
    Kind::Structure(Structure {
        members: &NESTED_MEMBERS,
        by_wire_name: &[0, 2, 3, 1],
        union: false,
        payload: None,
        event_stream: false,
        error: None,
        xml_namespace: "",
    }),
);
static NESTED_MEMBERS: [Member; 4] =
    [bare("foo", &STRING), bare("nested", &NESTED), bare("list", &NESTED_LIST), bare("map", &NESTED_MAP)];
static NESTED_LIST: Shape = plain("NestedList", Kind::List { item: &NESTED_ITEM, flattened: false });
static NESTED_ITEM: Member = bare("member", &NESTED);
static NESTED_MAP: Shape =
    plain("NestedMap", Kind::Map { key: &NESTED_KEY, value: &NESTED_VALUE, flattened: false });
static NESTED_KEY: Member = bare("key", &STRING);
static NESTED_VALUE: Member = bare("value", &NESTED);

const fn bare(name: &'static str, shape: &'static Shape) -> Member {
    Member {
        name,
        wire_name: name,
        query_name: "",
        location: Location::Body,
        required: false,
        shape,
        timestamp_format: None,
        flattened: false,
        xml_attribute: false,
        json_value: false,
        idempotency_token: false,
        event: EventRole::Body,
    }
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// A member in the body under its own name.
pub(crate) fn member(name: &'static str, shape: &'static Shape) -> Member {
    bare(name, shape)
}

impl Member {
    pub(crate) fn named(self, wire_name: &'static str) -> Self {
        Self { wire_name, ..self }
    }

    pub(crate) fn at(self, location: Location, wire_name: &'static str) -> Self {
        Self { location, wire_name, ..self }
    }

    pub(crate) fn required(self) -> Self {
        Self { required: true, ..self }
    }

    pub(crate) fn flattened(self) -> Self {
        Self { flattened: true, ..self }
    }

    pub(crate) fn attribute(self) -> Self {
        Self { xml_attribute: true, ..self }
    }

    pub(crate) fn formatted(self, format: TimestampFormat) -> Self {
        Self { timestamp_format: Some(format), ..self }
    }
}

/// A structure of these members.
pub(crate) fn structure(name: &'static str, members: Vec<Member>) -> Shape {
    let mut order: Vec<u16> = (0..u16::try_from(members.len()).unwrap()).collect();
    order.sort_by_key(|index| members[usize::from(*index)].wire_name);
    let structure = Structure { members: members.leak(), by_wire_name: order.leak(), ..Structure::EMPTY };
    plain(name, Kind::Structure(structure))
}

impl Shape {
    /// The same structure, changed.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Structure)) -> Self {
        if let Kind::Structure(structure) = &mut self.kind {
            change(structure);
        }
        self
    }

    /// The same with the member of this index as the whole body.
    pub(crate) fn payload(self, index: u16) -> Self {
        self.with(|structure| structure.payload = Some(index))
    }

    pub(crate) fn union(self) -> Self {
        self.with(|structure| structure.union = true)
    }

    pub(crate) fn error(self, status: u16) -> Self {
        let code = self.name;
        self.with(|structure| structure.error = Some(ErrorTrait { code, status, sender: status < 500 }))
    }

    pub(crate) fn namespace(self, namespace: &'static str) -> Self {
        self.with(|structure| structure.xml_namespace = namespace)
    }

    pub(crate) fn leak(self) -> &'static Shape {
        leak(self)
    }
}

/// A list whose items stand in elements of this name.
pub(crate) fn list_named(item: &'static str, shape: &'static Shape, flattened: bool) -> &'static Shape {
    leak(plain("List", Kind::List { item: leak(bare("member", shape).named(item)), flattened }))
}

/// A list.
pub(crate) fn list(shape: &'static Shape) -> &'static Shape {
    list_named("member", shape, false)
}

/// A map whose keys and values stand in elements of these names.
pub(crate) fn map_named(
    key: &'static str,
    value: &'static str,
    shape: &'static Shape,
    flattened: bool,
) -> &'static Shape {
    let (key, value) = (bare("key", &STRING).named(key), bare("value", shape).named(value));
    leak(plain("Map", Kind::Map { key: leak(key), value: leak(value), flattened }))
}

/// A map from text.
pub(crate) fn map(shape: &'static Shape) -> &'static Shape {
    map_named("key", "value", shape, false)
}

/// An operation `POST /Name`.
pub(crate) fn operation(name: &'static str, input: Shape, output: Shape) -> Operation {
    Operation {
        name,
        method: "POST",
        uri: format!("/{name}").leak(),
        status: 200,
        input: leak(input),
        output: leak(output),
        result_wrapper: "",
        input_wrapper: "",
        errors: &[],
    }
}

/// A service that speaks one protocol.
pub(crate) fn service(protocol: Protocol, mut operations: Vec<Operation>) -> &'static Service {
    operations.sort_by_key(|operation| operation.name);
    leak(Service {
        name: "example",
        signing_name: "example",
        endpoint_prefix: "example",
        service_id: "Example",
        api_version: "2020-01-08",
        target_prefix: "Example_20200108",
        xml_namespace: "https://example.com/",
        protocols: leak([protocol]),
        query_compatible: false,
        validation_code: "ValidationException",
        path_member: "",
        operations: operations.leak(),
        unimplemented: leak([Unimplemented { name: "Missing", method: "GET", uri: "/missing/{Label}" }]),
    })
}

/// A service with one operation named `Op`.
pub(crate) fn one(protocol: Protocol, input: Shape, output: Shape) -> &'static Service {
    service(protocol, vec![operation("Op", input, output)])
}

/// The same service, changed.
pub(crate) fn changed(service: &'static Service, change: impl FnOnce(&mut Service)) -> &'static Service {
    let mut copy = Service { ..*service };
    change(&mut copy);
    leak(copy)
}

/// A request. The headers stand in lines.
pub(crate) fn request(method: &str, uri: &str, headers: &str, body: impl Into<Bytes>) -> Request {
    let mut request = Request {
        method: method.parse().unwrap(),
        uri: uri.parse().unwrap(),
        headers: http::HeaderMap::new(),
        body: body.into(),
    };
    for line in headers.lines().filter(|line| !line.trim().is_empty()) {
        let (name, text) = line.split_once(':').unwrap();
        let name: http::HeaderName = name.trim().parse().unwrap();
        request.headers.append(name, text.trim().parse().unwrap());
    }
    request
}

/// A value as JSON under the model's names: how the tests write values down.
pub(crate) fn show(value: &Value, shape: &'static Shape) -> String {
    let mut writer = Writer::new(Names::Model);
    writer.value(value, &member("root", shape));
    String::from_utf8(writer.finish()).unwrap()
}

/// The value that a JSON text under the model's names says.
pub(crate) fn value(json: &str, shape: &'static Shape) -> Value {
    Reader::new(json.as_bytes(), Names::Model).unwrap().document(&member("root", shape)).unwrap()
}

/// What a protocol decodes from a request to a service, as JSON; or code, status and message of its refusal.
pub(crate) fn decoded(service: &'static Service, request: &Request) -> Result<String, String> {
    let protocol = service.negotiate(request);
    let decoded = protocol.route(service, request).and_then(|routed| {
        let operation = &service.operations[routed.operation];
        let input = protocol.decode(service, operation, &routed.labels, request)?;
        Ok(show(&input, operation.input))
    });
    decoded.map_err(|failure| format!("{} {} {}", failure.status, failure.code, failure.message))
}

/// What the first operation of a service answers for an output written as JSON.
pub(crate) fn encoded(service: &'static Service, output: &str) -> Response {
    let operation = &service.operations[0];
    service.protocols[0].encode(service, operation, value(output, operation.output), request_id())
}

/// The request id of all tests.
pub(crate) fn request_id() -> RequestId {
    RequestId::new(&SeededRng::new(1))
}

/// A whole body.
pub(crate) fn bytes(body: Body) -> Bytes {
    match body {
        Body::Bytes(bytes) => bytes,
        Body::Stream(_) => panic!("the body is a stream"),
    }
}

/// A whole body as text.
pub(crate) fn text(body: Body) -> String {
    String::from_utf8(bytes(body).to_vec()).unwrap()
}

/// Two JSON texts that mean the same.
#[track_caller]
pub(crate) fn same_json(found: &str, expected: &str, name: &str) {
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(parse(found), parse(expected), "{name}");
}
