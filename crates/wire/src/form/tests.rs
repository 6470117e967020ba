//! Forms of any shape are read without a panic, and what a client writes is read back.

use super::{Dialect, Node, read};
use crate::fixture::*;
use crate::value::Value;
use proptest::prelude::*;

proptest! {
    #[test]
    fn no_form_makes_it_panic(text in "([a-z.&=%0-9+]|list|nested|map|\\.member\\.|\\.entry\\.1)*", any: String) {
        for text in [&text, &any] {
            let parameters = read(text).unwrap();
            if let Ok(tree) = Node::tree(&parameters) {
                let structure = NESTED.structure().unwrap();
                let _ = tree.structure(structure, Dialect::Aws);
                let _ = tree.structure(structure, Dialect::Ec2);
            }
        }
    }

    #[test]
    fn text_survives_percent_encoding(texts in prop::collection::vec(any::<String>(), 1..5)) {
        let encode = |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let fields: Vec<String> =
            texts.iter().enumerate().map(|(index, text)| format!("list.member.{}.foo={}", index + 1, encode(text))).collect();
        let form = fields.join("&");
        let parameters = read(&form).unwrap();
        let value = Node::tree(&parameters).unwrap().structure(NESTED.structure().unwrap(), Dialect::Aws).unwrap();
        let item = |text: String| Value::Structure(vec![Some(Value::String(text)), None, None, None]);
        let expected = Value::List(texts.into_iter().map(item).collect());
        prop_assert_eq!(value.into_slots().remove(2), Some(expected));
    }
}
