//! Streams of events as answers: each event becomes one message, as the protocol at hand writes its documents.
//! <https://smithy.io/2.0/spec/streaming.html#event-streams>

use super::{Told, request_id_value};
use crate::cbor;
use crate::event_stream::{Events, HeaderValue, Message};
use crate::failure::Failure;
use crate::json::{self, Names};
use crate::message::{Body, Response};
use crate::schema::{EventRole, Kind, Member, Service, Structure};
use crate::value::Value;
use crate::xml;
use bytes::Bytes;
use futures_util::{StreamExt as _, future, stream};
use hearth_base::RequestId;
use http::{HeaderMap, StatusCode};
use std::borrow::Cow;
use std::io;

const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// How a protocol writes the documents inside events.
#[derive(Debug, Clone, Copy)]
pub(super) enum Format {
    /// JSON, with its names and its content type.
    Json(Names, &'static str),
    /// CBOR.
    Cbor,
    /// XML.
    Xml,
}

/// The events of an output, when a member of it is a stream of them.
pub(super) struct EventMember {
    index: usize,
    structure: &'static Structure,
}

impl EventMember {
    /// Finds the member.
    pub(super) fn of(structure: &Structure) -> Option<Self> {
        structure.members.iter().enumerate().find_map(|(index, member)| match &member.shape.kind {
            Kind::Structure(structure) if structure.event_stream => Some(Self { index, structure }),
            _ => None,
        })
    }

    /// The answer that tells the events as they come. `initial` stands before them: the members of the output that
    /// the protocol has no other place for.
    pub(super) fn respond(
        self,
        told: Stream,
        output: &mut [Option<Value>],
        initial: Option<Message>,
    ) -> Response {
        let events = match output[self.index].take() {
            Some(Value::Events(events)) => events,
            // A handler that has nothing to stream answers an empty stream.
            _ => Events::new(stream::empty().boxed()),
        };
        let Stream { service, status, mut headers, format, request_id } = told;
        headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(CONTENT_TYPE));
        headers.insert("x-amzn-requestid", request_id_value(request_id));
        let structure = self.structure;
        // One failure ends the stream: nothing that comes after it is told.
        let messages =
            events.take().unwrap_or_else(|| stream::empty().boxed()).scan(false, move |failed, event| {
                if std::mem::replace(failed, event.is_err()) {
                    return future::ready(None);
                }
                future::ready(Some(match event {
                    Ok(event) => message_of(structure, &event, format),
                    Err(failure) => Ok(exception(service, structure, &failure, format)),
                }))
            });
        let initial = stream::iter(initial.map(Ok));
        let frames = initial.chain(messages).map(|message| message?.encode().map_err(io::Error::other));
        Response { status, headers, body: Body::Stream(frames.boxed()) }
    }
}

/// What is around the events of an answer.
pub(super) struct Stream {
    pub(super) service: &'static Service,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) format: Format,
    pub(super) request_id: RequestId,
}

fn header(name: &'static str, text: impl Into<Cow<'static, str>>) -> (Cow<'static, str>, HeaderValue) {
    (Cow::Borrowed(name), HeaderValue::String(text.into()))
}

/// The message before the events that carries the output's other members.
pub(super) fn initial_response(structure: &Structure, output: &[Option<Value>], format: Format) -> Message {
    let mut output = output.to_vec();
    if let Some(events) = EventMember::of(structure) {
        output[events.index] = None;
    }
    Message {
        headers: vec![
            header(":message-type", "event"),
            header(":event-type", "initial-response"),
            header(":content-type", format.content_type()),
        ],
        payload: format.document("", structure, &output),
    }
}

fn message_of(structure: &'static Structure, event: &Value, format: Format) -> io::Result<Message> {
    let slots = match event {
        Value::Structure(slots) => slots.as_slice(),
        _ => &[],
    };
    let set = structure.members.iter().zip(slots).find_map(|(member, slot)| Some((member, slot.as_ref()?)));
    let Some((member, Value::Structure(slots))) = set else {
        return Err(io::Error::other("an event without a member that is set"));
    };
    let Kind::Structure(structure) = &member.shape.kind else {
        return Err(io::Error::other("an event that is no structure"));
    };
    let mut headers = vec![header(":message-type", "event"), header(":event-type", member.wire_name)];
    let mut body: Vec<Option<Value>> = vec![None; structure.members.len()];
    let mut payload = None;
    for (index, (member, slot)) in structure.members.iter().zip(slots).enumerate() {
        let Some(value) = slot else { continue };
        match member.event {
            EventRole::Header => headers.extend(event_header(member, value)),
            EventRole::Payload => payload = Some((member, value)),
            EventRole::Body => body[index] = Some(value.clone()),
        }
    }
    let (content_type, payload) = match payload {
        Some((_, Value::Blob(bytes))) => ("application/octet-stream", bytes.clone()),
        Some((_, Value::String(text))) => ("text/plain", Bytes::from(text.clone())),
        Some((member, Value::Structure(slots))) => match &member.shape.kind {
            Kind::Structure(structure) => {
                (format.content_type(), format.document(member.wire_name, structure, slots))
            }
            _ => (format.content_type(), Bytes::new()),
        },
        _ if structure.members.iter().all(|member| member.event != EventRole::Body) => ("", Bytes::new()),
        _ => (format.content_type(), format.document(member.wire_name, structure, &body)),
    };
    if !content_type.is_empty() {
        headers.push(header(":content-type", content_type));
    }
    Ok(Message { headers, payload })
}

fn event_header(member: &'static Member, value: &Value) -> Option<(Cow<'static, str>, HeaderValue)> {
    let value = match value {
        Value::Boolean(flag) => HeaderValue::Boolean(*flag),
        Value::Integer(number) => match i32::try_from(*number) {
            Ok(number) => HeaderValue::Integer(number),
            Err(_) => HeaderValue::Long(*number),
        },
        Value::String(text) => HeaderValue::String(Cow::Owned(text.clone())),
        Value::Blob(bytes) => HeaderValue::Bytes(bytes.clone()),
        Value::Timestamp(moment) => HeaderValue::Timestamp(*moment),
        _ => return None,
    };
    Some((Cow::Borrowed(member.wire_name), value))
}

/// A failure in the midst of a stream: an exception when the stream's shape has it, an error otherwise.
fn exception(
    service: &'static Service,
    structure: &'static Structure,
    failure: &Failure,
    format: Format,
) -> Message {
    let code = |member: &Member| member.shape.structure()?.error.map(|error| error.code);
    let known = structure.members.iter().find(|member| code(member) == Some(failure.code.as_ref()));
    let Some(member) = known else {
        return Message {
            headers: vec![
                header(":message-type", "error"),
                header(":error-code", failure.code.clone()),
                header(":error-message", failure.message.clone()),
            ],
            payload: Bytes::new(),
        };
    };
    let mut failure = failure.clone();
    let empty = || Box::new(Value::Structure(Vec::new()));
    failure.detail = failure.detail.or_else(|| Some((member.shape, empty())));
    let told = Told::of(service, &failure);
    let (structure, slots) = told.members();
    Message {
        headers: vec![
            header(":message-type", "exception"),
            header(":exception-type", member.wire_name),
            header(":content-type", format.content_type()),
        ],
        payload: format.document(member.wire_name, structure, slots),
    }
}

impl Format {
    fn content_type(self) -> &'static str {
        match self {
            Self::Json(_, content_type) => content_type,
            Self::Cbor => "application/cbor",
            Self::Xml => "application/xml",
        }
    }

    fn document(self, name: &str, structure: &Structure, slots: &[Option<Value>]) -> Bytes {
        Bytes::from(match self {
            Self::Json(names, _) => {
                let mut writer = json::Writer::new(names);
                writer.all_members(structure, slots);
                writer.finish()
            }
            Self::Cbor => {
                let mut writer = cbor::Writer::default();
                writer.structure(&[], structure, slots);
                writer.finish()
            }
            Self::Xml => {
                let mut writer = xml::Writer::default();
                writer.open_structure(name, structure.xml_namespace, (structure, slots));
                writer.members(structure, slots);
                writer.close(name);
                writer.finish()
            }
        })
    }
}
