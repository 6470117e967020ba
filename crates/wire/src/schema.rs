//! The static tables that describe a service: shapes, members, operations.
//!
//! Generated code fills them; nothing in them is computed at run time. Shapes may refer to each other in circles.

/// One service's API: what a client finds behind one endpoint.
#[derive(Debug)]
pub struct Service {
    /// AWS's own short name for it, in lower case: `lambda`, `logs`, `sts`. Also the prefix of its IAM actions.
    pub name: &'static str,
    /// The service name in a SigV4 credential scope.
    pub signing_name: &'static str,
    /// The first label of its host names: `lambda.us-east-1.amazonaws.com`.
    pub endpoint_prefix: &'static str,
    /// `Lambda`, `CloudWatch Logs`: for people and for ec2Query-like error texts.
    pub service_id: &'static str,
    /// The API's date, such as `2015-03-31`; the `Version` parameter of the query protocols.
    pub api_version: &'static str,
    /// What stands before the dot in `X-Amz-Target`; empty for protocols without it.
    pub target_prefix: &'static str,
    /// The XML namespace of answers; empty when there is none.
    pub xml_namespace: &'static str,
    /// The protocols it answers, the one of the model first.
    pub protocols: &'static [Protocol],
    /// Whether awsJson errors carry `x-amzn-query-error` for clients that once spoke awsQuery.
    pub query_compatible: bool,
    /// The error code of input that breaks a constraint: `ValidationException`, or what the service says instead.
    pub validation_code: &'static str,
    /// The member of an input that the path of a query request stands for when no parameter gives it; empty when paths
    /// say nothing.
    pub path_member: &'static str,
    /// The operations Hearth implements, sorted by name.
    pub operations: &'static [Operation],
    /// The model's operations that Hearth does not implement, sorted by name: refused by name.
    pub unimplemented: &'static [Unimplemented],
}

/// An operation of the model that Hearth does not implement: enough of it to recognise a call and refuse it by name.
/// Where its method and URI are also those of an implemented operation, as S3's UploadPart has those of PutObject, a call
/// counts as the implemented one: implement such operations together.
#[derive(Debug)]
pub struct Unimplemented {
    /// The action: `PublishLayerVersion`.
    pub name: &'static str,
    /// The HTTP method of REST bindings.
    pub method: &'static str,
    /// The URI template of REST bindings, as in [`Operation::uri`].
    pub uri: &'static str,
}

/// A wire protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// REST with JSON bodies (Lambda).
    RestJson1,
    /// `X-Amz-Target` and JSON (DynamoDB, SQS).
    AwsJson1_0,
    /// The same with another content type (CloudWatch Logs).
    AwsJson1_1,
    /// Form-encoded requests, XML answers (STS, IAM, SNS).
    AwsQuery,
    /// EC2's own dialect of the query protocol.
    Ec2Query,
    /// REST with XML bodies (S3).
    RestXml,
    /// Smithy RPC v2 with CBOR bodies (CloudWatch).
    RpcV2Cbor,
}

/// One action of a service.
#[derive(Debug)]
pub struct Operation {
    /// The action: `CreateFunction`.
    pub name: &'static str,
    /// The HTTP method of REST bindings.
    pub method: &'static str,
    /// The URI template of REST bindings: `/2015-03-31/functions/{FunctionName}/invocations`. `{Key+}` is greedy;
    /// literal query parameters may follow a `?`.
    pub uri: &'static str,
    /// The HTTP status of success.
    pub status: u16,
    /// A structure.
    pub input: &'static Shape,
    /// A structure.
    pub output: &'static Shape,
    /// The element around the result in awsQuery answers, such as `GetCallerIdentityResult`, and the root element of
    /// restXml answers, such as `ListBucketResult`; may be empty.
    pub result_wrapper: &'static str,
    /// The element around the input in restXml requests; empty when the payload names itself.
    pub input_wrapper: &'static str,
    /// The error shapes the model lists.
    pub errors: &'static [&'static Shape],
}

/// A named shape: its kind and the constraints that hold wherever it is used.
#[derive(Debug)]
pub struct Shape {
    /// The model's name for it.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Least length, item count or number.
    pub min: Option<i64>,
    /// Greatest length, item count or number.
    pub max: Option<i64>,
    /// A regular expression the whole text must match; empty for none.
    pub pattern: &'static str,
    /// The allowed texts, in the model's order; empty for any.
    pub values: &'static [&'static str],
    /// Whether its value must be kept out of logs and error messages.
    pub sensitive: bool,
}

/// What a shape is.
#[derive(Debug)]
pub enum Kind {
    /// true or false.
    Boolean,
    /// A whole number of up to 64 bits: byte, short, integer and long.
    Integer,
    /// A floating point number: float and double.
    Double,
    /// Text.
    String,
    /// Bytes; base64 in JSON and XML, raw as an HTTP payload.
    Blob {
        /// Whether the payload may be larger than memory and arrives as a stream.
        streaming: bool,
    },
    /// A point in time, with the shape's own format when it sets one.
    Timestamp(Option<TimestampFormat>),
    /// A list.
    List {
        /// Its items. `wire_name` is the XML element (`member` unless the model says otherwise).
        item: &'static Member,
        /// Whether XML and query leave out the element around the list.
        flattened: bool,
    },
    /// A map with text keys.
    Map {
        /// Its keys; `wire_name` is `key` unless the model says otherwise.
        key: &'static Member,
        /// Its values; `wire_name` is `value` unless the model says otherwise.
        value: &'static Member,
        /// Whether XML and query leave out the element around the map.
        flattened: bool,
    },
    /// Named members.
    Structure(Structure),
    /// Any JSON.
    Document,
}

/// The members of a structure and what the model says of the whole.
#[derive(Debug)]
pub struct Structure {
    /// In the model's order; [`crate::value::Value::Structure`] has a slot for each.
    pub members: &'static [Member],
    /// Indices of `members`, sorted by `wire_name`: names are looked up by binary search.
    pub by_wire_name: &'static [u16],
    /// Whether exactly one member is set.
    pub union: bool,
    /// The member that is the whole HTTP body, by index.
    pub payload: Option<u16>,
    /// Whether the structure is a stream of events.
    pub event_stream: bool,
    /// For errors: how they are told.
    pub error: Option<ErrorTrait>,
    /// The XML namespace when the structure sets one (`prefix=uri` or `uri`); empty otherwise.
    pub xml_namespace: &'static str,
}

/// How an error shape is told to clients.
#[derive(Debug, Clone, Copy)]
pub struct ErrorTrait {
    /// The code: the shape's name unless the model gives another.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// Whether the client is at fault (`Sender`) and not the service (`Receiver`).
    pub sender: bool,
}

/// A member of a structure, the item of a list, or the key or value of a map.
#[derive(Debug)]
pub struct Member {
    /// The model's name, `FunctionName`: what awsJson and CBOR write.
    pub name: &'static str,
    /// `locationName` if the model sets one, the name otherwise: what headers, URIs, XML, query and restJson write.
    pub wire_name: &'static str,
    /// ec2Query's own name for it when the model sets `queryName`; empty otherwise.
    pub query_name: &'static str,
    /// Where REST bindings put it.
    pub location: Location,
    /// Whether input without it is refused.
    pub required: bool,
    /// Its shape. Statics may refer to each other in circles.
    pub shape: &'static Shape,
    /// The member's own timestamp format, over the shape's and the location's.
    pub timestamp_format: Option<TimestampFormat>,
    /// Whether XML and query leave out the element around this list or map.
    pub flattened: bool,
    /// Whether XML writes it as an attribute.
    pub xml_attribute: bool,
    /// Whether a text holds JSON, base64-encoded when in a header.
    pub json_value: bool,
    /// Whether a server fills it with a random UUID when it is missing.
    pub idempotency_token: bool,
    /// In an event: whether it is the event's payload or one of its headers.
    pub event: EventRole,
}

/// What a member of an event is on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventRole {
    /// Part of the event's structured payload, or not in an event.
    Body,
    /// A header of the event message.
    Header,
    /// The whole payload of the event message.
    Payload,
}

/// Where a REST binding puts a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// In the body's document.
    Body,
    /// A label of the URI.
    Uri,
    /// A query parameter; a map gives several.
    Query,
    /// A header.
    Header,
    /// All headers whose names begin with `wire_name`.
    Headers,
    /// The status of the answer.
    StatusCode,
}

/// How a point in time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampFormat {
    /// Seconds since the epoch with a fraction.
    UnixTimestamp,
    /// `2015-03-31T12:00:00Z`.
    Iso8601,
    /// `Tue, 31 Mar 2015 12:00:00 GMT`.
    Rfc822,
}

impl Service {
    /// Finds an implemented operation by name.
    pub fn operation(&self, name: &str) -> Option<(usize, &'static Operation)> {
        let index = self.operations.binary_search_by(|operation| operation.name.cmp(name)).ok()?;
        Some((index, &self.operations[index]))
    }
}

impl Shape {
    /// The structure this shape is, if it is one.
    pub fn structure(&self) -> Option<&Structure> {
        match &self.kind {
            Kind::Structure(structure) => Some(structure),
            _ => None,
        }
    }
}

impl Structure {
    /// No members: what errors without a shape are written from.
    pub(crate) const EMPTY: Structure = Structure {
        members: &[],
        by_wire_name: &[],
        union: false,
        payload: None,
        event_stream: false,
        error: None,
        xml_namespace: "",
    };

    /// Finds a member by its name on the wire.
    pub fn member_by_wire_name(&self, wire_name: &str) -> Option<(usize, &'static Member)> {
        let place = self
            .by_wire_name
            .binary_search_by(|index| self.members[usize::from(*index)].wire_name.cmp(wire_name))
            .ok()?;
        let index = usize::from(self.by_wire_name[place]);
        Some((index, &self.members[index]))
    }

    /// Finds a member by the model's own name.
    pub fn member_by_name(&self, name: &str) -> Option<(usize, &'static Member)> {
        // Nearly always both names are the same.
        self.member_by_wire_name(name).filter(|(_, member)| member.name == name).or_else(|| {
            let index = self.members.iter().position(|member| member.name == name)?;
            Some((index, &self.members[index]))
        })
    }
}
