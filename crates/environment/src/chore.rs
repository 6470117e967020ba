//! Programs that run once in a cage like a function's, for what they write to standard output, and the queue in which they wait for
//! each other. They refuse to take processor time that anybody else wants.

use crate::living::Living;
use crate::{Interpreter, plan};
use hearth_base::limits;
use hearth_sandbox::{Exit, Limits, Mount, Spawner, Spec, Temporary};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{Semaphore, watch};

/// Memory of the cage.
pub(crate) const MEMORY_MB: u32 = 512;
/// They have what processor time nobody else wants.
const DONE_WITHIN: Duration = Duration::from_secs(120);

/// Chores that have begun. The others are asked for again by the next start.
const BEGUN_MAX: usize = 1_024;

/// Chores of one kind, each of which makes something that is kept: one at a time, in the background.
pub(crate) struct Chores {
    /// What waits to be made, or is being.
    begun: Arc<Mutex<BTreeSet<PathBuf>>>,
    turn: Arc<Semaphore>,
    living: Living,
    closed: watch::Sender<bool>,
}

/// Tells a chore that it is given up.
#[derive(Clone)]
pub(crate) struct Closed(watch::Receiver<bool>);

impl Chores {
    pub(crate) fn new(living: &Living) -> Self {
        Self {
            begun: Arc::default(),
            turn: Arc::new(Semaphore::new(1)),
            living: living.clone(),
            closed: watch::Sender::new(false),
        }
    }

    /// Does what makes `target`, unless that has begun.
    pub(crate) fn begin<W>(&self, target: PathBuf, work: impl FnOnce(Closed) -> W)
    where
        W: Future<Output = io::Result<()>> + Send + 'static,
    {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if *self.closed.borrow() || begun.len() >= BEGUN_MAX || !begun.insert(target.clone()) {
            return;
        }
        drop(begun);
        let work = work(self.closed());
        // What writes to the data directory has ended when a drain is over.
        let life = self.living.begin();
        let (begun, turn) = (Arc::clone(&self.begun), Arc::clone(&self.turn));
        tokio::spawn(async move {
            let _life = life;
            let Ok(_turn) = turn.acquire_owned().await else { return };
            if let Err(error) = work.await {
                // The next start asks for it again.
                tracing::debug!(%error, ?target, "a chore was not done");
            }
            begun.lock().unwrap_or_else(PoisonError::into_inner).remove(&target);
        });
    }

    pub(crate) fn closed(&self) -> Closed {
        Closed(self.closed.subscribe())
    }

    /// Begins nothing more, and gives up what was begun.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
        self.turn.close();
    }
}

impl Closed {
    pub(crate) fn is_so(&self) -> bool {
        *self.0.borrow()
    }

    /// Resolves when it is so.
    pub(crate) async fn told(mut self) {
        // Whoever would say so has gone.
        let _ = self.0.wait_for(|closed| *closed).await;
    }
}

/// A cage with an interpreter in it and what is mounted.
pub(crate) fn spec(
    interpreter: &Interpreter,
    shown: Vec<Mount>,
    program: PathBuf,
    arguments: Vec<OsString>,
) -> Spec {
    let (mut mounts, link) = plan::installation(interpreter);
    mounts.extend(shown);
    Spec {
        program,
        arguments,
        environment: Vec::new(),
        directory: "/tmp".into(),
        companions: Vec::new(),
        mounts,
        links: link.into_iter().collect(),
        files: Vec::new(),
        stem: None,
        temporary: Temporary::Fresh { bytes: u64::from(*limits::EPHEMERAL_STORAGE_MB.start()) << 20 },
        limits: Limits {
            memory_bytes: u64::from(MEMORY_MB) << 20,
            cpu_millis_per_second: plan::INIT_CPU_MILLIS_PER_SECOND,
            cpu_weight: 1,
            processes_max: limits::PROCESSES_MAX as u32,
            file_descriptors_max: limits::FILE_DESCRIPTORS_MAX,
        },
        hostname: plan::HOSTNAME.to_owned(),
        listeners: Vec::new(),
        messages: None,
    }
}

/// Runs it to its end: what it wrote, of which a byte more than `bytes_max` is taken, and how it ended. It is an error when that
/// takes too long, or when it is stopped.
pub(crate) async fn run(
    spawner: &Spawner,
    spec: Spec,
    bytes_max: u64,
    stopped: impl Future<Output = ()>,
) -> io::Result<(Vec<u8>, Exit)> {
    let mut sandbox = spawner.spawn(spec).await.map_err(io::Error::other)?;
    let output = sandbox.take_stdout().map(Receiver::from_owned_fd).transpose();
    let work = async {
        let mut bytes = Vec::new();
        if let Some(output) = output? {
            output.take(bytes_max + 1).read_to_end(&mut bytes).await?;
        }
        Ok((bytes, sandbox.wait().await))
    };
    let done = tokio::select! {
        done = tokio::time::timeout(DONE_WITHIN, work) => done.map_err(io::Error::from).flatten(),
        () = stopped => Err(io::ErrorKind::Interrupted.into()),
    };
    sandbox.destroy().await;
    done
}
