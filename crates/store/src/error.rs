//! How storage fails, in words that callers can act on.
//!
//! It refuses to name an engine's own error codes: they are kept as the source.

use crate::{Key, Revision, Shard};
use hearth_base::Timestamp;
use std::fmt;
use std::sync::Arc;

/// The cause as the engine or the operating system gave it; shared, because one failed sync fails many commits.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Storage could not do what was asked.
#[derive(Debug, Clone)]
pub enum Error {
    /// An act on an object failed.
    Failed {
        /// What was being done: `read`, `commit to`, ...
        act: &'static str,
        /// What it was done to: a file, a keyspace.
        object: String,
        /// Why.
        source: Cause,
    },
    /// The engine has stopped taking work: it was closed, or a failed sync left it unable to promise durability. Only opening it anew helps.
    Stopped {
        /// What stopped.
        object: String,
        /// Why it stopped, when a failure did it.
        reason: Option<Cause>,
    },
}

/// A batch was not acknowledged.
#[derive(Debug, Clone)]
pub enum CommitError {
    /// An expectation did not hold.
    Conflict {
        /// The first key that was not as expected.
        key: Key,
        /// What it was instead; `None` when it is absent.
        found: Option<Revision>,
    },
    /// The fence is not the shard's newest: another owns it, or it was released.
    Fenced {
        /// The shard.
        shard: Shard,
    },
    /// A bound of the contract is exceeded (`crate::limits`).
    TooLarge {
        /// What is bounded.
        what: &'static str,
        /// How much of it the batch has.
        found: usize,
        /// How much is allowed.
        limit: usize,
    },
    /// A key of no bytes.
    EmptyKey,
    /// Too many commits wait already. Nothing was applied; try again later.
    Busy,
    /// No space is left. Nothing was applied; the engine goes on once there is space again.
    Full {
        /// The keyspace's file, or its name.
        object: String,
    },
    /// The engine failed. Whether the batch was applied is unknown until the keys are read again.
    Failed(Error),
}

/// Ownership of a shard was not given or not kept.
#[derive(Debug, Clone)]
pub enum LeaseError {
    /// Another owns the shard.
    Held {
        /// The shard.
        shard: Shard,
        /// Who.
        owner: String,
        /// Until when, unless renewed.
        expires: Timestamp,
    },
    /// The fence is void.
    Lost {
        /// The shard.
        shard: Shard,
    },
    /// The change of ownership could not be committed.
    Commit(Box<CommitError>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Failed { act, object, source } => write!(f, "cannot {act} {object}: {source}"),
            Error::Stopped { object, reason: Some(reason) } => {
                write!(f, "{object} takes no more work since it failed ({reason}); restart the server")
            }
            Error::Stopped { object, reason: None } => write!(f, "{object} is closed"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Failed { source, .. } | Error::Stopped { reason: Some(source), .. } => {
                Some(source.as_ref())
            }
            Error::Stopped { reason: None, .. } => None,
        }
    }
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommitError::Conflict { key, found: Some(found) } => {
                write!(f, "{key} is not as expected: it is at revision {found}")
            }
            CommitError::Conflict { key, found: None } => write!(f, "{key} is not as expected: it is absent"),
            CommitError::Fenced { shard } => write!(f, "shard {shard} is not owned by the fence shown"),
            CommitError::TooLarge { what, found, limit } => {
                write!(f, "{found} {what} are more than the {limit} allowed")
            }
            CommitError::EmptyKey => f.write_str("a key has no bytes"),
            CommitError::Busy => f.write_str("too many commits wait to be written"),
            CommitError::Full { object } => write!(f, "no space is left for {object}"),
            CommitError::Failed(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl std::error::Error for CommitError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CommitError::Failed(error) => std::error::Error::source(error),
            _ => None,
        }
    }
}

impl From<Error> for CommitError {
    fn from(error: Error) -> Self {
        CommitError::Failed(error)
    }
}

impl fmt::Display for LeaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LeaseError::Held { shard, owner, expires } => {
                write!(f, "shard {shard} is owned by {owner} until {}", expires.date_time())
            }
            LeaseError::Lost { shard } => write!(f, "shard {shard} is no longer owned by the fence shown"),
            LeaseError::Commit(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl std::error::Error for LeaseError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LeaseError::Commit(error) => std::error::Error::source(error),
            _ => None,
        }
    }
}

impl From<CommitError> for LeaseError {
    fn from(error: CommitError) -> Self {
        LeaseError::Commit(Box::new(error))
    }
}
