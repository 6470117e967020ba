//! AWS's sentences.

use super::validate;
use crate::fixture::*;
use crate::schema::{Kind, Protocol, Shape};

fn constrained(
    shape: &'static Shape,
    min: Option<i64>,
    max: Option<i64>,
    pattern: &'static str,
) -> &'static Shape {
    let kind = match &shape.kind {
        Kind::String => Kind::String,
        Kind::Integer => Kind::Integer,
        Kind::Double => Kind::Double,
        Kind::Blob { .. } => Kind::Blob { streaming: false },
        Kind::List { item, flattened } => Kind::List { item, flattened: *flattened },
        Kind::Map { key, value, flattened } => Kind::Map { key, value, flattened: *flattened },
        _ => panic!("no constraints on this kind"),
    };
    Shape { name: "Constrained", kind, min, max, pattern, values: &[], sensitive: false }.leak()
}

fn shape() -> &'static Shape {
    let name = constrained(&STRING, Some(1), Some(5), "[a-z]+");
    let secret = Shape { sensitive: true, ..*clone(name) }.leak();
    let tag = structure("Tag", vec![member("Key", name).required(), member("Value", &STRING)]).leak();
    structure(
        "In",
        vec![
            member("FunctionName", name),
            member("Role", &STRING).required(),
            member("MemorySize", constrained(&INTEGER, Some(128), Some(10240), "")),
            member("Ratio", constrained(&DOUBLE, Some(0), Some(1), "")),
            member("Runtime", &FOO_ENUM),
            member("KMSKeyArn", secret),
            member("ZipFile", constrained(&BLOB, None, Some(2), "")),
            member("Layers", constrained(list(name), None, Some(2), "")),
            member("Tags", list(tag)),
            member("Labels", crate::schema::Shape::leak(Shape { ..*clone(map_of(name, name)) })),
            member("Named", map(tag)),
            member(
                "Code",
                structure("Code", vec![member("S3Bucket", name), member("Secrets", list(secret))]).leak(),
            ),
        ],
    )
    .leak()
}

fn clone(shape: &'static Shape) -> Box<Shape> {
    let kind = match &shape.kind {
        Kind::Map { key, value, flattened } => Kind::Map { key, value, flattened: *flattened },
        _ => Kind::String,
    };
    Box::new(Shape { kind, ..*shape })
}

fn map_of(key: &'static Shape, value: &'static Shape) -> &'static Shape {
    let (key, value) = (Box::leak(Box::new(member("key", key))), Box::leak(Box::new(member("value", value))));
    Shape {
        name: "Labels",
        kind: Kind::Map { key, value, flattened: false },
        min: None,
        max: None,
        pattern: "",
        values: &[],
        sensitive: false,
    }
    .leak()
}

fn message(json: &str) -> String {
    let service = one(Protocol::RestJson1, structure("In", vec![]), structure("Out", vec![]));
    match validate(service, shape(), &value(json, shape())) {
        Ok(()) => String::new(),
        Err(failure) => {
            assert_eq!(
                (failure.code.as_ref(), failure.status, failure.sender),
                ("ValidationException", 400, true)
            );
            failure.message
        }
    }
}

#[test]
fn violations_read_as_aws_writes_them() {
    let name = "Member must have length less than or equal to 5, Member must have length greater than or equal to 1, \
                Member must satisfy regular expression pattern: [a-z]+";
    let cases = [
        (r#"{"FunctionName":"abc","MemorySize":128,"Runtime":"Foo"}"#, String::new()),
        (
            r#"{"FunctionName":"a b"}"#,
            "1 validation error detected: Value 'a b' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]+".into(),
        ),
        (
            r#"{"FunctionName":"abcdef"}"#,
            "1 validation error detected: Value 'abcdef' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 5".into(),
        ),
        (
            r#"{"FunctionName":"éa"}"#,
            "1 validation error detected: Value 'éa' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]+".into(),
        ),
        (
            r#"{"FunctionName":""}"#,
            "2 validation errors detected: Value '' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]+; Value '' at 'functionName' failed to satisfy constraint: Member must have length greater than or equal to 1".into(),
        ),
        (
            r#"{"MemorySize":127}"#,
            "1 validation error detected: Value '127' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128".into(),
        ),
        (
            r#"{"MemorySize":20000,"Ratio":1.5}"#,
            "2 validation errors detected: Value '20000' at 'memorySize' failed to satisfy constraint: Member must have value less than or equal to 10240; Value '1.5' at 'ratio' failed to satisfy constraint: Member must have value less than or equal to 1".into(),
        ),
        (
            r#"{"Runtime":"nope"}"#,
            "1 validation error detected: Value 'nope' at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [Foo, Baz, Bar, 1, 0]".into(),
        ),
        (
            r#"{"KMSKeyArn":"A"}"#,
            "1 validation error detected: Value at 'kMSKeyArn' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]+".into(),
        ),
        (
            r#"{"ZipFile":"AAAA"}"#,
            "1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 lim=3 cap=3]' at 'zipFile' failed to satisfy constraint: Member must have length less than or equal to 2".into(),
        ),
        (
            r#"{"Layers":["ok","N O"]}"#,
            format!("1 validation error detected: Value '[ok, N O]' at 'layers' failed to satisfy constraint: Member must satisfy constraint: [{name}, Member must not be null]"),
        ),
        (
            r#"{"Layers":["a","b","c"]}"#,
            "1 validation error detected: Value '[a, b, c]' at 'layers' failed to satisfy constraint: Member must have length less than or equal to 2".into(),
        ),
        (
            r#"{"Tags":[{"Key":"k"},{"Key":"K"},{"Value":"v"}]}"#,
            "2 validation errors detected: Value 'K' at 'tags.2.member.key' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]+; Value null at 'tags.3.member.key' failed to satisfy constraint: Member must not be null".into(),
        ),
        (
            r#"{"Labels":{"K":"v"}}"#,
            format!("1 validation error detected: Value '{{K=v}}' at 'labels' failed to satisfy constraint: Map keys must satisfy constraint: [{name}]"),
        ),
        (
            r#"{"Labels":{"k":"V","l":null}}"#,
            format!("1 validation error detected: Value '{{k=V, l=null}}' at 'labels' failed to satisfy constraint: Map value must satisfy constraint: [{name}, Member must not be null]"),
        ),
        (
            r#"{"Named":{"x":{"Value":"v"}}}"#,
            "1 validation error detected: Value null at 'named.x.member.key' failed to satisfy constraint: Member must not be null".into(),
        ),
        (
            r#"{"Code":{"S3Bucket":"B","Secrets":["X"]}}"#,
            format!("2 validation errors detected: Value 'B' at 'code.s3Bucket' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]+; Value '[***]' at 'code.secrets' failed to satisfy constraint: Member must satisfy constraint: [{name}, Member must not be null]"),
        ),
    ];
    for (json, expected) in cases {
        let json = json.replacen('{', r#"{"Role":"r","#, 1).replace(",}", "}");
        assert_eq!(message(&json), expected, "{json}");
    }
    assert_eq!(
        message("{}"),
        "1 validation error detected: Value null at 'role' failed to satisfy constraint: Member must not be null"
    );
}

#[test]
fn messages_are_bounded() {
    let many = format!(r#"{{"Role":"r","Tags":[{}{{}}]}}"#, "{},".repeat(5000));
    assert!(message(&many).starts_with("100 validation errors detected: "));
    let long = format!(r#"{{"Role":"r","FunctionName":"{}"}}"#, "é".repeat(100_000));
    assert!(message(&long).len() < 40_000);
}
