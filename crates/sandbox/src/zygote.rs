//! Zygotes: programs that have started once, wait, and are copied into cages instead of being started there.
//!
//! # How
//! A zygote is a process of ours and of the interpreter's own code: no line of a user's ever runs in it, and nothing of it can be
//! reached from a cage. It has a view of the files of its runtime and no network; but, unlike the program in a cage, root's
//! privileges, since a copy has to be able to enter another's namespaces. It is a stem cell that never gets its assignment: it
//! stands in a `read` of its line for good. Its parent, the **midwife** (this file, in the place of a cage's first process), traces
//! it for the moment of each copy and makes the system calls that a copy takes in its name (`remote.rs`), so that the interpreter itself
//! knows nothing of all this and brings no code for it.
//!
//! The first process of a new cage asks the midwife, over a socket, with everything in hand that is to be the copy's own: its pidfd, the
//! pipes, the line, the entrances of the cgroups, the Landlock rules. Then, in this order:
//!
//! 1. The zygote makes the **half**: a process in the cage's pid namespace that shares the zygote's memory. It takes the cage's other
//!    namespaces, and with them its root; its descriptors; its cgroups; the rules of Landlock.
//! 2. The half makes the **copy**, with a memory of its own, and ends. So the copy is a child of the cage's first process, as the
//!    program of every cage is, and has its number.
//! 3. The copy begins a session, takes the cage's user, makes the program's user and cgroup namespaces, gives up every
//!    capability, and gets its limits and the system call filter: the steps of `program.rs`, in their order.
//! 4. What the C library and the kernel have agreed on for the thread (its number, robust locks, restartable sequences) is agreed on
//!    anew, as after the library's own `fork`. Then it goes on, in its `read`, and is a stem cell like any other.
//!
//! # What a copy shares
//! Everything that was drawn at random when the zygote started: the layout of its memory, the guards of its stack, the seed of its
//! hashes. Who can read that in one copy knows it of the others; therefore the caller makes copies of one zygote for one
//! function only. What is drawn later is each copy's own: the bootstrap sees to the generators that had begun.
//!
//! It refuses to go on with a zygote after any step has failed: what is half done is killed, and the midwife ends.

use crate::cgroup::Entrances;
use crate::filter::Filter;
use crate::identity::{INSIDE_GID, INSIDE_UID};
use crate::message::{Report, Request};
use crate::program::{MESSAGES, fault};
use crate::remote::Remote;
use crate::stem::{self, Waiting};
use crate::steps::{BEFORE, Steps};
use crate::{Error, Fault, fileaccess, kernel, socket};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, Resource, Signal, getrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long a copy may take; then its cage fails, and the function starts plainly.
const COPIED_WITHIN: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };
/// How long a zygote may take from saying that it waits until it does, and between two looks whether it does.
const WAITS_WITHIN: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_micros(200);
/// Memory of the zygote for calls and their arguments: the largest filter that the kernel takes has 32 KiB.
const SCRATCH_BYTES: u64 = 256 * 1024;
/// In that, where what arguments point to is put.
const BEHIND: u64 = 512;
/// The numbers that the half and the copy have in the cage: the first process has 1.
const HALF: i32 = 3;
const COPY: i32 = 2;

/// What the first process asks for, besides descriptors.
struct Wanted {
    host_id: u32,
    files_max: u64,
    processes_max: u64,
    has_messages: bool,
    has_rules: bool,
    has_birthplace: bool,
}

/// The descriptors that come with it.
struct Brought {
    answer: OwnedFd,
    first: OwnedFd,
    null: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
    line: OwnedFd,
    messages: Option<OwnedFd>,
    rules: Option<OwnedFd>,
    entrances: Entrances,
}

/// What a midwife works with.
pub struct Midwife<'a> {
    pub waiting: &'a Waiting,
    pub nursery: &'a OwnedFd,
    pub filter: &'a Filter,
}

/// What the cage's first process gives a copy.
pub struct Gift<'a> {
    pub stdout: &'a OwnedFd,
    pub stderr: &'a OwnedFd,
    pub line: &'a OwnedFd,
    pub messages: Option<&'a OwnedFd>,
    pub entrances: &'a Entrances,
}

/// Whether the machine lets processes be copied so: the processor's registers are known, the kernel tells what the C library has
/// told it, and has not been told to let nobody trace.
pub fn are_possible() -> bool {
    const NOBODY: &str = "3";
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    cfg!(target_arch = "x86_64") && kernel::tells_tid_address() && scope.trim() != NOBODY
}

/// Has a zygote copied into this cage, and gives the copy's pidfd. For its first process.
pub fn ask(nursery: &OwnedFd, request: &Request, gift: &Gift<'_>) -> Result<OwnedFd, Error> {
    let (ours, answer) = socket::pair().map_err(Fault::at("make", "a socket for an answer"))?;
    let first = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())
        .map_err(fault("stand for", "the first process"))?;
    let null = File::open("/dev/null").map_err(Fault::at("open", "/dev/null"))?;
    let rules = fileaccess::rules()?;
    let host_id =
        request.host_id.ok_or_else(|| Fault::at("copy", "a zygote")(io::ErrorKind::Unsupported.into()))?;
    let numbers = [
        u64::from(host_id),
        request.limits.file_descriptors_max,
        u64::from(request.limits.processes_max),
        u64::from(gift.messages.is_some()),
        u64::from(rules.is_some()),
        u64::from(gift.entrances.birthplace.is_some()),
    ];
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    let mut fds = vec![answer.as_fd(), first.as_fd(), null.as_fd()];
    fds.extend([gift.stdout, gift.stderr, gift.line].map(AsFd::as_fd));
    fds.extend(gift.messages.map(AsFd::as_fd));
    fds.extend(rules.as_ref().map(AsFd::as_fd));
    fds.extend(gift.entrances.birthplace.as_ref().map(AsFd::as_fd));
    fds.extend(gift.entrances.tasks.iter().map(AsFd::as_fd));
    socket::send(nursery, &bytes, &fds, false).map_err(Fault::at("ask for", "a copy"))?;
    drop(fds);
    drop(answer);
    let mut waited = [PollFd::new(&ours, PollFlags::IN)];
    rustix::io::retry_on_intr(|| rustix::event::poll(&mut waited, Some(&COPIED_WITHIN)))
        .map_err(fault("wait for", "a copy"))?;
    let mut told = vec![0; 4096];
    let (length, fds) = socket::receive(&ours, &mut told, false).map_err(Fault::at("get", "a copy"))?;
    match (Report::decode(&told[..length]), fds.into_iter().next()) {
        (Ok(Report::Assigned), Some(copy)) => Ok(copy),
        (Ok(Report::Failed(error)), _) => Err(error),
        _ => Err(Fault::at("get", "a copy")(io::ErrorKind::UnexpectedEof.into()).into()),
    }
}

impl Midwife<'_> {
    /// Makes copies until the server lets go of the channel or the nursery, the spawner of the cradle, or something fails.
    pub fn live(&self, [channel, signals, cradle]: [&OwnedFd; 3], reap: impl Fn() -> bool) {
        let mut is_ready = false;
        loop {
            let asks = if is_ready { self.nursery } else { &self.waiting.line };
            let mut waited = [channel, cradle, signals, asks].map(|fd| PollFd::new(fd, PollFlags::IN));
            match rustix::event::poll(&mut waited, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
            let [let_go, orphaned, signalled, asked] = waited.map(|fd| !fd.revents().is_empty());
            if let_go || orphaned || (signalled && !reap()) {
                return;
            }
            if asked && is_ready && !self.serve() {
                return;
            }
            if asked && !is_ready {
                is_ready = true;
                if !self.waiting.heard() || !stem::report(channel, &Report::Waiting) {
                    return;
                }
            }
        }
    }

    /// Answers one that asks. False when it is the last.
    fn serve(&self) -> bool {
        let mut bytes = [0; 256];
        let (length, fds) = match socket::receive(self.nursery, &mut bytes, false) {
            Ok((0, _)) => return false,
            Ok(received) => received,
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        };
        // Both ends are ours.
        let Some((wanted, brought)) = read(&bytes[..length], fds) else { return false };
        let copied = self.copy(&wanted, &brought);
        let (report, copy) = match copied {
            Ok(copy) => (Report::Assigned, Some(copy)),
            Err(fault) => (Report::Failed(fault.into()), None),
        };
        let fds: Vec<BorrowedFd<'_>> = copy.iter().map(AsFd::as_fd).collect();
        // Whoever asked may have gone, and the copy with it.
        let _ = socket::send(&brought.answer, &report.encode(), &fds, false);
        copy.is_some()
    }

    fn copy(&self, wanted: &Wanted, brought: &Brought) -> Result<OwnedFd, Fault> {
        let memory = |pid: i32| self.open(pid, "mem", OFlags::RDWR);
        let zygote = self.waiting.program;
        self.expect_one_thread(zygote)?;
        let together = Together::begin(process(zygote)?);
        let zygote = self.stop(zygote)?;
        let own = zygote.learn()?;
        let us = call(&zygote, libc::SYS_pidfd_open, &[u64::from(std::process::id()), 0], "see the midwife")?;
        let half = self.make_half(&zygote, &own, (us, brought))?;
        let made = furnish(&half, &own, Numbers { us, line: zygote.line() }, brought);
        let copied = made.and_then(|()| {
            let arguments =
                own.clone_arguments(Making { flags: 0, signal: libc::SIGCHLD, group: 0 }, COPY, &half)?;
            half.call_for_copy(libc::SYS_clone3, &arguments, memory).map_err(Fault::at("make", "the copy"))
        });
        let ended = half.end().map_err(Fault::at("end", "the half"));
        call(&zygote, libc::SYS_close, &[us], "let go of the midwife")?;
        call(&zygote, libc::SYS_munmap, &[own.scratch, SCRATCH_BYTES], "clear up")?;
        zygote.release().map_err(Fault::at("let go of", "the zygote"))?;
        let copy = copied?;
        let process = process(copy.pid())?;
        let confined = ended
            .and_then(|()| self.confine(&copy, &own, wanted))
            .and_then(|()| together.map_or(Ok(()), |together| together.let_go(process)))
            .and_then(|()| copy.release().map_err(Fault::at("let go of", "the copy")));
        if confined.is_err() {
            let _ = rustix::process::kill_process(process, Signal::KILL);
        }
        confined?;
        rustix::process::pidfd_open(process, PidfdFlags::empty()).map_err(fault("stand for", "the copy"))
    }

    /// Stops the zygote where it waits. It has said that it is about to, and on a busy machine may not have come to it.
    fn stop(&self, zygote: i32) -> Result<Remote, Fault> {
        let began = Instant::now();
        loop {
            let memory =
                self.open(zygote, "mem", OFlags::RDWR).map_err(Fault::at("open", "the zygote's memory"))?;
            match Remote::seize(zygote, memory) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && began.elapsed() < WAITS_WITHIN => {
                    std::thread::sleep(LOOK_AGAIN);
                }
                stopped => return stopped.map_err(Fault::at("stop", "the zygote where it waits")),
            }
        }
    }

    /// The process in the cage's pid namespace that shares the zygote's memory. The zygote is as before.
    fn make_half(&self, zygote: &Remote, own: &Own, (us, brought): (u64, &Brought)) -> Result<Remote, Fault> {
        let memory = |pid: i32| self.open(pid, "mem", OFlags::RDWR);
        let newpid = libc::CLONE_NEWPID.cast_unsigned().into();
        let first = fetch(zygote, us, &brought.first)?;
        let group = brought.entrances.birthplace.as_ref().map(|fd| fetch(zygote, us, fd)).transpose()?;
        call(zygote, libc::SYS_setns, &[first, newpid], "choose the cage's processes")?;
        let flags = u64::from((libc::CLONE_VM | libc::CLONE_PARENT).cast_unsigned());
        let into = group.map_or(0, |_| kernel::CLONE_INTO_CGROUP);
        let making = Making { flags: flags | into, signal: 0, group: group.unwrap_or(0) };
        let arguments = own.clone_arguments(making, HALF, zygote)?;
        let half = zygote.call_for_copy(libc::SYS_clone3, &arguments, memory);
        call(zygote, libc::SYS_setns, &[us, newpid], "choose its own processes again")?;
        for fd in [Some(first), group].into_iter().flatten() {
            call(zygote, libc::SYS_close, &[fd], "let go of the cage")?;
        }
        half.map_err(Fault::at("make", "the half"))
    }

    /// The last steps, as `program.rs` has them.
    fn confine(&self, copy: &Remote, own: &Own, wanted: &Wanted) -> Result<(), Fault> {
        let mut steps = own.steps();
        let id = u64::from(wanted.host_id);
        steps.call(libc::SYS_setsid, &[], "begin a session");
        prctl(&mut steps, (libc::PR_SET_SECUREBITS, NO_SETUID_FIXUP), "keep capabilities for new namespaces");
        steps.call(libc::SYS_setgroups, &[0, 0], "drop supplementary groups");
        steps.call(libc::SYS_setresgid, &[id, id, id], "take the group");
        steps.call(libc::SYS_setresuid, &[id, id, id], "take the user");
        let namespaces = u64::from((libc::CLONE_NEWUSER | libc::CLONE_NEWCGROUP).cast_unsigned());
        steps.call(libc::SYS_unshare, &[namespaces], "make the program's namespaces");
        steps.make(copy)?;
        self.map(copy.pid(), wanted.host_id)?;
        let mut steps = own.steps();
        for capability in kernel::capabilities() {
            prctl(&mut steps, (libc::PR_CAPBSET_DROP, capability), "empty the bounding set");
        }
        let clear = u64::from(libc::PR_CAP_AMBIENT_CLEAR_ALL.unsigned_abs());
        prctl(&mut steps, (libc::PR_CAP_AMBIENT, clear), "clear ambient capabilities");
        let header = steps.put(&[CAPABILITY_VERSION.to_ne_bytes(), [0; 4]].concat());
        let none = steps.put(&[0; 24]);
        steps.call(libc::SYS_capset, &[header, none], "give up capabilities");
        prctl(&mut steps, (libc::PR_SET_NO_NEW_PRIVS, 1), "deny new privileges");
        // The change of user undid it.
        prctl(&mut steps, (libc::PR_SET_DUMPABLE, 1), "open up its own files in /proc");
        limit(&mut steps, wanted);
        steps.call(libc::SYS_set_tid_address, &[own.tid_address], "tell where its number is");
        steps.call(libc::SYS_set_robust_list, &[own.robust.0, own.robust.1], "tell of its locks");
        if let (address @ 1.., size, signature) = own.sequences {
            let arguments = [address, size.into(), 0, signature.into()];
            steps.call(libc::SYS_rseq, &arguments, "tell of its restartable sequences");
        }
        let (length, program) = self.filter.program();
        let program = steps.put(&program);
        let described = steps.put(&[u64::from(length), program].map(u64::to_ne_bytes).concat());
        steps.call(libc::SYS_seccomp, &[SET_FILTER, 0, described], "install the system call filter");
        steps.make(copy)?;
        write(copy, &COPY.to_ne_bytes(), own.tid_address)?;
        call(copy, libc::SYS_munmap, &[own.scratch, SCRATCH_BYTES], "clear up").map(drop)
    }

    /// Maps the one user of the copy's new namespace.
    fn map(&self, pid: i32, host_id: u32) -> Result<(), Fault> {
        let maps = [
            ("setgroups", "deny".to_owned()),
            ("uid_map", format!("{INSIDE_UID} {host_id} 1")),
            ("gid_map", format!("{INSIDE_GID} {host_id} 1")),
        ];
        maps.into_iter().try_for_each(|(name, text)| {
            self.open(pid, name, OFlags::WRONLY)
                .and_then(|mut file| file.write_all(text.as_bytes()))
                .map_err(Fault::at("write the copy's", name))
        })
    }

    /// A copy has one thread, whatever the others held.
    fn expect_one_thread(&self, pid: i32) -> Result<(), Fault> {
        let read = self.open(pid, "status", OFlags::RDONLY).and_then(io::read_to_string);
        let status = read.map_err(Fault::at("look at", "the zygote"))?;
        if status.lines().any(|line| line == "Threads:\t1") {
            return Ok(());
        }
        Err(Fault::at("copy", "the zygote")(io::Error::other("it has more than one thread")))
    }

    /// Opens a file that `/proc` has of a process.
    fn open(&self, pid: i32, name: &str, flags: OFlags) -> io::Result<File> {
        let path = format!("{pid}/{name}");
        Ok(rustix::fs::openat(&self.waiting.proc, path, flags | OFlags::CLOEXEC, Mode::empty())?.into())
    }
}

/// The midwife and all that it copies, on one processor for that time: to hand over between them is then a switch, and not
/// to wake another processor, which takes four times as long.
struct Together {
    /// Where both ran before.
    usual: CpuSet,
}

impl Together {
    /// None where that cannot be had: then a copy takes longer.
    fn begin(zygote: Pid) -> Option<Self> {
        let usual = sched_getaffinity(None).ok()?;
        let mut one = CpuSet::new();
        one.set(sched_getcpu());
        sched_setaffinity(None, &one).ok()?;
        let together = Self { usual };
        sched_setaffinity(Some(zygote), &one).ok()?;
        Some(together)
    }

    /// Lets the copy run wherever another program does.
    fn let_go(self, copy: Pid) -> Result<(), Fault> {
        sched_setaffinity(Some(copy), &self.usual).map_err(fault("choose processors for", "the copy"))
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        // Without it the next copy is made where this one was.
        let _ = sched_setaffinity(None, &self.usual);
    }
}

fn process(pid: i32) -> Result<Pid, Fault> {
    Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidData.into()).map_err(Fault::at("stand for", "a copy"))
}

/// Gives the half all that a copy of it will have too.
fn furnish(half: &Remote, own: &Own, Numbers { us, line }: Numbers, brought: &Brought) -> Result<(), Fault> {
    let mut steps = own.steps();
    let fetch = |steps: &mut Steps, fd: &OwnedFd| {
        steps.call(libc::SYS_pidfd_getfd, &[us, number(fd), 0], "hand over a descriptor");
    };
    let namespaces = libc::CLONE_NEWNS | libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
    fetch(&mut steps, &brought.first);
    steps.call(libc::SYS_setns, &[BEFORE, namespaces.cast_unsigned().into()], "enter the cage's namespaces");
    let messages = MESSAGES.unsigned_abs().into();
    let placed = [(&brought.null, 0), (&brought.stdout, 1), (&brought.stderr, 2), (&brought.line, line)];
    for (fd, place) in placed.into_iter().chain(brought.messages.as_ref().map(|fd| (fd, messages))) {
        fetch(&mut steps, fd);
        steps.call(libc::SYS_dup3, &[BEFORE, place, 0], "place a descriptor");
    }
    let itself = steps.put(b"0");
    for tasks in &brought.entrances.tasks {
        fetch(&mut steps, tasks);
        steps.call(libc::SYS_write, &[BEFORE, itself, 1], "join the cgroup");
    }
    if let Some(rules) = &brought.rules {
        fetch(&mut steps, rules);
        steps.call(libc::SYS_landlock_restrict_self, &[BEFORE, 0], "apply the Landlock rules");
    }
    let mut begin = 3;
    for kept in [Some(line), brought.messages.as_ref().map(|_| messages)].into_iter().flatten() {
        if begin < kept {
            steps.call(libc::SYS_close_range, &[begin, kept - 1, 0], "close descriptors");
        }
        begin = kept + 1;
    }
    steps.call(libc::SYS_close_range, &[begin, u32::MAX.into(), 0], "close descriptors");
    steps.make(half)
}

/// The copy's own limits, which it may lower whatever the machine gives us.
fn limit(steps: &mut Steps, wanted: &Wanted) {
    let least = |limit: u64, of: Resource| limit.min(getrlimit(of).maximum.unwrap_or(u64::MAX));
    let limits = [
        (libc::RLIMIT_NOFILE, least(wanted.files_max, Resource::Nofile)),
        // As in `program.rs`: with 0, a handler to which the kernel pipes dumps would run.
        (libc::RLIMIT_CORE, 1),
        (libc::RLIMIT_NPROC, least(wanted.processes_max, Resource::Nproc)),
    ];
    for (resource, limit) in limits {
        let both = steps.put(&[limit, limit].map(u64::to_ne_bytes).concat());
        steps.call(libc::SYS_prlimit64, &[0, resource.into(), both, 0], "set limits");
    }
}

fn prctl(steps: &mut Steps, (option, argument): (i32, u64), act: &'static str) {
    steps.call(libc::SYS_prctl, &[option.unsigned_abs().into(), argument], act);
}

/// What the zygote has of its own, and its copies are to have too.
struct Own {
    /// Memory for the arguments of calls.
    scratch: u64,
    /// Where the C library keeps the thread's number.
    tid_address: u64,
    robust: (u64, u64),
    sequences: (u64, u32, u32),
}

/// Descriptors of the half, by their numbers.
#[derive(Clone, Copy)]
struct Numbers {
    /// The midwife's pidfd.
    us: u64,
    line: u64,
}

/// `SECBIT_NO_SETUID_FIXUP`.
const NO_SETUID_FIXUP: u64 = 1 << 2;
/// `_LINUX_CAPABILITY_VERSION_3`.
const CAPABILITY_VERSION: u32 = 0x2008_0522;
/// `SECCOMP_SET_MODE_FILTER`.
const SET_FILTER: u64 = 1;

impl Remote {
    /// Asks a zygote, and makes room in it.
    fn learn(&self) -> Result<Own, Fault> {
        let access = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let arguments =
            [0, SCRATCH_BYTES, access.unsigned_abs().into(), kind.unsigned_abs().into(), u64::MAX, 0];
        let scratch = call(self, libc::SYS_mmap, &arguments, "make room for arguments")?;
        call(
            self,
            libc::SYS_prctl,
            &[kernel::PR_GET_TID_ADDRESS.unsigned_abs().into(), scratch],
            "ask where its number is",
        )?;
        let mut address = [0; 8];
        self.read(&mut address, scratch).map_err(Fault::at("read", "the zygote's memory"))?;
        Ok(Own {
            scratch,
            tid_address: u64::from_ne_bytes(address),
            robust: kernel::robust_list(self.pid()).map_err(Fault::at("ask for", "the zygote's locks"))?,
            sequences: kernel::restartable_sequences(self.pid())
                .map_err(Fault::at("ask for", "the zygote's restartable sequences"))?,
        })
    }
}

/// How a process is made.
struct Making {
    flags: u64,
    signal: i32,
    /// With `CLONE_INTO_CGROUP`, the descriptor of the cgroup's directory.
    group: u64,
}

impl Own {
    /// A list of calls for a process with the zygote's memory, or a copy of it.
    fn steps(&self) -> Steps {
        Steps::new((self.scratch, SCRATCH_BYTES))
    }

    /// Puts the arguments of `clone3` into the memory of `process`.
    fn clone_arguments(&self, making: Making, number: i32, process: &Remote) -> Result<[u64; 2], Fault> {
        const LENGTH: usize = 11;
        const EXIT_SIGNAL: usize = 4;
        const NUMBERS: usize = 8;
        const NUMBERS_COUNT: usize = 9;
        const GROUP: usize = 10;
        let mut arguments = [0_u64; LENGTH];
        arguments[0] = making.flags;
        arguments[EXIT_SIGNAL] = making.signal.unsigned_abs().into();
        arguments[NUMBERS] = self.scratch + BEHIND;
        arguments[NUMBERS_COUNT] = 1;
        arguments[GROUP] = making.group;
        write(process, &arguments.map(u64::to_ne_bytes).concat(), self.scratch)?;
        write(process, &number.to_ne_bytes(), self.scratch + BEHIND)?;
        Ok([self.scratch, (LENGTH * size_of::<u64>()) as u64])
    }
}

fn call(process: &Remote, number: i64, arguments: &[u64], act: &'static str) -> Result<u64, Fault> {
    process.call(number, arguments).map_err(Fault::at(act, "for a copy"))
}

fn write(process: &Remote, bytes: &[u8], address: u64) -> Result<(), Fault> {
    process.write(bytes, address).map_err(Fault::at("write", "a copy's memory"))
}

/// Lets `process` have a descriptor of ours.
fn fetch(process: &Remote, us: u64, fd: &OwnedFd) -> Result<u64, Fault> {
    call(process, libc::SYS_pidfd_getfd, &[us, number(fd), 0], "hand over a descriptor")
}

fn number(fd: &OwnedFd) -> u64 {
    fd.as_raw_fd().unsigned_abs().into()
}

fn read(bytes: &[u8], fds: Vec<OwnedFd>) -> Option<(Wanted, Brought)> {
    let mut numbers =
        bytes.chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap_or_default()));
    let wanted = Wanted {
        host_id: u32::try_from(numbers.next()?).ok()?,
        files_max: numbers.next()?,
        processes_max: numbers.next()?,
        has_messages: numbers.next()? == 1,
        has_rules: numbers.next()? == 1,
        has_birthplace: numbers.next()? == 1,
    };
    let mut fds = fds.into_iter();
    let brought = Brought {
        answer: fds.next()?,
        first: fds.next()?,
        null: fds.next()?,
        stdout: fds.next()?,
        stderr: fds.next()?,
        line: fds.next()?,
        messages: if wanted.has_messages { Some(fds.next()?) } else { None },
        rules: if wanted.has_rules { Some(fds.next()?) } else { None },
        entrances: Entrances {
            birthplace: if wanted.has_birthplace { Some(fds.next()?) } else { None },
            tasks: fds.collect(),
        },
    };
    Some((wanted, brought))
}
