//! Which protocol a request speaks.

use crate::fixture::*;
use crate::schema::Protocol::{self, *};

#[test]
fn a_request_tells_its_protocol() {
    let json = "X-Amz-Target: T.Op\nContent-Type: application/x-amz-json-1.0";
    let json_1_1 = "X-Amz-Target: T.Op\nContent-Type: application/x-amz-json-1.1";
    let form = "Content-Type: application/x-www-form-urlencoded; charset=utf-8";
    let cbor = "Smithy-Protocol: rpc-v2-cbor";
    let cases: [(&[Protocol], &str, &str, Protocol); 10] = [
        (&[RpcV2Cbor, AwsJson1_0, AwsQuery], cbor, "/", RpcV2Cbor),
        (&[RpcV2Cbor, AwsJson1_0, AwsQuery], json, "/", AwsJson1_0),
        (&[RpcV2Cbor, AwsJson1_0, AwsQuery], json_1_1, "/", AwsJson1_0),
        (&[RpcV2Cbor, AwsJson1_0, AwsQuery], form, "/", AwsQuery),
        (&[AwsJson1_0, AwsQuery], "", "/?Action=Op&Version=1", AwsQuery),
        (&[AwsJson1_1], "X-Amz-Target: T.Op", "/", AwsJson1_1),
        (&[AwsQuery], "", "/", AwsQuery),
        (&[Ec2Query], form, "/", Ec2Query),
        (&[RestJson1], form, "/?Action=x", RestJson1),
        (&[RestXml], cbor, "/", RestXml),
    ];
    for (protocols, headers, uri, expected) in cases {
        let service = one(protocols[0], structure("In", vec![]), structure("Out", vec![]));
        let service = changed(service, |service| service.protocols = protocols);
        assert_eq!(service.negotiate(&request("POST", uri, headers, "")), expected, "{headers} {uri}");
    }
}
