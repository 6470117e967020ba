//! The CBOR codec: every way to write a value, what is refused, and that it reads what it wrote.

use super::{Reader, Writer};
use crate::fixture::*;
use crate::schema::Shape;
use crate::value::Value;
use proptest::prelude::*;

fn shape() -> &'static Shape {
    structure(
        "S",
        vec![
            member("s", &STRING),
            member("i", &INTEGER),
            member("d", &DOUBLE),
            member("f", &BOOLEAN),
            member("b", &BLOB),
            member("t", &TIMESTAMP),
            member("l", list(&STRING)),
            member("m", map(&INTEGER)),
            member("n", &NESTED),
            member(
                "u",
                structure("Choice", vec![member("a", &STRING), member("b", &INTEGER)]).union().leak(),
            ),
        ],
    )
    .leak()
}

fn read(body: &[u8]) -> Result<Value, String> {
    let structure = shape().structure().unwrap();
    let mut slots = vec![None; structure.members.len()];
    Reader::new(body)
        .members(structure, &mut slots)
        .map(|()| Value::Structure(slots))
        .map_err(|malformed| malformed.to_string())
}

#[test]
fn every_way_to_write_a_value_is_read() {
    let cases: [(&[u8], &str); 24] = [
        (b"\xa1\x61s\x62hi", r#"{"s":"hi"}"#),
        // RpcV2CborIndefiniteStringInsideIndefiniteMapCanBeDeserialized
        (b"\xbf\x61s\x7f\x61h\x61i\xff\xff", r#"{"s":"hi"}"#),
        (b"\xa1\x7f\x61s\xff\x60", r#"{"s":""}"#),
        (b"\xa1\x61i\x17", r#"{"i":23}"#),
        (b"\xa1\x61i\x18\xff", r#"{"i":255}"#),
        (b"\xa1\x61i\x1b\x7f\xff\xff\xff\xff\xff\xff\xff", r#"{"i":9223372036854775807}"#),
        (b"\xa1\x61i\x3b\x7f\xff\xff\xff\xff\xff\xff\xff", r#"{"i":-9223372036854775808}"#),
        (b"\xa1\x61i\x20", r#"{"i":-1}"#),
        // RpcV2CborSupportsUpcastingData..., half, single and double
        (b"\xa1\x61d\xf9\x3e\x00", r#"{"d":1.5}"#),
        (b"\xa1\x61d\xf9\x00\x01", r#"{"d":5.960464477539063e-8}"#),
        (b"\xa1\x61d\xf9\x7c\x00", r#"{"d":"Infinity"}"#),
        (b"\xa1\x61d\xfa\x3f\xc0\x00\x00", r#"{"d":1.5}"#),
        (b"\xa1\x61d\xfb\xff\xf0\x00\x00\x00\x00\x00\x00", r#"{"d":"-Infinity"}"#),
        (b"\xa1\x61d\x05", r#"{"d":5.0}"#),
        (b"\xa1\x61f\xf5", r#"{"f":true}"#),
        (b"\xa1\x61b\x5f\x41a\x42bc\xff", r#"{"b":"YWJj"}"#),
        (b"\xa1\x61t\xc1\x01", r#"{"t":1}"#),
        (b"\xa1\x61t\xc1\xfb\x3f\xf8\x00\x00\x00\x00\x00\x00", r#"{"t":1.5}"#),
        (b"\xa1\x61l\x9f\x61a\xf6\xff", r#"{"l":["a",null]}"#),
        (b"\xa1\x61m\xa1\x61k\x01", r#"{"m":{"k":1}}"#),
        // null and undefined are absent, unknown members are passed over, tags of all sorts are ignored
        (b"\xa2\x61s\xf6\x61i\xf7", "{}"),
        (b"\xa2\x61x\xbf\x61y\x9f\xc2\x41\x01\xf9\x00\x00\xff\xff\x61i\x01", r#"{"i":1}"#),
        (b"\xd9\xd9\xf7\xa1\x61n\xa1\x66nested\xa1\x63foo\x61x", r#"{"n":{"nested":{"foo":"x"}}}"#),
        (b"\xa1\x61u\xa1\x61b\x02", r#"{"u":{"b":2}}"#),
    ];
    for (body, expected) in cases {
        assert_eq!(show(&read(body).unwrap(), shape()), expected, "{body:02x?}");
    }
}

#[test]
fn what_is_wrong_is_refused() {
    let deep = [&b"\xa1\x61x"[..], &[0x81; 100_000]].concat();
    let cases: [(&[u8], &str); 14] = [
        (b"\xa1\x61s\x01", "NUMBER_VALUE can not be converted to a String"),
        (b"\xa1\x61s\x41a", "BLOB_VALUE can not be converted to a String"),
        (b"\xa1\x61i\x61a", "STRING_VALUE can not be converted to an Integer"),
        (b"\xa1\x61i\x1b\xff\xff\xff\xff\xff\xff\xff\xff", "NUMBER_VALUE can not be converted to an Integer"),
        (b"\xa1\x61i\xf9\x3c\x00", "NUMBER_VALUE can not be converted to an Integer"),
        (b"\xa1\x61t\xc0\x61x", "STRING_VALUE can not be converted to a Timestamp"),
        (b"\xa1\x61u\xa0", "Exactly one member of Choice must be set"),
        (
            b"\xa1\x61s\x7b\xff\xff\xff\xff\xff\xff\xff\xff",
            "The request body is not valid CBOR: the body ends too early at byte 12",
        ),
        (
            b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
            "The request body is not valid CBOR: the body ends too early at byte 9",
        ),
        (b"\xa1\x01\x01", "The request body is not valid CBOR: a key that is no text at byte 2"),
        (b"\xa1\x61s\x61\xff", "The request body is not valid CBOR: text is not UTF-8 at byte 5"),
        (b"\xa1\x61s\x1c", "The request body is not valid CBOR: a reserved length at byte 4"),
        (b"\xa0\x00", "The request body is not valid CBOR: bytes after the end of the document at byte 1"),
        (&deep, "The request is nested deeper than 64 levels"),
    ];
    for (body, expected) in cases {
        assert_eq!(read(body).unwrap_err(), expected, "{:02x?}", &body[..body.len().min(16)]);
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(text: String, number: i64, double: f64, blob: Vec<u8>, map: Vec<(String, i64)>, millis in -10_000_000_000_000i64..10_000_000_000_000) {
        prop_assume!(!double.is_nan());
        let slots = vec![
            Some(Value::String(text.clone())),
            Some(Value::Integer(number)),
            Some(Value::Double(double)),
            Some(Value::Boolean(true)),
            Some(Value::Blob(blob.into())),
            Some(Value::Timestamp(hearth_base::Timestamp::from_millis(millis))),
            Some(Value::List(vec![Value::String(text), Value::Null])),
            Some(Value::Map(map.into_iter().map(|(key, number)| (key, Value::Integer(number))).collect())),
            None,
            None,
        ];
        let mut writer = Writer::default();
        writer.structure(&[], shape().structure().unwrap(), &slots);
        prop_assert_eq!(read(&writer.finish()).unwrap(), Value::Structure(slots));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>, rest: Vec<u8>) {
        let _ = read(&bytes);
        for start in [&b"\xbf\x61s"[..], b"\xa1\x61l\x9f", b"\xa1\x61n\xbf\x63foo"] {
            let _ = read(&[start, &rest].concat());
        }
    }
}
