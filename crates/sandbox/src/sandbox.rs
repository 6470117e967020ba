//! The handle on one living cage. It refuses to outlive it: dropping it kills every process inside.

use crate::{Error, TemporaryStorage};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// A cage and the program in it. Dropping it kills everything inside, at once, and lets go of all it used.
#[derive(Debug)]
pub struct Sandbox {}

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code or the signal that ended it.
    pub status: ExitStatus,
    /// Whether the kernel killed a process of the cage because its memory limit was reached.
    pub oom_killed: bool,
}

/// An exit code or a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// `exit(code)`, 0 to 255.
    Code(i32),
    /// Ended by this signal, such as 9.
    Signal(i32),
}

impl Sandbox {
    /// The program's process id on the host.
    pub fn process_id(&self) -> u32 {
        0
    }

    /// The listeners of the spec, in its order, non-blocking; empty when taken before.
    pub fn take_listeners(&mut self) -> Vec<TcpListener> {
        Vec::new()
    }

    /// The read end of the pipe that is the program's standard output, non-blocking: for
    /// `tokio::net::unix::pipe::Receiver::from_owned_fd`. None when taken before.
    pub fn take_stdout(&mut self) -> Option<OwnedFd> {
        None
    }

    /// The same of its standard error.
    pub fn take_stderr(&mut self) -> Option<OwnedFd> {
        None
    }

    /// Waits for the program's end. Other processes of the cage may live on until [`Sandbox::kill`]. May be called
    /// many times and by many tasks; cancel-safe.
    pub async fn wait(&self) -> Exit {
        Exit { status: ExitStatus::Signal(9), oom_killed: false }
    }

    /// Kills every process of the cage, frozen ones too. Does not wait.
    pub fn kill(&self) {}

    /// Sends SIGTERM to the program.
    pub fn terminate(&self) {}

    /// Stops every process of the cage from running until [`Sandbox::thaw`].
    ///
    /// # Errors
    /// [`Error::Steer`] when the kernel refuses.
    pub fn freeze(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Lets them run on.
    ///
    /// # Errors
    /// [`Error::Steer`] when the kernel refuses.
    pub fn thaw(&self) -> Result<(), Error> {
        Ok(())
    }

    /// The most memory in bytes that the cage has used since the start or the last
    /// [`Sandbox::reset_memory_peak`]; None where there is no memory cgroup.
    pub fn memory_peak_bytes(&self) -> Option<u64> {
        None
    }

    /// Starts the peak anew from what is used now.
    ///
    /// # Errors
    /// [`Error::Steer`] when the kernel cannot (cgroup v2 before Linux 6.12).
    pub fn reset_memory_peak(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Processor time that all processes of the cage have used; None where it is not counted.
    pub fn cpu_time(&self) -> Option<Duration> {
        None
    }

    /// The cage's `/tmp`, to keep it for the next one.
    pub fn temporary(&self) -> TemporaryStorage {
        TemporaryStorage { inner: std::sync::Arc::new(crate::spec::TemporaryHold { id: 0 }) }
    }

    /// Kills every process and returns when all is gone: processes, mounts, cgroups.
    pub async fn destroy(self) {}
}
