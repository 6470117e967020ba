//! Smithy RPC v2 with CBOR. <https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>

use super::event::{EventMember, Format, Stream, initial_response};
use super::{
    Answer, Routed, Told, empty_slots, find_unimplemented, respond, structure_of, unimplemented_message,
};
use crate::cbor::{Reader, Writer};
use crate::failure::Failure;
use crate::message::{Request, Response};
use crate::schema::{Operation, Service};
use crate::uri::Labels;
use crate::value::Value;
use hearth_base::RequestId;
use http::{HeaderMap, HeaderValue, StatusCode};

const CBOR: &str = "application/cbor";

pub(super) fn route(service: &'static Service, request: &Request) -> Result<Routed, Failure> {
    let unknown = |message: String| Failure::sender("UnknownOperationException", 404, message);
    let path = request.uri.path();
    let mut steps = path.rsplit('/');
    let (name, marker, target, service_marker) = (steps.next(), steps.next(), steps.next(), steps.next());
    if (marker, service_marker) != (Some("operation"), Some("service")) {
        return Err(unknown(format!("{path} is not of the form /service/NAME/operation/NAME.")));
    }
    let name = name.unwrap_or_default();
    // What stands before `service` is a prefix that proxies may put there; a shape's namespace before the name is not
    // looked at either.
    let target = target.map(|target| target.rsplit_once('.').map_or(target, |(_, name)| name));
    if target == Some(service.target_prefix) {
        if let Some((operation, _)) = service.operation(name) {
            return Ok(Routed { operation, labels: Labels::new() });
        }
        if let Some(operation) = find_unimplemented(service, name) {
            return Err(unknown(unimplemented_message(service, operation.name)));
        }
    }
    Err(unknown(format!("{path} is no operation of {}.", service.name)))
}

pub(super) fn decode(operation: &'static Operation, request: &Request) -> Result<Value, Failure> {
    let structure = structure_of(operation.input);
    let mut slots = empty_slots(structure);
    Reader::new(&request.body)
        .members(structure, &mut slots)
        .map_err(|malformed| Failure::sender("SerializationException", 400, malformed.to_string()))?;
    Ok(Value::Structure(slots))
}

pub(super) fn encode(answer: Answer) -> Response {
    let Answer { service, structure, mut output, request_id, .. } = answer;
    if let Some(events) = EventMember::of(structure) {
        let initial = initial_response(structure, &output, Format::Cbor);
        let (status, headers) = (StatusCode::OK, HeaderMap::new());
        let told = Stream { service, status, headers, format: Format::Cbor, request_id };
        return tell_protocol(events.respond(told, &mut output, Some(initial)));
    }
    let mut writer = Writer::default();
    writer.structure(&[], structure, &output);
    tell_protocol(respond(StatusCode::OK, CBOR, writer.finish(), request_id))
}

pub(super) fn encode_failure(told: &Told<'_>, request_id: RequestId) -> Response {
    let mut writer = Writer::default();
    let texts = [("__type", told.name), ("message", told.failure.message.as_str())];
    let texts = &texts[..if told.has_message_member() { 1 } else { 2 }];
    let (structure, slots) = told.members();
    writer.structure(texts, structure, slots);
    tell_protocol(respond(told.status(), CBOR, writer.finish(), request_id))
}

fn tell_protocol(mut response: Response) -> Response {
    response.headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
    response
}
