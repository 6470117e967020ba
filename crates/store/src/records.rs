//! Typed records above the contract: JSON with a format number in front, and a revision for compare-and-set.
//!
//! It refuses to know an engine, and to hold half an aggregate: what changes together is one record.

use crate::limits::SCAN_ROWS_MAX;
use crate::{Batch, CommitError, Entry, Error, Expect, Key, Range, Revision, Shard, Store};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;

/// A type that is stored. Wire types are never stored: a model belongs to the service that owns it, and its format
/// number grows whenever older JSON would no longer read as the present type.
pub trait Model: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The format that is written now.
    const FORMAT: u32;

    /// Reads JSON of an older format. Called only for formats below [`Model::FORMAT`].
    fn upgrade(format: u32, _json: &[u8]) -> Result<Self, serde_json::Error> {
        Err(serde::de::Error::custom(format_args!("format {format} is no longer read")))
    }
}

/// A value as it was stored, and which write it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<T> {
    /// The value.
    pub value: T,
    /// Which write it was.
    pub revision: Revision,
}

/// Records of one type under one prefix, each named by a list of parts (an account, a region, a name, ...).
pub struct Table<T> {
    store: Store,
    shard: Shard,
    prefix: Key,
    model: PhantomData<fn() -> T>,
}

/// Which records to list.
#[derive(Debug, Clone, Copy)]
pub struct Listing<'a> {
    /// The leading parts of their names.
    pub within: &'a [&'a str],
    /// How the part that follows begins; empty for all.
    pub beginning: &'a str,
    /// How many at most: at least 1 and no more than [`SCAN_ROWS_MAX`], whatever is asked for.
    pub limit: usize,
    /// Where an earlier page said to go on.
    pub token: Option<&'a str>,
    /// From the last to the first.
    pub reverse: bool,
}

/// Some of the records that were listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The parts of each name (all of them) and the record, in order.
    pub records: Vec<(Vec<String>, Record<T>)>,
    /// Where to go on; `None` when this was all. Opaque, and good however the table changes in between.
    pub next: Option<String>,
}

/// How often [`Table::update`] tries again when others change the record at the same time.
const UPDATE_ATTEMPTS_MAX: u32 = 64;

/// A record could not be read or written.
#[derive(Debug)]
pub enum RecordError {
    /// There is one already.
    Exists {
        /// The record's key.
        key: Key,
    },
    /// There is none.
    Missing {
        /// The record's key.
        key: Key,
    },
    /// It is not of the revision expected.
    Changed {
        /// The record's key.
        key: Key,
        /// The revision it has; `None` when it is gone.
        found: Option<Revision>,
    },
    /// What is stored does not read as the model.
    Damaged {
        /// The record's key.
        key: Key,
        /// What the JSON reader said.
        source: serde_json::Error,
    },
    /// It was written by a newer server.
    Newer {
        /// The record's key.
        key: Key,
        /// Its format, when it has one at all.
        format: Option<u32>,
        /// The newest format read here.
        known: u32,
    },
    /// The value has no JSON form.
    Unwritable {
        /// The record's key.
        key: Key,
        /// What the JSON writer said.
        source: serde_json::Error,
    },
    /// The token of a listing was not given out for this listing.
    InvalidToken,
    /// The store could not read.
    Read(Error),
    /// The store could not write.
    Commit(CommitError),
}

impl<T: Model> Table<T> {
    /// The table of this name. The name must differ from every other table's in the shard's keyspace.
    pub fn new(store: Store, shard: Shard, name: &str) -> Self {
        Self { store, shard, prefix: Key::of(&[name]), model: PhantomData }
    }

    /// The record of a name.
    pub async fn get(&self, name: &[&str]) -> Result<Option<Record<T>>, RecordError> {
        let key = self.key(name);
        match self.store.get(self.shard.keyspace, &key).await? {
            Some(entry) => self.decode(&key, &entry).map(Some),
            None => Ok(None),
        }
    }

    /// Writes a record that must not exist yet. [`RecordError::Exists`] when it does.
    pub async fn insert(&self, name: &[&str], value: &T) -> Result<Revision, RecordError> {
        match self.write(name, value, Some(Expect::Absent)).await {
            Err(RecordError::Changed { key, .. }) => Err(RecordError::Exists { key }),
            other => other,
        }
    }

    /// Writes a record that must be of this revision. [`RecordError::Changed`] when it is not.
    pub async fn replace(
        &self,
        name: &[&str],
        value: &T,
        revision: Revision,
    ) -> Result<Revision, RecordError> {
        self.write(name, value, Some(Expect::Revision(revision))).await
    }

    /// Writes a record whatever was there.
    pub async fn put(&self, name: &[&str], value: &T) -> Result<Revision, RecordError> {
        self.write(name, value, None).await
    }

    /// Removes a record: of this revision when one is given ([`RecordError::Changed`] otherwise), whatever it is when
    /// none is (and none there is no error).
    pub async fn delete(&self, name: &[&str], revision: Option<Revision>) -> Result<(), RecordError> {
        let key = self.key(name);
        let mut batch = Batch::new(self.shard.clone()).delete(key.clone());
        if let Some(revision) = revision {
            batch = batch.expect(key, Expect::Revision(revision));
        }
        self.store.commit(batch).await.map(drop).map_err(conflict_is_change)
    }

    /// Reads a record, changes it and writes it back, again from the start when another changed it in between:
    /// `change` may run several times and must have no effect beside its argument. A record that is not there
    /// is [`RecordError::Missing`]. An `Err` of `change` writes nothing.
    pub async fn update<R, E: From<RecordError>>(
        &self,
        name: &[&str],
        mut change: impl FnMut(&mut T) -> Result<R, E>,
    ) -> Result<(Record<T>, R), E> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let Some(Record { mut value, revision }) = self.get(name).await? else {
                return Err(RecordError::Missing { key: self.key(name) }.into());
            };
            let answer = change(&mut value)?;
            match self.replace(name, &value, revision).await {
                Ok(revision) => return Ok((Record { value, revision }, answer)),
                Err(RecordError::Changed { .. }) if attempt < UPDATE_ATTEMPTS_MAX => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Some of the records, in the order of their names, and where to go on.
    pub async fn list(&self, listing: Listing<'_>) -> Result<Page<T>, RecordError> {
        let prefix = self.key(listing.within).with_beginning(listing.beginning);
        let limit = listing.limit.clamp(1, SCAN_ROWS_MAX);
        let mut resume = listing.token.map(|token| self.resume(token, &prefix)).transpose()?;
        let mut page = Page { records: Vec::new(), next: None };
        loop {
            let mut range = Range::prefix(&prefix).limit(limit - page.records.len());
            if listing.reverse {
                range = range.reverse();
            }
            if let Some(key) = resume.take() {
                range = range.after(key);
            }
            let scan = self.store.scan(self.shard.keyspace, range).await?;
            for (key, entry) in &scan.rows {
                let name = key.parts_after(&self.prefix).unwrap_or_default();
                page.records.push((name, self.decode(key, entry)?));
            }
            let last = scan.rows.last().map(|(key, _)| key.clone());
            match last {
                // A scan may stop early for its bytes: go on until the page is full.
                Some(last) if scan.more && page.records.len() < limit => resume = Some(last),
                Some(last) if scan.more => {
                    page.next = Some(self.token(&last));
                    return Ok(page);
                }
                _ => return Ok(page),
            }
        }
    }

    /// The key of a name: for batches that change several records at once, and for watching.
    pub fn key(&self, name: &[&str]) -> Key {
        name.iter().fold(self.prefix.clone(), |key, part| key.with(part))
    }

    /// The shard that its batches belong to.
    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    /// The store under it.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// A value as it is stored: the format number in decimal, a space, JSON.
    pub fn encode(&self, name: &[&str], value: &T) -> Result<Bytes, RecordError> {
        let mut bytes = format!("{} ", T::FORMAT).into_bytes();
        serde_json::to_writer(&mut bytes, value)
            .map_err(|source| RecordError::Unwritable { key: self.key(name), source })?;
        Ok(bytes.into())
    }

    /// Reads what [`Table::encode`] wrote, now or in an earlier format.
    pub fn decode(&self, key: &Key, entry: &Entry) -> Result<Record<T>, RecordError> {
        let space = entry.value.iter().position(|byte| *byte == b' ');
        let (format, json) = entry.value.split_at(space.map_or(0, |space| space + 1));
        let format = std::str::from_utf8(format).ok().and_then(|format| format.trim_end().parse().ok());
        let value = match format {
            Some(format) if format == T::FORMAT => serde_json::from_slice(json),
            Some(format) if format < T::FORMAT => T::upgrade(format, json),
            _ => return Err(RecordError::Newer { key: key.clone(), format, known: T::FORMAT }),
        };
        let value = value.map_err(|source| RecordError::Damaged { key: key.clone(), source })?;
        Ok(Record { value, revision: entry.revision })
    }

    async fn write(&self, name: &[&str], value: &T, expect: Option<Expect>) -> Result<Revision, RecordError> {
        let key = self.key(name);
        let mut batch = Batch::new(self.shard.clone()).put(key.clone(), self.encode(name, value)?);
        if let Some(expect) = expect {
            batch = batch.expect(key, expect);
        }
        self.store.commit(batch).await.map(Revision::from).map_err(conflict_is_change)
    }

    fn token(&self, key: &Key) -> String {
        let rest = key.as_bytes().strip_prefix(self.prefix.as_bytes()).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(rest)
    }

    fn resume(&self, token: &str, within: &Key) -> Result<Key, RecordError> {
        let rest = URL_SAFE_NO_PAD.decode(token).map_err(|_| RecordError::InvalidToken)?;
        let key = Key::from_bytes([self.prefix.as_bytes(), &rest].concat());
        // A token of another listing would silently skip or repeat records.
        if key.starts_with(within) { Ok(key) } else { Err(RecordError::InvalidToken) }
    }
}

impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        let Self { store, shard, prefix, model } = self;
        Self { store: store.clone(), shard: shard.clone(), prefix: prefix.clone(), model: *model }
    }
}

fn conflict_is_change(error: CommitError) -> RecordError {
    match error {
        CommitError::Conflict { key, found } => RecordError::Changed { key, found },
        other => RecordError::Commit(other),
    }
}

impl From<Error> for RecordError {
    fn from(error: Error) -> Self {
        RecordError::Read(error)
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordError::Exists { key } => write!(f, "record {key} exists already"),
            RecordError::Missing { key } => write!(f, "there is no record {key}"),
            RecordError::Changed { key, found: Some(found) } => {
                write!(f, "record {key} was changed by another: it is at revision {found}")
            }
            RecordError::Changed { key, found: None } => write!(f, "record {key} was deleted by another"),
            RecordError::Damaged { key, source } => write!(f, "record {key} does not read: {source}"),
            RecordError::Newer { key, format: Some(format), known } => {
                write!(f, "record {key} is of format {format}; this server reads formats up to {known}")
            }
            RecordError::Newer { key, format: None, .. } => write!(f, "record {key} has no format number"),
            RecordError::Unwritable { key, source } => write!(f, "record {key} has no JSON form: {source}"),
            RecordError::InvalidToken => f.write_str("the token does not belong to this listing"),
            RecordError::Read(error) => fmt::Display::fmt(error, f),
            RecordError::Commit(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl std::error::Error for RecordError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RecordError::Damaged { source, .. } | RecordError::Unwritable { source, .. } => Some(source),
            RecordError::Read(error) => std::error::Error::source(error),
            RecordError::Commit(error) => std::error::Error::source(error),
            _ => None,
        }
    }
}
