//! JSON to and from [`Value`]s, straight along the schema: no tree of its own stands between.
//!
//! It knows no protocol: whether members go by their model names or their wire names is the caller's to say.

mod read;
mod write;

pub(crate) use read::Reader;
pub(crate) use write::Writer;

use crate::schema::{Member, Structure};

/// Which of a member's names JSON uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// The model's own: awsJson.
    Model,
    /// `locationName` where there is one: restJson1.
    Wire,
}

impl Names {
    fn of(self, member: &Member) -> &'static str {
        match self {
            Self::Model => member.name,
            Self::Wire => member.wire_name,
        }
    }

    fn find(self, structure: &Structure, name: &str) -> Option<(usize, &'static Member)> {
        match self {
            Self::Wire => structure.member_by_wire_name(name),
            Self::Model => structure.member_by_name(name),
        }
    }
}

#[cfg(test)]
mod tests;
