//! The embedded engine: SQLite, one file a keyspace, one writer thread a file, group commit.
//!
//! Acknowledged means that SQLite's commit returned with the write-ahead log synced (`synchronous=FULL`). It
//! refuses to go on after a failed sync: what the kernel then has on disk is unknown, and only a fresh start finds out.

mod file;
mod reader;
mod writer;

use crate::directory::Hold;
use crate::lease::{Act, Change};
use crate::limits::{COMMITS_WAITING_BYTES_MAX, COMMITS_WAITING_MAX};
use crate::watch::Watchers;
use crate::{
    Batch, CommitError, Engine, Entry, Error, Fence, Key, Keyspace, LeaseError, Range, Scan, Sequence, Shard,
    Watch,
};
use hearth_base::{BoxFuture, Clock};
use reader::Readers;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use writer::{Job, Writer};

/// How much memory and log each file may use.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes of page cache of each file's writer.
    pub writer_cache_bytes: u32,
    /// Bytes of page cache of each read connection.
    pub reader_cache_bytes: u32,
    /// Read connections of each file: as many reads of it run at once, the rest wait.
    pub readers: usize,
    /// Bytes of write-ahead log after which it is copied into the file.
    pub checkpoint_bytes: u32,
    /// The data directory's lock, kept for as long as a file is open.
    pub(crate) hold: Option<Hold>,
}

impl Default for Options {
    /// At most about 320 MiB of cache over all files, and 64 MiB of log each.
    fn default() -> Self {
        Self {
            writer_cache_bytes: 64 << 20,
            reader_cache_bytes: 4 << 20,
            readers: 4,
            checkpoint_bytes: 64 << 20,
            hold: None,
        }
    }
}

/// The embedded engine. Dropping it waits until the commits it took are written and its files are closed.
pub struct Sqlite {
    clock: Arc<dyn Clock>,
    watchers: Arc<Watchers>,
    spaces: [Space; Keyspace::ALL.len()],
}

/// One keyspace's file.
struct Space {
    object: Arc<str>,
    waiting_bytes: Arc<AtomicUsize>,
    readers: Arc<Readers>,
    /// `None` only while dropping: the writer ends when its queue closes.
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Sqlite {
    /// Opens the files in a directory, making what is missing. The caller sees to it that no other process
    /// does the same; [`DataDirectory::store`](crate::DataDirectory::store) does.
    pub fn open(directory: &Path, clock: Arc<dyn Clock>, options: Options) -> Result<Self, Error> {
        file::make_directory(directory)?;
        let watchers = Arc::new(Watchers::default());
        let mut spaces = Vec::with_capacity(Keyspace::ALL.len());
        for keyspace in Keyspace::ALL {
            spaces.push(Space::open(directory, keyspace, &watchers, &options)?);
        }
        file::sync_directory(directory)?;
        let spaces = spaces.try_into().unwrap_or_else(|_| unreachable!("one space was pushed a keyspace"));
        Ok(Self { clock, watchers, spaces })
    }

    async fn commit_batch(&self, batch: Batch) -> Result<Sequence, CommitError> {
        batch.check()?;
        let space = &self.spaces[batch.shard.keyspace as usize];
        let bytes = batch.bytes();
        let (reply, answer) = oneshot::channel();
        space.send(Job::Commit { batch, bytes, reply })?;
        answer.await.map_err(|_| space.closed())?
    }

    async fn change_lease(&self, shard: &Shard, act: Act) -> Result<Fence, LeaseError> {
        // A shard's name is bounded as a batch of it is.
        Batch::new(shard.clone()).check()?;
        let space = &self.spaces[shard.keyspace as usize];
        let change = Change { shard: shard.clone(), act, now: self.clock.now() };
        let (reply, answer) = oneshot::channel();
        space.send(Job::Lease { change, reply })?;
        answer.await.map_err(|_| CommitError::from(space.closed()))?
    }
}

impl Space {
    fn open(
        directory: &Path,
        keyspace: Keyspace,
        watchers: &Arc<Watchers>,
        options: &Options,
    ) -> Result<Self, Error> {
        let path = directory.join(format!("{keyspace}.db"));
        let object: Arc<str> = path.display().to_string().into();
        let connection = file::open_writer(&path, options)?;
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let (jobs, queue) = sync_channel(COMMITS_WAITING_MAX);
        let writer = Writer {
            connection,
            keyspace,
            object: object.clone(),
            jobs: queue,
            waiting_bytes: waiting_bytes.clone(),
            watchers: watchers.clone(),
            log: file::Log::new(&path, options.checkpoint_bytes),
            broken: None,
            _hold: options.hold.clone(),
        };
        let thread = std::thread::Builder::new()
            .name(format!("store-{keyspace}"))
            .spawn(move || writer.run())
            .map_err(|source| file::failed("start a writer for", &path, source))?;
        let readers = Readers::new(path, options.clone());
        Ok(Self { object, waiting_bytes, readers, jobs: Some(jobs), thread: Some(thread) })
    }

    /// Queues a job, or says at once that the queue is full: waiting here would only hide from callers that they are too many.
    fn send(&self, job: Job) -> Result<(), CommitError> {
        let Some(jobs) = &self.jobs else { return Err(self.closed().into()) };
        let bytes = job.bytes();
        let waiting = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        if waiting + bytes > COMMITS_WAITING_BYTES_MAX {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(CommitError::Busy);
        }
        jobs.try_send(job).map_err(|error| {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => CommitError::Busy,
                TrySendError::Disconnected(_) => self.closed().into(),
            }
        })
    }

    fn closed(&self) -> Error {
        Error::Stopped { object: self.object.to_string(), reason: None }
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has answered no one falsely; there is nothing more to do about it here.
            let _ = thread.join();
        }
    }
}

impl Engine for Sqlite {
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Sequence, CommitError>> {
        Box::pin(self.commit_batch(batch))
    }

    fn get<'a>(&'a self, keyspace: Keyspace, key: &'a Key) -> BoxFuture<'a, Result<Option<Entry>, Error>> {
        Box::pin(self.spaces[keyspace as usize].readers.get(key.clone()))
    }

    fn scan(&self, keyspace: Keyspace, range: Range) -> BoxFuture<'_, Result<Scan, Error>> {
        Box::pin(self.spaces[keyspace as usize].readers.scan(range))
    }

    fn acquire<'a>(
        &'a self,
        shard: &'a Shard,
        owner: &'a str,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<Fence, LeaseError>> {
        Box::pin(self.change_lease(shard, Act::Acquire { owner: owner.to_owned(), ttl }))
    }

    fn renew<'a>(&'a self, fence: &'a Fence, ttl: Duration) -> BoxFuture<'a, Result<Fence, LeaseError>> {
        Box::pin(self.change_lease(&fence.shard, Act::Renew { token: fence.token, ttl }))
    }

    fn release<'a>(&'a self, fence: &'a Fence) -> BoxFuture<'a, Result<(), LeaseError>> {
        Box::pin(async {
            self.change_lease(&fence.shard, Act::Release { token: fence.token }).await.map(drop)
        })
    }

    fn watch(&self, keyspace: Keyspace, prefix: &Key) -> Watch {
        self.watchers.watch(keyspace, prefix)
    }
}
