//! restXml: methods, URIs, headers and XML bodies. <https://smithy.io/2.0/aws/protocols/aws-restxml-protocol.html>

use super::event::{EventMember, Format, Stream};
use super::{
    Answer, Routed, Told, empty_slots, request_id_value, respond, structure_of, unimplemented_message,
};
use crate::failure::Failure;
use crate::http_binding;
use crate::malformed::Malformed;
use crate::message::{Body, Request, Response};
use crate::schema::{Kind, Location, Member, Operation, Service, Structure};
use crate::uri::{Labels, Router, Target};
use crate::value::Value;
use crate::xml::{Element, Writer};
use bytes::Bytes;
use hearth_base::RequestId;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};

const XML: &str = "application/xml";

pub(super) fn route(service: &'static Service, request: &Request) -> Result<Routed, Failure> {
    match Router::of(service).find(request) {
        Some(Target::Implemented(operation, labels)) => Ok(Routed { operation, labels }),
        // AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList
        Some(Target::Unimplemented(operation)) => {
            Err(Failure::sender("NotImplemented", 501, unimplemented_message(service, operation.name)))
        }
        None => Err(Failure::sender(
            "MethodNotAllowed",
            405,
            "The specified method is not allowed against this resource.",
        )),
    }
}

pub(super) fn decode(
    service: &'static Service,
    operation: &'static Operation,
    labels: &Labels,
    request: &Request,
) -> Result<Value, Failure> {
    let structure = structure_of(operation.input);
    let mut slots = empty_slots(structure);
    http_binding::decode(structure, labels, request, &mut slots)
        .map_err(|malformed| Failure::sender("InvalidArgument", 400, malformed.to_string()))?;
    decode_body(operation, structure, &request.body, &mut slots).map_err(|malformed| {
        if is_bare(service) {
            // AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList
            let message =
                "The XML you provided was not well-formed or did not validate against our published schema";
            Failure::sender("MalformedXML", 400, message)
        } else {
            // AWS: CloudFront says so, https://github.com/aws/aws-sdk-ruby/issues/1067
            Failure::sender("MalformedInput", 400, malformed.to_string())
        }
    })?;
    Ok(Value::Structure(slots))
}

/// Whether a service speaks the dialect of S3: no namespace of its own, and errors without a wrapper around them. The
/// others, such as CloudFront and Route 53, have a namespace and wrap their errors.
fn is_bare(service: &Service) -> bool {
    service.xml_namespace.is_empty()
}

fn decode_body(
    operation: &Operation,
    structure: &Structure,
    body: &Bytes,
    slots: &mut [Option<Value>],
) -> Result<(), Malformed> {
    if body.is_empty() {
        return Ok(());
    }
    let Some(payload) = structure.payload else {
        if !structure.members.iter().any(|member| member.location == Location::Body) {
            return Ok(());
        }
        let root = Element::read(body)?;
        root.expect_name(&[operation.input_wrapper])?;
        return root.members(structure, slots);
    };
    let payload = usize::from(payload);
    let member = &structure.members[payload];
    slots[payload] = Some(match &member.shape.kind {
        Kind::Blob { .. } => Value::Blob(body.clone()),
        Kind::Structure(_) => {
            let root = Element::read(body)?;
            root.expect_name(&[member.wire_name, member.shape.name])?;
            root.value(member)?
        }
        _ => match std::str::from_utf8(body) {
            Ok(text) => Value::String(text.to_owned()),
            Err(_) => return Err(Malformed::text(member.shape)),
        },
    });
    Ok(())
}

pub(super) fn encode(answer: Answer) -> Response {
    let Answer { service, operation, structure, mut output, request_id } = answer;
    let mut headers = HeaderMap::with_capacity(8);
    let status = http_binding::encode(structure, &output, &mut headers)
        .or_else(|| StatusCode::from_u16(operation.status).ok())
        .unwrap_or(StatusCode::OK);
    insert_request_id(&mut headers, request_id);
    if let Some(events) = EventMember::of(structure) {
        let told = Stream { service, status, headers, format: Format::Xml, request_id };
        return events.respond(told, &mut output, None);
    }
    let (body, content_type) = match structure.payload {
        Some(payload) => {
            let member = &structure.members[usize::from(payload)];
            encode_payload(service, member, output[usize::from(payload)].take())
        }
        None if structure.members.iter().any(|member| member.location == Location::Body) => {
            let mut writer = Writer::with_declaration();
            let root = match operation.result_wrapper {
                "" => operation.output.name,
                name => name,
            };
            let namespace = namespace(service, structure);
            writer.open_structure(root, namespace, (structure, &output));
            writer.members(structure, &output);
            writer.close(root);
            (Bytes::from(writer.finish()), XML)
        }
        None => (Bytes::new(), ""),
    };
    if !body.is_empty() && !content_type.is_empty() {
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(content_type));
    }
    Response { status, headers, body: Body::Bytes(body) }
}

fn namespace<'a>(service: &'a Service, structure: &'a Structure) -> &'a str {
    if structure.xml_namespace.is_empty() { service.xml_namespace } else { structure.xml_namespace }
}

fn encode_payload(service: &Service, member: &Member, value: Option<Value>) -> (Bytes, &'static str) {
    match (value, &member.shape.kind) {
        (Some(Value::Blob(bytes)), _) => (bytes, "application/octet-stream"),
        (Some(Value::String(text)), _) => (Bytes::from(text), "text/plain"),
        (Some(Value::Structure(slots)), Kind::Structure(structure)) => {
            let mut writer = Writer::with_declaration();
            writer.open_structure(member.wire_name, namespace(service, structure), (structure, &slots));
            writer.members(structure, &slots);
            writer.close(member.wire_name);
            (Bytes::from(writer.finish()), XML)
        }
        _ => (Bytes::new(), ""),
    }
}

/// AWS: services of this protocol name the request id in headers of S3's own besides everybody's.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTCommonResponseHeaders.html>
fn insert_request_id(headers: &mut HeaderMap, request_id: RequestId) {
    let value = request_id_value(request_id);
    headers.insert("x-amzn-requestid", value.clone());
    headers.insert("x-amz-request-id", value.clone());
    headers.insert("x-amz-id-2", value);
}

pub(super) fn encode_failure(service: &'static Service, told: &Told<'_>, request_id: RequestId) -> Response {
    let id = request_id.to_string();
    let mut writer = Writer::with_declaration();
    if is_bare(service) {
        writer.open("Error");
        writer.error_members(told.failure, told.members());
        writer.text("RequestId", &id);
        writer.text("HostId", &id);
        writer.close("Error");
    } else {
        writer.open_in_namespace("ErrorResponse", service.xml_namespace);
        writer.error(told.fault(), told.failure, told.members());
        writer.text("RequestId", &id);
        writer.close("ErrorResponse");
    }
    let mut response = respond(told.status(), XML, writer.finish(), request_id);
    insert_request_id(&mut response.headers, request_id);
    let (structure, slots) = told.members();
    http_binding::encode(structure, slots, &mut response.headers);
    response
}
