//! The errors of the models as [`Failure`]s: code, status and side at fault come from the error's shape.
//!
//! It refuses to invent errors: what no model lists is made with [`Failure::sender`] where it arises.

use hearth_wire::{Failure, Shape, Structured, Value};

/// An error of the model with a message and none of its other members.
pub(crate) fn modeled(shape: &'static Shape, message: String) -> Failure {
    let members = shape.structure().map_or(0, |structure| structure.members.len());
    tell(shape, message, vec![None; members])
}

/// An error of the model with all its members. Its message is that of its `message` member.
pub(crate) fn detailed<T: Structured>(error: T) -> Failure {
    let members = T::SHAPE.structure().map_or(&[][..], |structure| structure.members);
    let slots = error.into_slots();
    let place = members.iter().position(|member| member.name.eq_ignore_ascii_case("message"));
    let message = match place.and_then(|place| slots.get(place)) {
        Some(Some(Value::String(message))) => message.clone(),
        _ => String::new(),
    };
    tell(T::SHAPE, message, slots)
}

fn tell(shape: &'static Shape, message: String, slots: Vec<Option<Value>>) -> Failure {
    let error = shape
        .structure()
        .and_then(|structure| structure.error)
        .expect("the generator makes these calls for error shapes only");
    Failure {
        code: error.code.into(),
        query_code: None,
        message,
        status: error.status,
        sender: error.sender,
        detail: Some((shape, Box::new(Value::Structure(slots)))),
        headers: Vec::new(),
    }
}

/// One function for each error of a service, named after it.
macro_rules! error_functions {
    ($($function:ident => $shape:ident,)*) => {$(
        pub fn $function(message: impl ::core::convert::Into<::std::string::String>) -> ::hearth_wire::Failure {
            $crate::fault::modeled(&super::shapes::$shape, message.into())
        }
    )*};
}
pub(crate) use error_functions;

/// For errors that say more than a message: their structures become failures.
macro_rules! error_structures {
    ($($name:ident,)*) => {$(
        impl ::core::convert::From<$name> for ::hearth_wire::Failure {
            fn from(error: $name) -> Self {
                $crate::fault::detailed(error)
            }
        }
    )*};
}
pub(crate) use error_structures;
