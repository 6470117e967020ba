//! The first process of a cage: it builds the cage around itself, starts the program, tells the server how that fares, reaps
//! orphans, and takes everything with it when it ends: on the server's word, or when server or spawner are gone.
//! It refuses to outlive either, and to run any code of the user itself.

use crate::cgroup::{Entrances, Layout, Opened};
use crate::filter::Filter;
use crate::kernel::{self, Cloned};
use crate::message::{Origin, Report, Request, TemporaryRequest};
use crate::program::{self, Start, fault};
use crate::stem::{self, Ends, Waiting, Woken};
use crate::zygote::{self, Gift, Midwife};
use crate::{Companion, Error, Fault, root, socket, temporary};
use rustix::event::{PollFd, PollFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::{Signal, WaitOptions};
use rustix::thread::{CapabilitySet, CapabilitySets, Gid, Uid};
use std::fs::File;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// The server's orders on the channel where there is no freezer.
pub const STOP: [u8; 1] = [b's'];
/// The other order.
pub const CONTINUE: [u8; 1] = [b'c'];
/// The order to make a socket of the cage's network.
pub const DIAL: [u8; 1] = [b'd'];
/// A bound for walks through processes that may fork meanwhile.
const PROCESSES_SIGNALLED_MAX: usize = 100_000;

/// What the spawner hands to the first process of a cage.
pub struct Birth<'a> {
    /// Names the cage's cgroups.
    pub number: u64,
    /// Where the request will come from.
    pub cradle: OwnedFd,
    pub layout: &'a Layout,
    /// Whether this is the midwife of a zygote, and in the spawner's pid namespace.
    pub is_midwife: bool,
    /// None under `Isolation::Process`.
    pub cage: Option<CageParts<'a>>,
}

/// What is prepared once for all cages.
pub struct CageParts<'a> {
    pub filter: &'a Filter,
    /// The run's directory.
    pub directory: &'a Path,
    /// The spawner's own user and group where they are all there is: the cage is in a user namespace in which nobody is
    /// mapped yet.
    pub own: Option<(u32, u32)>,
    /// The image of the `/tmp` that most cages ask for, and the bytes that files can take in it.
    pub usual: Option<(&'a OwnedFd, u64)>,
}

/// What a cage has before anybody knows what it is for: all that takes long.
struct Blank {
    /// The process that will be the program; it has joined the cgroups.
    program: i32,
    /// What the processes of companions need to join them, and a writable `/proc`.
    entrances: Entrances,
    proc: Option<OwnedFd>,
    pidfd: OwnedFd,
    /// Where it takes the request from, and tells what fails.
    orders: OwnedFd,
    groups: Opened,
    /// The usual `/tmp`, when it is an image.
    storage: Option<(OwnedFd, u64)>,
}

/// What is with a request besides its bytes.
struct Delivery {
    request: Request,
    bytes: Vec<u8>,
    channel: OwnedFd,
    output: Outputs,
    storage: Option<OwnedFd>,
    /// Where copies of a zygote are asked for, or by whom.
    nursery: Option<OwnedFd>,
}

/// The write ends of what the programs print.
struct Outputs {
    stdout: OwnedFd,
    stderr: OwnedFd,
    companions: Vec<OwnedFd>,
    messages: Option<OwnedFd>,
}

/// Runs the cage's first process, start to end: it builds what all cages have, waits for a request, and sees it through.
pub fn live(birth: Birth<'_>) -> ! {
    let caged = birth.cage.is_some();
    if let Ok(signals) = settle(&birth) {
        // What went wrong is told to whoever asks for a cage.
        let blank = prepare(&birth);
        if let Some(delivery) = await_request(&birth.cradle) {
            let outcome = blank.map_err(Error::from).and_then(|blank| begin(&birth, blank, &delivery));
            match outcome {
                Ok((programs, waiting)) => {
                    let Delivery { request, channel, output, storage, nursery, .. } = delivery;
                    // While we held them, their readers would not see the program's end.
                    drop((output, storage));
                    let nursery = nursery.filter(|_| birth.is_midwife);
                    let watched = [&channel, &signals, &birth.cradle];
                    if birth.is_midwife {
                        if let (Some(waiting), Some(nursery), Some(parts)) = (waiting, nursery, &birth.cage) {
                            let midwife =
                                Midwife { waiting: &waiting, nursery: &nursery, filter: parts.filter };
                            midwife.live(watched, || reap(&channel, &signals, &programs));
                        }
                    } else if waiting
                        .is_none_or(|waiting| serve_stem(&waiting, watched, request.host_id, &programs))
                    {
                        keep(&channel, &birth.cradle, &signals, &programs);
                    }
                }
                // With nobody to tell there is nothing to do but end.
                Err(error) => {
                    drop(socket::send(&delivery.channel, &Report::Failed(error).encode(), &[], true))
                }
            }
        }
    }
    if !caged {
        kill_descendants();
    }
    kernel::exit(0)
}

/// Leaves the spawner's descriptors behind and sees to it that this process ends with the spawner.
fn settle(birth: &Birth<'_>) -> Result<OwnedFd, Fault> {
    let usual = birth.cage.as_ref().and_then(|parts| parts.usual);
    let kept: Vec<i32> =
        [&birth.cradle].into_iter().chain(usual.map(|(image, _)| image)).map(AsRawFd::as_raw_fd).collect();
    kernel::close_all_but(&kept).map_err(Fault::at("close", "the spawner's descriptors"))?;
    let name = if birth.is_midwife { c"hearth-midwife" } else { c"hearth-cage" };
    rustix::thread::set_name(name).map_err(fault("name", "the first process"))?;
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

fn prepare(birth: &Birth<'_>) -> Result<Blank, Fault> {
    if let Some(parts) = &birth.cage {
        enter_namespaces(parts)?;
    }
    let mut groups = birth.layout.group(birth.number).create()?;
    let entrances = std::mem::take(&mut groups.entrances);
    let (mut proc, mut storage) = (None, None);
    if let Some(parts) = &birth.cage {
        if let Some((image, bytes)) = parts.usual.filter(|_| !birth.is_midwife) {
            storage = Some((temporary::mount_copy(image, parts.directory, Path::new("/"))?, bytes));
        }
        proc = Some(root::prepare(&parts.directory.join("root"))?);
        if birth.is_midwife {
            // It shows the whole machine.
            root::hide_proc()?;
        }
    }
    let (orders, theirs) = socket::pair().map_err(Fault::at("make", "a socket for the program's start"))?;
    let born = kernel::clone(0, entrances.birthplace.as_ref().map(AsFd::as_fd));
    match born.map_err(Fault::at("make", "the program's process"))? {
        Cloned::Child => {
            let filter = birth.cage.as_ref().filter(|_| !birth.is_midwife).map(|parts| parts.filter);
            let tasks = entrances.tasks;
            let error = program::run(Start { orders: theirs, tasks, caged: proc.zip(filter) });
            kernel::exit(error)
        }
        Cloned::Parent { pid, pidfd } => {
            Ok(Blank { program: pid, entrances, proc, pidfd, orders, groups, storage })
        }
    }
}

/// Waits for the one request of this cage; None when the spawner has gone, or sends nonsense.
fn await_request(cradle: &OwnedFd) -> Option<Delivery> {
    let mut bytes = vec![0; socket::MESSAGE_BYTES_MAX];
    let (length, fds) = socket::receive(cradle, &mut bytes, true).ok()?;
    bytes.truncate(length);
    let mut fds = fds.into_iter();
    let (channel, stdout, stderr) = (fds.next()?, fds.next()?, fds.next()?);
    let request = Request::decode(&bytes).ok()?;
    let companions = request.companions.iter().map(|_| fds.next()).collect::<Option<_>>()?;
    let messages = if request.messages.is_some() { Some(fds.next()?) } else { None };
    let output = Outputs { stdout, stderr, companions, messages };
    let nursery = if request.origin == Origin::Executed { None } else { Some(fds.next_back()?) };
    Some(Delivery { request, bytes, channel, output, storage: fds.next(), nursery })
}

/// Makes the cage what the request asks for, and lets the companions and the program run. Gives their process ids, the
/// program's first, and what a stem cell still needs.
fn begin(birth: &Birth<'_>, blank: Blank, delivery: &Delivery) -> Result<(Vec<i32>, Option<Waiting>), Error> {
    let request = &delivery.request;
    blank.groups.limit(&request.limits)?;
    let (mut listeners, mut kept, mut places) = (Vec::new(), None, None);
    if let Some(parts) = &birth.cage {
        rustix::system::sethostname(request.hostname.as_bytes())
            .map_err(fault("set the host name", &request.hostname))?;
        listeners = listen(request)?;
        let storage = choose_storage(parts, blank.storage, delivery)?;
        let furnished = root::furnish(request, storage.as_ref())?;
        (kept, places) = (furnished.temporary, furnished.places);
    }
    let mut programs = vec![blank.program];
    let Outputs { stdout, stderr, companions, messages } = &delivery.output;
    for (companion, output) in request.companions.iter().zip(companions) {
        let shared = (&blank.entrances, blank.proc.as_ref());
        programs.push(start_companion(birth, shared, request, (companion, output))?);
    }
    let line = places.map(stem::draw_line).transpose()?;
    let (ours, theirs) = line.map_or((None, None), |(ours, theirs)| (Some(ours), theirs));
    let is_ready = request.origin == Origin::Copied;
    let pidfd = match (&delivery.nursery, &theirs) {
        (Some(nursery), Some(line)) if is_ready => {
            // The copy takes its number.
            end_program(blank.program)?;
            let entrances = &blank.entrances;
            let gift = Gift { stdout, stderr, line, messages: messages.as_ref(), entrances };
            zygote::ask(nursery, request, &gift)?
        }
        _ => {
            let given = [stdout, stderr].into_iter().chain(messages).chain(&theirs);
            let given: Vec<BorrowedFd<'_>> = given.map(AsFd::as_fd).collect();
            start_program(&blank.orders, &delivery.bytes, &given)?;
            blank.pidfd
        }
    };
    drop(theirs);
    let waiting = match (ours, blank.proc, &request.stem) {
        (Some(Ends { root, line, order }), Some(proc), Some(stem)) => Some(Waiting {
            line,
            order,
            root,
            proc,
            program: blank.program,
            directory: request.directory.clone(),
            stem: stem.clone(),
            is_ready,
        }),
        _ => None,
    };
    if birth.cage.is_some() && waiting.is_none() {
        drop_privileges(request.host_id)?;
    }
    let mut fds: Vec<BorrowedFd<'_>> = vec![pidfd.as_fd()];
    fds.extend(kept.as_ref().map(AsFd::as_fd));
    fds.extend(listeners.iter().map(AsFd::as_fd));
    let report = Report::Started { number: birth.number, has_temporary: kept.is_some() };
    socket::send(&delivery.channel, &report.encode(), &fds, true)
        .map_err(Fault::at("report to", "the server"))?;
    Ok((programs, waiting))
}

/// Sees a stem cell through to its assignment and gives up what that took. False when the cage is to end.
fn serve_stem(waiting: &Waiting, watched: [&OwnedFd; 3], host_id: Option<u32>, programs: &[i32]) -> bool {
    let [channel, signals, _] = watched;
    let mut is_ready = waiting.is_ready;
    if is_ready && !stem::report(channel, &Report::Waiting) {
        return false;
    }
    loop {
        let Ok(woken) = waiting.wait(watched, is_ready) else { return false };
        for woken in woken {
            match woken {
                Woken::Orphaned => return false,
                Woken::Signalled if !reap(channel, signals, programs) => return false,
                Woken::Signalled => {}
                Woken::Ready => {
                    is_ready = true;
                    if waiting.heard() && !stem::report(channel, &Report::Waiting) {
                        return false;
                    }
                }
                Woken::Asked => {
                    let Some(assigned) = waiting.obey(channel) else { return false };
                    // What can fail, fails before the program goes on: a server may then start the function elsewhere.
                    let assigned = assigned.and_then(|block| {
                        drop_privileges(host_id).and_then(|()| waiting.hand_over(&block)).map_err(Error::Cage)
                    });
                    let report = assigned.map_or_else(Report::Failed, |()| Report::Assigned);
                    let is_well = matches!(report, Report::Assigned);
                    return stem::report(channel, &report) && is_well;
                }
            }
        }
    }
}

/// What becomes `/tmp`: the one that was kept, the usual one that is ready, or one made now.
fn choose_storage(
    parts: &CageParts<'_>,
    ready: Option<(OwnedFd, u64)>,
    delivery: &Delivery,
) -> Result<Option<OwnedFd>, Fault> {
    let copy = |fd: &OwnedFd| fd.try_clone().map_err(Fault::at("copy", "a descriptor of /tmp"));
    let sent = || {
        let nothing = || Fault::at("receive", "what becomes /tmp")(std::io::ErrorKind::InvalidData.into());
        delivery.storage.as_ref().ok_or_else(nothing)
    };
    Ok(match (delivery.request.temporary, ready) {
        (TemporaryRequest::Directory, _) => None,
        (TemporaryRequest::Kept, _) => Some(copy(sent()?)?),
        (TemporaryRequest::Memory { bytes }, _) => Some(root::memory_storage(bytes)?),
        (TemporaryRequest::Image { bytes }, Some((storage, usual))) if bytes == usual => Some(storage),
        (TemporaryRequest::Image { .. }, _) => {
            Some(temporary::mount_copy(sent()?, parts.directory, Path::new(root::HOST))?)
        }
    })
}

/// Hands the request, with its output and a stem cell's line, to the process that becomes the program, and waits until it has.
fn start_program(orders: &OwnedFd, request: &[u8], given: &[BorrowedFd<'_>]) -> Result<(), Error> {
    socket::send(orders, request, given, true).map_err(Fault::at("hand on", "the request"))?;
    let mut told = vec![0; 16 * 1024];
    // Its end is closed by a successful `execve`.
    match socket::receive(orders, &mut told, true) {
        Ok((0, _)) => Ok(()),
        Ok((length, _)) => match Report::decode(&told[..length]) {
            Ok(Report::Failed(error)) => Err(error),
            _ => Err(Fault::at("hear from", "the program")(std::io::ErrorKind::InvalidData.into()).into()),
        },
        Err(error) => Err(Fault::at("hear from", "the program")(error).into()),
    }
}

/// Ends the process that was to become the program.
fn end_program(pid: i32) -> Result<(), Fault> {
    let failed = || fault("end", "a process that is not needed");
    let pid = rustix::process::Pid::from_raw(pid).ok_or(rustix::io::Errno::SRCH).map_err(failed())?;
    rustix::process::kill_process(pid, Signal::KILL).map_err(failed())?;
    rustix::process::waitpid(Some(pid), WaitOptions::empty()).map_err(failed())?;
    Ok(())
}

/// Makes a process in the cage and lets it become the companion.
fn start_companion(
    birth: &Birth<'_>,
    (entrances, proc): (&Entrances, Option<&OwnedFd>),
    request: &Request,
    (companion, output): (&Companion, &OwnedFd),
) -> Result<i32, Error> {
    let copy = |fd: &OwnedFd| fd.try_clone().map_err(Fault::at("copy", "a descriptor for a companion"));
    let tasks = entrances.tasks.iter().map(copy).collect::<Result<Vec<_>, _>>()?;
    let proc = proc.map(copy).transpose()?;
    let (orders, theirs) = socket::pair().map_err(Fault::at("make", "a socket for a companion's start"))?;
    let born = kernel::clone(0, entrances.birthplace.as_ref().map(AsFd::as_fd));
    let pid = match born.map_err(Fault::at("make", "a companion's process"))? {
        Cloned::Child => {
            let caged = proc.zip(birth.cage.as_ref().map(|parts| parts.filter));
            let error = program::run(Start { orders: theirs, tasks, caged });
            kernel::exit(error)
        }
        Cloned::Parent { pid, .. } => pid,
    };
    drop(theirs);
    let mut request = request.clone();
    request.program.clone_from(&companion.program);
    request.arguments.clear();
    request.environment.retain(|(name, _)| !companion.hidden.contains(name));
    request.directory = "/".into();
    request.messages = None;
    start_program(&orders, &request.encode(), &[output.as_fd(), output.as_fd()])?;
    Ok(pid)
}

/// The namespaces of the cage itself. The program's user and cgroup namespaces come later: they are its own.
fn enter_namespaces(parts: &CageParts<'_>) -> Result<(), Fault> {
    if let Some((uid, gid)) = parts.own {
        let proc = File::open("/proc").map_err(Fault::at("open", "/proc"))?;
        program::map_user(&proc.into(), uid, gid)?;
    }
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(fault("tie to", "the spawner"))?;
    kernel::unshare(libc::CLONE_NEWNS | libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS)
        .map_err(Fault::at("make", "the cage's namespaces"))?;
    kernel::raise_loopback().map_err(Fault::at("bring up", "the loopback"))
}

fn listen(request: &Request) -> Result<Vec<TcpListener>, Fault> {
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

/// Reaps what ends, reports the end of the program and the companions, and freezes without a freezer, until the server lets go of the channel, the
/// spawner of the cradle, or a signal says to end.
fn keep(channel: &OwnedFd, cradle: &OwnedFd, signals: &OwnedFd, programs: &[i32]) {
    loop {
        let mut waited = [
            PollFd::new(channel, PollFlags::IN),
            PollFd::new(signals, PollFlags::IN),
            PollFd::new(cradle, PollFlags::IN),
        ];
        match rustix::event::poll(&mut waited, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
        let [asked, signalled, orphaned] = waited.map(|fd| !fd.revents().is_empty());
        if orphaned || (asked && !obey(channel, programs)) || (signalled && !reap(channel, signals, programs))
        {
            return;
        }
    }
}

/// Whether to go on. The server stops and continues all processes by signals where there is no freezer, and asks for
/// sockets.
fn obey(channel: &OwnedFd, programs: &[i32]) -> bool {
    let mut order = [0; 1];
    let signal = match socket::receive(channel, &mut order, false) {
        Ok((1, _)) if order == DIAL => return hand_out_socket(channel),
        Ok((1, _)) if order == STOP => Signal::STOP,
        Ok((1, _)) if order == CONTINUE => Signal::CONT,
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return true,
        Ok(_) | Err(_) => return false,
    };
    signal_all(signal, programs);
    true
}

/// A socket of the cage's network, connected to nothing: it stays of that network wherever it is used. Whether to go on.
fn hand_out_socket(channel: &OwnedFd) -> bool {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let made = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None);
    let fds: Vec<BorrowedFd<'_>> = made.iter().map(AsFd::as_fd).collect();
    socket::send(channel, &Report::Socket.encode(), &fds, true).is_ok()
}

/// Signals every process but this one: of the pid namespace, or where there is none, of those that descend from us.
fn signal_all(signal: Signal, programs: &[i32]) {
    if rustix::process::getpid().is_init() {
        kernel::signal_everyone(signal.as_raw());
        return;
    }
    let mut waiting = programs.to_vec();
    let mut seen = 0;
    while let Some(pid) = waiting.pop() {
        let children =
            std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        waiting.extend(children.split_whitespace().filter_map(|word| word.parse::<i32>().ok()));
        if let Some(pid) = rustix::process::Pid::from_raw(pid) {
            // One that has ended meanwhile needs no signal.
            let _ = rustix::process::kill_process(pid, signal);
        }
        seen += 1;
        if seen > PROCESSES_SIGNALLED_MAX {
            return;
        }
    }
}

/// Whether to go on.
fn reap(channel: &OwnedFd, signals: &OwnedFd, programs: &[i32]) -> bool {
    let mut buffer = [0; size_of::<libc::signalfd_siginfo>()];
    while rustix::io::read(signals, &mut buffer).is_ok() {
        let (number, _) =
            buffer.split_first_chunk::<4>().expect("the structure is longer than its first field");
        if u32::from_ne_bytes(*number) == libc::SIGTERM.cast_unsigned() {
            return false;
        }
    }
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        if let Some(at) = programs.iter().position(|program| *program == pid.as_raw_nonzero().get()) {
            let signal = status.terminating_signal();
            let (signalled, number) = (signal.is_some(), signal.or(status.exit_status()).unwrap_or(0));
            let report = match at.checked_sub(1) {
                None => Report::Exited { signalled, number },
                Some(index) => Report::CompanionExited { index, signalled, number },
            };
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
