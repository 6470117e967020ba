//! Reading one stream's events in order, either way.
//!
//! Chunks may overlap in time, since requests may bring events late. A cursor therefore holds the events of every
//! chunk that reaches the place where it reads, and gives an event out once no chunk still unread can hold an earlier one.
//! What it holds is bounded by what was written to the stream within [`SPAN_MS`].

use crate::chunk::{ChunkKey, SPAN_MS, StoredEvent};
use crate::position::{Direction, Id, Position};
use crate::table::{self, TableError, Tables};
use bytes::Bytes;
use hearth_store::{Key, Range};
use std::collections::{BTreeMap, VecDeque};

/// Which events are meant: from `start` up to but not including `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first.
    pub start: Position,
    /// Where they end.
    pub end: Position,
}

/// What is read of a group, and which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The group.
    pub group: Id,
    /// Which events.
    pub window: Window,
    /// From which end.
    pub direction: Direction,
}

/// A place in a stream.
pub struct Cursor<'t> {
    tables: &'t Tables,
    reading: Reading,
    range: Option<Range>,
    rows_next: usize,
    unread: VecDeque<(Key, ChunkKey, Bytes)>,
    open: BTreeMap<Position, Bytes>,
}

/// Rows of the first scan, few because a search opens many cursors at once; each further one asks for twice as many.
const ROWS_FIRST: usize = 2;
const ROWS_MAX: usize = 128;

impl Window {
    /// Events between two times: the first included, the second not.
    pub fn between(start: u64, end: u64) -> Self {
        Self { start: Position::at(start), end: Position::at(end) }
    }

    /// What is in both.
    pub fn intersect(self, other: Self) -> Self {
        Self { start: self.start.max(other.start), end: self.end.min(other.end) }
    }

    /// Whether nothing can be in it.
    pub fn is_empty(&self) -> bool {
        self.start >= self.end
    }
}

impl<'t> Cursor<'t> {
    /// A cursor before the first event of the window, in the direction of reading.
    pub fn new(tables: &'t Tables, stream: Id, reading: Reading) -> Self {
        let Reading { group, window, direction } = reading;
        let prefix = table::events_of_stream(group, stream);
        let chunk = |timestamp| table::event_key(&prefix, ChunkKey(Position::at(timestamp)));
        let first = chunk((window.start.timestamp + 1).saturating_sub(SPAN_MS));
        let end = chunk(window.end.timestamp.saturating_add(1));
        let range = Range::between(first, Some(end));
        let range = match direction {
            Direction::Forward => range,
            Direction::Backward => range.reverse(),
        };
        Self {
            tables,
            reading,
            range: (!window.is_empty()).then_some(range),
            rows_next: ROWS_FIRST,
            unread: VecDeque::new(),
            open: BTreeMap::new(),
        }
    }

    /// Where the next event stands.
    pub async fn peek(&mut self) -> Result<Option<Position>, TableError> {
        loop {
            if self.unread.is_empty() {
                self.fetch().await?;
            }
            let candidate = match self.reading.direction {
                Direction::Forward => self.open.first_key_value(),
                Direction::Backward => self.open.last_key_value(),
            };
            let candidate = candidate.map(|(position, _)| *position);
            let settled = match (candidate, self.unread.front()) {
                (_, None) => return Ok(candidate),
                (None, Some(_)) => false,
                (Some(position), Some((_, ChunkKey(first), _))) => match self.reading.direction {
                    Direction::Forward => position < *first,
                    Direction::Backward => position.timestamp >= first.timestamp.saturating_add(SPAN_MS),
                },
            };
            if settled {
                return Ok(candidate);
            }
            self.open_next()?;
        }
    }

    /// Takes the next event.
    pub async fn next(&mut self) -> Result<Option<StoredEvent>, TableError> {
        if self.peek().await?.is_none() {
            return Ok(None);
        }
        let taken = match self.reading.direction {
            Direction::Forward => self.open.pop_first(),
            Direction::Backward => self.open.pop_last(),
        };
        Ok(taken.map(|(position, message)| StoredEvent { position, message }))
    }

    fn open_next(&mut self) -> Result<(), TableError> {
        let Some((key, _, value)) = self.unread.pop_front() else { return Ok(()) };
        let window = self.reading.window;
        let events = table::read_events(&key, value)?;
        let inside = |event: &StoredEvent| window.start <= event.position && event.position < window.end;
        self.open.extend(events.into_iter().filter(inside).map(|event| (event.position, event.message)));
        Ok(())
    }

    /// Reads more chunks when there are more.
    async fn fetch(&mut self) -> Result<(), TableError> {
        let Some(range) = self.range.take() else { return Ok(()) };
        let scan = self.tables.scan(range.clone().limit(self.rows_next)).await?;
        self.rows_next = (self.rows_next * 2).min(ROWS_MAX);
        if let (true, Some((last, _))) = (scan.more, scan.rows.last()) {
            self.range = Some(range.after(last.clone()));
        }
        for (key, entry) in scan.rows {
            if let Some((_, chunk)) = table::read_event_key(&key) {
                self.unread.push_back((key, chunk, entry.value));
            }
        }
        Ok(())
    }
}
