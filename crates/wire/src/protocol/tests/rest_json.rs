//! restJson1.

use crate::failure::Failure;
use crate::fixture::*;
use crate::schema::{Location, Operation, Protocol, Service, TimestampFormat};
use crate::value::Value;

const P: Protocol = Protocol::RestJson1;

fn op(input: crate::schema::Shape, method: &'static str, uri: &'static str) -> &'static Service {
    let operation = Operation { method, uri, ..operation("Op", input, structure("Out", vec![])) };
    service(P, vec![operation])
}

fn headers_shape() -> crate::schema::Shape {
    let header = |name, shape, wire_name| member(name, shape).at(Location::Header, wire_name);
    structure(
        "Headers",
        vec![
            header("string", &STRING, "X-String"),
            header("integer", &INTEGER, "X-Integer"),
            header("double", &DOUBLE, "X-Double"),
            header("truth", &BOOLEAN, "X-Boolean"),
            header("strings", list(&STRING), "X-StringList"),
            header("integers", list(&INTEGER), "X-IntegerList"),
            header("dates", list(&TIMESTAMP), "X-TimestampList"),
            header("date", &TIMESTAMP, "X-Date"),
            header("epoch", &EPOCH, "X-Epoch"),
            header("dateTime", &TIMESTAMP, "X-DateTime").formatted(TimestampFormat::Iso8601),
            crate::schema::Member { json_value: true, ..header("json", &STRING, "X-Json") },
            member("prefixed", map(&STRING)).at(Location::Headers, "X-Foo-"),
            member("body", &STRING),
        ],
    )
}

#[test]
fn labels_query_and_headers_are_read() {
    let label = |name, shape| member(name, shape).at(Location::Uri, name).required();
    // HttpRequestWithLabels, HttpRequestWithGreedyLabelInPath, RestJsonHttpRequestWithLabelEscaping
    let labels = op(
        structure(
            "In",
            vec![label("string", &STRING), label("integer", &INTEGER), label("time", &TIMESTAMP)],
        ),
        "GET",
        "/labels/{string}/x/{integer}/{time}",
    );
    let greedy = op(
        structure("In", vec![label("foo", &STRING), label("baz", &STRING)]),
        "GET",
        "/greedy/foo/{foo}/baz/{baz+}",
    );
    // AllQueryStringTypes, RestJsonQueryPrecedence
    let query = op(
        structure(
            "In",
            vec![
                member("string", &STRING).at(Location::Query, "String"),
                member("strings", list(&STRING)).at(Location::Query, "StringList"),
                member("integers", list(&INTEGER)).at(Location::Query, "IntegerList"),
                member("double", &DOUBLE).at(Location::Query, "Double"),
                member("flag", &BOOLEAN).at(Location::Query, "Boolean"),
                member("time", &TIMESTAMP).at(Location::Query, "Timestamp"),
                member("epoch", &EPOCH).at(Location::Query, "Epoch"),
            ],
        ),
        "GET",
        "/query",
    );
    let maps = op(
        structure(
            "In",
            vec![
                member("foo", &STRING).at(Location::Query, "bar"),
                member("rest", map(list(&STRING))).at(Location::Query, "rest"),
            ],
        ),
        "POST",
        "/maps",
    );
    let headers = op(headers_shape(), "POST", "/headers");
    let cases = [
        (
            labels,
            request("GET", "/labels/%25%3A%2F%3F%F0%9F%98%B9+/x/-3/2019-12-16T23%3A48%3A18Z", "", ""),
            r#"{"string":"%:/?😹+","integer":-3,"time":1576540098}"#,
        ),
        (
            greedy,
            request("GET", "/greedy/foo/h%2Fi/baz/there/g/u%79/", "", ""),
            r#"{"foo":"h/i","baz":"there/g/uy/"}"#,
        ),
        (
            query,
            request(
                "GET",
                "/query?String=Hello%20+there&StringList=a&StringList=b&StringList=a&IntegerList=1&IntegerList=2\
                 &Double=Infinity&Boolean=true&Timestamp=1970-01-01T00:00:01Z&Epoch=1&Other=x",
                "",
                "",
            ),
            r#"{"string":"Hello  there","strings":["a","b","a"],"integers":[1,2],"double":"Infinity","flag":true,"time":1,"epoch":1}"#,
        ),
        (query, request("GET", "/query/?String=&Double=NaN", "", ""), r#"{"string":"","double":"NaN"}"#),
        (
            maps,
            request("POST", "/maps?bar=named&baz=x&baz=y&%E2%82%AC=", "", ""),
            r#"{"foo":"named","rest":{"baz":["x","y"],"€":[""]}}"#,
        ),
        (
            headers,
            request(
                "POST",
                "/headers",
                "X-String: Hello
                 X-Integer: 123
                 X-Double: -Infinity
                 X-Boolean: false
                 X-StringList: \"b,c\", \"\\\"def\\\"\", a
                 X-StringList: d
                 X-IntegerList: 1, 2,3
                 X-TimestampList: Mon, 16 Dec 2019 23:48:18 GMT, Mon, 16 Dec 2019 23:48:19 GMT
                 X-Date: Mon, 16 Dec 2019 23:48:18 GMT
                 X-Epoch: 1576540098
                 X-DateTime: 2019-12-16T23:48:18Z
                 X-Json: eyJhIjoxfQ==
                 X-Foo-Abc: Abc value
                 x-foo-def: Def value",
                r#"{"body":"b","string":"not from here"}"#,
            ),
            r#"{"string":"Hello","integer":123,"double":"-Infinity","truth":false,"strings":["b,c","\"def\"","a","d"],
                "integers":[1,2,3],"dates":[1576540098,1576540099],"date":1576540098,"epoch":1576540098,
                "dateTime":"2019-12-16T23:48:18Z","json":"{\"a\":1}","prefixed":{"abc":"Abc value","def":"Def value"},
                "body":"b"}"#,
        ),
    ];
    for (service, request, expected) in cases {
        same_json(&decoded(service, &request).unwrap(), expected, &request.uri.to_string());
    }
}

#[test]
fn bodies_and_payloads_are_read() {
    let renamed = structure("In", vec![member("Name", &STRING).named("name"), member("Nested", &NESTED)]);
    let blob =
        structure("In", vec![member("foo", &STRING).at(Location::Header, "X-Foo"), member("blob", &BLOB)]);
    let cases = [
        // RestJsonSimpleScalarProperties, RestJsonRecursiveShapes
        (renamed, r#"{"name":"a","Name":"b","Nested":{"foo":"c"}}"#, r#"{"Name":"a","Nested":{"foo":"c"}}"#),
        // RestJsonHttpPayloadTraitsWithBlob
        (blob.payload(1), "not {json", r#"{"blob":"bm90IHtqc29u"}"#),
        // RestJsonHttpPayloadTraitsWithNoBlobBody
        (structure("In", vec![member("blob", &BLOB)]).payload(0), "", "{}"),
        (structure("In", vec![member("text", &STRING)]).payload(0), "rawé", r#"{"text":"rawé"}"#),
        (
            structure("In", vec![member("nested", &NESTED)]).payload(0),
            r#"{"foo":"x"}"#,
            r#"{"nested":{"foo":"x"}}"#,
        ),
        // DocumentTypeAsPayloadInputString
        (structure("In", vec![member("any", &DOCUMENT)]).payload(0), "[1,{}]", r#"{"any":[1,{}]}"#),
        // RestJsonEmptyInputAndEmptyOutput
        (structure("In", vec![member("a", &STRING)]), "", "{}"),
        (structure("In", vec![member("a", &STRING)]), "{}", "{}"),
        (structure("In", vec![]), r#"{"whatever":[]}"#, "{}"),
    ];
    for (input, body, expected) in cases {
        let request = request("POST", "/Op", "", body);
        same_json(&decoded(op(input, "POST", "/Op"), &request).unwrap(), expected, body);
    }
}

#[test]
fn a_blob_payload_is_not_copied() {
    let service = op(structure("In", vec![member("blob", &BLOB)]).payload(0), "POST", "/Op");
    let request = request("POST", "/Op", "", vec![7; 100]);
    let routed = P.route(service, &request).unwrap();
    let input = P.decode(service, &service.operations[0], &routed.labels, &request).unwrap();
    let Some(Some(Value::Blob(blob))) = input.into_slots().pop() else { panic!("no blob") };
    assert_eq!(blob.as_ptr(), request.body.as_ptr());
}

#[test]
fn what_cannot_be_read_is_a_serialization_exception() {
    let service = op(
        structure(
            "In",
            vec![
                member("id", &INTEGER).at(Location::Uri, "id"),
                member("flag", &BOOLEAN).at(Location::Query, "flag"),
                member("date", &TIMESTAMP).at(Location::Header, "X-Date"),
                member("text", &STRING),
            ],
        ),
        "POST",
        "/{id}",
    );
    let cases = [
        (request("POST", "/x", "", "{}"), "STRING_VALUE can not be converted to an Integer"),
        (request("POST", "/1?flag=True", "", "{}"), "STRING_VALUE can not be converted to a Boolean"),
        (request("POST", "/1", "X-Date: 5", "{}"), "STRING_VALUE can not be converted to a Timestamp"),
        (request("POST", "/1", "", r#"{"text":5}"#), "NUMBER_VALUE can not be converted to a String"),
        (
            request("POST", "/1", "", "{"),
            "The request body is not valid JSON: a name should be here at byte 1",
        ),
    ];
    for (request, message) in cases {
        let found = decoded(service, &request).unwrap_err();
        assert_eq!(found, format!("400 SerializationException {message}"), "{}", request.uri);
    }
}

#[test]
fn operations_that_are_not_there_are_refused_by_name() {
    let service = op(structure("In", vec![]), "POST", "/Op");
    let cases = [
        ("GET", "/missing/x", "404 UnknownOperationException Hearth does not implement example:Missing."),
        (
            "GET",
            "/Op",
            "404 UnknownOperationException No operation of example has the method GET and the path /Op.",
        ),
        (
            "POST",
            "/",
            "404 UnknownOperationException No operation of example has the method POST and the path /.",
        ),
    ];
    for (method, uri, expected) in cases {
        assert_eq!(decoded(service, &request(method, uri, "", "")).unwrap_err(), expected);
    }
}

#[test]
fn answers_are_written() {
    let cases = [
        // RestJsonSimpleScalarProperties
        (structure("Out", vec![member("A", &STRING).named("a")]), r#"{"A":"x"}"#, 200, r#"{"a":"x"}"#),
        (structure("Out", vec![]), "{}", 200, "{}"),
        // RestJsonHttpResponseCode
        (
            structure("Out", vec![member("status", &INTEGER).at(Location::StatusCode, "status")]),
            r#"{"status":201}"#,
            201,
            "{}",
        ),
        (
            structure(
                "Out",
                vec![member("status", &INTEGER).at(Location::StatusCode, "status"), member("a", &STRING)],
            ),
            r#"{"status":204,"a":"x"}"#,
            204,
            "",
        ),
        (structure("Out", vec![member("blob", &BLOB)]).payload(0), r#"{"blob":"cmF3"}"#, 200, "raw"),
        (structure("Out", vec![member("blob", &BLOB)]).payload(0), "{}", 200, ""),
        (
            structure("Out", vec![member("nested", &NESTED)]).payload(0),
            r#"{"nested":{"foo":"x"}}"#,
            200,
            r#"{"foo":"x"}"#,
        ),
    ];
    for (shape, output, status, body) in cases {
        let response = encoded(one(P, structure("In", vec![]), shape), output);
        assert_eq!(response.status.as_u16(), status);
        assert_eq!(response.headers["x-amzn-requestid"], request_id().to_string().as_str());
        assert_eq!(response.headers.contains_key("content-type"), status != 204, "{output}");
        assert_eq!(text(response.body), body);
    }
}

#[test]
fn headers_of_answers_are_written() {
    let service = one(P, structure("In", vec![]), headers_shape());
    let response = encoded(
        service,
        r#"{"string":"Hello","integer":1,"double":1.5,"truth":true,"strings":["a","b,c","\"d\""],"integers":[1,2],
            "dates":[1576540098],"date":1576540098,"epoch":1576540098,"dateTime":"2019-12-16T23:48:18Z","json":"{}",
            "prefixed":{"abc":"x"},"body":"b"}"#,
    );
    let expected = [
        ("x-string", "Hello"),
        ("x-integer", "1"),
        ("x-double", "1.5"),
        ("x-boolean", "true"),
        ("x-stringlist", r#"a, "b,c", "\"d\"""#),
        ("x-integerlist", "1, 2"),
        ("x-timestamplist", "Mon, 16 Dec 2019 23:48:18 GMT"),
        ("x-date", "Mon, 16 Dec 2019 23:48:18 GMT"),
        ("x-epoch", "1576540098"),
        ("x-datetime", "2019-12-16T23:48:18Z"),
        ("x-json", "e30="),
        ("x-foo-abc", "x"),
        ("content-type", "application/json"),
    ];
    for (name, text) in expected {
        assert_eq!(response.headers[name], text, "{name}");
    }
    assert_eq!(text(response.body), r#"{"body":"b"}"#);
    let unset = encoded(service, r#"{"strings":[],"string":"bad\nheader"}"#);
    assert!(!unset.headers.contains_key("x-stringlist") && !unset.headers.contains_key("x-string"));
}

#[test]
fn errors_are_told_as_lambda_tells_them() {
    let too_many = structure(
        "TooManyRequestsException",
        vec![
            member("retryAfterSeconds", &STRING).at(Location::Header, "Retry-After"),
            member("Type", &STRING),
            member("message", &STRING),
            member("Reason", &STRING),
        ],
    )
    .error(429)
    .leak();
    let not_found =
        structure("ResourceNotFoundException", vec![member("Type", &STRING), member("Message", &STRING)])
            .error(404)
            .leak();
    let service_exception =
        structure("ServiceException", vec![member("Type", &STRING), member("Message", &STRING)])
            .error(500)
            .leak();
    let mut op = operation("Op", structure("In", vec![]), structure("Out", vec![]));
    op.errors = vec![too_many, not_found, service_exception].leak();
    let service = service(P, vec![op]);
    let detail = value(r#"{"retryAfterSeconds":"1","Reason":"CallerRateLimitExceeded"}"#, too_many);
    let throttled = Failure {
        detail: Some((too_many, Box::new(detail))),
        ..Failure::sender("TooManyRequestsException", 429, "Rate Exceeded.")
    };
    let fault = Failure { code: "ServiceException".into(), ..Failure::internal("Oh.") };
    let cases = [
        (throttled, 429, r#"{"Type":"User","message":"Rate Exceeded.","Reason":"CallerRateLimitExceeded"}"#),
        (
            Failure::sender("ResourceNotFoundException", 404, "Function not found: f"),
            404,
            r#"{"Type":"User","Message":"Function not found: f"}"#,
        ),
        (fault, 500, r#"{"Type":"Service","Message":"Oh."}"#),
        (Failure::sender("ValidationException", 400, "1 \"x\""), 400, r#"{"message":"1 \"x\""}"#),
        (Failure::sender("Slow", 503, "m").with_header("Retry-After", "7"), 503, r#"{"message":"m"}"#),
    ];
    for (failure, status, body) in cases {
        let response = P.encode_failure(service, &failure, request_id());
        assert_eq!(response.status.as_u16(), status);
        assert_eq!(response.headers["x-amzn-errortype"], failure.code.as_ref());
        assert_eq!(response.headers["x-amzn-requestid"], request_id().to_string().as_str());
        let retry = response.headers.get("retry-after").map(|value| value.to_str().unwrap());
        assert_eq!(retry, (status == 429).then_some("1").or((status == 503).then_some("7")));
        assert_eq!(text(response.body), body);
    }
}
