//! Where an event stands among all events: what they sort by, what their ids say and what paging tokens point to.
//!
//! It refuses to read or write events.

use hearth_base::{Rng, Timestamp};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The id of a PutLogEvents request, a log group or a log stream: 48 bits of milliseconds, 80 that make it unique.
/// Ids made later by one process are greater, so that what is written one after the other also reads so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub u128);

/// Makes [`Id`]s.
pub struct Ids {
    rng: Arc<dyn Rng>,
    last: Mutex<u128>,
}

/// A place in the order of events: by the time of the event, then by the request that brought it, then by its place in there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The event's own time, milliseconds since the epoch.
    pub timestamp: u64,
    /// The request that brought it.
    pub request: Id,
    /// Its number in that request.
    pub index: u32,
}

/// Which way events are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the oldest to the newest.
    Forward,
    /// From the newest to the oldest.
    Backward,
}

const RANDOM_BITS: u32 = 80;

impl Ids {
    pub(crate) fn new(rng: Arc<dyn Rng>) -> Self {
        Self { rng, last: Mutex::new(0) }
    }

    /// The next id, of this moment.
    pub(crate) fn next(&self, now: Timestamp) -> Id {
        let mut random = [0; 16];
        self.rng.fill(&mut random);
        let fresh = u128::from(now.millis().max(0).unsigned_abs()) << RANDOM_BITS
            | u128::from_le_bytes(random) >> (128 - RANDOM_BITS);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // Within one millisecond, and when the clock steps back, ids count on.
        *last = fresh.max(*last + 1);
        Id(*last)
    }
}

impl Id {
    /// When it was made.
    pub fn made(self) -> Timestamp {
        let millis = u64::try_from(self.0 >> RANDOM_BITS).expect("48 bits are left");
        Timestamp::from_millis(i64::try_from(millis).expect("48 bits are left"))
    }

    pub(crate) fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl serde::Serialize for Id {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Id {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        u128::from_str_radix(&text, 16).map(Id).map_err(serde::de::Error::custom)
    }
}

impl Position {
    /// Before every event of this time.
    pub fn at(timestamp: u64) -> Self {
        Self { timestamp, request: Id(0), index: 0 }
    }

    /// The next place: nothing stands between the two.
    pub fn next(self) -> Self {
        Self { index: self.index.saturating_add(1), ..self }
    }

    /// Reads what [`Position`] displays as.
    pub fn parse(text: &str) -> Option<Self> {
        if !(56..=62).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let timestamp = text[..13].parse().ok()?;
        let request = text[13..52].parse().map(Id).ok()?;
        Some(Self { timestamp, request, index: text[52..].parse().ok()? })
    }
}

impl fmt::Display for Position {
    /// AWS: event ids are 56 decimal digits. Here 13 are the time, 39 the request and 4 the event's number in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:013}{:039}{:04}", self.timestamp, self.request.0, self.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_base::SeededRng;

    #[test]
    fn ids_grow_whatever_the_clock_does() {
        let ids = Ids::new(Arc::new(SeededRng::new(1)));
        let times = [5, 5, 5, 9, 3, 10];
        let made: Vec<Id> = times.iter().map(|ms| ids.next(Timestamp::from_millis(*ms))).collect();
        assert!(made.is_sorted() && made.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(made[0].made(), Timestamp::from_millis(5));
        assert_eq!(made[5].made(), Timestamp::from_millis(10));
        let json = serde_json::to_string(&made[0]).unwrap();
        assert_eq!(serde_json::from_str::<Id>(&json).unwrap(), made[0]);
    }

    #[test]
    fn positions_read_back_and_sort_as_their_texts() {
        let id = |n: u128| Id(1_700_000_000_000 << RANDOM_BITS | n);
        let positions = [
            Position::at(0),
            Position { timestamp: 1_700_000_000_000, request: id(1), index: 9_999 },
            Position { timestamp: 1_700_000_000_000, request: id(2), index: 0 },
            Position { timestamp: 1_700_000_000_001, request: id(1), index: 3 },
        ];
        let texts: Vec<String> = positions.iter().map(Position::to_string).collect();
        assert!(texts.iter().all(|text| text.len() == 56) && texts.is_sorted());
        for (position, text) in positions.iter().zip(&texts) {
            assert_eq!(Position::parse(text), Some(*position));
        }
        let after = Position { index: 10_000, ..positions[1] };
        assert_eq!(Position::parse(&after.to_string()), Some(after));
        for wrong in ["", "12", &"9".repeat(63), &"x".repeat(56), &"9".repeat(57)] {
            assert_eq!(Position::parse(wrong), None, "{wrong}");
        }
    }
}
