//! awsQuery: forms in, XML out. <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>

use super::{Answer, Routed, Told, find_unimplemented, respond, structure_of, unimplemented_message};
use crate::failure::Failure;
use crate::form::{self, Dialect, Node, Parameters};
use crate::malformed::Malformed;
use crate::message::{Request, Response};
use crate::schema::{Operation, Service};
use crate::uri::Labels;
use crate::value::Value;
use crate::xml::Writer;
use hearth_base::RequestId;
use http::StatusCode;

const XML: &str = "text/xml";

/// Also ec2Query's: the two differ in how members are written only.
pub(super) fn route(service: &'static Service, request: &Request) -> Result<Routed, Failure> {
    let parameters = parameters(request).map_err(malformed_input)?;
    let parameter =
        |wanted: &str| parameters.iter().find(|(name, _)| name == wanted).map(|(_, text)| text.as_ref());
    let Some(action) = parameter("Action") else {
        // AWS: https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
        return Err(Failure::sender(
            "MissingAction",
            400,
            "The request is missing an action or a required parameter.",
        ));
    };
    if let Some(version) = parameter("Version").filter(|version| *version != service.api_version) {
        let message = format!("Could not find operation {action} for version {version}");
        return Err(Failure::sender("InvalidAction", 400, message));
    }
    if let Some((operation, _)) = service.operation(action) {
        return Ok(Routed { operation, labels: Labels::new() });
    }
    let message = match find_unimplemented(service, action) {
        Some(operation) => unimplemented_message(service, operation.name),
        None => format!("The action {action} is not valid for this web service."),
    };
    Err(Failure::sender("InvalidAction", 400, message))
}

pub(super) fn decode(
    service: &'static Service,
    operation: &'static Operation,
    request: &Request,
) -> Result<Value, Failure> {
    let mut input = decode_as(operation, request, Dialect::Aws)?;
    fill_from_path(service, operation, request, &mut input);
    Ok(input)
}

/// AWS: old clients of SQS post to a queue's own URL and name the queue nowhere else.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-xml.html>
fn fill_from_path(
    service: &'static Service,
    operation: &'static Operation,
    request: &Request,
    input: &mut Value,
) {
    let path = request.uri.path();
    let (false, Value::Structure(slots)) = (service.path_member.is_empty() || path == "/", input) else {
        return;
    };
    if let Some((place, _)) = structure_of(operation.input).member_by_name(service.path_member)
        && let Some(slot) = slots.get_mut(place).filter(|slot| slot.is_none())
    {
        *slot = Some(Value::String(path.to_owned()));
    }
}

/// Decodes a form of either dialect.
pub(super) fn decode_as(
    operation: &'static Operation,
    request: &Request,
    dialect: Dialect,
) -> Result<Value, Failure> {
    let structure = structure_of(operation.input);
    let parameters = parameters(request).map_err(malformed_input)?;
    Node::tree(&parameters).and_then(|form| form.structure(structure, dialect)).map_err(malformed_input)
}

fn malformed_input(malformed: Malformed) -> Failure {
    Failure::sender("MalformedInput", 400, malformed.to_string())
}

/// The parameters of the URI and of the body, in this order.
fn parameters(request: &Request) -> Result<Parameters<'_>, Malformed> {
    let mut parameters = form::read(request.uri.query().unwrap_or_default())?;
    let body = std::str::from_utf8(&request.body).map_err(|error| Malformed::Syntax {
        format: "form",
        offset: error.valid_up_to(),
        problem: "text is not UTF-8",
    })?;
    parameters.append(&mut form::read(body)?);
    Ok(parameters)
}

pub(super) fn encode(answer: Answer) -> Response {
    let Answer { service, operation, structure, output, request_id } = answer;
    let mut writer = Writer::default();
    let root = format!("{}Response", operation.name);
    writer.open_in_namespace(&root, service.xml_namespace);
    if operation.result_wrapper.is_empty() {
        writer.members(structure, &output);
    } else {
        writer.open(operation.result_wrapper);
        writer.members(structure, &output);
        writer.close(operation.result_wrapper);
    }
    writer.open("ResponseMetadata");
    writer.text("RequestId", &request_id.to_string());
    writer.close("ResponseMetadata");
    writer.close(&root);
    respond(StatusCode::OK, XML, writer.finish(), request_id)
}

pub(super) fn encode_failure(service: &'static Service, told: &Told<'_>, request_id: RequestId) -> Response {
    let mut writer = Writer::default();
    writer.open_in_namespace("ErrorResponse", service.xml_namespace);
    writer.error(told.fault(), told.failure, told.members());
    writer.text("RequestId", &request_id.to_string());
    writer.close("ErrorResponse");
    respond(told.status(), XML, writer.finish(), request_id)
}
