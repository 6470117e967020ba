//! awsQuery and ec2Query.

use crate::failure::Failure;
use crate::fixture::*;
use crate::schema::{Member, Operation, Protocol, Service, Shape, TimestampFormat};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded; charset=utf-8";

fn op(protocol: Protocol, input: Shape, output: Shape) -> &'static Service {
    let wrapper = if protocol == Protocol::AwsQuery { "OpResult" } else { "" };
    service(protocol, vec![Operation { result_wrapper: wrapper, ..operation("Op", input, output) }])
}

fn shape() -> Shape {
    structure(
        "In",
        vec![
            member("foo", &STRING).named("Foo"),
            member("Flag", &BOOLEAN),
            member("Number", &INTEGER),
            member("Double", &DOUBLE),
            member("Blob", &BLOB),
            member("Time", &TIMESTAMP),
            member("Epoch", &TIMESTAMP).formatted(TimestampFormat::UnixTimestamp),
            member("Date", &HTTP_DATE),
            member("List", list(&STRING)),
            member("Numbers", list_named("item", &INTEGER, false)),
            member("Flat", list_named("member", &STRING, true)),
            member("FlatNamed", list_named("Hi", &STRING, true)),
            member("FlatMember", list(&STRING)).flattened(),
            member("Map", map(&STRING)),
            member("MapNamed", map_named("K", "V", &STRING, false)),
            member("FlatMap", map_named("Name", "Value", &STRING, true)).named("Attribute"),
            member("MapOfLists", map(list(&STRING))),
            member("Nested", &NESTED),
        ],
    )
}

#[test]
fn forms_are_read() {
    let service = op(Protocol::AwsQuery, shape(), structure("Out", vec![]));
    let cases = [
        // QueryNoInputAndNoOutput
        ("", "{}"),
        // QuerySimpleInputParams, QueryTimestamps
        (
            "&Foo=val1&Flag=true&Number=10&Double=1.5&Blob=dmFsdWU%3D",
            r#"{"foo":"val1","Flag":true,"Number":10,"Double":1.5,"Blob":"dmFsdWU="}"#,
        ),
        ("&Foo=a%2Bb+c%26", r#"{"foo":"a+b c&"}"#),
        ("&Foo=", r#"{"foo":""}"#),
        (
            "&Time=2015-01-25T08%3A00%3A00Z&Epoch=1422172800&Date=Sun%2C+25+Jan+2015+08%3A00%3A00+GMT",
            r#"{"Time":1422172800,"Epoch":1422172800,"Date":"Sun, 25 Jan 2015 08:00:00 GMT"}"#,
        ),
        // QueryQueryLists
        ("&List.member.2=b&List.member.1=a&List.member.10=c", r#"{"List":["a","b","c"]}"#),
        ("&Numbers.item.1=5", r#"{"Numbers":[5]}"#),
        ("&Flat.1=A&Flat.2=B", r#"{"Flat":["A","B"]}"#),
        ("&Hi.1=A&Hi.2=B", r#"{"FlatNamed":["A","B"]}"#),
        ("&FlatMember.1=A", r#"{"FlatMember":["A"]}"#),
        // QueryEmptyQueryLists
        ("&List=", r#"{"List":[]}"#),
        // QueryQueryMaps
        (
            "&Map.entry.1.key=bar&Map.entry.1.value=Bar&Map.entry.2.key=foo&Map.entry.2.value=Foo",
            r#"{"Map":{"bar":"Bar","foo":"Foo"}}"#,
        ),
        ("&MapNamed.entry.1.K=a&MapNamed.entry.1.V=b", r#"{"MapNamed":{"a":"b"}}"#),
        ("&Attribute.1.Name=a&Attribute.1.Value=b", r#"{"FlatMap":{"a":"b"}}"#),
        ("&MapOfLists.entry.1.key=a&MapOfLists.entry.1.value.member.1=x", r#"{"MapOfLists":{"a":["x"]}}"#),
        // QueryNestedStructures
        (
            "&Nested.foo=1&Nested.nested.nested.foo=3&Nested.list.member.1.foo=4&Nested.map.entry.1.key=k&Nested.map.entry.1.value.foo=5",
            r#"{"Nested":{"foo":"1","nested":{"nested":{"foo":"3"}},"list":[{"foo":"4"}],"map":{"k":{"foo":"5"}}}}"#,
        ),
        ("&Unknown.member.1=x&Foo.Bar=y", "{}"),
    ];
    for (form, expected) in cases {
        let body = format!("Action=Op&Version=2020-01-08{form}");
        same_json(&decoded(service, &request("POST", "/", FORM, body.clone())).unwrap(), expected, form);
        let uri = format!("/?{body}");
        same_json(&decoded(service, &request("GET", &uri, "", "")).unwrap(), expected, form);
    }
}

#[test]
fn the_path_stands_for_a_member_that_no_parameter_gives() {
    let input = structure("In", vec![member("Url", &STRING), member("Other", &STRING)]);
    let plain = op(Protocol::AwsQuery, input, structure("Out", vec![]));
    let service = changed(plain, |service| service.path_member = "Url");
    for (service, path, form, expected) in [
        (service, "/1/q", "", r#"{"Url":"/1/q"}"#),
        (service, "/1/q", "&Url=x&Other=y", r#"{"Url":"x","Other":"y"}"#),
        (service, "/", "", "{}"),
        (plain, "/1/q", "", "{}"),
    ] {
        let body = format!("Action=Op&Version=2020-01-08{form}");
        same_json(&decoded(service, &request("POST", path, FORM, body)).unwrap(), expected, path);
    }
}

#[test]
fn ec2_forms_are_read() {
    let query_named = |member: Member| Member { query_name: "QueryName", ..member };
    let input = structure(
        "In",
        vec![
            member("Foo", &STRING),
            member("bar", &STRING).named("barName"),
            query_named(member("baz", &STRING).named("bazName")),
            member("List", list_named("item", &STRING, false)).named("listArg"),
            member("Nested", &NESTED),
        ],
    );
    let service = op(Protocol::Ec2Query, input, structure("Out", vec![]));
    let cases = [
        // Ec2SimpleInputParams
        ("&Foo=a&BarName=b&QueryName=c", r#"{"Foo":"a","bar":"b","baz":"c"}"#),
        // Ec2Lists
        ("&ListArg.1=a&ListArg.2=b", r#"{"List":["a","b"]}"#),
        ("&ListArg=", "{}"),
        // Ec2NestedStructures
        (
            "&Nested.Nested.Foo=x&Nested.List.1.Foo=y",
            r#"{"Nested":{"nested":{"foo":"x"},"list":[{"foo":"y"}]}}"#,
        ),
    ];
    for (form, expected) in cases {
        let body = format!("Action=Op&Version=2020-01-08{form}");
        same_json(&decoded(service, &request("POST", "/", FORM, body)).unwrap(), expected, form);
    }
}

#[test]
fn wrong_actions_and_forms_are_refused() {
    let service = op(Protocol::AwsQuery, shape(), structure("Out", vec![]));
    let deep = format!("Action=Op&Nested{}.foo=x", ".nested".repeat(300));
    let many = format!("Action=Op{}", "&a=b".repeat(20_000));
    let cases = [
        (
            "Action=Nope&Version=2020-01-08",
            "400 InvalidAction The action Nope is not valid for this web service.",
        ),
        ("Action=Missing", "400 InvalidAction Hearth does not implement example:Missing."),
        (
            "Action=Op&Version=1999-01-01",
            "400 InvalidAction Could not find operation Op for version 1999-01-01",
        ),
        ("Version=2020-01-08", "400 MissingAction The request is missing an action or a required parameter."),
        ("Action=Op&Number=x", "400 MalformedInput STRING_VALUE can not be converted to an Integer"),
        ("Action=Op&Blob=*", "400 MalformedInput STRING_VALUE can not be converted to a Blob"),
        (&deep, "400 MalformedInput The request is nested deeper than 64 levels"),
        (&many, "400 MalformedInput The request has more than 20000 parameters"),
    ];
    for (body, expected) in cases {
        let found = decoded(service, &request("POST", "/", FORM, body.to_owned())).unwrap_err();
        assert_eq!(found, expected);
    }
}

#[test]
fn answers_are_xml() {
    let id = request_id();
    let output = r#"{"foo":"a<b>&\"c\"","Flag":true,"Time":1422172800,"Epoch":1422172800,"List":["x",""],"Numbers":[1],
        "Flat":["p","q"],"FlatNamed":["r"],"Map":{"k":"v"},"FlatMap":{"n":"w"},"Nested":{"list":[{"foo":"z"}]}}"#;
    let members = "<Foo>a&lt;b&gt;&amp;&quot;c&quot;</Foo><Flag>true</Flag><Time>2015-01-25T08:00:00Z</Time>\
        <Epoch>1422172800</Epoch><List><member>x</member><member></member></List><Numbers><item>1</item></Numbers>\
        <Flat>p</Flat><Flat>q</Flat><Hi>r</Hi><Map><entry><key>k</key><value>v</value></entry></Map>\
        <Attribute><Name>n</Name><Value>w</Value></Attribute><Nested><list><member><foo>z</foo></member></list></Nested>";
    let query = op(Protocol::AwsQuery, structure("In", vec![]), shape());
    let response = encoded(query, output);
    assert_eq!(response.headers["content-type"], "text/xml");
    assert_eq!(
        text(response.body),
        format!(
            "<OpResponse xmlns=\"https://example.com/\"><OpResult>{members}</OpResult><ResponseMetadata>\
             <RequestId>{id}</RequestId></ResponseMetadata></OpResponse>"
        )
    );
    let ec2 = op(Protocol::Ec2Query, structure("In", vec![]), shape());
    assert_eq!(
        text(encoded(ec2, output).body),
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<OpResponse xmlns=\"https://example.com/\">\
             <requestId>{id}</requestId>{members}</OpResponse>"
        )
    );
}

#[test]
fn errors_are_xml() {
    let id = request_id();
    let failure = Failure::sender("AccessDenied", 403, "<no>");
    let query = op(Protocol::AwsQuery, structure("In", vec![]), structure("Out", vec![]));
    let response = Protocol::AwsQuery.encode_failure(query, &failure, id);
    assert_eq!(response.status.as_u16(), 403);
    assert_eq!(
        text(response.body),
        format!(
            "<ErrorResponse xmlns=\"https://example.com/\"><Error><Type>Sender</Type><Code>AccessDenied</Code>\
             <Message>&lt;no&gt;</Message></Error><RequestId>{id}</RequestId></ErrorResponse>"
        )
    );
    let response = Protocol::AwsQuery.encode_failure(query, &Failure::internal("x"), id);
    assert!(text(response.body).contains("<Type>Receiver</Type><Code>InternalFailure</Code>"));
    let ec2 = op(Protocol::Ec2Query, structure("In", vec![]), structure("Out", vec![]));
    let response = Protocol::Ec2Query.encode_failure(ec2, &failure, id);
    assert_eq!(
        text(response.body),
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>AccessDenied</Code>\
             <Message>&lt;no&gt;</Message></Error></Errors><RequestID>{id}</RequestID></Response>"
        )
    );
}
