//! Values between the wire and the generated types: what a protocol decodes into and encodes from.

use crate::event_stream::Events;
use bytes::Bytes;
use hearth_base::Timestamp;

/// A value of some [`crate::Shape`]. Which variant it is follows the shape's [`crate::Kind`].
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `Kind::Boolean`.
    Boolean(bool),
    /// `Kind::Integer`.
    Integer(i64),
    /// `Kind::Double`.
    Double(f64),
    /// `Kind::String`.
    String(String),
    /// `Kind::Blob`: shared, so that a payload is handed on without a copy.
    Blob(Bytes),
    /// `Kind::Timestamp`.
    Timestamp(Timestamp),
    /// `Kind::List`.
    List(Vec<Value>),
    /// `Kind::Map`, in the order of the wire.
    Map(Vec<(String, Value)>),
    /// `Kind::Structure`: a slot for each member of the shape, in its order.
    Structure(Vec<Option<Value>>),
    /// `Kind::Document`.
    Document(serde_json::Value),
    /// `Kind::Structure` of a stream of events, in an output: the events still to come.
    Events(Events),
    /// A null item of a list or value of a map. A null member is an empty slot.
    Null,
}

/// A generated structure: it goes to and from a [`Value::Structure`] of its shape.
pub trait Structured: Sized {
    /// The shape it follows.
    const SHAPE: &'static crate::Shape;

    /// Takes the slots of a decoded and validated value. A slot of another kind than the shape says counts as empty.
    fn from_slots(slots: Vec<Option<Value>>) -> Self;

    /// Gives its members in the shape's order.
    fn into_slots(self) -> Vec<Option<Value>>;
}

impl<T: Structured> From<T> for Value {
    fn from(structure: T) -> Self {
        Value::Structure(structure.into_slots())
    }
}

impl Value {
    /// The slots of a structure; none for any other value.
    pub fn into_slots(self) -> Vec<Option<Value>> {
        match self {
            Value::Structure(slots) => slots,
            _ => Vec::new(),
        }
    }
}
