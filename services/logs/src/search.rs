//! Reading the events of many streams of a group in one order.
//!
//! It goes through time bucket by bucket and opens only the streams that the activity index names for it, so that thousands of
//! streams that are silent in the time asked for cost nothing.

use crate::chunk::{self, BUCKET_MS, StoredEvent};
use crate::cursor::{Cursor, Reading, Window};
use crate::position::{Direction, Id, Position};
use crate::table::{self, Activity, TableError, Tables};
use hearth_store::Range;
use std::collections::{BTreeMap, HashSet, VecDeque};

/// Which streams are read.
#[derive(Debug, Clone)]
pub enum Streams {
    /// All whose names begin so; all when it is empty.
    Beginning(String),
    /// These, by id and name.
    Named(Vec<(Id, String)>),
}

/// A place in the events of several streams.
pub struct Search<'t> {
    tables: &'t Tables,
    reading: Reading,
    active: Option<ActiveStreams<'t>>,
    cursors: Vec<(Cursor<'t>, String)>,
    heads: BTreeMap<Position, usize>,
}

impl<'t> Search<'t> {
    /// A search before the first event of the window, in the direction of reading.
    pub async fn new(tables: &'t Tables, streams: Streams, reading: Reading) -> Result<Self, TableError> {
        let (cursors, heads) = (Vec::new(), BTreeMap::new());
        let mut search = Self { tables, reading, active: None, cursors, heads };
        match streams {
            Streams::Named(streams) => search.open(streams, reading).await?,
            Streams::Beginning(beginning) => {
                search.active = Some(ActiveStreams::new(tables, beginning, reading).await?);
            }
        }
        Ok(search)
    }

    /// Takes the next event and the name of its stream.
    pub async fn next(&mut self) -> Result<Option<(StoredEvent, String)>, TableError> {
        while self.heads.is_empty() {
            let Some(active) = &mut self.active else { return Ok(None) };
            let Some((bucket, streams)) = active.next_bucket().await? else { return Ok(None) };
            let start = bucket * BUCKET_MS;
            let window = self.reading.window.intersect(Window::between(start, start + BUCKET_MS));
            self.open(streams, Reading { window, ..self.reading }).await?;
        }
        let head = match self.reading.direction {
            Direction::Forward => self.heads.pop_first(),
            Direction::Backward => self.heads.pop_last(),
        };
        let Some((_, number)) = head else { return Ok(None) };
        let (cursor, name) = &mut self.cursors[number];
        let Some(event) = cursor.next().await? else { return Ok(None) };
        if let Some(position) = cursor.peek().await? {
            self.heads.insert(position, number);
        }
        Ok(Some((event, name.clone())))
    }

    async fn open(&mut self, streams: Vec<(Id, String)>, reading: Reading) -> Result<(), TableError> {
        self.cursors.clear();
        for (stream, name) in streams {
            let mut cursor = Cursor::new(self.tables, stream, reading);
            if let Some(position) = cursor.peek().await? {
                self.heads.insert(position, self.cursors.len());
                self.cursors.push((cursor, name));
            }
        }
        Ok(())
    }
}

/// The streams of a group that have events in a window of time, bucket by bucket.
pub struct ActiveStreams<'t> {
    tables: &'t Tables,
    group: Id,
    beginning: String,
    deleted: HashSet<Id>,
    range: Option<Range>,
    rows: VecDeque<Activity>,
}

impl<'t> ActiveStreams<'t> {
    /// Before the first bucket of the window, in the direction of reading. Only streams whose names begin with `beginning` count.
    pub async fn new(
        tables: &'t Tables,
        beginning: String,
        Reading { group, window, direction }: Reading,
    ) -> Result<Self, TableError> {
        let first = table::activity_of_bucket(group, chunk::bucket(window.start.timestamp));
        let end = table::activity_of_bucket(group, chunk::bucket(window.end.timestamp) + 1);
        let range = Range::between(first, Some(end));
        let range = match direction {
            Direction::Forward => range,
            Direction::Backward => range.reverse(),
        };
        let deleted = tables.deleted_streams(group).await?;
        let range = (!window.is_empty()).then_some(range);
        Ok(Self { tables, group, beginning, deleted, range, rows: VecDeque::new() })
    }

    /// The next bucket in which any stream has events, and those streams by id and name.
    pub async fn next_bucket(&mut self) -> Result<Option<(u64, Vec<(Id, String)>)>, TableError> {
        let mut found: Option<(u64, Vec<(Id, String)>)> = None;
        loop {
            if self.rows.is_empty() && !self.fetch().await? {
                return Ok(found);
            }
            if let (Some((bucket, _)), Some(row)) = (&found, self.rows.front())
                && *bucket != row.bucket
            {
                return Ok(found);
            }
            if let Some(Activity { bucket, stream, name }) = self.rows.pop_front()
                && name.starts_with(&self.beginning)
                && !self.deleted.contains(&stream)
            {
                found.get_or_insert((bucket, Vec::new())).1.push((stream, name));
            }
        }
    }

    /// Reads more of the index; false at its end.
    async fn fetch(&mut self) -> Result<bool, TableError> {
        let Some(range) = self.range.take() else { return Ok(false) };
        let scan = self.tables.scan(range.clone()).await?;
        if let (true, Some((last, _))) = (scan.more, scan.rows.last()) {
            self.range = Some(range.after(last.clone()));
        }
        self.rows.extend(scan.rows.iter().filter_map(|row| table::read_activity(self.group, row)));
        Ok(!self.rows.is_empty() || self.range.is_some())
    }
}
