//! The static tables of a service, as text: its `SERVICE`, and a module `shapes` with one static for each shape.

use super::graph::Scope;
use super::model::{Member, Model, Shape, XmlNamespace};
use super::operations::ServiceEntry;
use std::fmt::Write;

/// `pub static SERVICE`, with its operations.
pub fn service(key: &str, entry: &ServiceEntry, model: &Model) -> Result<String, String> {
    let metadata = &model.metadata;
    let signing_name = entry.signing_name.as_ref().or(metadata.signing_name.as_ref());
    let mut listed: Vec<&String> = entry.operations.iter().collect();
    listed.sort();
    let mut operations = String::new();
    for name in &listed {
        operations.push_str(&operation(model, name)?);
    }
    let mut unimplemented = String::new();
    for (name, operation) in model.operations.iter().filter(|(name, _)| !listed.contains(name)) {
        let (method, uri) = (&operation.http.method, &operation.http.request_uri);
        let _ =
            writeln!(unimplemented, "Unimplemented {{ name: {name:?}, method: {method:?}, uri: {uri:?} }},");
    }
    Ok(format!(
        "/// The service's table, which the wire protocols interpret.\n\
         pub static SERVICE: hearth_wire::Service = {{\n\
         use crate::table::OPERATION;\n\
         use hearth_wire::{{Operation, Protocol, Service, Unimplemented}};\n\n\
         Service {{\n\
         name: {key:?},\n\
         signing_name: {signing_name:?},\n\
         endpoint_prefix: {prefix:?},\n\
         service_id: {id:?},\n\
         api_version: {version:?},\n\
         target_prefix: {target:?},\n\
         xml_namespace: {namespace:?},\n\
         protocols: &[{protocols}],\n\
         query_compatible: {query_compatible},\n\
         validation_code: {code:?},\n\
         path_member: {path_member:?},\n\
         operations: &[{operations}],\n\
         unimplemented: &[{unimplemented}],\n\
         }}\n}};\n\n",
        signing_name = signing_name.unwrap_or(&metadata.endpoint_prefix),
        prefix = metadata.endpoint_prefix,
        id = metadata.service_id,
        version = metadata.api_version,
        target = metadata.target_prefix,
        namespace = namespace(&metadata.xml_namespace),
        protocols = protocols(entry, model)?,
        query_compatible = metadata.aws_query_compatible.is_some(),
        code = entry.validation_code,
        path_member = entry.path_member,
    ))
}

/// The protocols, the model's own first.
fn protocols(entry: &ServiceEntry, model: &Model) -> Result<String, String> {
    let metadata = &model.metadata;
    let mut names: Vec<&str> = Vec::new();
    let every = std::iter::once(&metadata.protocol).chain(&metadata.protocols).chain(&entry.protocols);
    for protocol in every {
        let name = match (protocol.as_str(), metadata.json_version.as_str()) {
            ("rest-json", _) => "Protocol::RestJson1",
            ("json", "1.1") => "Protocol::AwsJson1_1",
            ("json", _) => "Protocol::AwsJson1_0",
            ("query", _) => "Protocol::AwsQuery",
            ("ec2", _) => "Protocol::Ec2Query",
            ("rest-xml", _) => "Protocol::RestXml",
            ("smithy-rpc-v2-cbor", _) => "Protocol::RpcV2Cbor",
            (other, _) => return Err(format!("the protocol {other} is not known")),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names.join(", "))
}

fn operation(model: &Model, name: &str) -> Result<String, String> {
    let operation = model.operation(name)?;
    let mut out = format!("Operation {{ name: {name:?},\n");
    let http = &operation.http;
    let mut field = |name: &str, value: &str, plain: &str| {
        if value != plain {
            let _ = writeln!(out, "{name}: {value},");
        }
    };
    field("method", &format!("{:?}", http.method), "\"POST\"");
    field("uri", &format!("{:?}", http.request_uri), "\"/\"");
    field("status", &http.response_code.unwrap_or(200).to_string(), "200");
    if let Some(input) = &operation.input {
        field("input", &format!("&shapes::{}", input.shape), "");
        field("input_wrapper", &format!("{:?}", input.location_name), "\"\"");
    }
    if let Some(output) = &operation.output {
        field("output", &format!("&shapes::{}", output.shape), "");
        // restXml names its root element on the shape, the query protocols theirs on the operation.
        let wrappers = [&output.result_wrapper, &model.shape(&output.shape)?.location_name];
        let wrapper = wrappers.into_iter().find(|name| !name.is_empty()).map_or("", String::as_str);
        field("result_wrapper", &format!("{wrapper:?}"), "\"\"");
    }
    let errors: Vec<String> =
        operation.errors.iter().map(|error| format!("&shapes::{}", error.shape)).collect();
    field("errors", &format!("&[{}]", errors.join(", ")), "&[]");
    out.push_str("..OPERATION },\n");
    Ok(out)
}

/// The module `shapes`.
pub fn shapes(model: &Model, scope: &Scope) -> Result<String, String> {
    let mut out = String::from(
        "/// The shapes, under the model's names.\npub mod shapes {\n\
         use crate::table::{MEMBER, SHAPE, STRUCTURE};\n\
         use hearth_wire::schema::{ErrorTrait, EventRole, Kind, Location, Member, Shape, Structure, TimestampFormat};\n\n",
    );
    for name in &scope.shapes {
        let text = shape(model, scope, name).map_err(|message| format!("{name}: {message}"))?;
        out.push_str(&text);
    }
    out.push_str("}\n");
    Ok(out)
}

fn shape(model: &Model, scope: &Scope, name: &str) -> Result<String, String> {
    let shape = model.shape(name)?;
    let mut out =
        format!("pub static {}: Shape = Shape {{ name: {name:?},\n", super::name::escape(name.to_owned()));
    let kind = kind(model, name, shape)?;
    if kind != "Kind::String" {
        let _ = writeln!(out, "kind: {kind},");
    }
    for (field, bound) in [("min", shape.min), ("max", shape.max)] {
        if let Some(bound) = bound {
            let _ = writeln!(out, "{field}: Some({}),", whole(bound)?);
        }
    }
    if !shape.pattern.is_empty() {
        let _ = writeln!(out, "pattern: {},", raw(&shape.pattern));
    }
    if !shape.values.is_empty() {
        // An enumeration that only an error without a structure of its own reaches has no type.
        let typed = scope.types.contains(name);
        let values = if typed { format!("super::{name}::VALUES") } else { format!("&{:?}", shape.values) };
        let _ = writeln!(out, "values: {values},");
    }
    if shape.sensitive {
        out.push_str("sensitive: true,\n");
    }
    out.push_str("..SHAPE };\n");
    Ok(out)
}

fn kind(model: &Model, name: &str, shape: &Shape) -> Result<String, String> {
    let of = |member: &Option<Member>, plain: &str| match member {
        Some(member) => self::member(model, member, Place { name: plain, required: false, locations: false }),
        None => Err("an item is missing".to_owned()),
    };
    Ok(match shape.kind.as_str() {
        _ if shape.document => "Kind::Document".to_owned(),
        "structure" => structure(model, name, shape)?,
        "string" | "character" => "Kind::String".to_owned(),
        "boolean" => "Kind::Boolean".to_owned(),
        "byte" | "short" | "integer" | "long" => "Kind::Integer".to_owned(),
        "float" | "double" => "Kind::Double".to_owned(),
        "blob" => format!("Kind::Blob {{ streaming: {} }}", shape.streaming),
        "timestamp" => match timestamp_format(shape.timestamp_format.as_deref())? {
            Some(format) => format!("Kind::Timestamp(Some({format}))"),
            None => "Kind::Timestamp(None)".to_owned(),
        },
        "list" => {
            let item = of(&shape.member, "member")?;
            format!("Kind::List {{ item: &{item}, flattened: {} }}", shape.flattened)
        }
        "map" => {
            let (key, value) = (of(&shape.key, "key")?, of(&shape.value, "value")?);
            format!("Kind::Map {{ key: &{key}, value: &{value}, flattened: {} }}", shape.flattened)
        }
        other => return Err(format!("the kind {other} is not known")),
    })
}

fn structure(model: &Model, name: &str, shape: &Shape) -> Result<String, String> {
    let mut out = String::from("Kind::Structure(Structure {\nmembers: &[\n");
    let members = &shape.members.0;
    for (member_name, member) in members {
        let required = shape.required.contains(member_name);
        let place = Place { name: member_name, required, locations: true };
        let _ = writeln!(out, "{},", self::member(model, member, place)?);
    }
    out.push_str("],\n");
    let index = by_wire_name(shape);
    if !index.is_empty() {
        let _ = writeln!(out, "by_wire_name: &{index:?},");
    }
    if shape.union {
        out.push_str("union: true,\n");
    }
    if let Some(payload) = &shape.payload {
        let place = members.iter().position(|(name, _)| name == payload).ok_or("the payload is no member")?;
        let _ = writeln!(out, "payload: Some({place}),");
    }
    if shape.eventstream {
        out.push_str("event_stream: true,\n");
    }
    if shape.exception || shape.error.is_some() {
        out.push_str(&error(name, shape));
    }
    let namespace = namespace(&shape.xml_namespace);
    if !namespace.is_empty() {
        let _ = writeln!(out, "xml_namespace: {namespace:?},");
    }
    out.push_str("..STRUCTURE })");
    Ok(out)
}

/// How an error is told. A model that is silent means 400, or 500 for a fault of the service.
fn error(name: &str, shape: &Shape) -> String {
    let told = shape.error.as_ref();
    let code = told.and_then(|error| error.code.as_deref()).unwrap_or(name);
    let plain = if shape.fault { 500 } else { 400 };
    let status = told.and_then(|error| error.http_status_code).unwrap_or(plain);
    let sender = !shape.fault && (status < 500 || told.is_some_and(|error| error.sender_fault));
    format!("error: Some(ErrorTrait {{ code: {code:?}, status: {status}, sender: {sender} }}),\n")
}

/// The indices of the members, sorted by their names on the wire. Where two members share a name in different places
/// of a message, the one in the body is listed: the others are found by their place.
fn by_wire_name(shape: &Shape) -> Vec<usize> {
    let members = &shape.members.0;
    let wire_name = |index: &usize| {
        let (name, member) = &members[*index];
        member.location_name.as_ref().unwrap_or(name)
    };
    let mut index: Vec<usize> = (0..members.len()).collect();
    index.sort_by_key(|at| (wire_name(at).clone(), members[*at].1.location.is_some()));
    index.dedup_by_key(|at| wire_name(at).clone());
    index
}

/// Where a member stands.
struct Place<'a> {
    name: &'a str,
    required: bool,
    /// Whether it is a structure's member, which alone has a place of its own in a message.
    locations: bool,
}

fn member(model: &Model, member: &Member, place: Place<'_>) -> Result<String, String> {
    let Place { name, required, locations } = place;
    let wire_name = member.location_name.as_deref().unwrap_or(name);
    let mut out = format!("Member {{ name: {name:?}, wire_name: {wire_name:?},");
    if !member.query_name.is_empty() {
        let _ = write!(out, "query_name: {:?},", member.query_name);
    }
    let location = match member.location.as_deref().filter(|_| locations) {
        None => "",
        Some("uri") => "Uri",
        Some("querystring") => "Query",
        Some("header") => "Header",
        Some("headers") => "Headers",
        Some("statusCode") => "StatusCode",
        Some(other) => return Err(format!("{name} has a location that is not known: {other}")),
    };
    if !location.is_empty() {
        let _ = write!(out, "location: Location::{location},");
    }
    let flags = [
        ("required", required),
        ("flattened", member.flattened),
        ("xml_attribute", member.xml_attribute),
        ("json_value", member.json_value),
        ("idempotency_token", member.idempotency_token),
    ];
    for (flag, _) in flags.iter().filter(|(_, set)| *set) {
        let _ = write!(out, "{flag}: true,");
    }
    if let Some(format) = timestamp_format(member.timestamp_format.as_deref())? {
        let _ = write!(out, "timestamp_format: Some({format}),");
    }
    if member.event_payload || member.event_header {
        let role = if member.event_payload { "Payload" } else { "Header" };
        let _ = write!(out, "event: EventRole::{role},");
    }
    let target = model.shape(&member.shape)?;
    if member.streaming && !target.streaming {
        // S3 marks the member and not the shape, which others use without streaming.
        let stream = "kind: Kind::Blob { streaming: true }, ..SHAPE";
        let _ = write!(out, "shape: &Shape {{ name: {:?}, {stream} }}, ..MEMBER }}", member.shape);
    } else {
        let _ = write!(out, "shape: &{}, ..MEMBER }}", super::name::escape(member.shape.clone()));
    }
    Ok(out)
}

fn timestamp_format(format: Option<&str>) -> Result<Option<&'static str>, String> {
    Ok(Some(match format {
        None => return Ok(None),
        Some("unixTimestamp") => "TimestampFormat::UnixTimestamp",
        Some("iso8601") => "TimestampFormat::Iso8601",
        Some("rfc822") => "TimestampFormat::Rfc822",
        Some(other) => return Err(format!("the timestamp format {other} is not known")),
    }))
}

fn namespace(namespace: &XmlNamespace) -> String {
    match namespace {
        XmlNamespace::None => String::new(),
        XmlNamespace::Uri(uri) | XmlNamespace::Prefixed { prefix: None, uri } => uri.clone(),
        XmlNamespace::Prefixed { prefix: Some(prefix), uri } => format!("{prefix}={uri}"),
    }
}

/// A bound as the whole number that the tables hold.
fn whole(bound: f64) -> Result<i64, String> {
    // Every bound of a model that is whole is far inside what a double holds exactly, but for the ends of 64 bits.
    if bound.fract() == 0.0 {
        Ok(bound as i64)
    } else {
        Err(format!("the bound {bound} is not a whole number"))
    }
}

/// A raw string literal.
fn raw(text: &str) -> String {
    let mut hashes = String::new();
    while text.contains(&format!("\"{hashes}")) {
        hashes.push('#');
    }
    format!("r{hashes}\"{text}\"{hashes}")
}
