//! The first process of a cage: it builds the cage around itself, starts the program, tells the server how that fares, reaps
//! orphans, and takes everything with it when it ends: on the server's word, or when server or spawner are gone.
//! It refuses to outlive either, and to run any code of the user itself.

use crate::cgroup::Layout;
use crate::filter::Filters;
use crate::kernel::{self, Cloned};
use crate::message::{Report, Request};
use crate::program::{self, Start, fault};
use crate::{Error, Fault, root, socket};
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Signal, WaitOptions};
use rustix::thread::{CapabilitySet, CapabilitySets, Gid, Uid};
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;

/// What the spawner hands to the first process of a cage.
pub struct Birth<'a> {
    pub request: Request,
    /// The cage's end of its channel to the server.
    pub channel: Rc<OwnedFd>,
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
    /// The image or the kept mount of `/tmp`, where the request speaks of one.
    pub storage: Option<OwnedFd>,
    pub layout: &'a Layout,
    /// None under `Isolation::Process`.
    pub cage: Option<CageParts<'a>>,
}

/// What is prepared once for all cages.
pub struct CageParts<'a> {
    pub filters: &'a Filters,
    /// An empty directory for the new root to stand on.
    pub scaffold: &'a Path,
    /// The spawner's own user and group, which are all there is when it is not root.
    pub own: (u32, u32),
}

/// The program runs.
struct Living {
    program: i32,
    pidfd: OwnedFd,
    temporary: Option<OwnedFd>,
    listeners: Vec<TcpListener>,
}

/// Runs the cage's first process, start to end.
pub fn live(birth: Birth<'_>) -> ! {
    let channel = birth.channel.clone();
    let caged = birth.cage.is_some();
    match begin(birth) {
        Ok((program, signals)) => keep(&channel, &signals, program),
        // With nobody to tell there is nothing to do but end.
        Err(error) => drop(socket::send(&channel, &Report::Failed(error).encode(), &[], true)),
    }
    if !caged {
        kill_descendants();
    }
    kernel::exit(0)
}

fn begin(birth: Birth<'_>) -> Result<(i32, OwnedFd), Error> {
    let signals = settle(&birth)?;
    let Birth { request, channel, .. } = &birth;
    let host_id = request.host_id;
    let channel = channel.clone();
    let caged = birth.cage.is_some();
    let living = build_and_start(birth)?;
    if caged {
        drop_privileges(host_id)?;
    }
    let mut fds: Vec<BorrowedFd<'_>> = vec![living.pidfd.as_fd()];
    fds.extend(living.temporary.as_ref().map(AsFd::as_fd));
    fds.extend(living.listeners.iter().map(AsFd::as_fd));
    let report = Report::Started { has_temporary: living.temporary.is_some() };
    socket::send(&channel, &report.encode(), &fds, true).map_err(Fault::at("report to", "the server"))?;
    Ok((living.program, signals))
}

/// Leaves the spawner's descriptors behind and sees to it that this process ends with the spawner.
fn settle(birth: &Birth<'_>) -> Result<OwnedFd, Fault> {
    let kept: Vec<i32> = [&*birth.channel, &birth.stdout, &birth.stderr]
        .into_iter()
        .chain(&birth.storage)
        .map(AsRawFd::as_raw_fd)
        .collect();
    kernel::close_all_but(&kept).map_err(Fault::at("close", "the spawner's descriptors"))?;
    rustix::thread::set_name(c"hearth-cage").map_err(fault("name", "the first process"))?;
    // A caged one is told to go by its channel; a plain one must also hear of the spawner's death by a signal.
    let signals =
        kernel::signal_descriptor(&[libc::SIGCHLD, libc::SIGTERM]).map_err(Fault::at("watch", "signals"))?;
    if birth.cage.is_none() {
        // Without a pid namespace orphans would leave for the machine's init.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .map_err(fault("adopt", "orphans"))?;
        rustix::process::set_parent_process_death_signal(Some(Signal::TERM))
            .map_err(fault("tie to", "the spawner"))?;
    }
    Ok(signals)
}

fn build_and_start(birth: Birth<'_>) -> Result<Living, Error> {
    let Birth { request, channel: _channel, stdout, stderr, storage, layout, cage } = birth;
    if let Some(parts) = &cage {
        enter_namespaces(&request, parts)?;
    }
    let entrances = layout.group(request.number).create(&request.limits)?;
    let (mut proc, mut temporary, mut listeners) = (None, None, Vec::new());
    if let Some(parts) = &cage {
        listeners = listen(&request)?;
        let built = root::build(&request, parts.scaffold, storage)?;
        (proc, temporary) = (Some(built.proc), built.temporary);
    }
    let (failed, failures) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(fault("make", "a pipe for the program's start"))?;
    match kernel::clone(0).map_err(Fault::at("make", "the program's process"))? {
        Cloned::Child => {
            let failures = File::from(failures);
            let start = Start {
                request: &request,
                entrances,
                stdout,
                stderr,
                cage: proc.zip(cage.map(|parts| parts.filters)),
            };
            let error = program::run(start);
            // With nobody to tell there is nothing to do but end.
            let _ = (&failures).write_all(&Report::Failed(error).encode());
            kernel::exit(127)
        }
        Cloned::Parent { pid, pidfd } => {
            drop((failures, entrances, stdout, stderr, proc));
            let mut told = Vec::new();
            File::from(failed).read_to_end(&mut told).map_err(Fault::at("hear from", "the program"))?;
            match Report::decode(&told) {
                Ok(Report::Failed(error)) => Err(error),
                _ => Ok(Living { program: pid, pidfd, temporary, listeners }),
            }
        }
    }
}

/// The namespaces of the cage itself. The program's user and cgroup namespaces come later: they are its own.
fn enter_namespaces(request: &Request, parts: &CageParts<'_>) -> Result<(), Fault> {
    if request.host_id.is_none() {
        let proc = File::open("/proc").map_err(Fault::at("open", "/proc"))?;
        program::map_user(&proc.into(), parts.own.0, parts.own.1)?;
    }
    // Again, as the change of user above undoes it.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(fault("tie to", "the spawner"))?;
    kernel::unshare(libc::CLONE_NEWNS | libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS)
        .map_err(Fault::at("make", "the cage's namespaces"))?;
    rustix::system::sethostname(request.hostname.as_bytes())
        .map_err(fault("set the host name", &request.hostname))
}

fn listen(request: &Request) -> Result<Vec<TcpListener>, Fault> {
    kernel::raise_loopback().map_err(Fault::at("bring up", "the loopback"))?;
    let open = |address: &std::net::SocketAddr| {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    request
        .listeners
        .iter()
        .map(|address| open(address).map_err(Fault::at("listen on", address.to_string())))
        .collect()
}

/// This process has nothing more to build. It takes the cage's host id, which leaves it nothing to do harm with, and hides
/// from the program, which has the same one.
fn drop_privileges(host_id: Option<u32>) -> Result<(), Fault> {
    if let Some(id) = host_id {
        rustix::thread::set_thread_groups(&[]).map_err(fault("drop", "supplementary groups"))?;
        let gid = Gid::from_raw(id);
        rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(fault("take", "the cage's group"))?;
        let uid = Uid::from_raw(id);
        rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(fault("take", "the cage's user"))?;
    }
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets).map_err(fault("give up", "capabilities"))?;
    rustix::thread::set_no_new_privs(true).map_err(fault("deny new privileges to", "the first process"))?;
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(fault("hide", "the first process"))?;
    // The change of user undid it.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(fault("tie to", "the spawner"))
}

/// Reaps what ends, and reports the program's end, until the server lets go of the channel or a signal says to end.
fn keep(channel: &OwnedFd, signals: &OwnedFd, program: i32) {
    loop {
        let mut waited = [PollFd::new(channel, PollFlags::IN), PollFd::new(signals, PollFlags::IN)];
        match rustix::event::poll(&mut waited, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
        if !waited[0].revents().is_empty() {
            // The server never writes: this is its end.
            return;
        }
        if !waited[1].revents().is_empty() && !reap(channel, signals, program) {
            return;
        }
    }
}

/// Whether to go on.
fn reap(channel: &OwnedFd, signals: &OwnedFd, program: i32) -> bool {
    let mut buffer = [0; size_of::<libc::signalfd_siginfo>()];
    while rustix::io::read(signals, &mut buffer).is_ok() {
        let (number, _) =
            buffer.split_first_chunk::<4>().expect("the structure is longer than its first field");
        if u32::from_ne_bytes(*number) == libc::SIGTERM.cast_unsigned() {
            return false;
        }
    }
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        if pid.as_raw_nonzero().get() == program {
            let signal = status.terminating_signal();
            let number = signal.or(status.exit_status()).unwrap_or(0);
            let report = Report::Exited { signalled: signal.is_some(), number };
            if socket::send(channel, &report.encode(), &[], true).is_err() {
                return false;
            }
        }
    }
    true
}

/// Kills all that descends from this process: what loses its parent comes to us, until none is left.
fn kill_descendants() {
    loop {
        let children = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
        for child in children.split_whitespace().filter_map(|word| word.parse().ok()) {
            if let Some(pid) = rustix::process::Pid::from_raw(child) {
                // One that has ended meanwhile is ours to reap: its id cannot be another's.
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
        if rustix::process::wait(WaitOptions::empty()).is_err() {
            return;
        }
    }
}
