//! The system calls that no safe crate gives: every `unsafe` of Hearth stands here, each as small as can be.
//! It decides nothing; it only makes the call and hands back what the kernel said.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use tokio::io::unix::AsyncFd;

/// Which side of a clone this is.
pub enum Cloned {
    /// The caller, with the child's process id in the caller's pid namespace.
    Parent {
        /// The child.
        pid: i32,
        /// A file descriptor that stands for the child.
        pidfd: OwnedFd,
    },
    /// The new process.
    Child,
}

/// `CLONE_INTO_CGROUP`.
pub const CLONE_INTO_CGROUP: u64 = 1 << 33;

/// `clone3` as a fork with new namespaces, into the cgroup of version 2 with this directory or that of the caller. The caller
/// must have one thread, or the child may only make system calls.
pub fn clone(namespaces: libc::c_int, group: Option<BorrowedFd<'_>>) -> io::Result<Cloned> {
    let mut pidfd: RawFd = -1;
    // SAFETY: clone_args is plain integers, for which zero is valid.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = u64::from((namespaces | libc::CLONE_PIDFD).cast_unsigned());
    arguments.pidfd = (&raw mut pidfd) as u64;
    arguments.exit_signal = libc::SIGCHLD.cast_unsigned().into();
    if let Some(group) = group {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = group.as_raw_fd().unsigned_abs().into();
    }
    // SAFETY: without CLONE_VM the child has a copy of all memory; the arguments live across the call.
    let result =
        unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<libc::clone_args>()) };
    match result {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Cloned::Child),
        pid => {
            let pid = i32::try_from(pid).expect("process ids fit i32");
            // SAFETY: the kernel has just put a new descriptor there, which nothing else owns.
            Ok(Cloned::Parent { pid, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } })
        }
    }
}

/// The C library's `fork`, which keeps the allocator usable in the child even when the caller has threads.
/// Some process id in the caller, None in the child.
pub fn fork() -> io::Result<Option<i32>> {
    // SAFETY: the child, of which a copy of this thread is the only one, takes no lock but the allocator's.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        pid => Ok(Some(pid)),
    }
}

/// The numbers of the capabilities that this kernel knows.
pub fn capabilities() -> impl Iterator<Item = u64> {
    let known = |number: &u64| {
        let one = rustix::thread::CapabilitySet::from_bits_retain(1 << *number);
        rustix::thread::capability_is_in_bounding_set(one).is_ok()
    };
    (0..u64::from(u64::BITS)).take_while(known)
}

/// Ends the process at once: no destructors, no exit handlers, which belong to the process this was copied from.
pub fn exit(code: i32) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Moves this process into new namespaces.
pub fn unshare(namespaces: libc::c_int) -> io::Result<()> {
    // SAFETY: none of the namespace flags shares or unshares memory or descriptors.
    check(unsafe { libc::unshare(namespaces) })
}

/// Sets mount attributes (`MOUNT_ATTR_*`) on the mount of `mount` and those below it.
pub fn set_mount_attributes(mount: BorrowedFd<'_>, attributes: u64) -> io::Result<()> {
    change_mount(mount, attributes, 0)
}

/// Cuts the mount of `mount`, and those below it, off from mounts made elsewhere.
pub fn make_private(mount: BorrowedFd<'_>) -> io::Result<()> {
    change_mount(mount, 0, libc::MS_PRIVATE)
}

fn change_mount(mount: BorrowedFd<'_>, attributes: u64, propagation: u64) -> io::Result<()> {
    #[repr(C)]
    struct MountAttributes {
        set: u64,
        clear: u64,
        propagation: u64,
        user_namespace: u64,
    }
    let arguments = MountAttributes { set: attributes, clear: 0, propagation, user_namespace: 0 };
    // SAFETY: the path is a C string and the structure has the size that is told.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
            &raw const arguments,
            size_of::<MountAttributes>(),
        )
    };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Has the kernel ask this program about each system call of this thread, which may have no new privileges.
pub fn install_filter(program: &[libc::sock_filter]) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel reads as many instructions as are told, and writes nothing.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Closes every descriptor from 3 on but those given.
pub fn close_all_but(kept: &[RawFd]) -> io::Result<()> {
    let mut kept: Vec<u32> =
        kept.iter().filter_map(|fd| u32::try_from(*fd).ok()).filter(|fd| *fd > 2).collect();
    kept.sort_unstable();
    kept.dedup();
    let mut first = 3;
    for fd in kept {
        if fd > first {
            close_range(first, fd - 1)?;
        }
        first = fd + 1;
    }
    close_range(first, u32::MAX)
}

fn close_range(first: u32, last: u32) -> io::Result<()> {
    // SAFETY: called only in processes that have just been copied, whose other owners of descriptors never run again.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Brings the loopback of this network namespace up.
pub fn raise_loopback() -> io::Result<()> {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)?;
    // SAFETY: ifreq is plain integers and arrays, for which zero is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (slot, byte) in request.ifr_name.iter_mut().zip(b"lo\0") {
        *slot = byte.cast_signed();
    }
    request.ifr_ifru.ifru_flags =
        i16::try_from(libc::IFF_UP | libc::IFF_RUNNING).expect("the two flags fit 16 bits");
    // SAFETY: SIOCSIFFLAGS reads one ifreq, which lives across the call.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) })
}

/// Gives every signal its default action, and blocks none.
pub fn reset_signals() {
    for signal in 1..=64 {
        // SAFETY: SIG_DFL is always a valid action; the kernel refuses the few signals that cannot be set.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: the set is made empty before it is read.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Blocks `signals` and gives a descriptor from which they are read instead, non-blocking.
pub fn signal_descriptor(signals: &[i32]) -> io::Result<OwnedFd> {
    // SAFETY: the set is made empty before it is added to and read; the new descriptor has no other owner.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, *signal);
        }
        check(libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()))?;
        let fd = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        check(fd)?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// Signals every process that this one may signal, but itself: in a pid namespace of its own, all there are.
pub fn signal_everyone(signal: i32) {
    // SAFETY: kill has no preconditions; the caller has made sure that it is the first of a pid namespace.
    unsafe { libc::kill(-1, signal) };
}

/// Ignores `signal`.
pub fn ignore_signal(signal: i32) {
    // SAFETY: SIG_IGN is a valid action.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Replaces this process by `program`; comes back only with the reason why not.
pub fn execute(program: &CStr, arguments: &[CString], environment: &[CString]) -> io::Error {
    let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
        strings.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: both arrays end in null and their strings live across the call.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

const LOOP_CTL_ADD: u64 = 0x4C80;
const LOOP_CTL_GET_FREE: u64 = 0x4C82;
const LOOP_CONFIGURE: u64 = 0x4C0A;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

/// `struct loop_info64` of the kernel's interface.
#[repr(C)]
struct LoopInformation {
    numbers: [u64; 5],
    small: [u32; 4],
    names: [u8; 64 + 64 + 32],
    init: [u64; 2],
}

/// `struct loop_config` of the kernel's interface.
#[repr(C)]
struct LoopConfiguration {
    file: u32,
    block_size: u32,
    information: LoopInformation,
    reserved: [u64; 8],
}

/// The number of a loop device that was free a moment ago.
pub fn free_loop(control: BorrowedFd<'_>) -> io::Result<u32> {
    // SAFETY: LOOP_CTL_GET_FREE takes no argument.
    let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE as _) };
    check(number)?;
    u32::try_from(number).map_err(io::Error::other)
}

/// The number of a loop device that has just been made.
pub fn new_loop(control: BorrowedFd<'_>) -> io::Result<u32> {
    const ANY: libc::c_int = -1;
    // SAFETY: LOOP_CTL_ADD takes an integer.
    let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_ADD as _, ANY) };
    check(number)?;
    u32::try_from(number).map_err(io::Error::other)
}

/// Puts `file` behind a loop device, which frees itself when its last user is gone.
pub fn attach_loop(device: BorrowedFd<'_>, file: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: LoopConfiguration is plain integers and arrays, for which zero is valid.
    let mut configuration: LoopConfiguration = unsafe { std::mem::zeroed() };
    configuration.file = file.as_raw_fd().cast_unsigned();
    configuration.block_size = 4096;
    // offset, size limit, number, encryption type, key size, flags stand in this order; flags last.
    configuration.information.small[3] = LO_FLAGS_AUTOCLEAR;
    // SAFETY: LOOP_CONFIGURE reads one loop_config, which lives across the call.
    check(unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE as _, &raw const configuration) })
}

/// The Landlock ABI version of the kernel, 0 when it has none.
pub fn landlock_abi() -> u32 {
    const CREATE_RULESET_VERSION: u32 = 1;
    // SAFETY: with this flag the call reads no memory.
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0, CREATE_RULESET_VERSION)
    };
    u32::try_from(version).unwrap_or(0)
}

/// A copy of `fd` under the number `to`, which a later `execve` keeps.
pub fn duplicate_to(fd: impl AsFd, to: RawFd) -> io::Result<()> {
    if fd.as_fd().as_raw_fd() == to {
        // SAFETY: clearing a flag of a descriptor that is open.
        return check(unsafe { libc::fcntl(to, libc::F_SETFD, 0) });
    }
    // SAFETY: `to` is 0, 1 or 2, which no owner in this freshly copied process uses.
    check(unsafe { libc::dup2(fd.as_fd().as_raw_fd(), to) })
}

/// Lets a later `execve` keep `fd` under its number.
pub fn keep_through_exec(fd: impl AsFd) -> io::Result<()> {
    Ok(rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty())?)
}

/// Lets the async runtime tell when `fd` can be read. Must be called in the runtime.
pub fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd gives the same open descriptor for as long as it lives.
    unsafe { AsyncFd::register(fd) }.map_err(Into::into)
}

/// The general registers of a thread, as `PTRACE_GETREGS` orders them.
#[cfg(target_arch = "x86_64")]
pub type Registers = [u64; 27];

#[cfg(target_arch = "x86_64")]
const PTRACE_CONT: u64 = 7;
#[cfg(target_arch = "x86_64")]
const PTRACE_SINGLESTEP: u64 = 9;
#[cfg(target_arch = "x86_64")]
const PTRACE_GETREGS: u64 = 12;
#[cfg(target_arch = "x86_64")]
const PTRACE_SETREGS: u64 = 13;
#[cfg(target_arch = "x86_64")]
const PTRACE_DETACH: u64 = 17;
#[cfg(target_arch = "x86_64")]
const PTRACE_GETEVENTMSG: u64 = 0x4201;
#[cfg(target_arch = "x86_64")]
const PTRACE_SEIZE: u64 = 0x4206;
#[cfg(target_arch = "x86_64")]
const PTRACE_INTERRUPT: u64 = 0x4207;
/// `PR_GET_TID_ADDRESS`.
pub const PR_GET_TID_ADDRESS: libc::c_int = 40;
const PTRACE_GET_RSEQ_CONFIGURATION: u64 = 0x420f;
/// Copies are traced from their first instruction, and nothing that is traced outlives its tracer.
#[cfg(target_arch = "x86_64")]
const PTRACE_OPTIONS: u64 = (1 << 1) | (1 << 2) | (1 << 3) | (1 << 20);

fn ptrace(request: u64, pid: i32, address: u64, data: u64) -> io::Result<()> {
    // SAFETY: every caller gives the data that its request reads or writes; the system call itself, unlike the C library's
    // function, has one signature for all of them.
    let result = unsafe { libc::syscall(libc::SYS_ptrace, request, i64::from(pid), address, data) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Begins to trace a process, and asks it to stop.
#[cfg(target_arch = "x86_64")]
pub fn trace(pid: i32) -> io::Result<()> {
    ptrace(PTRACE_SEIZE, pid, 0, PTRACE_OPTIONS)?;
    ptrace(PTRACE_INTERRUPT, pid, 0, 0)
}

/// Lets a process that is stopped go its own way.
#[cfg(target_arch = "x86_64")]
pub fn trace_no_more(pid: i32) -> io::Result<()> {
    ptrace(PTRACE_DETACH, pid, 0, 0)
}

/// Lets a process that is stopped run one instruction.
#[cfg(target_arch = "x86_64")]
pub fn step(pid: i32) -> io::Result<()> {
    ptrace(PTRACE_SINGLESTEP, pid, 0, 0)
}

/// Lets a process that is stopped run on, still traced.
#[cfg(target_arch = "x86_64")]
pub fn run_on(pid: i32) -> io::Result<()> {
    ptrace(PTRACE_CONT, pid, 0, 0)
}

/// The process that has just been copied from one that is stopped for that.
#[cfg(target_arch = "x86_64")]
pub fn copy_made(pid: i32) -> io::Result<i32> {
    let mut message: libc::c_ulong = 0;
    ptrace(PTRACE_GETEVENTMSG, pid, 0, (&raw mut message) as u64)?;
    i32::try_from(message).map_err(io::Error::other)
}

/// The registers of a process that is stopped.
#[cfg(target_arch = "x86_64")]
pub fn registers(pid: i32) -> io::Result<Registers> {
    let mut registers: Registers = [0; 27];
    ptrace(PTRACE_GETREGS, pid, 0, (&raw mut registers) as u64)?;
    Ok(registers)
}

/// Changes them.
#[cfg(target_arch = "x86_64")]
pub fn set_registers(pid: i32, registers: &Registers) -> io::Result<()> {
    ptrace(PTRACE_SETREGS, pid, 0, std::ptr::from_ref(registers) as u64)
}

/// What a process has told the kernel of its restartable sequences: address, size, and signature; the address is 0 for one that
/// has none.
pub fn restartable_sequences(pid: i32) -> io::Result<(u64, u32, u32)> {
    /// `struct ptrace_rseq_configuration` of the kernel's interface.
    #[repr(C)]
    struct Configuration {
        address: u64,
        size: u32,
        signature: u32,
        flags: u32,
        padding: u32,
    }
    let mut told = Configuration { address: 0, size: 0, signature: 0, flags: 0, padding: 0 };
    ptrace(PTRACE_GET_RSEQ_CONFIGURATION, pid, size_of::<Configuration>() as u64, (&raw mut told) as u64)?;
    Ok((told.address, told.size, told.signature))
}

/// Whether the kernel tells where a thread has the C library keep its number: not every one is built to.
pub fn tells_tid_address() -> bool {
    let mut address: u64 = 0;
    // SAFETY: the call writes one pointer, to a place that lives across it.
    let result = unsafe { libc::prctl(PR_GET_TID_ADDRESS, &raw mut address) };
    result == 0
}

/// Where a process has its list of robust locks, and how long the head is.
pub fn robust_list(pid: i32) -> io::Result<(u64, u64)> {
    let (mut head, mut length): (u64, u64) = (0, 0);
    // SAFETY: the call writes one pointer and one length, to places that live across it.
    let result = unsafe { libc::syscall(libc::SYS_get_robust_list, pid, &raw mut head, &raw mut length) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok((head, length)) }
}

/// Waits until a process that is traced stops or ends, and gives the status as `waitpid` does.
#[cfg(target_arch = "x86_64")]
pub fn wait_for_stop(pid: i32) -> io::Result<i32> {
    let mut status = 0;
    loop {
        // SAFETY: waitpid writes one integer, which lives across the call.
        match unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) } {
            -1 => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
            _ => return Ok(status),
        }
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
