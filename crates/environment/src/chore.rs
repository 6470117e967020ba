//! Programs that run once in a cage like a function's, for what they write to standard output. They refuse to take processor
//! time that anybody else wants.

use crate::{Interpreter, plan};
use hearth_base::limits;
use hearth_sandbox::{Exit, Limits, Mount, Spawner, Spec, Temporary};
use std::ffi::OsString;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;

/// Memory of the cage.
pub(crate) const MEMORY_MB: u32 = 512;
/// They have what processor time nobody else wants.
const DONE_WITHIN: Duration = Duration::from_secs(120);

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
