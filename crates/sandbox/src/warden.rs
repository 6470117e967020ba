//! The spawner process itself: one thread that takes requests, clones the first process of each cage, and cleans up behind
//! those that have ended. It refuses to outlive the server: when the server's end of the socket closes, however that came
//! about, every cage is killed and everything removed before it ends.

use crate::cage::{self, Birth, CageParts};
use crate::cgroup::{Layout, RunLocks};
use crate::filter::Filter;
use crate::kernel::{self, Cloned};
use crate::message::{Origin, Report};
use crate::{Fault, socket};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Signal, WaitOptions};
use std::collections::{HashMap, VecDeque};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// How long to wait before another try to remove a cgroup that a dying process is still in.
const RETRY: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };

/// How long nobody must have asked for anything before a spare cage is made, so as not to be in the way of those who do:
/// about as long as a runtime takes to start, which needs the processors more.
const IDLE: Timespec = Timespec { tv_sec: 0, tv_nsec: 30_000_000 };
/// The same when there is none left, and the next to ask would wait for all of it.
const IDLE_BARE: Timespec = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };
/// How many cages are kept ready.
const SPARE_CAGES: usize = 4;

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
    pub filter: Option<Filter>,
    /// Whether the cages' users are mapped from the server's own only.
    pub own_user_only: bool,
    /// The image of the usual `/tmp`, and the bytes that files can take in it.
    pub usual: Option<(OwnedFd, u64)>,
}

/// A cage whose first process lives, or whose cgroups are still to be removed.
struct Cage {
    number: u64,
    /// Where the first process takes its request from; when this closes, it ends.
    cradle: Option<OwnedFd>,
    /// A copy of the cage's end of its channel: while it is open, the server knows that not all is gone.
    channel: Option<OwnedFd>,
}

/// The cages of this process.
#[derive(Default)]
struct Cages {
    next: u64,
    /// By the process id of their first process, spare ones too.
    living: HashMap<i32, Cage>,
    /// The spare ones, the oldest first.
    spare: VecDeque<i32>,
    /// Those that only leave their cgroups.
    leaving: Vec<Cage>,
    /// No spare cage could be made, so that none is tried before somebody asks again.
    exhausted: bool,
}

impl Cages {
    fn wants_spare(&self) -> bool {
        // While cages leave, nobody waits for as long as `IDLE`.
        let calm = self.leaving.is_empty() || self.spare.is_empty();
        self.spare.len() < SPARE_CAGES && !self.exhausted && calm
    }
}

impl Warden {
    /// Serves until the server is gone.
    pub fn run(self) -> ! {
        let mut cages = Cages::default();
        let result = self.serve(&mut cages);
        self.end_all(cages);
        // The directories go in any case; only cgroups of what could not be killed may stay for the next sweep.
        self.layout.remove();
        let _ = fs::remove_dir_all(&self.directory);
        drop((self.locks, self.directory_lock));
        kernel::exit(i32::from(result.is_err()))
    }

    fn serve(&self, cages: &mut Cages) -> io::Result<()> {
        let signals = kernel::signal_descriptor(&[libc::SIGCHLD])?;
        let mut buffer = vec![0; socket::MESSAGE_BYTES_MAX];
        loop {
            let mut waited = [PollFd::new(&self.socket, PollFlags::IN), PollFd::new(&signals, PollFlags::IN)];
            let timeout = match (cages.leaving.is_empty(), cages.wants_spare()) {
                (false, _) => Some(&RETRY),
                (true, true) if cages.spare.is_empty() => Some(&IDLE_BARE),
                (true, true) => Some(&IDLE),
                (true, false) => None,
            };
            let ready = match rustix::event::poll(&mut waited, timeout) {
                Ok(ready) => ready,
                Err(rustix::io::Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            let asked = !waited[0].revents().is_empty();
            if !waited[1].revents().is_empty() {
                let mut drained = [0; 1024];
                while rustix::io::read(&signals, &mut drained).is_ok() {}
                self.reap(cages);
            }
            if asked {
                match socket::receive(&self.socket, &mut buffer, false) {
                    Ok((0, _)) => return Ok(()),
                    Ok((length, fds)) => self.answer(&buffer[..length], &fds, cages),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            } else if ready == 0 && cages.wants_spare() {
                match self.bear(cages, false) {
                    Ok(pid) => cages.spare.push_back(pid),
                    // The next request is told why.
                    Err(_) => cages.exhausted = true,
                }
            }
            // Last, as it may take long.
            cages.leaving.retain(|cage| !self.layout.group(cage.number).remove());
        }
    }

    fn reap(&self, cages: &mut Cages) {
        while let Ok(Some((pid, _))) = rustix::process::wait(WaitOptions::NOHANG) {
            self.bury(pid.as_raw_nonzero().get(), cages);
        }
    }

    fn bury(&self, pid: i32, cages: &mut Cages) {
        if let Some(mut cage) = cages.living.remove(&pid) {
            cages.spare.retain(|spare| *spare != pid);
            // Under `Isolation::Process` the first process can be killed by the program, and that live on.
            self.kill_rest(cage.number);
            cage.cradle = None;
            cages.leaving.push(cage);
        }
    }

    fn kill_rest(&self, number: u64) {
        let group = self.layout.group(number);
        if self.filter.is_some() || group.kill() {
            return;
        }
        for pid in group.processes() {
            if let Some(pid) = Pid::from_raw(pid) {
                // One that has ended meanwhile needs no killing.
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
    }

    /// Hands a request on to a spare cage, or to a new one. What the bytes say is for that to read, but for whether it is a
    /// cage.
    fn answer(&self, bytes: &[u8], fds: &[OwnedFd], cages: &mut Cages) {
        let Some(channel) = fds.first() else { return };
        cages.exhausted = false;
        let result = self.hand_on(bytes, fds, cages).and_then(|pid| {
            let copy = channel.try_clone().map_err(Fault::at("copy", "a channel"))?;
            if let Some(cage) = cages.living.get_mut(&pid) {
                cage.channel = Some(copy);
            }
            Ok(())
        });
        if let Err(fault) = result {
            // A server that does not listen any more needs no answer.
            drop(socket::send(channel, &Report::Failed(fault.into()).encode(), &[], false));
        }
    }

    fn hand_on(&self, bytes: &[u8], fds: &[OwnedFd], cages: &mut Cages) -> Result<i32, Fault> {
        let borrowed: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
        let is_midwife = Origin::of(bytes) == Some(Origin::Zygote);
        loop {
            let spare = if is_midwife { None } else { cages.spare.pop_front() };
            let (pid, spare) = match spare {
                Some(pid) => (pid, true),
                None => (self.bear(cages, is_midwife)?, false),
            };
            let cradle = cages.living.get(&pid).and_then(|cage| cage.cradle.as_ref());
            let sent = match cradle {
                Some(cradle) => socket::send(cradle, bytes, &borrowed, false),
                None => Err(io::ErrorKind::BrokenPipe.into()),
            };
            match sent {
                Ok(()) => return Ok(pid),
                // A spare one may have been killed meanwhile.
                Err(_) if spare => {}
                Err(error) => return Err(Fault::at("hand a request to", "a new cage")(error)),
            }
        }
    }

    /// Makes the first process of a cage, or of a zygote: that has to see the pid namespaces of cages below its own.
    fn bear(&self, cages: &mut Cages, is_midwife: bool) -> Result<i32, Fault> {
        let (ours, cradle) = socket::pair().map_err(Fault::at("make", "a cage's cradle"))?;
        cages.next += 1;
        let number = cages.next;
        let mut namespaces = 0;
        if self.filter.is_some() {
            namespaces |= if is_midwife { 0 } else { libc::CLONE_NEWPID };
            if self.own_user_only {
                namespaces |= libc::CLONE_NEWUSER;
            }
        }
        let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let own = self.own_user_only.then_some(own);
        match kernel::clone(namespaces, None).map_err(Fault::at("make", "the cage's first process"))? {
            Cloned::Parent { pid, .. } => {
                cages.living.insert(pid, Cage { number, cradle: Some(ours), channel: None });
                Ok(pid)
            }
            Cloned::Child => cage::live(Birth {
                number,
                cradle,
                layout: &self.layout,
                is_midwife,
                cage: self.filter.as_ref().map(|filter| CageParts {
                    filter,
                    directory: &self.directory,
                    own,
                    usual: self.usual.as_ref().map(|(image, bytes)| (image, *bytes)),
                }),
            }),
        }
    }

    /// Kills every cage and removes its cgroups.
    fn end_all(&self, mut cages: Cages) {
        for (pid, cage) in &mut cages.living {
            // A spare one waits for nothing else.
            cage.cradle = None;
            // First the whole group, frozen processes too, then the first process.
            self.layout.group(cage.number).kill();
            let signal = if self.filter.is_some() { Signal::KILL } else { Signal::TERM };
            if let Some(pid) = Pid::from_raw(*pid) {
                let _ = rustix::process::kill_process(pid, signal);
            }
        }
        while !cages.living.is_empty() {
            match rustix::process::wait(WaitOptions::empty()) {
                Ok(Some((pid, _))) => self.bury(pid.as_raw_nonzero().get(), &mut cages),
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => break,
            }
        }
        // A dying process leaves its cgroup a moment after its parent has seen it end.
        for _ in 0..1000 {
            cages.leaving.retain(|cage| !self.layout.group(cage.number).remove());
            if cages.leaving.is_empty() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        drop(cages);
    }
}
