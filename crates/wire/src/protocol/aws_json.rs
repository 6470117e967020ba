//! awsJson 1.0 and 1.1: one path, the operation in `X-Amz-Target`, JSON both ways.
//! <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>

use super::event::{EventMember, Format, Stream, initial_response};
use super::{
    Answer, Routed, Told, empty_slots, find_unimplemented, respond, structure_of, unimplemented_message,
};
use crate::failure::Failure;
use crate::json::{Names, Reader, Writer};
use crate::message::{Request, Response};
use crate::schema::{Operation, Service};
use crate::uri::Labels;
use crate::value::Value;
use hearth_base::RequestId;
use http::{HeaderMap, StatusCode};

/// The two versions: they differ in the content type alone.
#[derive(Debug, Clone, Copy)]
pub(super) enum Version {
    /// `application/x-amz-json-1.0`.
    V1_0,
    /// `application/x-amz-json-1.1`.
    V1_1,
}

impl Version {
    fn content_type(self) -> &'static str {
        match self {
            Self::V1_0 => "application/x-amz-json-1.0",
            Self::V1_1 => "application/x-amz-json-1.1",
        }
    }
}

pub(super) fn route(service: &'static Service, request: &Request) -> Result<Routed, Failure> {
    let unknown = |message: String| Failure::sender("UnknownOperationException", 400, message);
    let target = request.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let Some((prefix, name)) = target.and_then(|target| target.rsplit_once('.')) else {
        return Err(unknown("The request has no operation in the header X-Amz-Target.".to_owned()));
    };
    if prefix == service.target_prefix {
        if let Some((operation, _)) = service.operation(name) {
            return Ok(Routed { operation, labels: Labels::new() });
        }
        if let Some(operation) = find_unimplemented(service, name) {
            return Err(unknown(unimplemented_message(service, operation.name)));
        }
    }
    Err(unknown(format!("{prefix}.{name} is no operation of {}.", service.name)))
}

pub(super) fn decode(operation: &'static Operation, request: &Request) -> Result<Value, Failure> {
    let structure = structure_of(operation.input);
    let mut slots = empty_slots(structure);
    Reader::new(&request.body, Names::Model)
        .and_then(|reader| reader.all_members(structure, &mut slots))
        .map_err(|malformed| Failure::sender("SerializationException", 400, malformed.to_string()))?;
    Ok(Value::Structure(slots))
}

pub(super) fn encode(answer: Answer, version: Version) -> Response {
    let Answer { service, structure, mut output, request_id, .. } = answer;
    if let Some(events) = EventMember::of(structure) {
        let format = Format::Json(Names::Model, version.content_type());
        let initial = initial_response(structure, &output, format);
        let (status, headers) = (StatusCode::OK, HeaderMap::new());
        let told = Stream { service, status, headers, format, request_id };
        return events.respond(told, &mut output, Some(initial));
    }
    let mut writer = Writer::new(Names::Model);
    writer.all_members(structure, &output);
    respond(StatusCode::OK, version.content_type(), writer.finish(), request_id)
}

pub(super) fn encode_failure(told: &Told<'_>, request_id: RequestId, version: Version) -> Response {
    let mut writer = Writer::new(Names::Model);
    let extra = [("__type", told.name), ("message", told.failure.message.as_str())];
    let extra = &extra[..if told.has_message_member() { 1 } else { 2 }];
    let (structure, slots) = told.members();
    writer.error(extra, structure, slots);
    respond(told.status(), version.content_type(), writer.finish(), request_id)
}
