//! Which template wins.

use crate::fixture::*;
use crate::schema::{Location, Operation, Protocol, Shape};
use proptest::prelude::*;

fn op(
    name: &'static str,
    method: &'static str,
    uri: &'static str,
    required: &[(Location, &'static str)],
) -> Operation {
    let members =
        required.iter().map(|(at, wire_name)| member(wire_name, &STRING).at(*at, wire_name).required());
    let labels = ["Bucket", "Key", "FunctionName", "Qualifier"];
    let labels = labels.into_iter().map(|name| member(name, &STRING).at(Location::Uri, name));
    let input: Shape = structure("In", members.chain(labels).collect());
    Operation { method, uri, ..operation(name, input, structure("Out", vec![])) }
}

#[test]
fn the_most_specific_template_wins() {
    use Location::{Header, Query};
    let service = service(
        Protocol::RestXml,
        vec![
            op("ListBuckets", "GET", "/", &[]),
            op("ListObjects", "GET", "/{Bucket}", &[]),
            op("ListObjectsV2", "GET", "/{Bucket}?list-type=2", &[]),
            op("GetBucketLocation", "GET", "/{Bucket}?location", &[]),
            op("GetObject", "GET", "/{Bucket}/{Key+}", &[]),
            op("ListParts", "GET", "/{Bucket}/{Key+}", &[(Query, "uploadId")]),
            op("PutObject", "PUT", "/{Bucket}/{Key+}", &[]),
            op("CopyObject", "PUT", "/{Bucket}/{Key+}", &[(Header, "x-amz-copy-source")]),
            op("UploadPart", "PUT", "/{Bucket}/{Key+}", &[(Query, "partNumber"), (Query, "uploadId")]),
            op(
                "UploadPartCopy",
                "PUT",
                "/{Bucket}/{Key+}",
                &[(Header, "x-amz-copy-source"), (Query, "partNumber"), (Query, "uploadId")],
            ),
            op("ListFunctions", "GET", "/2015-03-31/functions/", &[]),
            op("GetFunction", "GET", "/2015-03-31/functions/{FunctionName}", &[]),
            op("GetConfiguration", "GET", "/2015-03-31/functions/{FunctionName}/configuration", &[]),
            op("GetNamed", "GET", "/2015-03-31/functions/special", &[]),
        ],
    );
    let cases = [
        ("GET", "/", "", "ListBuckets {}"),
        ("GET", "/b", "", r#"ListObjects {"Bucket":"b"}"#),
        ("GET", "/b/", "", r#"ListObjects {"Bucket":"b"}"#),
        ("GET", "/b?list-type=2&prefix=x", "", r#"ListObjectsV2 {"Bucket":"b"}"#),
        ("GET", "/b?list-type=1", "", r#"ListObjects {"Bucket":"b"}"#),
        ("GET", "/b?location", "", r#"GetBucketLocation {"Bucket":"b"}"#),
        ("GET", "/b?location=", "", r#"GetBucketLocation {"Bucket":"b"}"#),
        ("GET", "/b/k", "", r#"GetObject {"Bucket":"b","Key":"k"}"#),
        ("GET", "/b/a%2Fb//c/", "", r#"GetObject {"Bucket":"b","Key":"a/b//c/"}"#),
        ("GET", "/b/k?uploadId=1", "", r#"ListParts {"uploadId":"1","Bucket":"b","Key":"k"}"#),
        ("PUT", "/b/k", "", r#"PutObject {"Bucket":"b","Key":"k"}"#),
        (
            "PUT",
            "/b/k",
            "x-amz-copy-source: /c/d",
            r#"CopyObject {"x-amz-copy-source":"/c/d","Bucket":"b","Key":"k"}"#,
        ),
        (
            "PUT",
            "/b/k?partNumber=1&uploadId=u",
            "",
            r#"UploadPart {"partNumber":"1","uploadId":"u","Bucket":"b","Key":"k"}"#,
        ),
        (
            "PUT",
            "/b/k?partNumber=1&uploadId=u",
            "x-amz-copy-source: /c/d",
            r#"UploadPartCopy {"x-amz-copy-source":"/c/d","partNumber":"1","uploadId":"u","Bucket":"b","Key":"k"}"#,
        ),
        ("GET", "/2015-03-31/functions", "", "ListFunctions {}"),
        ("GET", "/2015-03-31/functions/", "", "ListFunctions {}"),
        ("GET", "/2015-03-31/functions/special", "", "GetNamed {}"),
        (
            "GET",
            "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A1%3Afunction%3Af/configuration",
            "",
            r#"GetConfiguration {"FunctionName":"arn:aws:lambda:us-east-1:1:function:f"}"#,
        ),
        ("GET", "/2015-03-31/functions/f/", "", r#"GetFunction {"FunctionName":"f"}"#),
    ];
    for (method, uri, headers, expected) in cases {
        let request = request(method, uri, headers, "");
        let routed = Protocol::RestXml.route(service, &request).unwrap();
        let operation = &service.operations[routed.operation];
        let input = Protocol::RestXml.decode(service, operation, &routed.labels, &request).unwrap();
        assert_eq!(
            format!("{} {}", operation.name, show(&input, operation.input)),
            expected,
            "{method} {uri}"
        );
    }
    for (method, uri) in [("POST", "/"), ("DELETE", "/b/k"), ("GET", "//")] {
        assert!(Protocol::RestXml.route(service, &request(method, uri, "", "")).is_err(), "{method} {uri}");
    }
}

proptest! {
    #[test]
    fn no_path_makes_it_panic(path in "(/|//|a|b|%2F|%|\\{Key\\+\\}|\\?|&|=|\\+|é){0,12}") {
        let service = service(
            Protocol::RestXml,
            vec![
                op("A", "GET", "/{Bucket}/{Key+}", &[]),
                op("B", "GET", "/a/{Key+}/b", &[]),
                op("C", "GET", "/{Bucket}?a", &[]),
            ],
        );
        if let Ok(uri) = format!("/{path}").parse() {
            let mut request = request("GET", "/", "", "");
            request.uri = uri;
            let _ = decoded(service, &request);
        }
    }
}
