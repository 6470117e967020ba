//! Whole requests and answers of every protocol, after the facts of Smithy's public protocol test cases, whose names
//! stand beside them: <https://github.com/smithy-lang/smithy/tree/main/smithy-aws-protocol-tests>

mod aws_json;
mod event;
mod negotiate;
mod query;
mod rest_json;
mod rest_xml;
mod rpc_v2_cbor;
