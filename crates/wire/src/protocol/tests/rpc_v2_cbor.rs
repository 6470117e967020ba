//! Smithy RPC v2 with CBOR.

use crate::failure::Failure;
use crate::fixture::*;
use crate::schema::{Protocol, Shape};

const P: Protocol = Protocol::RpcV2Cbor;
const HEADERS: &str = "Smithy-Protocol: rpc-v2-cbor\nContent-Type: application/cbor";

fn shape() -> Shape {
    structure(
        "S",
        vec![
            member("string", &STRING).named("ignored"),
            member("integer", &INTEGER),
            member("double", &DOUBLE),
            member("flag", &BOOLEAN),
            member("blob", &BLOB),
            member("time", &TIMESTAMP),
            member("list", list(&STRING)),
            member("map", map(&INTEGER)),
            member("nested", &NESTED),
        ],
    )
}

#[test]
fn requests_are_routed_by_path_and_read() {
    let service = one(P, shape(), structure("Out", vec![]));
    let body = b"\xa2\x66string\x61a\x67integer\x05";
    let cases = [
        ("/service/Example_20200108/operation/Op", &body[..], Ok(r#"{"string":"a","integer":5}"#)),
        (
            "/prefix/service/com.example.Example_20200108/operation/Op",
            &body[..],
            Ok(r#"{"string":"a","integer":5}"#),
        ),
        // empty_input
        ("/service/Example_20200108/operation/Op", b"\xbf\xff", Ok("{}")),
        ("/service/Example_20200108/operation/Op", b"", Ok("{}")),
        (
            "/service/Example_20200108/operation/Op",
            b"\x80",
            Err("400 SerializationException Unexpected field type"),
        ),
        (
            "/service/Example_20200108/operation/Op",
            b"\xa1\x66string\x01",
            Err("400 SerializationException NUMBER_VALUE can not be converted to a String"),
        ),
        (
            "/service/Example_20200108/operation/Missing",
            b"",
            Err("404 UnknownOperationException Hearth does not implement example:Missing."),
        ),
        (
            "/service/Other/operation/Op",
            b"",
            Err("404 UnknownOperationException /service/Other/operation/Op is no operation of example."),
        ),
        ("/", b"", Err("404 UnknownOperationException / is not of the form /service/NAME/operation/NAME.")),
    ];
    for (path, body, expected) in cases {
        match (decoded(service, &request("POST", path, HEADERS, body)), expected) {
            (Ok(found), Ok(expected)) => same_json(&found, expected, path),
            (found, expected) => assert_eq!(found.unwrap_err(), expected.unwrap_err()),
        }
    }
}

#[test]
fn answers_and_errors_are_written() {
    let service = one(P, structure("In", vec![]), shape());
    let response = encoded(service, r#"{"string":"a","flag":true,"list":["x"],"time":1}"#);
    assert_eq!(response.headers["smithy-protocol"], "rpc-v2-cbor");
    assert_eq!(response.headers["content-type"], "application/cbor");
    assert_eq!(
        &bytes(response.body)[..],
        b"\xa4\x66string\x61a\x64flag\xf5\x64time\xc1\x01\x64list\x81\x61x"
    );
    let response = P.encode_failure(service, &Failure::sender("Bad", 400, "no"), request_id());
    assert_eq!(response.status.as_u16(), 400);
    assert_eq!(response.headers["smithy-protocol"], "rpc-v2-cbor");
    assert_eq!(&bytes(response.body)[..], b"\xa2\x66__type\x63Bad\x67message\x62no");
}
