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

/// How many bytes at the start stand in a JSON string as they are: up to a quote, a backslash or a control character.
/// Eight at a time, since nearly all of every body is inside strings.
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    // The high bit of each byte that is zero; bytes after the first such may be told wrongly, and are not asked for.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let equal = |word: u64, byte: u8| zeros(word ^ (ONES * u64::from(byte)));
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let special = equal(word, b'"') | equal(word, b'\\') | control;
        if special != 0 {
            return index * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    words.len() * 8 + rest.iter().position(special).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests;
