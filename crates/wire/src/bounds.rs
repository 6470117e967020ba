//! How deep and how many the values of one request may be, whatever its format. The size of its body is bounded before it
//! comes here.

use crate::malformed::Malformed;
use crate::schema::Structure;
use crate::value::Value;

/// The deepest nesting of lists, maps and structures that is decoded.
pub const DEPTH_MAX: usize = 64;

/// The most values of one request: members that could be set, items of lists and entries of maps. A few bytes of input
/// can stand for a structure of many members, so the size of the body alone bounds no memory.
pub const VALUES_MAX: usize = 2_000_000;

/// How many values a request may still have.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(VALUES_MAX)
    }
}

impl Budget {
    /// Takes the room for some values.
    pub(crate) fn take(&mut self, count: usize) -> Result<(), Malformed> {
        match self.0.checked_sub(count) {
            Some(left) => self.0 = left,
            None => return Err(Malformed::TooMany { what: "values", max: VALUES_MAX }),
        }
        Ok(())
    }

    /// Takes the room for a structure and gives its slots, all empty.
    pub(crate) fn slots(&mut self, structure: &Structure) -> Result<Vec<Option<Value>>, Malformed> {
        self.take(structure.members.len() + 1)?;
        Ok(std::iter::repeat_with(|| None).take(structure.members.len()).collect())
    }
}
