//! awsJson 1.0 and 1.1.

use crate::failure::Failure;
use crate::fixture::*;
use crate::schema::Protocol;

const P: Protocol = Protocol::AwsJson1_1;

fn call(target: &str, body: &'static str) -> crate::message::Request {
    let headers = format!("X-Amz-Target: {target}\nContent-Type: application/x-amz-json-1.1");
    request("POST", "/", &headers, body)
}

#[test]
fn requests_are_routed_by_target_and_read() {
    let input = structure("In", vec![member("Name", &STRING).named("ignored"), member("nested", &NESTED)]);
    let service = one(P, input, structure("Out", vec![]));
    let cases = [
        (
            "Example_20200108.Op",
            r#"{"Name":"a","ignored":"b","nested":{"foo":"x"}}"#,
            Ok(r#"{"Name":"a","nested":{"foo":"x"}}"#),
        ),
        // sends_requests_to_slash, includes_x_amz_target_and_content_type
        ("Example_20200108.Op", "", Ok("{}")),
        ("Example_20200108.Op", "null", Ok("{}")),
        (
            "Example_20200108.Op",
            r#"{"Name":1}"#,
            Err("400 SerializationException NUMBER_VALUE can not be converted to a String"),
        ),
        ("Example_20200108.Op", "[]", Err("400 SerializationException Unexpected field type")),
        (
            "Example_20200108.Missing",
            "{}",
            Err("400 UnknownOperationException Hearth does not implement example:Missing."),
        ),
        (
            "Example_20200108.Nope",
            "{}",
            Err("400 UnknownOperationException Example_20200108.Nope is no operation of example."),
        ),
        ("Other.Op", "{}", Err("400 UnknownOperationException Other.Op is no operation of example.")),
        (
            "Op",
            "{}",
            Err("400 UnknownOperationException The request has no operation in the header X-Amz-Target."),
        ),
    ];
    for (target, body, expected) in cases {
        match (decoded(service, &call(target, body)), expected) {
            (Ok(found), Ok(expected)) => same_json(&found, expected, body),
            (found, expected) => assert_eq!(found.unwrap_err(), expected.unwrap_err()),
        }
    }
}

#[test]
fn answers_and_errors_are_written() {
    let error =
        structure("NotThere", vec![member("Message", &STRING), member("id", &STRING)]).error(400).leak();
    for (protocol, content_type) in
        [(P, "application/x-amz-json-1.1"), (Protocol::AwsJson1_0, "application/x-amz-json-1.0")]
    {
        let mut op = operation("Op", structure("In", vec![]), structure("Out", vec![]));
        op.output =
            structure("Out", vec![member("Name", &STRING).named("ignored"), member("status", &INTEGER)])
                .leak();
        op.errors = vec![error].leak();
        let service = service(protocol, vec![op]);
        let response = encoded(service, r#"{"Name":"a","status":404}"#);
        assert_eq!(response.status.as_u16(), 200);
        assert_eq!(response.headers["content-type"], content_type);
        assert_eq!(text(response.body), r#"{"Name":"a","status":404}"#);

        let failure = Failure {
            detail: Some((error, Box::new(value(r#"{"id":"7"}"#, error)))),
            ..Failure::sender("NotThere", 400, "no")
        };
        let response = protocol.encode_failure(service, &failure, request_id());
        assert_eq!(response.status.as_u16(), 400);
        assert_eq!(response.headers["content-type"], content_type);
        assert!(!response.headers.contains_key("x-amzn-query-error"));
        assert_eq!(text(response.body), r#"{"__type":"NotThere","Message":"no","id":"7"}"#);

        let response = protocol.encode_failure(service, &Failure::internal("oh"), request_id());
        assert_eq!(response.status.as_u16(), 500);
        assert_eq!(text(response.body), r#"{"__type":"InternalFailure","message":"oh"}"#);
    }
}

#[test]
fn a_query_compatible_service_tells_the_old_code_too() {
    let mut error = structure("QueueDoesNotExist", vec![member("message", &STRING)]).error(400);
    error = error
        .with(|structure| structure.error.as_mut().unwrap().code = "AWS.SimpleQueueService.NonExistentQueue");
    let mut op = operation("Op", structure("In", vec![]), structure("Out", vec![]));
    op.errors = vec![error.leak()].leak();
    let service = changed(service(Protocol::AwsJson1_0, vec![op]), |service| service.query_compatible = true);
    let failure = Failure::sender("AWS.SimpleQueueService.NonExistentQueue", 400, "none");
    let response = Protocol::AwsJson1_0.encode_failure(service, &failure, request_id());
    assert_eq!(response.headers["x-amzn-query-error"], "AWS.SimpleQueueService.NonExistentQueue;Sender");
    assert_eq!(text(response.body), r#"{"__type":"QueueDoesNotExist","message":"none"}"#);
    let failure = Failure::sender("AccessDeniedException", 400, "no").with_query_code("AccessDenied");
    let response = Protocol::AwsJson1_0.encode_failure(service, &failure, request_id());
    assert_eq!(response.headers["x-amzn-query-error"], "AccessDenied;Sender");
    assert_eq!(text(response.body), r#"{"__type":"AccessDeniedException","message":"no"}"#);
}
