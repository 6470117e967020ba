//! Version 2 of this machine's kernel, by itself, as on a machine without version 1: whatever of it there is.
//!
//! What this machine lacks is said on standard error, by name, and not silently passed.

use super::*;
use crate::kernel::{self, Cloned};
use rustix::process::{Pid, WaitOptions};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

const LIMITS: Limits = Limits {
    memory_bytes: 128 << 20,
    cpu_millis_per_second: 72,
    cpu_weight: 50,
    processes_max: 1024,
    file_descriptors_max: 1024,
};

/// The one hierarchy of version 2, when we may write to it.
fn hierarchy() -> Option<Hierarchy> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let all = hierarchies(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"));
    let found = all.into_iter().find(|hierarchy| hierarchy.version == Version::Two);
    let writable = found.filter(|found| rustix::fs::access(&found.own, rustix::fs::Access::WRITE_OK).is_ok());
    if writable.is_none() {
        eprintln!("NOT RUN: this machine lets us write to no cgroup of version 2");
    }
    writable
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(10), "never happened: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A process that was born into the group, and does nothing but spin.
fn spin_in(group: &Opened) -> Pid {
    let birthplace = group.entrances.birthplace.as_ref().unwrap();
    match kernel::clone(0, Some(birthplace.as_fd())).unwrap() {
        Cloned::Child => loop {
            std::hint::spin_loop();
        },
        Cloned::Parent { pid, .. } => Pid::from_raw(pid).unwrap(),
    }
}

#[test]
fn groups_of_version_two_freeze_count_and_kill() {
    let Some(hierarchy) = hierarchy() else { return };
    let (layout, _locks) = Layout::prepare_in(&[hierarchy], "hearth-test-two", "run-kernel");
    assert!(layout.freezer.as_ref().is_some_and(|branch| branch.version == Version::Two));
    let group = layout.group(1);
    let opened = group.create().unwrap();
    opened.limit(&LIMITS).unwrap();
    let child = spin_in(&opened);
    assert_eq!(group.processes(), [child.as_raw_nonzero().get()]);
    eventually("its time is counted", || group.cpu_time().is_some_and(|time| !time.is_zero()));
    group.set_frozen(true).unwrap();
    let directory = &layout.group(1).0.freezer.unwrap().directory;
    eventually("it is frozen", || field(&directory.join("cgroup.events"), "frozen") == Some(1));
    // It says that it is frozen a few microseconds before it leaves the processor.
    let mut stopped = group.cpu_time();
    eventually("it has left the processor", || {
        let before = std::mem::replace(&mut stopped, group.cpu_time());
        before == stopped
    });
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(group.cpu_time(), stopped, "what is frozen uses no processor");
    group.set_frozen(false).unwrap();
    eventually("it runs on", || group.cpu_time() > stopped);
    group.set_frozen(true).unwrap();
    assert!(group.kill(), "a frozen one is killed");
    rustix::process::waitpid(Some(child), WaitOptions::empty()).unwrap();
    eventually("its group is gone", || group.remove());
    layout.remove();
}

#[test]
fn limits_of_version_two_are_taken_by_the_kernel() {
    let Some(hierarchy) = hierarchy() else { return };
    let (layout, _locks) = Layout::prepare_in(&[hierarchy], "hearth-test-two-limits", "run-kernel");
    let group = layout.group(1);
    let opened = group.create().unwrap();
    opened.limit(&LIMITS).unwrap();
    for (controller, branch, files) in [
        ("memory", &group.0.memory, &[("memory.max", "134217728"), ("memory.swap.max", "0")][..]),
        ("cpu", &group.0.cpu, &[("cpu.max", "7200 100000"), ("cpu.weight", "50")]),
        ("pids", &group.0.processes, &[("pids.max", "1024")]),
    ] {
        let Some(Branch { directory, .. }) = branch else {
            eprintln!(
                "NOT RUN: version 2 of this machine has no {controller} controller, which version 1 has"
            );
            continue;
        };
        for (name, expected) in files {
            let path = directory.join(name);
            if path.exists() {
                assert_eq!(fs::read_to_string(path).unwrap().trim(), *expected, "{name}");
            }
        }
    }
    eventually("the group is gone", || group.remove());
    layout.remove();
}

/// Controllers are handed down from where we are to the cages, by whichever controller this machine lets us try it with.
#[test]
fn version_two_hands_a_controller_down() {
    let Some(hierarchy) = hierarchy() else { return };
    let there = words(&hierarchy.top.join("cgroup.controllers"));
    let Some(controller) = there.iter().find(|name| ["hugetlb", "misc", "pids"].contains(&name.as_str()))
    else {
        eprintln!(
            "NOT RUN: version 2 of this machine has no controller that could be handed down: {there:?}"
        );
        return;
    };
    let parent = hierarchy.own.join("hearth-test-two-down");
    let (run, _lock) = make_locked(&parent, "run-kernel").unwrap();
    let enabled = enable(&[controller], &hierarchy.own, (&parent, &run));
    // A process in our own group, other than the top one, forbids it: then nothing is handed down, and that is told.
    let own_is_top = hierarchy.own == hierarchy.top;
    assert!(enabled == 1 || !own_is_top, "{controller} was not handed down from the top");
    let cage = run.join("cage-1");
    fs::create_dir(&cage).unwrap();
    assert_eq!(words(&cage.join("cgroup.controllers")).contains(controller), enabled == 1);
    fs::remove_dir(&cage).unwrap();
    remove_run(&run);
    assert!(!parent.exists());
}
