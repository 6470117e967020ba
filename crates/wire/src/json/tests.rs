//! The JSON codec: what it reads, what it refuses and why, and that it reads what it wrote.

use super::{Names, Reader, Writer, plain_length};
use crate::fixture::*;
use crate::schema::{Shape, TimestampFormat};
use crate::value::Value;
use proptest::prelude::*;

fn all_types() -> &'static Shape {
    structure(
        "AllTypes",
        vec![
            member("string", &STRING),
            member("boolean", &BOOLEAN),
            member("integer", &INTEGER),
            member("double", &DOUBLE),
            member("blob", &BLOB),
            member("timestamp", &TIMESTAMP),
            member("dateTime", &DATE_TIME),
            member("httpDate", &HTTP_DATE),
            member("targetDate", &DATE_TIME).formatted(TimestampFormat::Rfc822),
            member("strings", list(&STRING)),
            member("integers", map(&INTEGER)),
            member("nested", &NESTED),
            member("document", &DOCUMENT),
            member(
                "choice",
                structure("Choice", vec![member("a", &STRING), member("b", &INTEGER)]).union().leak(),
            ),
            member("renamed", &STRING).named("other"),
        ],
    )
    .leak()
}

fn read(text: &[u8], shape: &'static Shape) -> Result<Value, String> {
    Reader::new(text, Names::Model)
        .and_then(|reader| reader.document(&member("root", shape)))
        .map_err(|malformed| malformed.to_string())
}

#[test]
fn every_type_reads_and_writes() {
    let cases = [
        r#"{"string":"a\"b\\c\n\u0001é😀"}"#,
        r#"{"boolean":true}"#,
        r#"{"integer":-9223372036854775808}"#,
        r#"{"double":1.5}"#,
        r#"{"double":"NaN"}"#,
        r#"{"double":"-Infinity"}"#,
        r#"{"blob":"AAEC/w=="}"#,
        r#"{"timestamp":1422172800}"#,
        r#"{"timestamp":1422172800.125}"#,
        r#"{"dateTime":"2015-01-25T08:00:00Z"}"#,
        r#"{"httpDate":"Sun, 25 Jan 2015 08:00:00 GMT"}"#,
        r#"{"targetDate":"Sun, 25 Jan 2015 08:00:00 GMT"}"#,
        r#"{"strings":["a",null,""]}"#,
        r#"{"integers":{"b":2,"a":1}}"#,
        r#"{"nested":{"foo":"1","nested":{"foo":"2"},"list":[{"foo":"3"}],"map":{"k":{"foo":"4"}}}}"#,
        r#"{"document":{"any":[1,2.5,"x",true,null,{}]}}"#,
        r#"{"choice":{"b":3}}"#,
        r#"{"renamed":"x"}"#,
    ];
    for text in cases {
        let value = read(text.as_bytes(), all_types()).unwrap();
        assert_eq!(show(&value, all_types()), text);
    }
}

#[test]
fn other_ways_to_write_the_same() {
    let cases = [
        (" {\t\"string\" :\r\n\"a\" } ", r#"{"string":"a"}"#),
        (r#"{"string":null,"strings":null}"#, "{}"),
        (r#"{"unknown":{"a":[1,{"b":null}],"c":"\u00e9"},"string":"a"}"#, r#"{"string":"a"}"#),
        (r#"{"string":"a","string":"b"}"#, r#"{"string":"b"}"#),
        (r#"{"string":"\ud83d\ude00\/\b\f"}"#, "{\"string\":\"😀/\\u0008\\u000c\"}"),
        (r#"{"string":"\ud83d!"}"#, "{\"string\":\"\u{fffd}!\"}"),
        (r#"{"integer":1.0}"#, r#"{"integer":1}"#),
        (r#"{"integer":2e3}"#, r#"{"integer":2000}"#),
        (r#"{"double":3}"#, r#"{"double":3.0}"#),
        (r#"{"dateTime":"2015-01-25T08:00:00.123456789Z"}"#, r#"{"dateTime":"2015-01-25T08:00:00.123Z"}"#),
        (r#"{"dateTime":"2015-01-25T10:00:00+02:00"}"#, r#"{"dateTime":"2015-01-25T08:00:00Z"}"#),
        (r#"{"choice":{"a":null,"b":3,"__type":"Choice"}}"#, r#"{"choice":{"b":3}}"#),
    ];
    for (text, expected) in cases {
        let value = read(text.as_bytes(), all_types()).unwrap();
        assert_eq!(show(&value, all_types()), expected);
    }
}

#[test]
fn wrong_types_and_broken_text_are_refused_in_aws_words() {
    let cases = [
        (r#"{"string":1}"#, "NUMBER_VALUE can not be converted to a String"),
        (r#"{"string":true}"#, "TRUE_VALUE can not be converted to a String"),
        (r#"{"string":{}}"#, "Start of structure or map found where not expected"),
        (r#"{"string":[]}"#, "Start of list found where not expected"),
        (r#"{"integer":"1"}"#, "STRING_VALUE can not be converted to an Integer"),
        (r#"{"integer":1.5}"#, "NUMBER_VALUE can not be converted to an Integer"),
        (r#"{"integer":9223372036854775808}"#, "NUMBER_VALUE can not be converted to an Integer"),
        (r#"{"boolean":"true"}"#, "STRING_VALUE can not be converted to a Boolean"),
        (r#"{"boolean":0}"#, "NUMBER_VALUE can not be converted to a Boolean"),
        (r#"{"double":"1"}"#, "STRING_VALUE can not be converted to a Double"),
        (r#"{"double":1e999}"#, "NUMBER_VALUE can not be converted to a Double"),
        (r#"{"blob":"!"}"#, "STRING_VALUE can not be converted to a Blob"),
        (r#"{"blob":1}"#, "NUMBER_VALUE can not be converted to a Blob"),
        (r#"{"timestamp":"2015-01-25T08:00:00Z"}"#, "STRING_VALUE can not be converted to a Timestamp"),
        (r#"{"dateTime":1422172800}"#, "NUMBER_VALUE can not be converted to a Timestamp"),
        (r#"{"dateTime":"2015"}"#, "STRING_VALUE can not be converted to a Timestamp"),
        (r#"{"strings":"a"}"#, "Unexpected field type"),
        (r#"{"strings":{}}"#, "Unexpected field type"),
        (r#"{"integers":[]}"#, "Unexpected field type"),
        (r#"{"nested":"a"}"#, "Unexpected field type"),
        (r#"{"choice":{}}"#, "Exactly one member of Choice must be set"),
        (r#"{"choice":{"a":"x","b":1}}"#, "Exactly one member of Choice must be set"),
        ("[]", "Unexpected field type"),
        ("", "The request body is not valid JSON: the text ends where a value should be at byte 0"),
        ("{} x", "The request body is not valid JSON: text after the end of the document at byte 3"),
        ("{\"a\"", "The request body is not valid JSON: no colon after a name at byte 4"),
        ("{'a':1}", "The request body is not valid JSON: a name should be here at byte 1"),
        ("{\"a\":01}", "The request body is not valid JSON: no JSON number at byte 5"),
        ("{\"a\":1.}", "The request body is not valid JSON: no JSON number at byte 5"),
        ("{\"a\":-}", "The request body is not valid JSON: no JSON number at byte 5"),
        ("{\"a\":+1}", "The request body is not valid JSON: no JSON value at byte 5"),
        ("{\"a\":nul}", "The request body is not valid JSON: no JSON value at byte 5"),
        ("{\"a\":\"\\x\"}", "The request body is not valid JSON: no JSON escape at byte 7"),
        ("{\"a\":\"\\u12g4\"}", "The request body is not valid JSON: no four hexadecimal digits at byte 8"),
        ("{\"a\":\"x", "The request body is not valid JSON: a string without an end at byte 7"),
        ("{\"a\":\"\n\"}", "The request body is not valid JSON: a control character in a string at byte 6"),
        ("{\"a\":1,}", "The request body is not valid JSON: a name should be here at byte 7"),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text.as_bytes(), all_types()).unwrap_err(), expected, "{text}");
    }
    let error = read(b"{\"string\":\"\xff\"}", all_types()).unwrap_err();
    assert_eq!(error, "The request body is not valid JSON: text is not UTF-8 at byte 11");
}

#[test]
fn depth_is_bounded_for_known_and_unknown_members_alike() {
    for (open, close) in [("{\"nested\":", "}"), ("{\"unknown\":", "}")] {
        let deep = |levels: usize| format!("{}{{}}{}", open.repeat(levels), close.repeat(levels));
        assert!(read(deep(60).as_bytes(), &NESTED).is_ok());
        let error = read(deep(100_000).as_bytes(), &NESTED).unwrap_err();
        assert_eq!(error, "The request is nested deeper than 64 levels");
    }
    let lists = format!("{{\"document\":{}", "[".repeat(100_000));
    assert_eq!(
        read(lists.as_bytes(), all_types()).unwrap_err(),
        "The request is nested deeper than 64 levels"
    );
}

#[test]
fn small_bodies_cannot_stand_for_endless_values() {
    let structures = format!(r#"{{"list":[{}{{}}]}}"#, "{},".repeat(400_000));
    assert_eq!(read(structures.as_bytes(), &NESTED).unwrap_err(), "The request has more than 2000000 values");
    let documents = format!("[{}[]]", "[],".repeat(2_000_000));
    assert_eq!(
        read(documents.as_bytes(), &DOCUMENT).unwrap_err(),
        "The request has more than 2000000 values"
    );
}

#[test]
fn wire_names_and_model_names_are_kept_apart() {
    let shape = structure("S", vec![member("a", &STRING).named("b"), member("b", &STRING).named("a")]).leak();
    let value = value(r#"{"a":"first","b":"second"}"#, shape);
    let mut writer = Writer::new(Names::Wire);
    writer.value(&value, &member("root", shape));
    assert_eq!(writer.finish(), br#"{"b":"first","a":"second"}"#);
    let reader = Reader::new(br#"{"b":"first","a":"second"}"#, Names::Wire).unwrap();
    assert_eq!(reader.document(&member("root", shape)).unwrap(), value);
}

fn any_document() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<f64>().prop_filter_map("a number", |float| serde_json::Number::from_f64(float).map(Into::into)),
        any::<String>().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(serde_json::Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..8)
                .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_reads_as_another_parser_reads_it(document in any_document()) {
        let text = document.to_string();
        let read = read(text.as_bytes(), &DOCUMENT).unwrap();
        let expected = match document {
            serde_json::Value::Null => Value::Null,
            other => Value::Document(other),
        };
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn what_is_written_reads_back(text: String, number: i64, double: f64, blob: Vec<u8>, items: Vec<String>) {
        prop_assume!(!double.is_nan());
        let shape = all_types();
        let mut slots = vec![None; shape.structure().unwrap().members.len()];
        slots[0] = Some(Value::String(text));
        slots[2] = Some(Value::Integer(number));
        slots[3] = Some(Value::Double(double));
        slots[4] = Some(Value::Blob(blob.into()));
        slots[9] = Some(Value::List(items.into_iter().map(Value::String).collect()));
        let value = Value::Structure(slots);
        let text = show(&value, shape);
        prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        prop_assert_eq!(read(text.as_bytes(), shape).unwrap(), value);
    }

    #[test]
    fn the_plain_start_of_a_string_ends_at_the_first_special_byte(bytes: Vec<u8>, text in "[ -~é€😀\n]{0,40}") {
        for bytes in [&bytes[..], text.as_bytes()] {
            let slowly = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            prop_assert_eq!(plain_length(bytes), slowly.unwrap_or(bytes.len()));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>, tokens in "([\\[\\]{}:,0-9eE.\"\\\\untfas+-]|\"string\":|\"nested\":)*") {
        let _ = read(&bytes, all_types());
        let _ = read(tokens.as_bytes(), all_types());
        let _ = read(tokens.as_bytes(), &DOCUMENT);
    }
}
