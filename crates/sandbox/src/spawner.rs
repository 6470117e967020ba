//! The server's handle on the spawner process. It refuses to build anything itself: the server has threads, and a
//! process with threads must not fork into complex code.

use crate::{Error, Finding, Sandbox, Spec};
use std::path::PathBuf;

/// How a spawner works.
#[derive(Debug, Clone)]
pub struct SpawnerOptions {
    /// A directory of the server's own for scratch files, made when missing. Nothing is left in it at the end.
    pub state_dir: PathBuf,
    /// Whether there are cages at all.
    pub isolation: Isolation,
    /// The name of the cgroup under which all of them stand, `hearth` as a rule. Servers may share it.
    pub cgroup_name: String,
}

/// Whether the program is caged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Everything in the crate's description.
    Sandbox,
    /// A plain process of the server's own user: resource limits, a process group, and a cgroup where possible. An
    /// explicit choice of the user; it protects nothing from the program.
    Process,
}

/// The handle on the spawner process: cheap to clone, usable in any task. When the last clone is dropped, and
/// whenever the server dies, the spawner kills every cage, removes what they left, and ends.
#[derive(Debug, Clone)]
pub struct Spawner {}

impl Spawner {
    /// Forks the spawner. Call it first thing in `main`, before any thread and before the async runtime: the child
    /// is a copy of this process as it stands. (Calls from tests, which have threads, work with glibc: its `fork`
    /// keeps the allocator usable, and the child touches no other lock.)
    ///
    /// Also removes what dead servers left behind, never touching a living one's.
    ///
    /// # Errors
    /// [`Error::Start`] when the directory cannot be made or the process not forked, or when `Isolation::Sandbox` is
    /// wanted and the machine cannot have it at all; the message says what is missing.
    pub fn start(options: SpawnerOptions) -> Result<Self, Error> {
        let _ = options;
        Err(Error::SpawnerGone)
    }

    /// Builds a cage and starts the program in it. Returns once the program's `execve` has succeeded.
    ///
    /// Cancel-safe: a dropped call leaves nothing behind.
    ///
    /// # Errors
    /// [`Error::Execute`] when the program cannot be executed; [`Error::Spec`] for what cannot be;
    /// [`Error::Cage`] for a failed step.
    pub async fn spawn(&self, spec: Spec) -> Result<Sandbox, Error> {
        let _ = spec;
        Err(Error::SpawnerGone)
    }

    /// What this spawner enforces on this machine, and what it cannot.
    pub fn enforced(&self) -> &[Finding] {
        &[]
    }

    /// The isolation it was started with.
    pub fn isolation(&self) -> Isolation {
        Isolation::Sandbox
    }

    /// Kills every cage, and returns when the spawner and all it made are gone.
    pub async fn shutdown(self) {}
}
