//! The last steps of the process that becomes the program: its cgroups, its user, its limits, its filter, and `execve`.
//! From the first filter on it only gives things up; it refuses to run the program when any step fails.

use crate::filter::Filter;
use crate::identity::{INSIDE_GID, INSIDE_UID};
use crate::message::{Report, Request};
use crate::{Error, Fault, Line, fileaccess, kernel, root, socket};
use rustix::io::FdFlags;
use rustix::process::{Resource, Rlimit, Signal};
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets, Gid, Uid};
use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

/// The number of the descriptor for messages, or the next that is free.
pub const MESSAGES: i32 = 62;

/// What the program's process gets from the first process of its cage.
pub struct Start<'a> {
    /// Where the request comes from and a failure is told; closed by a successful `execve`.
    pub orders: OwnedFd,
    /// The files to write to in order to join the cgroups of version 1; into that of version 2 it was born.
    pub tasks: Vec<OwnedFd>,
    /// A writable `/proc` and the compiled filter; None under `Isolation::Process`.
    pub caged: Option<(OwnedFd, &'a Filter)>,
}

/// Prepares, waits for the request, and becomes the program. Comes back only when that fails, with an exit code, after
/// telling why.
pub fn run(start: Start<'_>) -> i32 {
    let ready = prepare(&start);
    let mut bytes = vec![0; socket::MESSAGE_BYTES_MAX];
    // Without a request there is nobody to tell anything.
    let Ok((length, fds)) = socket::receive(&start.orders, &mut bytes, true) else { return 1 };
    let mut fds = fds.into_iter();
    let (Some(stdout), Some(stderr)) = (fds.next(), fds.next()) else { return 1 };
    let Ok(mut request) = Request::decode(&bytes[..length]) else { return 1 };
    let messages = if request.messages.is_some() { fds.next() } else { None };
    // It stays open until the program has it.
    let line = tell_line(&mut request, fds.next());
    let told = tell_messages(&mut request, messages.as_ref());
    let ready = ready.and(told).and(line).map_err(Error::Cage);
    let error = match ready.and_then(|_line| execute(&start, &request, &[stdout, stderr])) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    let _ = socket::send(&start.orders, &Report::Failed(error).encode(), &[], true);
    127
}

/// All that needs no request.
fn prepare(start: &Start<'_>) -> Result<(), Fault> {
    if start.caged.is_none() {
        // With its parent gone nobody could reap or kill it. In a cage the pid namespace sees to that.
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
            .map_err(fault("tie to its parent", "the program"))?;
    }
    for tasks in &start.tasks {
        rustix::io::write(tasks, b"0").map_err(fault("join", "the cgroup"))?;
    }
    rustix::process::setsid().map_err(fault("begin a session for", "the program"))?;
    Ok(())
}

/// Lets the program inherit the pipe of its messages, under a number that a variable tells it.
fn tell_messages(request: &mut Request, messages: Option<&OwnedFd>) -> Result<(), Fault> {
    if let (Some(variable), Some(messages)) = (request.messages.take(), messages) {
        // Unlike what was received it stays open over `execve`, under a number that no shell script takes for its own.
        let inherited = rustix::io::fcntl_dupfd_cloexec(messages, MESSAGES)
            .and_then(|inherited| rustix::io::fcntl_setfd(&inherited, FdFlags::empty()).map(|()| inherited))
            .map_err(fault("hand down", "the pipe of messages"))?;
        let number = inherited.into_raw_fd();
        if request.stem.is_some() && number != MESSAGES {
            // An assignment will tell the number, without asking.
            let source = io::Error::other("its number is taken");
            return Err(Fault::at("hand down", "the pipe of messages")(source));
        }
        request.environment.push((variable, number.to_string().into()));
    }
    Ok(())
}

/// Where no program's own descriptors reach before it waits, so that they are numbered as in every other.
const LINE_DESCRIPTOR_MIN: i32 = 48;

/// Tells a stem cell's program its line, which it keeps if it has inherited it; and makes its environment as long as it may
/// become.
fn tell_line(request: &mut Request, line: Option<OwnedFd>) -> Result<Option<OwnedFd>, Fault> {
    let Some(stem) = &request.stem else { return Ok(None) };
    let mut room = stem.variable.clone();
    room.push("_ROOM");
    let (told, variables, line) = match (stem.line, line) {
        (Line::Pipes { variables }, _) => (request.directory.clone().into_os_string(), variables, None),
        (Line::Descriptor, None) => return Ok(None),
        (Line::Descriptor, Some(line)) => {
            let line = rustix::io::fcntl_dupfd_cloexec(&line, LINE_DESCRIPTOR_MIN)
                .map_err(fault("renumber", "the program's line"))?;
            kernel::keep_through_exec(&line).map_err(Fault::at("keep", "the program's line"))?;
            (line.as_raw_fd().to_string().into(), 0, Some(line))
        }
    };
    request.environment.push((stem.variable.clone(), told));
    request.environment.push((room.clone(), "0".repeat(stem.room).into()));
    request.environment.extend(std::iter::repeat_n((room, OsString::new()), variables));
    Ok(line)
}

fn execute(start: &Start<'_>, request: &Request, output: &[OwnedFd; 2]) -> Result<Infallible, Error> {
    let cage = Error::Cage;
    arrange_descriptors(output).map_err(cage)?;
    if let Some((proc, _)) = &start.caged {
        enter_user_namespace(request, proc).map_err(cage)?;
    }
    rustix::process::umask(rustix::fs::Mode::WGRP | rustix::fs::Mode::WOTH);
    rustix::process::chdir(&request.directory)
        .map_err(fault("enter the directory", &request.directory.display().to_string()))
        .map_err(cage)?;
    let program = text(request.program.as_os_str(), "program")?;
    let mut arguments = vec![program.clone()];
    for argument in &request.arguments {
        arguments.push(text(argument, "arguments")?);
    }
    let mut environment = Vec::with_capacity(request.environment.len());
    for (name, value) in &request.environment {
        let entry = [name.as_bytes(), b"=", value.as_bytes()].concat();
        environment.push(text(OsStr::from_bytes(&entry), "environment")?);
    }
    kernel::reset_signals();
    if let Some((_, filter)) = &start.caged {
        give_up_privileges().map_err(cage)?;
        let stem = request.stem.as_ref().filter(|stem| stem.is_changed_from_outside());
        let ready = stem.map(|_| request.directory.join(root::READY));
        fileaccess::restrict(ready.as_deref()).map_err(cage)?;
        set_limits(request).map_err(cage)?;
        limit_processes(request).map_err(cage)?;
        filter.install().map_err(cage)?;
    } else {
        set_limits(request).map_err(cage)?;
        rustix::thread::set_no_new_privs(true)
            .map_err(fault("deny new privileges to", "program"))
            .map_err(cage)?;
    }
    let source = kernel::execute(&program, &arguments, &environment);
    Err(Error::Execute { program: request.program.display().to_string(), source })
}

fn text(text: &OsStr, field: &'static str) -> Result<CString, Error> {
    CString::new(text.as_bytes()).map_err(|error| {
        Error::Cage(Fault::at("pass on the", field)(io::Error::new(io::ErrorKind::InvalidInput, error)))
    })
}

/// `/dev/null` and the two pipes; `execve` closes all others.
fn arrange_descriptors([stdout, stderr]: &[OwnedFd; 2]) -> Result<(), Fault> {
    let null = std::fs::File::open("/dev/null").map_err(Fault::at("open", "/dev/null"))?;
    kernel::duplicate_to(&null, 0).map_err(Fault::at("arrange", "standard input"))?;
    kernel::duplicate_to(stdout, 1).map_err(Fault::at("arrange", "standard output"))?;
    kernel::duplicate_to(stderr, 2).map_err(Fault::at("arrange", "standard error"))
}

/// Takes the cage's own host id, and makes a user namespace in which that is the one user there is. The program owns no
/// namespace that matters: the others belong to the one above, in which it is nobody.
fn enter_user_namespace(request: &Request, proc: &OwnedFd) -> Result<(), Fault> {
    if let Some(id) = request.host_id {
        // Root's change of user would otherwise take the capability that the new namespaces need.
        rustix::thread::set_capabilities_secure_bits(CapabilitiesSecureBits::NO_SETUID_FIXUP)
            .map_err(fault("keep capabilities for", "new namespaces"))?;
        rustix::thread::set_thread_groups(&[]).map_err(fault("drop", "supplementary groups"))?;
        let gid = Gid::from_raw(id);
        rustix::thread::set_thread_res_gid(gid, gid, gid)
            .map_err(fault("take the group", &id.to_string()))?;
        let uid = Uid::from_raw(id);
        rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(fault("take the user", &id.to_string()))?;
    }
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    kernel::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWCGROUP)
        .map_err(Fault::at("make", "the program's user and cgroup namespaces"))?;
    map_user(proc, uid, gid)
}

/// Maps one outside user and group to the inside ones, in this process' new user namespace.
pub fn map_user(proc: &OwnedFd, uid: u32, gid: u32) -> Result<(), Fault> {
    // A change of user hides a process's files in /proc from itself; they are needed once more.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable)
        .map_err(fault("open up", "/proc/self"))?;
    write_proc(proc, "self/setgroups", "deny")?;
    write_proc(proc, "self/uid_map", &format!("{INSIDE_UID} {uid} 1"))?;
    write_proc(proc, "self/gid_map", &format!("{INSIDE_GID} {gid} 1"))
}

fn write_proc(proc: &OwnedFd, name: &'static str, text: &str) -> Result<(), Fault> {
    let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::CLOEXEC;
    let file = rustix::fs::openat(proc, name, flags, rustix::fs::Mode::empty())
        .map_err(fault("open /proc's", name))?;
    std::fs::File::from(file).write_all(text.as_bytes()).map_err(Fault::at("write /proc's", name))
}

fn set_limits(request: &Request) -> Result<(), Fault> {
    let both = |limit: u64| Rlimit { current: Some(limit), maximum: Some(limit) };
    // Raising a hard limit takes a capability over the whole machine, so what we have ourselves is the most we can give.
    let most = rustix::process::getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let files = request.limits.file_descriptors_max.min(most);
    rustix::process::setrlimit(Resource::Nofile, both(files)).map_err(fault("limit", "open files"))?;
    // Not 0: that forbids a file, but a handler to which the kernel pipes dumps would run, as root, on the host. 1 is what
    // such a handler itself has, and for anybody who has it the kernel starts none.
    rustix::process::setrlimit(Resource::Core, both(1)).map_err(fault("limit", "core dumps"))?;
    Ok(())
}

/// Besides the cgroup, which an ordinary user may not have: since Linux 5.14 each user namespace is counted by itself, and
/// the program has one of its own. Outside a cage it would count everything that Hearth's user runs.
fn limit_processes(request: &Request) -> Result<(), Fault> {
    let most = rustix::process::getrlimit(Resource::Nproc).maximum.unwrap_or(u64::MAX);
    let processes = u64::from(request.limits.processes_max).min(most);
    let limit = Rlimit { current: Some(processes), maximum: Some(processes) };
    rustix::process::setrlimit(Resource::Nproc, limit).map_err(fault("limit", "processes"))
}

/// Gives up every capability, and with it every way to get one back.
fn give_up_privileges() -> Result<(), Fault> {
    let none = CapabilitySet::empty();
    for capability in CapabilitySet::all().iter() {
        // Those that this kernel does not know it refuses; it cannot give them either.
        let _ = rustix::thread::remove_capability_from_bounding_set(capability);
    }
    rustix::thread::clear_ambient_capability_set().map_err(fault("clear", "ambient capabilities"))?;
    rustix::thread::set_capabilities(
        None,
        CapabilitySets { effective: none, permitted: none, inheritable: none },
    )
    .map_err(fault("give up", "capabilities"))?;
    rustix::thread::set_no_new_privs(true).map_err(fault("deny new privileges to", "the program"))
}

pub fn fault(act: &'static str, object: &str) -> impl FnOnce(rustix::io::Errno) -> Fault {
    let make = Fault::at(act, object.to_owned());
    move |errno| make(errno.into())
}
