//! One cage for processes: namespaces, cgroups v1 and v2, seccomp, Landlock, mounts and network.
//!
//! It knows processes, not Lambda. It refuses to run code uncaged unless [`Isolation::Process`] was asked for, and
//! to accept a limit that it cannot keep without saying so in [`Spawner::enforced`].
//!
//! # Who does what
//! The server has threads, and a process with threads must not fork into complex code. So [`Spawner::start`] forks the
//! **spawner** (`warden.rs`) before there is any: one thread that takes requests over a socket and clones, for each cage, its
//! **first process** (`cage.rs`), which builds the cage around itself, makes the **program**'s process (`program.rs`), starts
//! it on request, reaps orphans, and reports the program's end over a channel to the server. All that takes long and needs no
//! request is done before there is one: a few cages are kept ready.
//!
//! Life hangs on those sockets. The server lets go of a cage's channel: its first process ends, and the kernel kills the rest
//! of the pid namespace. The server dies, by whatever cause: so do all channels, and the spawner kills what is left, removes
//! cgroups and directories, and ends. The spawner dies: the first processes get SIGKILL from the kernel, and the next start
//! sweeps the cgroups and the directory, which it tells from a living server's by their locks. Mounts exist only in the
//! cages' own mount namespaces, `/tmp` images only as files without names, so that nothing of those can be left at all.
//!
//! A **stem cell** is a cage whose program has started and knows nothing of what it will run (`stem.rs`). Its first process keeps
//! its privileges until [`Sandbox::assign`]: then it puts the mounts that the server took from the host into the cage, hands the
//! program its environment, and gives up what it has. The program itself had nothing more before than after: the host's tree is
//! gone, all filters are in place, and its user is the cage's own.
//!
//! A **zygote** is a program that waits so and is never assigned but copied (`zygote.rs`): its parent, the midwife, stands where the
//! first process of a cage would, in the spawner's own pid namespace, and makes by `ptrace` the system calls of each copy (`remote.rs`),
//! until that is a cage's program like any other.
//!
//! # The cage
//! - **Users.** Inside there is one, 993:990. As root, each cage has a host user of its own that nobody else on the machine
//!   has; otherwise all have the server's own. The program's user namespace lies below the one that owns all the others, so
//!   that even a full set of capabilities in it would be worth nothing; it has none, nor a way to get any (`no_new_privs`,
//!   empty bounding set).
//! - **Files.** A fresh root, read-only, with the host's programs and libraries (`/usr` and its likes), the parts of `/etc`
//!   that `policies/etc.list` names, five devices, a read-only `/proc` that shows only what the program may trace (files of
//!   `policies/proc.list` are empty), the spec's mounts, and `/tmp`. No set-uid, no devices but the five.
//! - **`/tmp`** is an ext4 image on disk of the size asked for, so that what is in it does not count as the program's memory;
//!   without root or loop devices it is a tmpfs, which does.
//! - **Network.** A namespace with a loopback and nothing else. The spec's listeners are opened in it and handed to the server.
//! - **System calls** that `policies/seccomp.list` allows; all others answer an error, and nobody is killed for asking.
//! - **Landlock** rules of `policies/landlock.list` on top: should a mount be wrong, still nothing but `/tmp` can be written
//!   to, and no signal reaches out of the cage.
//! - **Limits.** Memory without swap, processor time, processes by cgroup (of version 1 or 2, found as the machine has them);
//!   open files by rlimit; no core dumps. The first process is not in the cage's cgroups: building costs the program nothing,
//!   and a frozen or starved program cannot keep it from ending the cage.

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
mod remote;
mod root;
mod run;
mod sandbox;
mod socket;
mod spawner;
mod spec;
mod stem;
mod steps;
mod temporary;
mod warden;
mod zygote;

pub use error::{Error, Fault};
pub use probe::{Finding, State, probe};
pub use sandbox::{Exit, ExitStatus, Sandbox};
pub use spawner::{Isolation, Nursery, Spawner, SpawnerOptions};
pub use spec::{
    Announcement, Assignment, Companion, File, Limits, Line, Link, Listener, Mount, Spec, Stem, Temporary,
    TemporaryStorage,
};
