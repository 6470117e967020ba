//! Whole requests and answers of every protocol, after the facts of Smithy's public protocol test cases, whose names
//! stand beside them: <https://github.com/smithy-lang/smithy/tree/main/smithy-aws-protocol-tests>

mod aws_json;
mod event;
mod negotiate;
mod query;
mod rest_json;
mod rest_xml;
mod rpc_v2_cbor;

use crate::fixture::*;
use crate::schema::{Member, Protocol};
use crate::value::Value;
use hearth_base::SeededRng;

#[test]
fn only_empty_idempotency_tokens_are_filled() {
    let token = |name| Member { idempotency_token: true, ..member(name, &STRING) };
    let input = structure("In", vec![token("Token"), token("Given"), member("Other", &STRING)]);
    let operation = &one(Protocol::RestJson1, input, structure("Out", vec![])).operations[0];
    let mut value = value(r#"{"Given":"mine"}"#, operation.input);
    super::fill_idempotency_tokens(operation, &mut value, &SeededRng::new(1));
    let slots = value.into_slots();
    assert!(matches!(&slots[0], Some(Value::String(token)) if token.len() == 36));
    assert_eq!(slots[1], Some(Value::String("mine".into())));
    assert_eq!(slots[2], None);
}
