//! ec2Query: EC2's own dialect of the query protocol. <https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html>

use super::{Answer, Told, aws_query, respond};
use crate::failure::Failure;
use crate::form::Dialect;
use crate::message::{Request, Response};
use crate::schema::Operation;
use crate::value::Value;
use crate::xml::Writer;
use hearth_base::RequestId;
use http::StatusCode;

const XML: &str = "text/xml;charset=UTF-8";

pub(super) fn decode(operation: &'static Operation, request: &Request) -> Result<Value, Failure> {
    aws_query::decode_as(operation, request, Dialect::Ec2)
}

pub(super) fn encode(answer: Answer) -> Response {
    let Answer { service, operation, structure, output, request_id } = answer;
    let mut writer = Writer::with_declaration();
    let root = format!("{}Response", operation.name);
    writer.open_in_namespace(&root, service.xml_namespace);
    writer.text("requestId", &request_id.to_string());
    writer.members(structure, &output);
    writer.close(&root);
    respond(StatusCode::OK, XML, writer.finish(), request_id)
}

pub(super) fn encode_failure(told: &Told<'_>, request_id: RequestId) -> Response {
    let mut writer = Writer::with_declaration();
    writer.open("Response");
    writer.open("Errors");
    writer.error("", told.failure, told.members());
    writer.close("Errors");
    // AWS: here, and only here, the name ends in a capital D.
    // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html#api-error-response
    writer.text("RequestID", &request_id.to_string());
    writer.close("Response");
    respond(told.status(), XML, writer.finish(), request_id)
}
