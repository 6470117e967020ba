//! The write side of a file: one thread that turns all waiting commits into one durable transaction.
//!
//! A batch that conflicts is refused alone, because every batch is checked before any of it is written. It refuses
//! to answer anyone before the transaction's fate is known.

use super::file::Log;
use crate::directory::Hold;
use crate::error::Cause;
use crate::lease::{self, Change, Lease};
use crate::watch::Watchers;
use crate::{Batch, CommitError, Error, Expect, Fence, Key, Keyspace, LeaseError, Revision, Sequence, Shard};
use hearth_base::Timestamp;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior, ffi, params};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use tokio::sync::oneshot;

/// Jobs of one transaction: enough to share a sync among, few enough that the first does not wait long.
const GROUP_JOBS_MAX: usize = 512;
/// Bytes after which a transaction takes no more jobs.
const GROUP_BYTES_MAX: usize = 4 << 20;
/// What a job costs in the queue beside its keys and values.
const JOB_OVERHEAD_BYTES: usize = 256;

/// Something to write, and whom to tell.
pub(super) enum Job {
    Commit { batch: Batch, bytes: usize, reply: oneshot::Sender<Result<Sequence, CommitError>> },
    Lease { change: Change, reply: oneshot::Sender<Result<Fence, LeaseError>> },
}

/// How a job came out, should the transaction commit.
enum Outcome {
    Commit(Result<Sequence, CommitError>),
    Lease(Result<Fence, LeaseError>),
}

pub(super) struct Writer {
    pub connection: Connection,
    pub keyspace: Keyspace,
    pub object: Arc<str>,
    pub jobs: Receiver<Job>,
    pub waiting_bytes: Arc<AtomicUsize>,
    pub watchers: Arc<Watchers>,
    pub log: Log,
    /// Why nothing more is written.
    pub broken: Option<Cause>,
    pub _hold: Option<Hold>,
}

impl Writer {
    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self) {
        while let Some(group) = self.next_group() {
            self.write(group);
            self.log.bound(&self.connection);
        }
    }

    /// Waits for a job and takes those that wait behind it.
    fn next_group(&self) -> Option<Vec<Job>> {
        let first = self.jobs.recv().ok()?;
        let mut bytes = first.bytes();
        let mut group = vec![first];
        while group.len() < GROUP_JOBS_MAX && bytes < GROUP_BYTES_MAX {
            let Ok(job) = self.jobs.try_recv() else { break };
            bytes += job.bytes();
            group.push(job);
        }
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        Some(group)
    }

    fn write(&mut self, mut group: Vec<Job>) {
        if let Some(reason) = &self.broken {
            let stopped = Error::Stopped { object: self.object.to_string(), reason: Some(reason.clone()) };
            return group.into_iter().for_each(|job| job.answer(Err(stopped.clone().into())));
        }
        match transact(&mut self.connection, &group) {
            Ok(outcomes) => {
                for (job, outcome) in group.iter().zip(&outcomes) {
                    self.hint(job, outcome);
                }
                for (job, outcome) in group.into_iter().zip(outcomes) {
                    job.answer(Ok(outcome));
                }
            }
            // Out of space for all of them is not out of space for each: small ones may fit where a large one does not.
            Err(error) if is_full(&error) && group.len() > 1 => {
                for job in group.drain(..) {
                    self.write(vec![job]);
                }
            }
            Err(error) => {
                let error = self.failure(error);
                group.into_iter().for_each(|job| job.answer(Err(error.clone())));
            }
        }
    }

    fn hint(&self, job: &Job, outcome: &Outcome) {
        if let (Job::Commit { batch, .. }, Outcome::Commit(Ok(_))) = (job, outcome) {
            let changed = batch.puts.iter().map(|(key, _)| key).chain(&batch.deletes);
            self.watchers.hint(self.keyspace, changed);
        }
    }

    fn failure(&mut self, error: rusqlite::Error) -> CommitError {
        if is_full(&error) {
            return CommitError::Full { object: self.object.to_string() };
        }
        let breaks = leaves_disk_unknown(&error);
        let source: Cause = Arc::new(error);
        if breaks {
            tracing::error!(file = %self.object, error = %source, "storage failed; nothing more is written to this file");
            self.broken = Some(source.clone());
        }
        Error::Failed { act: "commit to", object: self.object.to_string(), source }.into()
    }
}

impl Job {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Job::Commit { bytes, .. } => bytes + JOB_OVERHEAD_BYTES,
            Job::Lease { .. } => JOB_OVERHEAD_BYTES,
        }
    }

    /// Tells whoever waits; no one does when the caller gave up.
    fn answer(self, outcome: Result<Outcome, CommitError>) {
        match (self, outcome) {
            (Job::Commit { reply, .. }, Ok(Outcome::Commit(result))) => drop(reply.send(result)),
            (Job::Lease { reply, .. }, Ok(Outcome::Lease(result))) => drop(reply.send(result)),
            (Job::Commit { reply, .. }, Err(error)) => drop(reply.send(Err(error))),
            (Job::Lease { reply, .. }, Err(error)) => drop(reply.send(Err(error.into()))),
            _ => unreachable!("a job comes out as what it went in"),
        }
    }
}

/// Writes a group in one transaction. On `Err` nothing of it is seen.
fn transact(connection: &mut Connection, group: &[Job]) -> rusqlite::Result<Vec<Outcome>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let before: i64 = transaction
        .prepare_cached("SELECT sequence FROM counter WHERE id = 0")?
        .query_row([], |row| row.get(0))?;
    let mut sequence = before;
    let mut outcomes = Vec::with_capacity(group.len());
    for job in group {
        outcomes.push(match job {
            Job::Commit { batch, .. } => Outcome::Commit(apply(&transaction, batch, &mut sequence)?),
            Job::Lease { change, .. } => Outcome::Lease(change_lease(&transaction, change)?),
        });
    }
    if sequence != before {
        transaction.prepare_cached("UPDATE counter SET sequence = ?1 WHERE id = 0")?.execute([sequence])?;
    }
    transaction.commit()?;
    Ok(outcomes)
}

fn apply(
    transaction: &Transaction<'_>,
    batch: &Batch,
    sequence: &mut i64,
) -> rusqlite::Result<Result<Sequence, CommitError>> {
    if let Some(fence) = &batch.fence
        && !lease::is_current(read_lease(transaction, &fence.shard)?.as_ref(), fence.token)
    {
        return Ok(Err(CommitError::Fenced { shard: batch.shard.clone() }));
    }
    for (key, expect) in &batch.expects {
        let found = revision(transaction, key)?;
        if Expect::from(found) != *expect {
            return Ok(Err(CommitError::Conflict { key: key.clone(), found }));
        }
    }
    *sequence += 1;
    let mut delete = transaction.prepare_cached("DELETE FROM entry WHERE key = ?1")?;
    for key in &batch.deletes {
        delete.execute([key.as_bytes()])?;
    }
    let mut put =
        transaction.prepare_cached("REPLACE INTO entry (key, revision, value) VALUES (?1, ?2, ?3)")?;
    for (key, value) in &batch.puts {
        put.execute(params![key.as_bytes(), *sequence, &value[..]])?;
    }
    Ok(Ok(Sequence(sequence.unsigned_abs())))
}

fn revision(transaction: &Transaction<'_>, key: &Key) -> rusqlite::Result<Option<Revision>> {
    transaction
        .prepare_cached("SELECT revision FROM entry WHERE key = ?1")?
        .query_row([key.as_bytes()], |row| Ok(Revision(row.get::<_, i64>(0)?.unsigned_abs())))
        .optional()
}

fn change_lease(
    transaction: &Transaction<'_>,
    change: &Change,
) -> rusqlite::Result<Result<Fence, LeaseError>> {
    let lease = match change.apply(read_lease(transaction, &change.shard)?.as_ref()) {
        Ok(lease) => lease,
        Err(refused) => return Ok(Err(refused)),
    };
    let token = lease.token.cast_signed();
    transaction
        .prepare_cached("REPLACE INTO lease (shard, token, owner, expires) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![&*change.shard.name, token, lease.owner, lease.expires.millis()])?;
    Ok(Ok(lease::fence(change.shard.clone(), &lease)))
}

fn read_lease(transaction: &Transaction<'_>, shard: &Shard) -> rusqlite::Result<Option<Lease>> {
    transaction
        .prepare_cached("SELECT token, owner, expires FROM lease WHERE shard = ?1")?
        .query_row([&*shard.name], |row| {
            Ok(Lease {
                token: row.get::<_, i64>(0)?.cast_unsigned(),
                owner: row.get(1)?,
                expires: Timestamp::from_millis(row.get(2)?),
            })
        })
        .optional()
}

fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

/// After a failed sync the kernel may have dropped what it could not write and report success the next time; a file
/// that is damaged is made worse by writing on.
fn leaves_disk_unknown(error: &rusqlite::Error) -> bool {
    let Some(error) = error.sqlite_error() else { return false };
    matches!(error.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        || matches!(error.extended_code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
}
