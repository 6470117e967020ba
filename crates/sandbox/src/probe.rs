//! What this machine can enforce, for `hearth doctor` and at each start. It refuses to guess: each finding comes from a trial.

use crate::cgroup::{Branch, Layout, Version};
use crate::filter::Filter;
use crate::identity::Identities;
use crate::kernel::{self, Cloned};
use crate::temporary::Images;
use crate::{Fault, Isolation, run};
use rustix::process::{Pid, WaitOptions};
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

impl Finding {
    fn new(subject: &str, state: State, detail: impl Into<String>) -> Self {
        Self { subject: subject.to_owned(), state, detail: detail.into(), advice: None }
    }

    fn advise(self, advice: &str) -> Self {
        Self { advice: Some(advice.to_owned()), ..self }
    }
}

/// The namespaces of a cage, each with what to do when the kernel refuses it.
const NAMESPACES: [(&str, libc::c_int); 7] = [
    ("user namespaces", libc::CLONE_NEWUSER),
    ("mount namespaces", libc::CLONE_NEWNS),
    ("pid namespaces", libc::CLONE_NEWPID),
    ("ipc namespaces", libc::CLONE_NEWIPC),
    ("uts namespaces", libc::CLONE_NEWUTS),
    ("network namespaces", libc::CLONE_NEWNET),
    ("cgroup namespaces", libc::CLONE_NEWCGROUP),
];
const NAMESPACE_ADVICE: &str = "run Hearth as root, or allow user namespaces: sysctl user.max_user_namespaces=10000, \
    kernel.unprivileged_userns_clone=1 (Debian), kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu); in a container, \
    give it CAP_SYS_ADMIN and a seccomp profile that lets unshare through";
const CGROUP_ADVICE: &str = "run Hearth as root, or as a systemd service with Delegate=yes, or by \
    `systemd-run --user --scope -p Delegate=yes hearth serve`";
const IMAGE_ADVICE: &str = "run Hearth as root on a machine with loop devices and e2fsprogs installed";
const LANDLOCK_ADVICE: &str =
    "use Linux 6.12 or newer with Landlock built in and in the list of the kernel's lsm= parameter";

/// Tries everything out. Takes some tens of milliseconds; call it outside the async runtime or in a blocking task.
pub fn probe() -> Vec<Finding> {
    let root = rustix::process::geteuid().is_root();
    let mut findings = vec![match root {
        true => Finding::new("user", State::Enforced, "Hearth runs as root, which every limit below can use"),
        false => Finding::new("user", State::Weaker, "Hearth runs as an ordinary user")
            .advise("run Hearth as root"),
    }];
    for (subject, flag) in NAMESPACES {
        let extra = if root { 0 } else { libc::CLONE_NEWUSER };
        findings.push(match try_clone(flag | extra) {
            Ok(()) => Finding::new(subject, State::Enforced, "the kernel makes them for us"),
            Err(error) => Finding::new(subject, State::Missing, format!("the kernel refuses them: {error}"))
                .advise(NAMESPACE_ADVICE),
        });
    }
    let identities = if root { Identities::take() } else { None };
    let name = format!("run-probe-{}", std::process::id());
    let scratch = std::env::temp_dir().join(format!("hearth-{name}"));
    let images = match run::claim(&scratch, &name) {
        Ok((directory, _lock)) => {
            let found =
                if identities.is_some() { Images::find(&directory, 1 << 20) } else { Err(not_root()) };
            // Only a busy file system keeps it, and then the operating system's own sweep of such directories.
            let _ = std::fs::remove_dir_all(&scratch);
            found
        }
        Err(fault) => Err(fault),
    };
    let (layout, locks) = Layout::prepare("hearth-probe", &name);
    findings.push(filter());
    findings.extend(
        enforced(Isolation::Sandbox, &layout, identities.is_some(), images.as_ref().err()).split_off(2),
    );
    layout.remove();
    drop(locks);
    let overlay = std::fs::read_to_string("/proc/filesystems").unwrap_or_default().contains("\toverlay\n");
    findings.push(match overlay {
        true => Finding::new("overlay", State::Enforced, "the kernel has overlayfs (no cage needs it yet)"),
        false => {
            Finding::new("overlay", State::Missing, "the kernel has no overlayfs (no cage needs it yet)")
        }
    });
    findings
}

/// What a spawner enforces, from what it has found and made. The first two are the cage as a whole and its user.
pub(crate) fn enforced(
    isolation: Isolation,
    layout: &Layout,
    own_ids: bool,
    images: Option<&Fault>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if isolation == Isolation::Process {
        findings.push(
            Finding::new("isolation", State::Missing, "programs are plain processes of Hearth's own user")
                .advise("start Hearth with --isolation=sandbox"),
        );
    } else {
        findings.push(Finding::new(
            "isolation",
            State::Enforced,
            "programs have user, mount, pid, ipc, uts, network and cgroup namespaces and a system call filter",
        ));
        findings.push(match own_ids {
            true => Finding::new("host users", State::Enforced, "each cage has a host user of its own"),
            false => Finding::new("host users", State::Weaker, "all cages have Hearth's own host user")
                .advise("run Hearth as root, in a user namespace with ids up to 2,097,000,000"),
        });
        findings.push(landlock(kernel::landlock_abi()));
    }
    findings.push(controller("memory limit", layout.memory.as_ref()));
    findings.push(controller("processor limit", layout.cpu.as_ref()));
    findings.push(match (isolation, layout.processes.as_ref()) {
        (Isolation::Sandbox, None) => Finding::new(
            "process limit",
            State::Weaker,
            "by a resource limit of the cage's user namespace, which counts for itself from Linux 5.14 on",
        )
        .advise(CGROUP_ADVICE),
        (_, branch) => controller("process limit", branch),
    });
    findings.push(match layout.freezer.as_ref() {
        Some(branch) => controller("freezer", Some(branch)),
        None => Finding::new(
            "freezer",
            State::Weaker,
            "programs are stopped by SIGSTOP, which they can undo and notice",
        )
        .advise(CGROUP_ADVICE),
    });
    findings.push(match (isolation, images) {
        (Isolation::Process, _) => {
            Finding::new("/tmp", State::Missing, "TMPDIR is a directory of the host, of any size")
                .advise("start Hearth with --isolation=sandbox")
        }
        (Isolation::Sandbox, None) => Finding::new(
            "/tmp",
            State::Enforced,
            "an image on disk, of the size asked for, which does not count as memory",
        ),
        (Isolation::Sandbox, Some(fault)) => {
            let detail = format!(
                "a tmpfs of the size asked for, which counts as the program's memory (could not {fault})"
            );
            Finding::new("/tmp", State::Weaker, detail).advise(IMAGE_ADVICE)
        }
    });
    findings
}

fn controller(subject: &str, branch: Option<&Branch>) -> Finding {
    match branch {
        Some(Branch { version, directory }) => {
            let version = if *version == Version::One { 1 } else { 2 };
            let at = directory.parent().unwrap_or(directory).display();
            Finding::new(subject, State::Enforced, format!("by cgroup version {version}, below {at}"))
        }
        None => Finding::new(subject, State::Missing, "no cgroup that we may write has the controller")
            .advise(CGROUP_ADVICE),
    }
}

fn landlock(abi: u32) -> Finding {
    let detail = format!("the kernel has Landlock version {abi}");
    match abi {
        0 => Finding::new("Landlock", State::Missing, "the kernel has no Landlock, or has it switched off")
            .advise(LANDLOCK_ADVICE),
        1..6 => Finding::new("Landlock", State::Weaker, format!("{detail}; 6 has all that is asked for"))
            .advise(LANDLOCK_ADVICE),
        _ => Finding::new("Landlock", State::Enforced, detail),
    }
}

fn filter() -> Finding {
    let subject = "system call filter";
    let filter = match Filter::compile() {
        Ok(filter) => filter,
        Err(fault) => return Finding::new(subject, State::Missing, format!("cannot {fault}")),
    };
    match in_child(0, || rustix::thread::set_no_new_privs(true).is_ok() && filter.install().is_ok()) {
        Ok(true) => Finding::new(subject, State::Enforced, "the kernel takes seccomp filters"),
        Ok(false) | Err(_) => Finding::new(subject, State::Missing, "the kernel takes no seccomp filters")
            .advise("use a kernel with CONFIG_SECCOMP_FILTER"),
    }
}

pub(crate) fn not_root() -> Fault {
    Fault::at("mount", "an image of a disk")(io::Error::from_raw_os_error(libc::EPERM))
}

/// Tries whether this process may make all the namespaces of a cage.
pub(crate) fn namespaces(own_user_only: bool) -> Result<(), Fault> {
    for (name, flag) in NAMESPACES {
        let user = if own_user_only { libc::CLONE_NEWUSER } else { 0 };
        try_clone(flag | user).map_err(|error| {
            let told = io::Error::new(error.kind(), format!("{error}; {NAMESPACE_ADVICE}"));
            Fault::at("make", name)(told)
        })?;
    }
    Ok(())
}

fn try_clone(flags: libc::c_int) -> io::Result<()> {
    in_child(flags, || true).map(|_| ())
}

/// Whether `act`, which may only make system calls, says so in a child with namespaces of its own.
fn in_child(flags: libc::c_int, act: impl FnOnce() -> bool) -> io::Result<bool> {
    match kernel::clone(flags, None)? {
        Cloned::Child => kernel::exit(i32::from(!act())),
        Cloned::Parent { pid, .. } => {
            let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidData)?;
            let ended =
                rustix::io::retry_on_intr(|| rustix::process::waitpid(Some(pid), WaitOptions::empty()))?;
            Ok(ended.is_some_and(|(_, status)| status.exit_status() == Some(0)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_tells_everything_and_leaves_nothing() {
        let findings = probe();
        for finding in &findings {
            println!("{finding:?}");
            assert_eq!(
                finding.advice.is_some(),
                finding.state != State::Enforced && finding.subject != "overlay",
                "{finding:?}"
            );
        }
        let subjects: Vec<&str> = findings.iter().map(|finding| finding.subject.as_str()).collect();
        for subject in [
            "user",
            "network namespaces",
            "system call filter",
            "Landlock",
            "memory limit",
            "freezer",
            "/tmp",
        ] {
            assert_eq!(
                subjects.iter().filter(|found| **found == subject).count(),
                1,
                "{subject}: {subjects:?}"
            );
        }
        let scratch = std::env::temp_dir().join(format!("hearth-run-probe-{}", std::process::id()));
        assert!(!scratch.exists());
    }

    #[test]
    fn what_is_missing_is_told() {
        let layout = Layout::default();
        let fault = not_root();
        let findings = enforced(Isolation::Sandbox, &layout, false, Some(&fault));
        let amiss = findings.iter().filter(|finding| finding.state != State::Enforced).count();
        // Users, four kinds of cgroup, /tmp; Landlock as the kernel has it.
        assert!(amiss >= 6, "{findings:?}");
        assert_eq!(landlock(0).state, State::Missing);
        assert_eq!(landlock(4).state, State::Weaker);
        assert_eq!(landlock(7).state, State::Enforced);
        let plain = enforced(Isolation::Process, &layout, false, None);
        assert_eq!((plain[0].subject.as_str(), plain[0].state), ("isolation", State::Missing));
    }
}
