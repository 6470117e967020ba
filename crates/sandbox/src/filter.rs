//! The system call filter: reads `policies/seccomp.list` and compiles it. It holds no rule itself.

mod compile;

use crate::{Fault, kernel};
use compile::{Answer, Answers};
use libc::sock_filter;
use std::collections::BTreeMap;
use std::io;

const POLICY: &str = include_str!("../../../policies/seccomp.list");
const REFUSED: Answer = Answer::Error(libc::EPERM);
const ABSENT: Answer = Answer::Error(libc::ENOSYS);

/// The compiled filter.
pub struct Filter(Vec<sock_filter>);

/// A rule of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line<'a> {
    verb: Verb,
    name: &'a str,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Allow,
    Refuse,
    Absent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Condition {
    argument: u8,
    mask: u32,
    value: u32,
}

impl Filter {
    /// Compiles the list for this machine.
    pub fn compile() -> Result<Self, Fault> {
        Ok(Self(compile::compile(&answers(&parse(POLICY).map_err(invalid)?), ABSENT)))
    }

    /// As the kernel takes it: how many instructions, and those.
    pub fn program(&self) -> (u16, Vec<u8>) {
        let bytes = self.0.iter().flat_map(|instruction| {
            let [low, high] = instruction.code.to_ne_bytes();
            [[low, high, instruction.jt, instruction.jf], instruction.k.to_ne_bytes()].concat()
        });
        // The kernel takes none with more.
        (u16::try_from(self.0.len()).unwrap_or(u16::MAX), bytes.collect())
    }

    /// Puts it on this thread, which may have no new privileges, for good.
    pub fn install(&self) -> Result<(), Fault> {
        kernel::install_filter(&self.0).map_err(Fault::at("install", "the system call filter"))
    }
}

/// What each call of the list is answered: a refusal comes first.
fn answers(lines: &[Line<'_>]) -> BTreeMap<u32, Answers> {
    let mut answers: BTreeMap<u32, Answers> = BTreeMap::new();
    for (verb, answer) in [(Verb::Refuse, REFUSED), (Verb::Allow, Answer::Allow)] {
        for line in lines.iter().filter(|line| line.verb == verb) {
            if let Some(number) = number(line.name) {
                answers.entry(number).or_default().push((line.conditions.clone(), answer));
            }
        }
    }
    answers
}

fn invalid(reason: String) -> Fault {
    Fault::at("read", "policies/seccomp.list")(io::Error::new(io::ErrorKind::InvalidData, reason))
}

fn parse(policy: &str) -> Result<Vec<Line<'_>>, String> {
    let mut lines = Vec::new();
    for text in policy.lines() {
        let (rule, reason) = text.split_once('#').unwrap_or((text, ""));
        if rule.trim().is_empty() {
            continue;
        }
        let line = parse_line(rule).ok_or_else(|| format!("{text:?} is not a rule"))?;
        if reason.trim().is_empty() {
            return Err(format!("{text:?} has no reason"));
        }
        lines.push(line);
    }
    Ok(lines)
}

fn parse_line(rule: &str) -> Option<Line<'_>> {
    let (head, conditions) = match rule.split_once(" when ") {
        Some((head, conditions)) => {
            (head, conditions.split(" and ").map(parse_condition).collect::<Option<_>>()?)
        }
        None => (rule, Vec::new()),
    };
    let mut words = head.split_whitespace();
    let verb = match words.next()? {
        "allow" => Verb::Allow,
        "refuse" => Verb::Refuse,
        "absent" if conditions.is_empty() => Verb::Absent,
        _ => return None,
    };
    let name = words.next()?;
    words.next().is_none().then_some(Line { verb, name, conditions })
}

/// `ARGUMENT == VALUE` or `ARGUMENT & MASK == VALUE`.
fn parse_condition(text: &str) -> Option<Condition> {
    let (left, value) = text.split_once("==")?;
    let (argument, mask) = match left.split_once('&') {
        Some((argument, mask)) => (argument, parse_number(mask)?),
        None => (left, u32::MAX),
    };
    Some(Condition { argument: argument.trim().parse().ok()?, mask, value: parse_number(value)? })
}

fn parse_number(text: &str) -> Option<u32> {
    let text = text.trim();
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The number of a system call on this architecture; None where it has no such call.
fn number(name: &str) -> Option<u32> {
    let find = |table: &[(&str, i64)]| {
        table.iter().find(|(known, _)| known.strip_prefix("SYS_") == Some(name)).map(|(_, number)| *number)
    };
    find(SHARED).or_else(|| find(OF_ARCHITECTURE)).and_then(|number| u32::try_from(number).ok())
}

macro_rules! table {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), libc::$name)),*] };
}

/// The calls of the list that every architecture has.
#[rustfmt::skip]
const SHARED: &[(&str, i64)] = table![
    SYS_accept, SYS_accept4, SYS_acct, SYS_add_key, SYS_adjtimex, SYS_bind, SYS_bpf, SYS_brk, SYS_capget,
    SYS_capset, SYS_chdir, SYS_chroot, SYS_clock_adjtime, SYS_clock_getres, SYS_clock_gettime,
    SYS_clock_nanosleep, SYS_clock_settime, SYS_clone, SYS_clone3, SYS_close, SYS_close_range, SYS_connect,
    SYS_copy_file_range, SYS_delete_module, SYS_dup, SYS_dup3, SYS_epoll_create1, SYS_epoll_ctl,
    SYS_epoll_pwait, SYS_epoll_pwait2, SYS_eventfd2, SYS_execve, SYS_execveat, SYS_exit, SYS_exit_group,
    SYS_faccessat, SYS_faccessat2, SYS_fadvise64, SYS_fallocate, SYS_fanotify_init, SYS_fanotify_mark,
    SYS_fchdir, SYS_fchmod, SYS_fchmodat, SYS_fchown, SYS_fchownat, SYS_fcntl, SYS_fdatasync,
    SYS_fgetxattr, SYS_finit_module, SYS_flistxattr, SYS_flock, SYS_fremovexattr, SYS_fsconfig,
    SYS_fsetxattr, SYS_fsmount, SYS_fsopen, SYS_fspick, SYS_fstat, SYS_fstatfs, SYS_fsync, SYS_ftruncate,
    SYS_futex, SYS_futex_waitv, SYS_get_mempolicy, SYS_get_robust_list, SYS_getcpu, SYS_getcwd,
    SYS_getdents64, SYS_getegid, SYS_geteuid, SYS_getgid, SYS_getgroups, SYS_getitimer, SYS_getpeername,
    SYS_getpgid, SYS_getpid, SYS_getppid, SYS_getpriority, SYS_getrandom, SYS_getresgid, SYS_getresuid,
    SYS_getrusage, SYS_getsid, SYS_getsockname, SYS_getsockopt, SYS_gettid, SYS_gettimeofday, SYS_getuid,
    SYS_getxattr, SYS_init_module, SYS_inotify_add_watch, SYS_inotify_init1, SYS_inotify_rm_watch,
    SYS_io_cancel, SYS_io_destroy, SYS_io_getevents, SYS_io_setup, SYS_io_submit, SYS_io_uring_enter,
    SYS_io_uring_register, SYS_io_uring_setup, SYS_ioctl, SYS_ioprio_get, SYS_ioprio_set, SYS_kcmp,
    SYS_kexec_file_load, SYS_kexec_load, SYS_keyctl, SYS_kill, SYS_landlock_add_rule,
    SYS_landlock_create_ruleset, SYS_landlock_restrict_self, SYS_lgetxattr, SYS_linkat, SYS_listen,
    SYS_listxattr, SYS_llistxattr, SYS_lookup_dcookie, SYS_lremovexattr, SYS_lseek, SYS_lsetxattr,
    SYS_madvise, SYS_mbind, SYS_membarrier, SYS_memfd_create, SYS_memfd_secret, SYS_migrate_pages,
    SYS_mincore, SYS_mkdirat, SYS_mknodat, SYS_mlock, SYS_mlock2, SYS_mlockall, SYS_mmap, SYS_mount,
    SYS_mount_setattr, SYS_move_mount, SYS_move_pages, SYS_mprotect, SYS_mq_getsetattr, SYS_mq_notify,
    SYS_mq_open, SYS_mq_timedreceive, SYS_mq_timedsend, SYS_mq_unlink, SYS_mremap, SYS_mseal, SYS_msgctl,
    SYS_msgget, SYS_msgrcv, SYS_msgsnd, SYS_msync, SYS_munlock, SYS_munlockall, SYS_munmap,
    SYS_name_to_handle_at, SYS_nanosleep, SYS_newfstatat, SYS_nfsservctl, SYS_open_by_handle_at,
    SYS_open_tree, SYS_openat, SYS_openat2, SYS_perf_event_open, SYS_personality, SYS_pidfd_getfd,
    SYS_pidfd_open, SYS_pidfd_send_signal, SYS_pipe2, SYS_pivot_root, SYS_pkey_alloc, SYS_pkey_free,
    SYS_pkey_mprotect, SYS_ppoll, SYS_prctl, SYS_pread64, SYS_preadv, SYS_preadv2, SYS_prlimit64,
    SYS_process_madvise, SYS_process_mrelease, SYS_process_vm_readv, SYS_process_vm_writev, SYS_pselect6,
    SYS_ptrace, SYS_pwrite64, SYS_pwritev, SYS_pwritev2, SYS_quotactl, SYS_quotactl_fd, SYS_read,
    SYS_readahead, SYS_readlinkat, SYS_readv, SYS_reboot, SYS_recvfrom, SYS_recvmmsg, SYS_recvmsg,
    SYS_remap_file_pages, SYS_removexattr, SYS_renameat2, SYS_request_key, SYS_restart_syscall, SYS_rseq,
    SYS_rt_sigaction, SYS_rt_sigpending, SYS_rt_sigprocmask, SYS_rt_sigqueueinfo, SYS_rt_sigreturn,
    SYS_rt_sigsuspend, SYS_rt_sigtimedwait, SYS_rt_tgsigqueueinfo, SYS_sched_get_priority_max,
    SYS_sched_get_priority_min, SYS_sched_getaffinity, SYS_sched_getattr, SYS_sched_getparam,
    SYS_sched_getscheduler, SYS_sched_rr_get_interval, SYS_sched_setaffinity, SYS_sched_setattr,
    SYS_sched_setparam, SYS_sched_setscheduler, SYS_sched_yield, SYS_seccomp, SYS_semctl, SYS_semget,
    SYS_semop, SYS_semtimedop, SYS_sendfile, SYS_sendmmsg, SYS_sendmsg, SYS_sendto, SYS_set_mempolicy,
    SYS_set_robust_list, SYS_set_tid_address, SYS_setdomainname, SYS_setfsgid, SYS_setfsuid, SYS_setgid,
    SYS_setgroups, SYS_sethostname, SYS_setitimer, SYS_setns, SYS_setpgid, SYS_setpriority, SYS_setregid,
    SYS_setresgid, SYS_setresuid, SYS_setreuid, SYS_setsid, SYS_setsockopt, SYS_settimeofday, SYS_setuid,
    SYS_setxattr, SYS_shmat, SYS_shmctl, SYS_shmdt, SYS_shmget, SYS_shutdown, SYS_sigaltstack,
    SYS_signalfd4, SYS_socket, SYS_socketpair, SYS_splice, SYS_statfs, SYS_statx, SYS_swapoff, SYS_swapon,
    SYS_symlinkat, SYS_sync, SYS_syncfs, SYS_sysinfo, SYS_syslog, SYS_tee, SYS_tgkill, SYS_timer_create,
    SYS_timer_delete, SYS_timer_getoverrun, SYS_timer_gettime, SYS_timer_settime, SYS_timerfd_create,
    SYS_timerfd_gettime, SYS_timerfd_settime, SYS_times, SYS_tkill, SYS_truncate, SYS_umask, SYS_umount2,
    SYS_uname, SYS_unlinkat, SYS_unshare, SYS_userfaultfd, SYS_utimensat, SYS_vhangup, SYS_vmsplice,
    SYS_wait4, SYS_waitid, SYS_write, SYS_writev,
];

/// Those that only some have: mostly older forms of the others.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const OF_ARCHITECTURE: &[(&str, i64)] = table![
    SYS_access, SYS_alarm, SYS_arch_prctl, SYS_chmod, SYS_chown, SYS_creat, SYS_dup2, SYS_epoll_create,
    SYS_epoll_wait, SYS_eventfd, SYS_fchmodat2, SYS_fork, SYS_futimesat, SYS_getdents, SYS_getpgrp,
    SYS_getrlimit, SYS_inotify_init, SYS_ioperm, SYS_iopl, SYS_lchown, SYS_link, SYS_lstat, SYS_mkdir,
    SYS_mknod, SYS_modify_ldt, SYS_open, SYS_pause, SYS_pipe, SYS_poll, SYS_readlink, SYS_rename,
    SYS_renameat, SYS_rmdir, SYS_select, SYS_setrlimit, SYS_signalfd, SYS_stat, SYS_symlink,
    SYS_sync_file_range, SYS_time, SYS_unlink, SYS_utime, SYS_utimes, SYS_vfork,
];
/// Those that only some have.
#[cfg(not(target_arch = "x86_64"))]
const OF_ARCHITECTURE: &[(&str, i64)] = &[];

#[cfg(test)]
mod tests {
    use super::compile::tests::{ARCHITECTURE, run, value};
    use super::*;

    #[test]
    fn the_policy_is_whole() {
        let lines = parse(POLICY).unwrap();
        assert!(lines.len() > 250);
        for line in &lines {
            #[cfg(target_arch = "x86_64")]
            assert!(number(line.name).is_some(), "{} has no number", line.name);
            let same = lines.iter().filter(|other| *other == line).count();
            assert_eq!(same, 1, "{line:?} stands twice");
            let unconditional =
                |verb| lines.iter().any(|l| l.name == line.name && l.verb == verb && l.conditions.is_empty());
            assert!(!(unconditional(Verb::Allow) && unconditional(Verb::Refuse)), "{} both", line.name);
        }
    }

    /// What the lines of a call say, one by one.
    fn expected(lines: &[Line<'_>], arguments: [u64; 6]) -> Answer {
        let holds = |condition: &Condition| {
            arguments[usize::from(condition.argument)] as u32 & condition.mask == condition.value
        };
        let says = |verb| lines.iter().any(|line| line.verb == verb && line.conditions.iter().all(holds));
        match (says(Verb::Refuse), says(Verb::Allow)) {
            (true, _) => REFUSED,
            (false, true) => Answer::Allow,
            (false, false) => ABSENT,
        }
    }

    #[test]
    fn the_filter_answers_each_call_as_the_list_says() {
        let lines = parse(POLICY).unwrap();
        let Filter(program) = Filter::compile().unwrap();
        let mut most = 0;
        for call in (0..600).chain([0x4000_0000, 0x4000_0001, u32::MAX]) {
            let of_call: Vec<_> =
                lines.iter().filter(|line| number(line.name) == Some(call)).cloned().collect();
            let mut values: Vec<u64> = vec![0, 1, u64::from(u32::MAX), 1 << 32];
            for condition in of_call.iter().flat_map(|line| &line.conditions) {
                let value = u64::from(condition.value);
                values.extend([value, value ^ 1, value | 1 << 40, value | u64::from(!condition.mask)]);
            }
            for (one, other) in values.iter().flat_map(|one| values.iter().map(move |other| (*one, *other))) {
                for arguments in [[one, other, 0, 0, 0, 0], [one, 0, other, 0, 0, 0]] {
                    let (answer, steps) = run(&program, ARCHITECTURE, call, arguments);
                    assert_eq!(answer, value(expected(&of_call, arguments)), "{call} {arguments:x?}");
                    most = most.max(steps);
                }
            }
        }
        assert!(most < 64, "a call waits for {most} instructions");
    }

    #[test]
    fn rules_are_read_and_nonsense_is_refused() {
        let line = parse("refuse socket when 0 == 2 and 1 & 0xf == 3 # raw").unwrap().remove(0);
        assert_eq!((line.verb, line.name), (Verb::Refuse, "socket"));
        assert_eq!(line.conditions[0], Condition { argument: 0, mask: u32::MAX, value: 2 });
        assert_eq!(line.conditions[1], Condition { argument: 1, mask: 0xf, value: 3 });
        for wrong in [
            "allow read",
            "permit read # x",
            "allow # x",
            "allow read when 0 = 1 # x",
            "absent read when 0 == 1 # x",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
