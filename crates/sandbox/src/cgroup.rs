//! Control groups: where cages' groups stand, on version 1, version 2 and machines with both; the limits, the freezer,
//! and what they used. It refuses to touch a group that it did not make.
//!
//! A run's groups are `<own group>/<name>/run-<id>/<cage>` in each hierarchy, or at its top where our own group may not be
//! written. The directory of a living run is locked (`flock`), which is how another server tells it from a dead one's.

#[cfg(test)]
mod on_this_kernel;

use crate::Fault;
use crate::spec::Limits;
use rustix::fs::FlockOperation;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The length of one period of the processor quota, in microseconds: what Linux takes by default.
const CPU_PERIOD_US: u64 = 100_000;
/// The least quota that the kernel takes, in microseconds.
const CPU_QUOTA_US_MIN: u64 = 1_000;
/// The usual weight, as version 1 and version 2 count it.
const CPU_SHARES_USUAL: u32 = 1024;
const CPU_WEIGHT_USUAL: u32 = 100;

/// What limits a cage in version 2.
const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];

/// Which interface files a hierarchy has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    One,
    Two,
}

/// The run's directory in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    pub version: Version,
    /// The directory under which the cages' groups stand.
    pub directory: PathBuf,
}

/// What each limit is set through; None where the machine does not let us.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    pub memory: Option<Branch>,
    pub cpu: Option<Branch>,
    pub processes: Option<Branch>,
    /// Freezes, and counts processor time.
    pub freezer: Option<Branch>,
    /// Counts processor time where no version 2 hierarchy does.
    pub accounting: Option<Branch>,
}

/// A hierarchy as the machine has it mounted, and our own group in it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hierarchy {
    version: Version,
    controllers: Vec<String>,
    /// The directory that is our own group.
    own: PathBuf,
    /// Where it is mounted.
    top: PathBuf,
}

/// The locks on a run's directories, which end with the process that holds them.
#[derive(Debug, Default)]
pub struct RunLocks(pub Vec<OwnedFd>);

impl Layout {
    /// Finds the hierarchies of this machine and makes the run's directory in each, after removing what dead runs left.
    pub fn prepare(name: &str, run: &str) -> (Self, RunLocks) {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let hierarchies = hierarchies(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"));
        Self::prepare_in(&hierarchies, name, run)
    }

    fn prepare_in(hierarchies: &[Hierarchy], name: &str, run: &str) -> (Self, RunLocks) {
        let mut locks = RunLocks::default();
        let mut layout = Self::default();
        let mut made = Vec::new();
        for hierarchy in hierarchies {
            let wanted = ["memory", "cpu", "pids", "cpuacct", "freezer"];
            let bare = hierarchy.version == Version::Two;
            if !bare && !hierarchy.controllers.iter().any(|c| wanted.contains(&c.as_str())) {
                continue;
            }
            let Some((directory, lock)) = hierarchy.make_run(name, run) else { continue };
            locks.0.push(lock);
            let branch = Branch { version: hierarchy.version, directory };
            layout.take(&branch, hierarchy);
            made.push(branch);
        }
        // Version 2 counts processor time by itself, so that `cpuacct` would be one directory more for nothing.
        if layout.freezer.as_ref().is_some_and(|branch| branch.version == Version::Two) {
            layout.accounting = None;
        }
        let used = layout.branches();
        made.iter().filter(|branch| !used.contains(branch)).for_each(|branch| remove_run(&branch.directory));
        (layout, locks)
    }

    fn take(&mut self, branch: &Branch, hierarchy: &Hierarchy) {
        let enabled = match hierarchy.version {
            Version::One => hierarchy.controllers.clone(),
            Version::Two => words(&branch.directory.join("cgroup.subtree_control")),
        };
        let has = |controller: &str| enabled.iter().any(|name| name == controller);
        for (controller, slot) in
            [("memory", &mut self.memory), ("cpu", &mut self.cpu), ("pids", &mut self.processes)]
        {
            if slot.is_none() && has(controller) {
                *slot = Some(branch.clone());
            }
        }
        match hierarchy.version {
            // Version 2 freezes without any controller, and what it froze can still be killed: it goes first.
            Version::Two => self.freezer = Some(branch.clone()),
            Version::One if has("freezer") && self.freezer.is_none() => self.freezer = Some(branch.clone()),
            Version::One => {}
        }
        if has("cpuacct") {
            self.accounting = Some(branch.clone());
        }
    }

    /// Each directory once.
    fn branches(&self) -> Vec<&Branch> {
        let mut branches: Vec<&Branch> = Vec::new();
        for branch in [&self.memory, &self.cpu, &self.processes, &self.freezer, &self.accounting] {
            if let Some(branch) = branch
                && !branches.iter().any(|seen| seen.directory == branch.directory)
            {
                branches.push(branch);
            }
        }
        branches
    }

    /// Removes the run's directories, and the one above when it was the last.
    pub fn remove(&self) {
        for branch in self.branches() {
            remove_run(&branch.directory);
        }
    }

    /// The groups of a cage, made or not.
    pub fn group(&self, cage: u64) -> Group {
        let at = |branch: &Option<Branch>| {
            branch.as_ref().map(|branch| Branch {
                version: branch.version,
                directory: branch.directory.join(format!("cage-{cage}")),
            })
        };
        Group(Self {
            memory: at(&self.memory),
            cpu: at(&self.cpu),
            processes: at(&self.processes),
            freezer: at(&self.freezer),
            accounting: at(&self.accounting),
        })
    }
}

/// The groups of one cage.
#[derive(Debug)]
pub struct Group(Layout);

/// Files of a cage's groups.
#[derive(Debug, Default)]
pub struct Opened {
    pub entrances: Entrances,
    limits: Vec<(Limit, Version, PathBuf, File)>,
}

/// The ways into a cage's groups. A process that moves from one group to another by its number waits for every processor to
/// notice, which takes milliseconds for each hierarchy: here none does.
#[derive(Debug, Default)]
pub struct Entrances {
    /// Of version 1: a process of one thread that writes `0` to each of them has moved that thread.
    pub tasks: Vec<OwnedFd>,
    /// Of version 2: the directory, which a process can be born into.
    pub birthplace: Option<OwnedFd>,
}

/// What a file limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    Memory,
    /// Version 1 counts both together.
    MemoryAndSwap,
    /// Version 2 counts swap alone.
    Swap,
    /// How gladly version 1 swaps.
    Swappiness,
    ProcessorPeriod,
    ProcessorQuota,
    /// Version 2 has quota and period in one file.
    Processor,
    /// The share of a busy processor.
    Weight,
    Processes,
}

impl Limit {
    /// Those of a cage.
    const ALL: [Self; 4] = [Self::Memory, Self::Processor, Self::Weight, Self::Processes];

    /// The files of a limit, in the order in which they must be written.
    fn files(self, version: Version) -> &'static [(Limit, &'static str)] {
        match (self, version) {
            (Self::Memory, Version::One) => &[
                (Self::Memory, "memory.limit_in_bytes"),
                (Self::MemoryAndSwap, "memory.memsw.limit_in_bytes"),
                (Self::Swappiness, "memory.swappiness"),
            ],
            (Self::Memory, Version::Two) => &[(Self::Memory, "memory.max"), (Self::Swap, "memory.swap.max")],
            (Self::Processor, Version::One) => {
                &[(Self::ProcessorPeriod, "cpu.cfs_period_us"), (Self::ProcessorQuota, "cpu.cfs_quota_us")]
            }
            (Self::Processor, Version::Two) => &[(Self::Processor, "cpu.max")],
            (Self::Weight, Version::One) => &[(Self::Weight, "cpu.shares")],
            (Self::Weight, Version::Two) => &[(Self::Weight, "cpu.weight")],
            (Self::Processes, _) => &[(Self::Processes, "pids.max")],
            _ => &[],
        }
    }

    fn text(self, version: Version, limits: &Limits) -> String {
        let quota = u64::from(limits.cpu_millis_per_second) * CPU_PERIOD_US / 1000;
        let quota = quota.max(CPU_QUOTA_US_MIN);
        match self {
            Self::Memory | Self::MemoryAndSwap => limits.memory_bytes.to_string(),
            Self::Swap | Self::Swappiness => "0".to_owned(),
            Self::ProcessorPeriod => CPU_PERIOD_US.to_string(),
            Self::ProcessorQuota => quota.to_string(),
            Self::Processor => format!("{quota} {CPU_PERIOD_US}"),
            Self::Weight if version == Version::One => {
                (limits.cpu_weight.saturating_mul(CPU_SHARES_USUAL) / CPU_WEIGHT_USUAL).max(2).to_string()
            }
            Self::Weight => limits.cpu_weight.to_string(),
            Self::Processes => limits.processes_max.to_string(),
        }
    }
}

impl Opened {
    /// Sets the limits.
    pub fn limit(&self, limits: &Limits) -> Result<(), Fault> {
        let set = |(limit, version, path, file): &(Limit, Version, PathBuf, File)| {
            let mut file = file;
            file.write_all(limit.text(*version, limits).as_bytes()).map_err(Fault::at("set the limit", path))
        };
        // Memory alone may never be more than memory and swap together, so that which of them goes first depends on
        // whether they rise or fall: what is refused at first is tried again.
        let refused: Vec<_> = self.limits.iter().filter(|limit| set(limit).is_err()).collect();
        refused.into_iter().try_for_each(set)
    }
}

impl Group {
    /// Makes the directories, and opens what is written to later, when no path leads to them any more.
    pub fn create(&self) -> Result<Opened, Fault> {
        let mut opened = Opened::default();
        for branch in self.0.branches() {
            let directory = &branch.directory;
            fs::create_dir(directory).map_err(Fault::at("make the cgroup", directory))?;
            match branch.version {
                Version::One => opened.entrances.tasks.push(open(&directory.join("tasks"))?.into()),
                Version::Two => {
                    let opening = File::open(directory).map_err(Fault::at("open the cgroup", directory))?;
                    opened.entrances.birthplace = Some(opening.into());
                }
            }
        }
        opened.limits = self.open_limits(&Limit::ALL)?;
        Ok(opened)
    }

    /// Changes the limits.
    pub fn limit(&self, limits: &Limits) -> Result<(), Fault> {
        self.limit_some(&Limit::ALL, limits)
    }

    /// Changes the processor time alone.
    pub fn limit_processors(&self, limits: &Limits) -> Result<(), Fault> {
        self.limit_some(&[Limit::Processor], limits)
    }

    fn limit_some(&self, kinds: &[Limit], limits: &Limits) -> Result<(), Fault> {
        Opened { entrances: Entrances::default(), limits: self.open_limits(kinds)? }.limit(limits)
    }

    fn open_limits(&self, kinds: &[Limit]) -> Result<Vec<(Limit, Version, PathBuf, File)>, Fault> {
        let mut opened = Vec::new();
        for limit in kinds {
            let branch = match limit {
                Limit::Memory => &self.0.memory,
                Limit::Processes => &self.0.processes,
                _ => &self.0.cpu,
            };
            let Some(Branch { version, directory }) = branch else { continue };
            for (limit, name) in limit.files(*version) {
                let path = directory.join(name);
                match open(&path) {
                    Ok(file) => opened.push((*limit, *version, path, file)),
                    // Without swap accounting in the kernel there are no such files.
                    Err(fault)
                        if matches!(limit, Limit::Swap | Limit::MemoryAndSwap)
                            && fault.source.kind() == io::ErrorKind::NotFound => {}
                    Err(fault) => return Err(fault),
                }
            }
        }
        Ok(opened)
    }

    /// Freezes or thaws. On version 1 frozen processes cannot be killed before they are thawed.
    pub fn set_frozen(&self, frozen: bool) -> Result<(), Fault> {
        match &self.0.freezer {
            Some(Branch { version: Version::Two, directory }) => {
                write(&directory.join("cgroup.freeze"), if frozen { "1" } else { "0" })
            }
            Some(Branch { version: Version::One, directory }) => {
                write(&directory.join("freezer.state"), if frozen { "FROZEN" } else { "THAWED" })
            }
            None => Err(Fault::at("freeze", Path::new("cage"))(io::Error::other("there is no freezer"))),
        }
    }

    /// Whether there is a freezer.
    pub fn can_freeze(&self) -> bool {
        self.0.freezer.is_some()
    }

    /// Kills every process of the group. False where that takes something else (version 1, Linux before 5.14).
    pub fn kill(&self) -> bool {
        match &self.0.freezer {
            Some(Branch { version: Version::Two, directory }) => {
                write(&directory.join("cgroup.kill"), "1").is_ok()
            }
            Some(Branch { version: Version::One, .. }) => {
                // A frozen process dies only once thawed; a group that is gone already needs neither.
                let _ = self.set_frozen(false);
                false
            }
            None => false,
        }
    }

    /// The processes in the group, by their ids in our own pid namespace.
    pub fn processes(&self) -> Vec<i32> {
        let Some(branch) = self.0.branches().first().copied() else { return Vec::new() };
        words(&branch.directory.join("cgroup.procs")).iter().filter_map(|word| word.parse().ok()).collect()
    }

    /// How many processes the kernel killed for want of memory.
    pub fn oom_kills(&self) -> u64 {
        let file = match &self.0.memory {
            Some(Branch { version: Version::One, directory }) => directory.join("memory.oom_control"),
            Some(Branch { version: Version::Two, directory }) => directory.join("memory.events"),
            None => return 0,
        };
        field(&file, "oom_kill").unwrap_or(0)
    }

    /// The file that tells the most memory used, in bytes.
    pub fn memory_peak_file(&self) -> Option<File> {
        let Branch { version, directory } = self.0.memory.as_ref()?;
        let name = if *version == Version::One { "memory.max_usage_in_bytes" } else { "memory.peak" };
        File::open(directory.join(name)).ok()
    }

    /// Starts the peak anew. On version 2 the new peak is told only by the file that comes back.
    pub fn reset_memory_peak(&self) -> Result<Option<File>, Fault> {
        match &self.0.memory {
            Some(Branch { version: Version::One, directory }) => {
                write(&directory.join("memory.max_usage_in_bytes"), "0").map(|()| None)
            }
            Some(Branch { version: Version::Two, directory }) => {
                let path = directory.join("memory.peak");
                let mut file = OpenOptions::new()
                    .read(true)
                    .write(true)
                    .open(&path)
                    .map_err(Fault::at("reset the peak", &path))?;
                file.write_all(b"reset").map_err(Fault::at("reset the peak", &path))?;
                Ok(Some(file))
            }
            None => Ok(None),
        }
    }

    /// Processor time of all processes so far.
    pub fn cpu_time(&self) -> Option<Duration> {
        if let Some(Branch { version: Version::Two, directory }) = &self.0.freezer {
            return field(&directory.join("cpu.stat"), "usage_usec").map(Duration::from_micros);
        }
        let Branch { directory, .. } = self.0.accounting.as_ref()?;
        let nanos = fs::read_to_string(directory.join("cpuacct.usage")).ok()?.trim().parse().ok()?;
        Some(Duration::from_nanos(nanos))
    }

    /// Removes the directories. False while a process is still leaving one of them.
    pub fn remove(&self) -> bool {
        self.0.branches().iter().fold(true, |gone, branch| {
            let removed = match fs::remove_dir(&branch.directory) {
                Ok(()) => true,
                Err(error) => error.kind() == io::ErrorKind::NotFound,
            };
            gone && removed
        })
    }
}

impl Hierarchy {
    /// Makes `<group>/<name>/<run>` and locks it, in our own group or the nearest above it that lets us.
    fn make_run(&self, name: &str, run: &str) -> Option<(PathBuf, OwnedFd)> {
        let mut best: Option<(usize, PathBuf, OwnedFd)> = None;
        for candidate in self.own.ancestors().take_while(|path| path.starts_with(&self.top)) {
            let parent = candidate.join(name);
            sweep(&parent);
            let Ok((directory, lock)) = make_locked(&parent, run) else { continue };
            let found = match self.version {
                Version::One => usize::MAX,
                Version::Two => enable(&CONTROLLERS, candidate, (&parent, &directory)),
            };
            match &best {
                Some((most, ..)) if *most >= found => remove_run(&directory),
                _ => {
                    if let Some((_, worse, _)) = best.replace((found, directory, lock)) {
                        remove_run(&worse);
                    }
                }
            }
            if found >= CONTROLLERS.len() {
                break;
            }
        }
        best.map(|(_, directory, lock)| (directory, lock))
    }
}

/// Hands controllers down from `candidate` to the cages, and tells how many of them got there. Those that our
/// own group cannot hand down, because processes live in it, an ancestor may: the caller goes on looking.
fn enable(controllers: &[&str], candidate: &Path, (parent, run): (&Path, &Path)) -> usize {
    for controller in controllers {
        for directory in [candidate, parent, run] {
            // What fails here shows in the count below.
            let _ = write(&directory.join("cgroup.subtree_control"), &format!("+{controller}"));
        }
    }
    let enabled = words(&run.join("cgroup.subtree_control"));
    controllers.iter().filter(|name| enabled.iter().any(|word| word == *name)).count()
}

/// A directory of ours and the lock on it. Another server may remove the one above, or even this, between our making and
/// locking it, so it is tried again.
fn make_locked(parent: &Path, run: &str) -> io::Result<(PathBuf, OwnedFd)> {
    let directory = parent.join(run);
    let mut last = io::ErrorKind::NotFound.into();
    for _ in 0..16 {
        let attempt = fs::create_dir_all(&directory).and_then(|()| {
            let lock: OwnedFd = File::open(&directory)?.into();
            rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
            if fs::exists(&directory)? { Ok(lock) } else { Err(io::ErrorKind::NotFound.into()) }
        });
        match attempt {
            Ok(lock) => return Ok((directory, lock)),
            Err(error)
                if error.kind() == io::ErrorKind::NotFound || error.kind() == io::ErrorKind::WouldBlock =>
            {
                last = error;
            }
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// Removes the runs below `parent` whose owner is dead. One that still has processes stays.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"run-")) {
        let Ok(directory) = File::open(entry.path()) else { continue };
        if rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive).is_ok() {
            remove_run(&entry.path());
        }
    }
}

/// Removes a run's directory with the cages' in it, and the one above when it is empty then.
fn remove_run(run: &Path) {
    for entry in fs::read_dir(run).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            // What is still in use stays for the next start to sweep.
            let _ = fs::remove_dir(entry.path());
        }
    }
    let _ = fs::remove_dir(run);
    if let Some(parent) = run.parent() {
        let _ = fs::remove_dir(parent);
    }
}

/// The hierarchies that are mounted, from the texts of `/proc/self/mountinfo` and `/proc/self/cgroup`.
fn hierarchies(mountinfo: &str, own: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let left: Vec<&str> = left.split(' ').collect();
        let right: Vec<&str> = right.split(' ').collect();
        let (Some(root), Some(point), Some(kind), Some(options)) =
            (left.get(3), left.get(4), right.first(), right.get(2))
        else {
            continue;
        };
        let version = match *kind {
            "cgroup" => Version::One,
            "cgroup2" => Version::Two,
            _ => continue,
        };
        let options: Vec<&str> = options.split(',').collect();
        let group = own.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            let mine = match version {
                Version::Two => controllers.is_empty(),
                Version::One => {
                    !controllers.is_empty() && controllers.split(',').all(|name| options.contains(&name))
                }
            };
            mine.then_some((controllers, path))
        });
        let Some((controllers, path)) = group else { continue };
        // What is mounted may be a part of the hierarchy, as in containers: the path is then told from its top.
        let within = path.strip_prefix(root.trim_end_matches('/')).unwrap_or("").trim_start_matches('/');
        let top = PathBuf::from(point);
        let controllers = controllers.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let own = if within.is_empty() || within.contains("..") { top.clone() } else { top.join(within) };
        if !found.iter().any(|seen| seen.own == own) {
            found.push(Hierarchy { version, controllers, own, top });
        }
    }
    found
}

fn open(path: &Path) -> Result<File, Fault> {
    OpenOptions::new().write(true).open(path).map_err(Fault::at("open for writing", path))
}

fn write(path: &Path, text: &str) -> Result<(), Fault> {
    open(path)?.write_all(text.as_bytes()).map_err(Fault::at("write", path))
}

/// The number that a file of one number holds now, for files that are kept open.
pub fn number(file: &File) -> Option<u64> {
    let mut text = [0; 32];
    let length = file.read_at(&mut text, 0).ok()?;
    str::from_utf8(&text[..length]).ok()?.trim().parse().ok()
}

fn words(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

/// The number behind `name` in a file of `name number` lines.
fn field(path: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        memory_bytes: 128 << 20,
        cpu_millis_per_second: 72,
        cpu_weight: 1,
        processes_max: 1024,
        file_descriptors_max: 1024,
    };

    #[test]
    fn hierarchies_of_machines_as_they_are() {
        let hybrid = hierarchies(
            "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
             32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
             35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
             41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
            "9:name=systemd:/\n4:memory:/a/b\n2:cpu,cpuacct:/\n0::/\n",
        );
        let found: Vec<(Version, &str, String)> =
            hybrid.iter().map(|h| (h.version, h.own.to_str().unwrap(), h.controllers.join(","))).collect();
        assert_eq!(
            found,
            [
                (Version::One, "/sys/fs/cgroup/cpu,cpuacct", "cpu,cpuacct".to_owned()),
                (Version::One, "/sys/fs/cgroup/memory/a/b", "memory".to_owned()),
                (Version::One, "/sys/fs/cgroup/systemd", "name=systemd".to_owned()),
                (Version::Two, "/sys/fs/cgroup/unified", String::new()),
            ]
        );
        let pure = hierarchies(
            "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/hearth.scope\n",
        );
        assert_eq!(pure.len(), 1);
        assert!(pure[0].own.ends_with("user@1000.service/app.slice/hearth.scope"));
        // A container sees its own part as the top.
        let container = hierarchies(
            "30 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup cgroup ro,memory\n",
            "4:memory:/docker/abc\n",
        );
        assert_eq!(container[0].own, Path::new("/sys/fs/cgroup"));
        assert!(hierarchies("nonsense\n", "more nonsense").is_empty());
    }

    /// A directory tree that looks like a version 2 hierarchy: files where the kernel would have made them.
    fn version_two(top: &Path, own: &str, files: &[(&str, &str)]) -> Hierarchy {
        let own = top.join(own);
        fs::create_dir_all(&own).unwrap();
        for (name, contents) in files {
            fs::create_dir_all(top.join(name).parent().unwrap()).unwrap();
            fs::write(top.join(name), contents).unwrap();
        }
        Hierarchy { version: Version::Two, controllers: Vec::new(), own, top: top.to_owned() }
    }

    #[test]
    fn version_two_is_found_where_it_hands_controllers_down() {
        let top = tempfile::tempdir().unwrap();
        // Our own group hands nothing down, as we live in it; the slice above does.
        let enabled = "slice/hearth/run-1/cgroup.subtree_control";
        // What is written to the file lands on its first bytes, which are of no use here.
        let tree = version_two(top.path(), "slice/scope", &[(enabled, "----------- cpu memory pids")]);
        let (layout, _locks) = Layout::prepare_in(&[tree], "hearth", "run-1");
        let at = Some(Branch { version: Version::Two, directory: top.path().join("slice/hearth/run-1") });
        assert_eq!((&layout.memory, &layout.cpu, &layout.processes, &layout.freezer), (&at, &at, &at, &at));
        assert!(!top.path().join("slice/scope/hearth").exists(), "what is of no use is removed");

        let poor = tempfile::tempdir().unwrap();
        let (layout, _locks) = Layout::prepare_in(&[version_two(poor.path(), "", &[])], "hearth", "run-1");
        assert!(layout.memory.is_none() && layout.cpu.is_none() && layout.freezer.is_some());
    }

    #[test]
    fn version_two_limits_are_written_as_the_kernel_reads_them() {
        let top = tempfile::tempdir().unwrap();
        let branch = Some(Branch { version: Version::Two, directory: top.path().to_owned() });
        let layout = Layout {
            memory: branch.clone(),
            cpu: branch.clone(),
            processes: branch.clone(),
            freezer: branch,
            accounting: None,
        };
        let group = layout.group(7);
        let cage = top.path().join("cage-7");
        fs::create_dir(&cage).unwrap();
        let files = [
            "memory.max",
            "memory.swap.max",
            "cpu.max",
            "cpu.weight",
            "pids.max",
            "cgroup.freeze",
            "cgroup.kill",
        ];
        files.iter().for_each(|name| fs::write(cage.join(name), "").unwrap());
        fs::write(cage.join("memory.events"), "low 0\noom 3\noom_kill 2\n").unwrap();
        fs::write(cage.join("memory.peak"), "4096\n").unwrap();
        fs::write(cage.join("cpu.stat"), "usage_usec 1500\nuser_usec 1000\n").unwrap();
        fs::write(cage.join("cgroup.procs"), "12\n13\n").unwrap();
        group.limit(&LIMITS).unwrap();
        group.set_frozen(true).unwrap();
        assert!(group.kill());
        let read = |name: &str| fs::read_to_string(cage.join(name)).unwrap();
        assert_eq!(read("memory.max"), "134217728");
        assert_eq!((read("memory.swap.max"), read("pids.max")), ("0".to_owned(), "1024".to_owned()));
        assert_eq!((read("cpu.max"), read("cpu.weight")), ("7200 100000".to_owned(), "1".to_owned()));
        assert_eq!(Limit::Weight.text(Version::One, &LIMITS), "10");
        assert_eq!((read("cgroup.freeze"), read("cgroup.kill")), ("1".to_owned(), "1".to_owned()));
        assert_eq!(group.oom_kills(), 2);
        assert_eq!(io::read_to_string(group.memory_peak_file().unwrap()).unwrap(), "4096\n");
        assert_eq!(group.cpu_time(), Some(Duration::from_micros(1500)));
        assert_eq!(group.processes(), [12, 13]);
        // Without swap accounting the file is missing, and nothing can be swapped anyway.
        fs::remove_file(cage.join("memory.swap.max")).unwrap();
        group.limit(&LIMITS).unwrap();
        fs::remove_file(cage.join("memory.max")).unwrap();
        assert!(group.limit(&LIMITS).is_err());
    }

    #[test]
    fn a_layout_without_cgroups_limits_nothing_and_fails_nothing() {
        let group = Layout::default().group(1);
        let Entrances { tasks, birthplace } = group.create().unwrap().entrances;
        assert!(tasks.is_empty() && birthplace.is_none());
        group.limit(&LIMITS).unwrap();
        assert!(!group.can_freeze() && !group.kill() && group.set_frozen(true).is_err());
        assert_eq!((group.oom_kills(), group.cpu_time()), (0, None));
        assert!(group.memory_peak_file().is_none());
        assert!(group.remove());
    }

    #[test]
    fn only_dead_runs_are_swept() {
        let top = tempfile::tempdir().unwrap();
        let parent = top.path().join("hearth");
        let (living, _lock) = make_locked(&parent, "run-1").unwrap();
        let (dead, lock) = make_locked(&parent, "run-2").unwrap();
        fs::create_dir(dead.join("cage-1")).unwrap();
        drop(lock);
        sweep(&parent);
        assert!(living.exists() && !dead.exists());
        remove_run(&living);
        assert!(!parent.exists());
    }
}
