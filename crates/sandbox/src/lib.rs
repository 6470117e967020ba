//! One cage for processes: namespaces, cgroups v1 and v2, seccomp, Landlock, mounts and network.
//!
//! It knows processes, not Lambda. It refuses to run code uncaged unless [`Isolation::Process`] was asked for, and
//! to accept a limit that it cannot keep without saying so in [`Spawner::enforced`].

mod cage;
mod cgroup;
mod error;
mod fileaccess;
mod filter;
mod identity;
mod kernel;
mod message;
mod probe;
mod program;
mod root;
mod run;
mod sandbox;
mod socket;
mod spawner;
mod spec;
mod temporary;
mod warden;

pub use error::{Error, Fault};
pub use probe::{Finding, State, probe};
pub use sandbox::{Exit, ExitStatus, Sandbox};
pub use spawner::{Isolation, Spawner, SpawnerOptions};
pub use spec::{Announcement, File, Limits, Link, Listener, Mount, Spec, Temporary, TemporaryStorage};
