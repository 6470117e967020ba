//! Everything durable: one storage contract, the engines under it, and the layers above it.
//!
//! The contract ([`Engine`]) is an ordered key-value store with atomic, fenced, compare-and-set batches, range scans
//! and change hints. [`sqlite`] is the embedded engine, [`memory`] the one for tests and `--ephemeral`. [`records`],
//! [`queue`] and [`blobs`] are written once, above the contract, and know no engine.
//!
//! It refuses to know any service: what a key or a value means is its caller's business.
//!
//! ```
//! use hearth_base::SystemClock;
//! use hearth_store::{DataDirectory, Keyspace, Model, Shard, Table};
//! use std::sync::Arc;
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Role {
//!     path: String,
//! }
//!
//! impl Model for Role {
//!     const FORMAT: u32 = 1;
//! }
//!
//! # let temporary = tempfile::tempdir()?;
//! # let path = temporary.path();
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # runtime.block_on(async {
//! let directory = DataDirectory::open(path)?;
//! let store = directory.store(Arc::new(SystemClock))?;
//! let roles = Table::<Role>::new(store, Shard::new(Keyspace::Metadata, "iam"), "iam.role");
//! roles.insert(&["000000000000", "deployer"], &Role { path: "/".to_owned() }).await?;
//! assert!(roles.get(&["000000000000", "deployer"]).await?.is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
pub mod blobs;
mod directory;
mod engine;
mod error;
mod key;
mod lease;
pub mod memory;
pub mod queue;
pub mod records;
pub mod sqlite;
mod watch;

pub use batch::{Batch, Expect, Fence, Revision, Sequence, Shard};
pub use blobs::{BlobError, BlobHash, BlobWriter, Blobs};
pub use directory::{DataDirectory, DirectoryError};
pub use engine::{Engine, Entry, Range, Scan, Store};
pub use error::{CommitError, Error, LeaseError};
pub use key::{Key, Keyspace};
pub use records::{Listing, Model, Page, Record, RecordError, Table};
pub use watch::Watch;

/// The bounds of the contract: the same for every engine, so that what one takes every other takes.
pub mod limits {
    /// Bytes of a key.
    pub const KEY_BYTES_MAX: usize = 2_048;
    /// Bytes of a value. Larger things are blobs.
    pub const VALUE_BYTES_MAX: usize = 4 << 20;
    /// Expectations, puts and deletes of one batch together.
    pub const BATCH_OPERATIONS_MAX: usize = 4_096;
    /// Bytes of all keys and values of one batch.
    pub const BATCH_BYTES_MAX: usize = 16 << 20;
    /// Rows that one scan returns.
    pub const SCAN_ROWS_MAX: usize = 1_000;
    /// Bytes of values after which a scan stops early (the row that crosses the line is still returned).
    pub const SCAN_BYTES_MAX: usize = 8 << 20;
    /// Commits that wait for one keyspace's writer; one more is answered with [`Busy`](crate::CommitError::Busy).
    pub const COMMITS_WAITING_MAX: usize = 4_096;
    /// Bytes of the commits that wait for one keyspace's writer.
    pub const COMMITS_WAITING_BYTES_MAX: usize = 64 << 20;
}
