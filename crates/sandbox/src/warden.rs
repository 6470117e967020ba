//! The spawner process itself: one thread that takes requests, clones the first process of each cage, and cleans up behind
//! those that have ended. It refuses to outlive the server: when the server's end of the socket closes, however that came
//! about, every cage is killed and everything removed before it ends.

use crate::cage::{self, Birth, CageParts};
use crate::cgroup::{Layout, RunLocks};
use crate::filter::Filters;
use crate::kernel::{self, Cloned};
use crate::message::{Report, Request, TemporaryRequest};
use crate::{Fault, socket};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Signal, WaitOptions};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;

/// How long to wait before another try to remove a cgroup that a dying process is still in.
const RETRY: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };

/// All that the spawner process works with.
pub struct Warden {
    pub socket: OwnedFd,
    pub layout: Layout,
    /// Held for as long as this process lives.
    pub locks: RunLocks,
    /// The run's own directory.
    pub directory: PathBuf,
    pub directory_lock: OwnedFd,
    /// None under `Isolation::Process`.
    pub filters: Option<Filters>,
    /// Whether the cages' users are mapped from the server's own only.
    pub own_user_only: bool,
}

/// A cage whose first process lives, or whose cgroups are still to be removed.
struct Cage {
    number: u64,
    /// A copy of the cage's end of its channel: while it is open, the server knows that not all is gone.
    _channel: OwnedFd,
}

impl Warden {
    /// Serves until the server is gone.
    pub fn run(self) -> ! {
        let result = self.serve();
        // The directories go in any case; only cgroups of what could not be killed may stay for the next sweep.
        self.layout.remove();
        let _ = fs::remove_dir_all(&self.directory);
        drop((self.locks, self.directory_lock));
        kernel::exit(i32::from(result.is_err()))
    }

    /// The name of the directory that new roots stand on.
    pub fn scaffold(&self) -> PathBuf {
        self.directory.join("root")
    }

    fn serve(&self) -> io::Result<()> {
        let signals = kernel::signal_descriptor(&[libc::SIGCHLD])?;
        let mut cages: HashMap<i32, Cage> = HashMap::new();
        let mut leaving: Vec<Cage> = Vec::new();
        let mut buffer = vec![0; socket::MESSAGE_BYTES_MAX];
        loop {
            let mut waited = [PollFd::new(&self.socket, PollFlags::IN), PollFd::new(&signals, PollFlags::IN)];
            let timeout = (!leaving.is_empty()).then_some(&RETRY);
            match rustix::event::poll(&mut waited, timeout) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            let asked = !waited[0].revents().is_empty();
            if !waited[1].revents().is_empty() {
                let mut drained = [0; 1024];
                while rustix::io::read(&signals, &mut drained).is_ok() {}
                self.reap(&mut cages, &mut leaving);
            }
            leaving.retain(|cage| !self.layout.group(cage.number).remove());
            if asked {
                match socket::receive(&self.socket, &mut buffer, false) {
                    Ok((0, _)) => break,
                    Ok((length, fds)) => self.answer(&buffer[..length], fds, &mut cages),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => break,
                }
            }
        }
        self.end_all(cages, leaving);
        Ok(())
    }

    fn reap(&self, cages: &mut HashMap<i32, Cage>, leaving: &mut Vec<Cage>) {
        while let Ok(Some((pid, _))) = rustix::process::wait(WaitOptions::NOHANG) {
            if let Some(cage) = cages.remove(&pid.as_raw_nonzero().get()) {
                // Under `Isolation::Process` the first process can be killed by the program, and that live on.
                self.kill_rest(cage.number);
                leaving.push(cage);
            }
        }
    }

    fn kill_rest(&self, number: u64) {
        let group = self.layout.group(number);
        if self.filters.is_some() || group.kill() {
            return;
        }
        for pid in group.processes() {
            if let Some(pid) = Pid::from_raw(pid) {
                // One that has ended meanwhile needs no killing.
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
    }

    fn answer(&self, bytes: &[u8], fds: Vec<OwnedFd>, cages: &mut HashMap<i32, Cage>) {
        let mut fds = fds.into_iter();
        let (Some(channel), Some(stdout), Some(stderr)) = (fds.next(), fds.next(), fds.next()) else {
            return;
        };
        let result = Request::decode(bytes)
            .map_err(Fault::at("read", "a request"))
            .and_then(|request| self.bear(request, &channel, [stdout, stderr], fds.next()));
        match result {
            Ok((pid, number)) => drop(cages.insert(pid, Cage { number, _channel: channel })),
            // A server that does not listen any more needs no answer.
            Err(fault) => {
                drop(socket::send(&channel, &Report::Failed(fault.into()).encode(), &[], false));
            }
        }
    }

    fn bear(
        &self,
        request: Request,
        channel: &OwnedFd,
        [stdout, stderr]: [OwnedFd; 2],
        storage: Option<OwnedFd>,
    ) -> Result<(i32, u64), Fault> {
        let number = request.number;
        let scaffold = self.scaffold();
        let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let channel = channel.try_clone().map_err(Fault::at("copy", "a channel"))?;
        let mut namespaces = 0;
        if self.filters.is_some() {
            namespaces |= libc::CLONE_NEWPID;
            if self.own_user_only {
                namespaces |= libc::CLONE_NEWUSER;
            }
        }
        debug_assert!(storage.is_some() || !matches!(request.temporary, TemporaryRequest::Image));
        match kernel::clone(namespaces).map_err(Fault::at("make", "the cage's first process"))? {
            Cloned::Parent { pid, .. } => Ok((pid, number)),
            Cloned::Child => cage::live(Birth {
                request,
                channel: Rc::new(channel),
                stdout,
                stderr,
                storage,
                layout: &self.layout,
                cage: self.filters.as_ref().map(|filters| CageParts { filters, scaffold: &scaffold, own }),
            }),
        }
    }

    /// Kills every cage and removes its cgroups.
    fn end_all(&self, mut cages: HashMap<i32, Cage>, mut leaving: Vec<Cage>) {
        for (pid, cage) in &cages {
            // First the whole group, frozen processes too, then the first process.
            self.layout.group(cage.number).kill();
            let signal = if self.filters.is_some() { Signal::KILL } else { Signal::TERM };
            if let Some(pid) = Pid::from_raw(*pid) {
                let _ = rustix::process::kill_process(pid, signal);
            }
        }
        while !cages.is_empty() {
            match rustix::process::wait(WaitOptions::empty()) {
                Ok(Some((pid, _))) => {
                    if let Some(cage) = cages.remove(&pid.as_raw_nonzero().get()) {
                        self.kill_rest(cage.number);
                        leaving.push(cage);
                    }
                }
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => break,
            }
        }
        // A dying process leaves its cgroup a moment after its parent has seen it end.
        for _ in 0..1000 {
            leaving.retain(|cage| !self.layout.group(cage.number).remove());
            if leaving.is_empty() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}
