//! The XML codec reads what it wrote, and nothing makes it panic.

use super::{Element, Writer};
use crate::fixture::*;
use crate::value::Value;
use proptest::prelude::*;

fn nested(text: String, inner: Option<Value>, list: Vec<Value>) -> Value {
    let list = (!list.is_empty()).then_some(Value::List(list));
    Value::Structure(vec![Some(Value::String(text)), inner, list, None])
}

fn any_nested() -> impl Strategy<Value = Value> {
    // XML cannot hold control characters nor U+FFFE and U+FFFF.
    let text = || "[\\t\\n\\r -~\u{a0}-\u{d7ff}\u{10000}-\u{10ffff}]*";
    let leaf = text().prop_map(|text| nested(text, None, Vec::new()));
    leaf.prop_recursive(4, 32, 4, move |inner| {
        (text(), prop::option::of(inner.clone()), prop::collection::vec(inner, 0..4))
            .prop_map(|(text, inner, list)| nested(text, inner, list))
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back(value in any_nested()) {
        let Value::Structure(slots) = &value else { unreachable!() };
        let mut writer = Writer::with_declaration();
        writer.open("Nested");
        writer.members(NESTED.structure().unwrap(), slots);
        writer.close("Nested");
        let read = Element::read(&writer.finish()).unwrap().value(&member("root", &NESTED)).unwrap();
        prop_assert_eq!(read, value);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>, tokens in "(<a>|</a>|<nested>|</nested>|<list/>|&amp;|&#1;|&x|<!\\[CDATA\\[|\\]\\]>|<!--|-->|<\\?|[ -~])*") {
        for bytes in [&bytes[..], tokens.as_bytes()] {
            if let Ok(element) = Element::read(bytes) {
                let _ = element.value(&member("root", &NESTED));
            }
        }
    }
}
