//! Why a message could not be decoded, in AWS's words. It knows no protocol: each one turns this into its own error code.

use crate::bounds::DEPTH_MAX;
use crate::schema::{Kind, Shape};
use std::fmt;

/// What is wrong with the bytes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Malformed {
    /// The bytes do not follow the format's grammar.
    Syntax {
        /// `JSON`, `XML`, `CBOR`, ...
        format: &'static str,
        /// Where, in bytes from the start of the body.
        offset: usize,
        /// What was found wrong there.
        problem: &'static str,
    },
    /// A value is there, of another type than the member's.
    Type {
        /// What was found, in the words of AWS's parser: `STRING_VALUE`.
        found: Found,
        /// What the shape wants.
        wanted: Wanted,
    },
    /// A text could not be read as the number, time or bytes that the member wants.
    Text {
        /// What the shape wants.
        wanted: Wanted,
    },
    /// A union has no member, or more than one.
    Union {
        /// The union's name.
        shape: &'static str,
    },
    /// Nesting is deeper than [`DEPTH_MAX`].
    TooDeep,
    /// There are more elements than a request may have.
    TooMany {
        /// `parameters`, `elements`.
        what: &'static str,
        /// The bound.
        max: usize,
    },
}

/// The type of a value that was found where another was wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A text.
    String,
    /// A number.
    Number,
    /// `true`.
    True,
    /// `false`.
    False,
    /// Bytes.
    Blob,
    /// A point in time.
    Timestamp,
    /// A list.
    List,
    /// A structure or map.
    Map,
    /// Null where a value must be.
    Null,
}

/// The type a shape wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// `Kind::Boolean`.
    Boolean,
    /// `Kind::Integer`.
    Integer,
    /// `Kind::Double`.
    Double,
    /// `Kind::String`.
    String,
    /// `Kind::Blob`.
    Blob,
    /// `Kind::Timestamp`.
    Timestamp,
    /// `Kind::List`.
    List,
    /// `Kind::Map`.
    Map,
    /// `Kind::Structure`.
    Structure,
    /// `Kind::Document`.
    Document,
}

impl Malformed {
    /// A value of another type than `shape`'s.
    pub(crate) fn found(found: Found, shape: &Shape) -> Self {
        Self::Type { found, wanted: Wanted::of(shape) }
    }

    /// A text that is no value of `shape`.
    pub(crate) fn text(shape: &Shape) -> Self {
        Self::Text { wanted: Wanted::of(shape) }
    }
}

impl Wanted {
    fn of(shape: &Shape) -> Self {
        match shape.kind {
            Kind::Boolean => Self::Boolean,
            Kind::Integer => Self::Integer,
            Kind::Double => Self::Double,
            Kind::String => Self::String,
            Kind::Blob { .. } => Self::Blob,
            Kind::Timestamp(_) => Self::Timestamp,
            Kind::List { .. } => Self::List,
            Kind::Map { .. } => Self::Map,
            Kind::Structure(_) => Self::Structure,
            Kind::Document => Self::Document,
        }
    }

    fn article_and_name(self) -> &'static str {
        match self {
            Self::Boolean => "a Boolean",
            Self::Integer => "an Integer",
            Self::Double => "a Double",
            Self::String => "a String",
            Self::Blob => "a Blob",
            Self::Timestamp => "a Timestamp",
            Self::List => "a List",
            Self::Map => "a Map",
            Self::Structure => "a Structure",
            Self::Document => "a Document",
        }
    }

    fn is_scalar(self) -> bool {
        !matches!(self, Self::List | Self::Map | Self::Structure)
    }
}

impl Found {
    fn token(self) -> &'static str {
        match self {
            Self::String => "STRING_VALUE",
            Self::Number => "NUMBER_VALUE",
            Self::True => "TRUE_VALUE",
            Self::False => "FALSE_VALUE",
            Self::Blob => "BLOB_VALUE",
            Self::Timestamp => "TIMESTAMP_VALUE",
            Self::List => "START_ARRAY",
            Self::Map => "START_OBJECT",
            Self::Null => "NULL_VALUE",
        }
    }
}

impl fmt::Display for Malformed {
    // AWS: these are the sentences of the parser behind AWS's JSON services, as SDK users quote them, for one in
    // https://github.com/aws/aws-cdk/pull/27087 and https://github.com/aws-amplify/amplify-js/issues/13265
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { format, offset, problem } => {
                write!(f, "The request body is not valid {format}: {problem} at byte {offset}")
            }
            Self::Type { found: Found::Map, wanted } if wanted.is_scalar() => {
                f.write_str("Start of structure or map found where not expected")
            }
            Self::Type { found: Found::List, wanted } if wanted.is_scalar() => {
                f.write_str("Start of list found where not expected")
            }
            Self::Type { wanted, .. } if !wanted.is_scalar() => f.write_str("Unexpected field type"),
            Self::Type { found, wanted } => {
                write!(f, "{} can not be converted to {}", found.token(), wanted.article_and_name())
            }
            Self::Text { wanted } => {
                write!(f, "STRING_VALUE can not be converted to {}", wanted.article_and_name())
            }
            Self::Union { shape } => write!(f, "Exactly one member of {shape} must be set"),
            Self::TooDeep => write!(f, "The request is nested deeper than {DEPTH_MAX} levels"),
            Self::TooMany { what, max } => write!(f, "The request has more than {max} {what}"),
        }
    }
}

impl std::error::Error for Malformed {}
