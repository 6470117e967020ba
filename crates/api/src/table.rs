//! The plainest shape, member, structure and operation: what the generated tables leave out.
//!
//! Generated statics name only what differs from these, which keeps them short to read and quick to compile. Nothing
//! here is a service's.

use hearth_wire::schema::{EventRole, Kind, Location, Member, Operation, Shape, Structure};

/// A text with no constraint and no name.
pub(crate) const SHAPE: Shape =
    Shape { name: "", kind: Kind::String, min: None, max: None, pattern: "", values: &[], sensitive: false };

/// An optional member of the body.
pub(crate) const MEMBER: Member = Member {
    name: "",
    wire_name: "",
    query_name: "",
    location: Location::Body,
    required: false,
    shape: &SHAPE,
    timestamp_format: None,
    flattened: false,
    xml_attribute: false,
    json_value: false,
    idempotency_token: false,
    event: EventRole::Body,
};

/// A structure with no members.
pub(crate) const STRUCTURE: Structure = Structure {
    members: &[],
    by_wire_name: &[],
    union: false,
    payload: None,
    event_stream: false,
    error: None,
    xml_namespace: "",
};

/// An operation that takes and gives nothing.
pub(crate) const OPERATION: Operation = Operation {
    name: "",
    method: "POST",
    uri: "/",
    status: 200,
    input: &UNIT,
    output: &UNIT,
    result_wrapper: "",
    input_wrapper: "",
    errors: &[],
};

/// The input or output of an operation whose model has none.
pub(crate) static UNIT: Shape = Shape { name: "Unit", kind: Kind::Structure(STRUCTURE), ..SHAPE };
