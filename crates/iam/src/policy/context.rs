//! The circumstances of a request: condition keys and their values. It refuses to know where they come from.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// The values of one condition key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values<'a> {
    /// A key that has one value.
    One(Cow<'a, str>),
    /// A key that can have many, such as `aws:TagKeys`.
    Many(Vec<Cow<'a, str>>),
}

impl<'a> Values<'a> {
    /// One value.
    pub fn one(value: impl Into<Cow<'a, str>>) -> Self {
        Self::One(value.into())
    }

    /// Every value.
    pub fn as_slice(&self) -> &[Cow<'a, str>] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

/// Tells the values of condition keys. Only what a policy asks for is asked of it.
pub trait Context {
    /// The values of a key, given in lower case; none when the request has no such key.
    fn get(&self, key: &str) -> Option<Values<'_>>;
}

/// The request context of a simulation: keys in lower case.
impl Context for BTreeMap<String, Vec<String>> {
    fn get(&self, key: &str) -> Option<Values<'_>> {
        let values = BTreeMap::get(self, key)?;
        Some(match values.as_slice() {
            [value] => Values::One(value.into()),
            values => Values::Many(values.iter().map(Cow::from).collect()),
        })
    }
}

/// No circumstances at all.
impl Context for () {
    fn get(&self, _key: &str) -> Option<Values<'_>> {
        None
    }
}
