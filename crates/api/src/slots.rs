//! Between the generated types and the wire's values: how one field is read from a slot and written to one, and the
//! macros that the generated structures and enumerations are made with.
//!
//! It trusts that the wire has validated a value against its shape. What still does not fit a field leaves it empty,
//! as [`hearth_wire::Structured::from_slots`] says.

use bytes::Bytes;
use hearth_base::{BoxFuture, Timestamp};
use hearth_wire::{Events, Failure, Kind, Shape, Structured, Value};
use std::collections::BTreeMap;
use std::fmt;

/// The names that generated code uses. It takes them by a glob, so that a service's own shape of such a name wins.
pub(crate) mod names {
    // Which of them are used depends on the services that are generated.
    #![allow(unused_imports)]

    pub(crate) use crate::slots::{Document, enumeration, structure};
    pub(crate) use bytes::Bytes;
    pub(crate) use hearth_base::Timestamp;
    pub(crate) use std::collections::BTreeMap;
}

/// Any JSON.
pub type Document = serde_json::Value;

/// A type that a field of a generated structure can have.
pub(crate) trait Slot: Sized {
    /// Takes the value of a slot; none when it is of another kind.
    fn read(value: Value) -> Option<Self>;

    /// Gives the value for a slot.
    fn write(self) -> Value;
}

/// Reads the next slot.
pub(crate) fn take<T: Slot>(slots: &mut std::vec::IntoIter<Option<Value>>) -> Option<T> {
    slots.next().flatten().and_then(T::read)
}

/// Writes a slot.
pub(crate) fn give<T: Slot>(field: Option<T>) -> Option<Value> {
    field.map(T::write)
}

macro_rules! scalar_slots {
    ($($variant:ident: $type:ty),*) => {$(
        impl Slot for $type {
            fn read(value: Value) -> Option<Self> {
                match value {
                    Value::$variant(value) => Some(value),
                    _ => None,
                }
            }

            fn write(self) -> Value {
                Value::$variant(self)
            }
        }
    )*};
}

scalar_slots! {
    Boolean: bool,
    Integer: i64,
    String: String,
    Blob: Bytes,
    Timestamp: Timestamp,
    Document: Document,
    Events: Events
}

impl Slot for f64 {
    fn read(value: Value) -> Option<Self> {
        match value {
            Value::Double(number) => Some(number),
            // A decoder may keep `1` whole where the shape says a fraction is possible.
            Value::Integer(number) => Some(number as f64),
            _ => None,
        }
    }

    fn write(self) -> Value {
        Value::Double(self)
    }
}

impl<T: Slot> Slot for Box<T> {
    fn read(value: Value) -> Option<Self> {
        T::read(value).map(Box::new)
    }

    fn write(self) -> Value {
        T::write(*self)
    }
}

impl<T: Slot> Slot for Vec<T> {
    fn read(value: Value) -> Option<Self> {
        match value {
            Value::List(items) => Some(items.into_iter().filter_map(T::read).collect()),
            _ => None,
        }
    }

    fn write(self) -> Value {
        Value::List(self.into_iter().map(T::write).collect())
    }
}

impl<T: Slot> Slot for BTreeMap<String, T> {
    fn read(value: Value) -> Option<Self> {
        match value {
            Value::Map(entries) => {
                Some(entries.into_iter().filter_map(|(key, value)| Some((key, T::read(value)?))).collect())
            }
            _ => None,
        }
    }

    fn write(self) -> Value {
        Value::Map(self.into_iter().map(|(key, value)| (key, T::write(value))).collect())
    }
}

/// Turns what the gateway decoded into what a handler takes.
pub(crate) fn request<T: Structured>(input: Value) -> T {
    T::from_slots(input.into_slots())
}

/// Turns what a handler answers into what the gateway encodes.
pub(crate) fn answer<T: Structured + Send + 'static>(
    handler: BoxFuture<'_, Result<T, Failure>>,
) -> BoxFuture<'_, Result<Value, Failure>> {
    Box::pin(async move { Ok(Value::Structure(handler.await?.into_slots())) })
}

/// The same for an operation without an output.
pub(crate) fn answer_nothing(
    handler: BoxFuture<'_, Result<(), Failure>>,
) -> BoxFuture<'_, Result<Value, Failure>> {
    Box::pin(async move {
        handler.await?;
        Ok(Value::Structure(Vec::new()))
    })
}

/// The answer to an operation number the service's table does not have.
pub(crate) fn no_such_operation(operation: usize) -> BoxFuture<'static, Result<Value, Failure>> {
    let failure = Failure::internal(format!("there is no operation number {operation}"));
    Box::pin(std::future::ready(Err(failure)))
}

/// A field as [`show`] sees it, whatever its type.
pub(crate) trait Field {
    /// What to print; none when the field is empty.
    fn content(&self) -> Option<&dyn fmt::Debug>;
}

impl<T: fmt::Debug> Field for Option<T> {
    fn content(&self) -> Option<&dyn fmt::Debug> {
        self.as_ref().map(|content| content as &dyn fmt::Debug)
    }
}

/// Prints a structure for logs: empty fields left out, sensitive ones hidden.
pub(crate) fn show(f: &mut fmt::Formatter<'_>, shape: &'static Shape, fields: &[&dyn Field]) -> fmt::Result {
    let mut printed = f.debug_struct(shape.name);
    let members = shape.structure().map_or(&[][..], |structure| structure.members);
    for (member, field) in members.iter().zip(fields) {
        if let Some(content) = field.content() {
            let hidden = shape.sensitive || holds_secrets(member.shape);
            let content: &dyn fmt::Debug = if hidden { &format_args!("[sensitive]") } else { content };
            printed.field(member.name, content);
        }
    }
    printed.finish()
}

/// Whether a value of this shape is sensitive, or holds sensitive ones outside of a structure, which hides its own.
fn holds_secrets(shape: &'static Shape) -> bool {
    shape.sensitive
        || match &shape.kind {
            Kind::List { item, .. } => holds_secrets(item.shape),
            Kind::Map { key, value, .. } => holds_secrets(key.shape) || holds_secrets(value.shape),
            _ => false,
        }
}

/// A structure of the model: a public struct of optional fields that goes to and from the slots of its shape.
macro_rules! structure {
    ($name:ident { $($field:ident: $type:ty),* $(,)? }) => {
        #[derive(Clone, Default, PartialEq)]
        pub struct $name {
            $(pub $field: ::core::option::Option<$type>,)*
        }

        impl ::core::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                $crate::slots::show(f, &shapes::$name, &[$(&self.$field),*])
            }
        }

        impl ::hearth_wire::Structured for $name {
            const SHAPE: &'static ::hearth_wire::Shape = &shapes::$name;

            fn from_slots(slots: ::std::vec::Vec<::core::option::Option<::hearth_wire::Value>>) -> Self {
                #[allow(unused_mut, unused_variables)]
                let mut slots = slots.into_iter();
                Self { $($field: $crate::slots::take(&mut slots),)* }
            }

            fn into_slots(self) -> ::std::vec::Vec<::core::option::Option<::hearth_wire::Value>> {
                ::std::vec![$($crate::slots::give(self.$field),)*]
            }
        }

        impl $crate::slots::Slot for $name {
            fn read(value: ::hearth_wire::Value) -> ::core::option::Option<Self> {
                match value {
                    ::hearth_wire::Value::Structure(slots) => {
                        ::core::option::Option::Some(::hearth_wire::Structured::from_slots(slots))
                    }
                    _ => ::core::option::Option::None,
                }
            }

            fn write(self) -> ::hearth_wire::Value {
                ::hearth_wire::Value::Structure(::hearth_wire::Structured::into_slots(self))
            }
        }
    };
}
pub(crate) use structure;

/// An enumerated text of the model. The wire refuses texts that are not in the model before they reach it.
macro_rules! enumeration {
    ($name:ident { $($variant:ident = $text:literal),* $(,)? }) => {
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($variant,)*
        }

        impl $name {
            /// Every text, in the model's order.
            pub const VALUES: &'static [&'static str] = &[$($text,)*];

            /// The text on the wire.
            pub const fn as_str(self) -> &'static str {
                Self::VALUES[self as usize]
            }

            /// Reads the text of the wire; none for any other.
            pub fn parse(text: &str) -> ::core::option::Option<Self> {
                match text {
                    $($text => ::core::option::Option::Some(Self::$variant),)*
                    _ => ::core::option::Option::None,
                }
            }
        }

        impl ::core::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl $crate::slots::Slot for $name {
            fn read(value: ::hearth_wire::Value) -> ::core::option::Option<Self> {
                match value {
                    ::hearth_wire::Value::String(text) => Self::parse(&text),
                    _ => ::core::option::Option::None,
                }
            }

            fn write(self) -> ::hearth_wire::Value {
                ::hearth_wire::Value::String(self.as_str().to_owned())
            }
        }
    };
}
pub(crate) use enumeration;
