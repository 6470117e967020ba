//! restXml.

use crate::failure::Failure;
use crate::fixture::*;
use crate::schema::{Location, Operation, Protocol, Service, Shape, TimestampFormat};

const P: Protocol = Protocol::RestXml;

fn grantee() -> &'static Shape {
    structure("Grantee", vec![member("Type", &STRING).named("xsi:type").attribute(), member("ID", &STRING)])
        .namespace("xsi=http://www.w3.org/2001/XMLSchema-instance")
        .leak()
}

fn shape() -> Shape {
    structure(
        "Document",
        vec![
            member("foo", &STRING).at(Location::Header, "X-Foo"),
            member("string", &STRING),
            member("number", &INTEGER),
            member("flag", &BOOLEAN),
            member("time", &TIMESTAMP),
            member("epoch", &TIMESTAMP).formatted(TimestampFormat::UnixTimestamp),
            member("blob", &BLOB),
            member("renamed", &STRING).named("Other"),
            member("attribute", &STRING).named("attr").attribute(),
            member("list", list(&STRING)),
            member("items", list_named("item", &INTEGER, false)),
            member("flat", list_named("member", &STRING, true)),
            member("flatNamed", list_named("Part", &NESTED, true)),
            member("map", map(&STRING)),
            member("flatMap", map_named("K", "V", &STRING, true)),
            member("nested", &NESTED),
            member("grantee", grantee()),
            member(
                "choice",
                structure("Choice", vec![member("a", &STRING), member("b", &INTEGER)]).union().leak(),
            ),
        ],
    )
}

fn op(input: Shape, output: Shape) -> &'static Service {
    let operation = operation("Op", input, output);
    service(P, vec![Operation { input_wrapper: "Document", result_wrapper: "DocumentResult", ..operation }])
}

const JSON: &str = r#"{"foo":"h","string":" a<&>\r\n","number":-1,"flag":false,"time":1422172800,"epoch":1422172800.5,
    "blob":"dmFsdWU=","renamed":"o","attribute":"\"q\"\n","list":["x","y"],"items":[1,2],"flat":["p","q"],
    "flatNamed":[{"foo":"r"}],"map":{"k":"v"},"flatMap":{"n":"w"},"nested":{"nested":{"foo":"z"}},
    "grantee":{"Type":"CanonicalUser","ID":"i"},"choice":{"b":3}}"#;

const XML: &str = "<string> a&lt;&amp;&gt;&#xD;&#xA;</string><number>-1</number><flag>false</flag>\
    <time>2015-01-25T08:00:00Z</time><epoch>1422172800.5</epoch><blob>dmFsdWU=</blob><Other>o</Other>\
    <list><member>x</member><member>y</member></list><items><item>1</item><item>2</item></items>\
    <flat>p</flat><flat>q</flat><Part><foo>r</foo></Part>\
    <map><entry><key>k</key><value>v</value></entry></map><flatMap><K>n</K><V>w</V></flatMap>\
    <nested><nested><foo>z</foo></nested></nested>\
    <grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"><ID>i</ID></grantee>\
    <choice><b>3</b></choice>";

#[test]
fn answers_are_written_and_the_same_is_read() {
    let service = op(shape(), shape());
    let response = encoded(service, JSON);
    let id = request_id().to_string();
    for name in ["x-amzn-requestid", "x-amz-request-id", "x-amz-id-2"] {
        assert_eq!(response.headers[name], id.as_str());
    }
    assert_eq!(response.headers["content-type"], "application/xml");
    assert_eq!(response.headers["x-foo"], "h");
    let expected = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DocumentResult xmlns=\"https://example.com/\" \
         attr=\"&quot;q&quot;&#xA;\">{XML}</DocumentResult>"
    );
    assert_eq!(text(response.body), expected);

    let body =
        format!("<!-- c --><Document attr=\"&quot;q&quot;&#10;\">{XML}<unknown><x/></unknown></Document>");
    let request = request("POST", "/Op", "X-Foo: h", body);
    same_json(&decoded(service, &request).unwrap(), JSON, "the same document");
}

#[test]
fn other_ways_to_write_the_same() {
    let service = op(shape(), shape());
    let cases = [
        ("<Document><string>a<![CDATA[<b>]]>&#99;&amp;</string></Document>", r#"{"string":"a<b>c&"}"#),
        ("<d:Document xmlns:d='urn:x'><d:string>a</d:string></d:Document>", r#"{"string":"a"}"#),
        (
            "<?xml version='1.0'?><Document><number> 5\n</number><list/></Document>",
            r#"{"number":5,"list":[]}"#,
        ),
        ("<Document/>", "{}"),
        ("<Document><string/></Document>", r#"{"string":""}"#),
        ("", "{}"),
    ];
    for (body, expected) in cases {
        same_json(&decoded(service, &request("POST", "/Op", "", body)).unwrap(), expected, body);
    }
}

#[test]
fn broken_documents_are_malformed_xml() {
    let wrapped = op(shape(), shape());
    let service = changed(wrapped, |service| service.xml_namespace = "");
    let deep = format!("<Document>{}", "<nested>".repeat(10_000));
    let cases = [
        "<Document>",
        "<Document></Other>",
        "<Other/>",
        "<Document/><Document/>",
        "x<Document/>",
        "<Document>&unknown;</Document>",
        "<!DOCTYPE d [<!ENTITY e 'x'>]><Document>&e;</Document>",
        "<Document><number>x</number></Document>",
        "<Document><choice><a/><b>1</b></choice></Document>",
        "<Document attr='a' attr='b'/>",
        "{}",
        deep.as_str(),
    ];
    for body in cases {
        let found = decoded(service, &request("POST", "/Op", "", body.to_owned())).unwrap_err();
        assert_eq!(
            found,
            "400 MalformedXML The XML you provided was not well-formed or did not validate against our published schema",
            "{body}"
        );
    }
    let found = decoded(wrapped, &request("POST", "/Op", "", "<Document>")).unwrap_err();
    assert_eq!(
        found,
        "400 MalformedInput The request body is not valid XML: the document ends too early at byte 10"
    );
}

#[test]
fn payloads_are_the_whole_body() {
    let nested = |name| structure("S", vec![member(name, &NESTED)]).payload(0);
    let blob = || structure("S", vec![member("blob", &BLOB)]).payload(0);
    let string = || structure("S", vec![member("text", &STRING)]).payload(0);
    let cases = [
        (nested("Payload"), "<Payload><foo>x</foo></Payload>", r#"{"Payload":{"foo":"x"}}"#),
        (nested("Payload"), "<Nested><foo>x</foo></Nested>", r#"{"Payload":{"foo":"x"}}"#),
        (blob(), "raw", r#"{"blob":"cmF3"}"#),
        (string(), "raw", r#"{"text":"raw"}"#),
        (string(), "", "{}"),
    ];
    for (input, body, expected) in cases {
        let service = op(input, structure("Out", vec![]));
        same_json(&decoded(service, &request("POST", "/Op", "", body)).unwrap(), expected, body);
    }
    let cases = [
        (
            nested("Payload"),
            r#"{"Payload":{"foo":"x"}}"#,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Payload xmlns=\"https://example.com/\"><foo>x</foo></Payload>",
        ),
        (blob(), r#"{"blob":"cmF3"}"#, "raw"),
        (string(), "{}", ""),
        (structure("Out", vec![]), "{}", ""),
    ];
    for (shape, output, body) in cases {
        let response = encoded(op(structure("In", vec![]), shape), output);
        assert_eq!(response.headers.contains_key("content-type"), !body.is_empty());
        assert_eq!(text(response.body), body);
    }
}

#[test]
fn errors_stand_bare_or_wrapped() {
    let id = request_id();
    let failure = Failure::sender("NoSuchKey", 404, "The specified key does not exist.");
    let wrapped = op(structure("In", vec![]), structure("Out", vec![]));
    let response = P.encode_failure(wrapped, &failure, id);
    assert_eq!(
        text(response.body),
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ErrorResponse xmlns=\"https://example.com/\"><Error>\
             <Type>Sender</Type><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>\
             <RequestId>{id}</RequestId></ErrorResponse>"
        )
    );
    let bare = changed(wrapped, |service| service.xml_namespace = "");
    let response = P.encode_failure(bare, &failure, id);
    assert_eq!(response.status.as_u16(), 404);
    assert_eq!(
        text(response.body),
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code><Message>The specified key does \
             not exist.</Message><RequestId>{id}</RequestId><HostId>{id}</HostId></Error>"
        )
    );
}

#[test]
fn operations_that_are_not_there_are_refused() {
    let service = op(shape(), shape());
    let missing = decoded(service, &request("GET", "/missing/x", "", "")).unwrap_err();
    assert_eq!(missing, "501 NotImplemented Hearth does not implement example:Missing.");
    let unknown = decoded(service, &request("PATCH", "/Op", "", "")).unwrap_err();
    assert_eq!(unknown, "405 MethodNotAllowed The specified method is not allowed against this resource.");
}
