//! restJson1: methods, URIs, headers and JSON bodies. <https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html>

use super::event::{EventMember, Format, Stream};
use super::{
    Answer, Routed, Told, empty_slots, request_id_value, respond, structure_of, unimplemented_message,
};
use crate::failure::Failure;
use crate::http_binding;
use crate::json::{Names, Reader, Writer};
use crate::malformed::Malformed;
use crate::message::{Body, Request, Response};
use crate::schema::{Kind, Member, Operation, Service, Structure};
use crate::uri::{Labels, Router, Target};
use crate::value::Value;
use bytes::Bytes;
use hearth_base::RequestId;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};

const JSON: &str = "application/json";

pub(super) fn route(service: &'static Service, request: &Request) -> Result<Routed, Failure> {
    match Router::of(service).find(request) {
        Some(Target::Implemented(operation, labels)) => Ok(Routed { operation, labels }),
        Some(Target::Unimplemented(operation)) => Err(Failure::sender(
            "UnknownOperationException",
            404,
            unimplemented_message(service, operation.name),
        )),
        None => Err(Failure::sender(
            "UnknownOperationException",
            404,
            format!(
                "No operation of {} has the method {} and the path {}.",
                service.name,
                request.method,
                request.uri.path()
            ),
        )),
    }
}

pub(super) fn decode(
    operation: &'static Operation,
    labels: &Labels,
    request: &Request,
) -> Result<Value, Failure> {
    let structure = structure_of(operation.input);
    let mut slots = empty_slots(structure);
    let read = http_binding::decode(structure, labels, request, &mut slots)
        .and_then(|()| decode_body(structure, &request.body, &mut slots));
    match read {
        Ok(()) => Ok(Value::Structure(slots)),
        Err(malformed) => Err(Failure::sender("SerializationException", 400, malformed.to_string())),
    }
}

fn decode_body(structure: &Structure, body: &Bytes, slots: &mut [Option<Value>]) -> Result<(), Malformed> {
    let Some(payload) = structure.payload else {
        return Reader::new(body, Names::Wire)?.body_members(structure, slots);
    };
    if body.is_empty() {
        return Ok(());
    }
    let payload = usize::from(payload);
    slots[payload] = match decode_payload(&structure.members[payload], body)? {
        Value::Null => None,
        value => Some(value),
    };
    Ok(())
}

fn decode_payload(member: &Member, body: &Bytes) -> Result<Value, Malformed> {
    match member.shape.kind {
        Kind::Blob { .. } => Ok(Value::Blob(body.clone())),
        Kind::String => match std::str::from_utf8(body) {
            Ok(text) => Ok(Value::String(text.to_owned())),
            Err(_) => Err(Malformed::text(member.shape)),
        },
        _ => Reader::new(body, Names::Wire)?.document(member),
    }
}

pub(super) fn encode(answer: Answer) -> Response {
    let Answer { service, operation, structure, mut output, request_id } = answer;
    let mut headers = HeaderMap::with_capacity(8);
    let status = http_binding::encode(structure, &output, &mut headers)
        .or_else(|| StatusCode::from_u16(operation.status).ok())
        .unwrap_or(StatusCode::OK);
    if let Some(events) = EventMember::of(structure) {
        let told = Stream { service, status, headers, format: Format::Json(Names::Wire, JSON), request_id };
        return events.respond(told, &mut output, None);
    }
    headers.insert("x-amzn-requestid", request_id_value(request_id));
    if bodiless(status) {
        return Response { status, headers, body: Body::empty() };
    }
    let body = match structure.payload {
        Some(payload) => {
            encode_payload(&structure.members[usize::from(payload)], output[usize::from(payload)].take())
        }
        None => {
            let mut writer = Writer::new(Names::Wire);
            writer.body_members(structure, &output);
            Bytes::from(writer.finish())
        }
    };
    let text = structure
        .payload
        .is_some_and(|payload| matches!(structure.members[usize::from(payload)].shape.kind, Kind::String));
    // AWS: payloads without a content type of their own hold JSON in AWS's services: what a function returned (Lambda),
    // a thing's shadow (IoT). https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
    let content_type = HeaderValue::from_static(if text { "text/plain" } else { JSON });
    headers.entry(CONTENT_TYPE).or_insert(content_type);
    Response { status, headers, body: Body::Bytes(body) }
}

/// Whether HTTP forbids a body with this status.
fn bodiless(status: StatusCode) -> bool {
    status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED
}

fn encode_payload(member: &Member, value: Option<Value>) -> Bytes {
    match value {
        None | Some(Value::Null) => Bytes::new(),
        Some(Value::Blob(bytes)) => bytes,
        Some(Value::String(text)) => Bytes::from(text),
        Some(value) => {
            let mut writer = Writer::new(Names::Wire);
            writer.value(&value, member);
            Bytes::from(writer.finish())
        }
    }
}

pub(super) fn encode_failure(told: &Told<'_>, request_id: RequestId) -> Response {
    let mut writer = Writer::new(Names::Wire);
    let message = [("message", told.failure.message.as_str())];
    let extra = if told.has_message_member() { &[][..] } else { &message[..] };
    let (structure, slots) = told.members();
    writer.error(extra, structure, slots);
    let mut response = respond(told.status(), JSON, writer.finish(), request_id);
    http_binding::encode(structure, slots, &mut response.headers);
    http_binding::insert(&mut response.headers, "x-amzn-errortype", told.name);
    response
}
