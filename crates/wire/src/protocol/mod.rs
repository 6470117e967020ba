//! The one surface over all protocols: which operation a request means, its input, and how answers are told.
//!
//! Each protocol stands in a file of its own and interprets the service's tables; the formats they share (`json`, `xml`,
//! `form`, `cbor`) stand beside this folder. What is in common between protocols and is no format is here.

mod aws_json;
mod aws_query;
mod ec2_query;
mod event;
mod rest_json;
mod rest_xml;
mod rpc_v2_cbor;

use crate::failure::Failure;
use crate::http_binding;
use crate::message::{Body, Request, Response};
use crate::schema::{Operation, Protocol, Service, Structure, Unimplemented};
use crate::uri::Labels;
use crate::value::Value;
use bytes::Bytes;
use hearth_base::{RequestId, Rng};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};

/// The operation a request means.
#[derive(Debug)]
pub struct Routed {
    /// Its index in [`Service::operations`].
    pub operation: usize,
    /// What the labels of its URI hold; none for protocols that do not use the URI.
    pub labels: Labels,
}

impl Service {
    /// Which of the service's protocols a request speaks. When nothing in the request tells, the model's own.
    pub fn negotiate(&self, request: &Request) -> Protocol {
        let speaks =
            |wanted: &[Protocol]| wanted.iter().copied().find(|protocol| self.protocols.contains(protocol));
        let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
        let content_type = header("content-type").unwrap_or_default();
        let told = if header("smithy-protocol").is_some_and(|name| name == "rpc-v2-cbor") {
            speaks(&[Protocol::RpcV2Cbor])
        } else if request.headers.contains_key("x-amz-target") {
            match content_type {
                "application/x-amz-json-1.1" => speaks(&[Protocol::AwsJson1_1, Protocol::AwsJson1_0]),
                _ => speaks(&[Protocol::AwsJson1_0, Protocol::AwsJson1_1]),
            }
        } else if content_type.starts_with("application/x-www-form-urlencoded")
            || crate::uri::parameters(request.uri.query().unwrap_or_default())
                .any(|(name, _)| name == "Action")
        {
            speaks(&[Protocol::AwsQuery, Protocol::Ec2Query])
        } else {
            None
        };
        told.unwrap_or(self.protocols[0])
    }
}

impl Protocol {
    /// Finds the operation that `request` means.
    ///
    /// # Errors
    /// The protocol's own unknown-operation error; for an operation of the model that Hearth does not implement, the
    /// same error with a message that says so.
    pub fn route(self, service: &'static Service, request: &Request) -> Result<Routed, Failure> {
        match self {
            Self::RestJson1 => rest_json::route(service, request),
            Self::RestXml => rest_xml::route(service, request),
            Self::AwsJson1_0 | Self::AwsJson1_1 => aws_json::route(service, request),
            Self::AwsQuery | Self::Ec2Query => aws_query::route(service, request),
            Self::RpcV2Cbor => rpc_v2_cbor::route(service, request),
        }
    }

    /// Decodes the input of an operation: a [`Value::Structure`] of its input shape, not validated yet. Idempotency
    /// tokens stay empty: see [`fill_idempotency_tokens`].
    ///
    /// # Errors
    /// The protocol's own error for what it cannot read (`SerializationException`, `MalformedInput`, `MalformedXML`).
    #[expect(clippy::too_many_arguments, reason = "self and the four things every decoding starts from")]
    pub fn decode(
        self,
        service: &'static Service,
        operation: &'static Operation,
        labels: &Labels,
        request: &Request,
    ) -> Result<Value, Failure> {
        match self {
            Self::RestJson1 => rest_json::decode(operation, labels, request),
            Self::RestXml => rest_xml::decode(service, operation, labels, request),
            Self::AwsJson1_0 | Self::AwsJson1_1 => aws_json::decode(operation, request),
            Self::AwsQuery => aws_query::decode(service, operation, request),
            Self::Ec2Query => ec2_query::decode(operation, request),
            Self::RpcV2Cbor => rpc_v2_cbor::decode(operation, request),
        }
    }

    /// Encodes the output of an operation: a [`Value::Structure`] of its output shape.
    #[expect(clippy::too_many_arguments, reason = "self and the four things every answer is made of")]
    pub fn encode(
        self,
        service: &'static Service,
        operation: &'static Operation,
        output: Value,
        request_id: RequestId,
    ) -> Response {
        let structure = structure_of(operation.output);
        let output = output.into_slots();
        let answer = Answer { service, operation, structure, output, request_id };
        match self {
            Self::RestJson1 => rest_json::encode(answer),
            Self::RestXml => rest_xml::encode(answer),
            Self::AwsJson1_0 => aws_json::encode(answer, aws_json::Version::V1_0),
            Self::AwsJson1_1 => aws_json::encode(answer, aws_json::Version::V1_1),
            Self::AwsQuery => aws_query::encode(answer),
            Self::Ec2Query => ec2_query::encode(answer),
            Self::RpcV2Cbor => rpc_v2_cbor::encode(answer),
        }
    }

    /// Encodes an error.
    pub fn encode_failure(
        self,
        service: &'static Service,
        failure: &Failure,
        request_id: RequestId,
    ) -> Response {
        let told = Told::of(service, failure);
        let mut response = match self {
            Self::RestJson1 => rest_json::encode_failure(&told, request_id),
            Self::RestXml => rest_xml::encode_failure(service, &told, request_id),
            Self::AwsJson1_0 => aws_json::encode_failure(&told, request_id, aws_json::Version::V1_0),
            Self::AwsJson1_1 => aws_json::encode_failure(&told, request_id, aws_json::Version::V1_1),
            Self::AwsQuery => aws_query::encode_failure(service, &told, request_id),
            Self::Ec2Query => ec2_query::encode_failure(&told, request_id),
            Self::RpcV2Cbor => rpc_v2_cbor::encode_failure(&told, request_id),
        };
        let modern = !matches!(self, Self::AwsQuery | Self::Ec2Query | Self::RestXml);
        if service.query_compatible && modern {
            // AWS: https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#aws-protocols-awsquerycompatible-trait
            let fault = if failure.sender { "Sender" } else { "Receiver" };
            let text = format!("{};{fault}", failure.query_code.unwrap_or(&failure.code));
            http_binding::insert(&mut response.headers, "x-amzn-query-error", &text);
        }
        for (name, text) in &failure.headers {
            http_binding::insert(&mut response.headers, name, text);
        }
        response
    }
}

/// Gives every empty idempotency token of an input a random UUID, as AWS's servers do.
pub fn fill_idempotency_tokens(operation: &'static Operation, input: &mut Value, rng: &dyn Rng) {
    let Value::Structure(slots) = input else { return };
    for (member, slot) in structure_of(operation.input).members.iter().zip(slots) {
        if member.idempotency_token && slot.is_none() {
            *slot = Some(Value::String(hearth_base::id::uuid(rng)));
        }
    }
}

/// An output on its way into a protocol.
struct Answer {
    service: &'static Service,
    operation: &'static Operation,
    structure: &'static Structure,
    output: Vec<Option<Value>>,
    request_id: RequestId,
}

/// An error on its way into a protocol: the failure and, when it is one of the model's, its members.
struct Told<'a> {
    failure: &'a Failure,
    /// The name of the error's shape; the code when it has none.
    name: &'a str,
    structure: &'static Structure,
    slots: Vec<Option<Value>>,
}

impl<'a> Told<'a> {
    /// Fills the members that say what the failure itself says: its message, and whose fault it is.
    fn of(service: &'static Service, failure: &'a Failure) -> Self {
        let (shape, slots) = match &failure.detail {
            Some((shape, value)) => (Some(*shape), value.as_ref().clone().into_slots()),
            None => (error_shape(service, &failure.code), Vec::new()),
        };
        let Some((shape, structure)) = shape.and_then(|shape| Some((shape, shape.structure()?))) else {
            return Self { failure, name: &failure.code, structure: &Structure::EMPTY, slots: Vec::new() };
        };
        let mut slots = slots;
        slots.resize(structure.members.len(), None);
        for (member, slot) in structure.members.iter().zip(&mut slots) {
            if slot.is_some() {
                continue;
            }
            if member.name.eq_ignore_ascii_case("message") {
                *slot = Some(Value::String(failure.message.clone()));
            } else if member.name == "Type" {
                // AWS: Lambda's errors say `User` or `Service` here.
                // https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_Errors
                *slot = Some(Value::String(if failure.sender { "User" } else { "Service" }.to_owned()));
            }
        }
        Self { failure, name: shape.name, structure, slots }
    }

    /// Whether a member already carries the message.
    fn has_message_member(&self) -> bool {
        self.structure.members.iter().any(|member| member.name.eq_ignore_ascii_case("message"))
    }

    fn members(&self) -> (&'static Structure, &[Option<Value>]) {
        (self.structure, &self.slots)
    }

    /// `Sender` or `Receiver`.
    fn fault(&self) -> &'static str {
        if self.failure.sender { "Sender" } else { "Receiver" }
    }

    /// The status to answer with.
    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.failure.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// The modeled error with this code, for failures that were made without their shape.
fn error_shape(service: &'static Service, code: &str) -> Option<&'static crate::schema::Shape> {
    let mut errors = service.operations.iter().flat_map(|operation| operation.errors);
    errors
        .find(|shape| {
            shape.structure().and_then(|structure| structure.error).is_some_and(|error| error.code == code)
        })
        .copied()
}

fn structure_of(shape: &'static crate::schema::Shape) -> &'static Structure {
    shape.structure().expect("inputs, outputs and errors are structures in every model")
}

fn empty_slots(structure: &Structure) -> Vec<Option<Value>> {
    std::iter::repeat_with(|| None).take(structure.members.len()).collect()
}

fn find_unimplemented(service: &'static Service, name: &str) -> Option<&'static Unimplemented> {
    let index = service.unimplemented.binary_search_by(|operation| operation.name.cmp(name)).ok()?;
    Some(&service.unimplemented[index])
}

/// What is said of an operation of the model that Hearth does not implement.
fn unimplemented_message(service: &Service, operation: &str) -> String {
    format!("Hearth does not implement {}:{operation}.", service.name)
}

/// An answer with a body, its content type and the request id that every AWS answer carries.
fn respond(status: StatusCode, content_type: &'static str, body: Vec<u8>, request_id: RequestId) -> Response {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert("x-amzn-requestid", request_id_value(request_id));
    Response { status, headers, body: Body::Bytes(Bytes::from(body)) }
}

fn request_id_value(request_id: RequestId) -> HeaderValue {
    HeaderValue::try_from(request_id.to_string()).expect("a UUID is plain ASCII")
}

#[cfg(test)]
mod tests;
