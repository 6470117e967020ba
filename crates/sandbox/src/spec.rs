//! What a caller asks a cage to be. Plain data; it refuses nothing itself: the spawner checks it.

use crate::identity::Identity;
use crate::{Error, Isolation};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// One cage and the program it runs. All paths are paths inside the cage, but for [`Mount::source`].
#[derive(Debug, Clone)]
pub struct Spec {
    /// The file to execute; no search in PATH. A script with `#!` is fine.
    pub program: PathBuf,
    /// What follows the program's name in its argument list.
    pub arguments: Vec<OsString>,
    /// The whole environment: nothing is inherited.
    pub environment: Vec<(OsString, OsString)>,
    /// Where the program starts.
    pub directory: PathBuf,
    /// Further programs, started before it, in order, and as confined as it; 16 at most.
    pub companions: Vec<Companion>,
    /// Directories and files of the host to show, read-only. [`Isolation::Process`](crate::Isolation::Process)
    /// has no mounts and refuses a spec with any.
    pub mounts: Vec<Mount>,
    /// Symbolic links to make. Refused by `Isolation::Process`.
    pub links: Vec<Link>,
    /// Small files to write; they replace what the cage has by default, such as `/etc/hosts`. Refused by
    /// `Isolation::Process`.
    pub files: Vec<File>,
    /// What stands at `/tmp`, the only place that the program may write to. Under `Isolation::Process` it is a
    /// directory of its own, named by the variable `TMPDIR`.
    pub temporary: Temporary,
    /// What it may use at most.
    pub limits: Limits,
    /// The host name inside; at most 64 bytes.
    pub hostname: String,
    /// What a stem cell waits for; None for a cage that is complete when its program starts. It takes root:
    /// [`Spawner::makes_stem_cells`](crate::Spawner::makes_stem_cells).
    pub stem: Option<Stem>,
    /// TCP listeners to open inside the cage's network and to hand out: [`Sandbox::take_listeners`](crate::Sandbox::take_listeners).
    pub listeners: Vec<Listener>,
    /// The variable that tells the program, and no companion, the number of a descriptor beside standard output and
    /// error: the write end of one more pipe, [`Sandbox::take_messages`](crate::Sandbox::take_messages).
    pub messages: Option<OsString>,
}

/// A cage whose program starts before anybody knows what for: it prepares itself, writes one byte to its line, and reads from
/// there, to the end, its new environment as `NAME=value` and NUL for each variable.
/// [`Sandbox::assign`](crate::Sandbox::assign) gives it that, and the mounts with it. Until then it is as confined as after.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stem {
    /// The variable that tells the program its line.
    pub variable: OsString,
    /// How it hears more.
    pub line: Line,
    /// Directories that an assignment may mount on. Those that it does not are gone after it.
    pub places: Vec<PathBuf>,
    /// Directories in each place until then: a dynamic loader never looks again for one that it has once missed.
    pub inner: Vec<PathBuf>,
    /// Bytes kept for the new environment, so that `/proc/self/environ` can show it; a larger one cannot be assigned.
    pub room: usize,
}

impl Stem {
    /// Whether the program's directory and environment are changed for it.
    pub(crate) fn is_changed_from_outside(&self) -> bool {
        matches!(self.line, Line::Pipes { .. })
    }
}

/// How a stem cell's program hears what it becomes, and what has to be done for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Line {
    /// It inherits a descriptor and is told the number. Before it writes it clears its environment; after it has read, it
    /// sets the new one and goes to its directory itself.
    Descriptor,
    /// It can do nothing of that, as a Java virtual machine, and is told a directory with two named pipes, which are gone
    /// afterwards: it opens `order` to read, writes its byte to `ready`, and reads a byte instead of its environment. It
    /// starts in [`Spec::directory`], one of the places, and finds itself in what was mounted there, with the new environment
    /// where the kernel had put the old one: it must not have looked at that before, nor changed it.
    Pipes {
        /// So many variables can be assigned.
        variables: usize,
    },
}

/// What a stem cell becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// As in [`Spec::mounts`], on places of the stem.
    pub mounts: Vec<Mount>,
    /// As in [`Spec::environment`]; what the listeners announce is added.
    pub environment: Vec<(OsString, OsString)>,
    /// The variables that tell the addresses of the spec's listeners, in its order.
    pub listeners: Vec<Listener>,
    /// As in the cell's [`Spec::messages`].
    pub messages: Option<OsString>,
    /// In place of the cell's own.
    pub limits: Limits,
}

/// A program beside the program: the same cage, user and limits, started in `/`, without arguments. Neither can signal or
/// trace the other. Its standard output and error are one pipe of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Companion {
    /// The file to execute.
    pub program: PathBuf,
    /// Names of variables of [`Spec::environment`] that it does not get.
    pub hidden: Vec<OsString>,
}

/// A directory or file of the host shown inside, read-only, no set-uid, no devices. Mounts are made in order, so a
/// later one may stand inside an earlier one only if that has the mount point.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mount {
    /// Where it is on the host.
    pub source: PathBuf,
    /// Where it stands inside; made when missing.
    pub target: PathBuf,
}

/// A symbolic link.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Link {
    /// What the link says.
    pub target: PathBuf,
    /// Where the link stands inside.
    pub link: PathBuf,
}

/// A small file, readable by all inside, writable by none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where it stands inside.
    pub path: PathBuf,
    /// Its contents; a spec with everything in it may have 128 KiB.
    pub contents: Vec<u8>,
}

/// What the program may use at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Bytes of memory of all processes together; no swap.
    pub memory_bytes: u64,
    /// Processor time per second, in milliseconds: 1000 is one whole processor, 2000 two.
    pub cpu_millis_per_second: u32,
    /// The share of a busy machine's processors, from 1 to 10,000, in proportion to other cages'; 100 is usual.
    pub cpu_weight: u32,
    /// Processes and threads.
    pub processes_max: u32,
    /// Open files of each process.
    pub file_descriptors_max: u64,
}

/// A TCP listener inside the cage's network, whose only other address is none: it has a loopback and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens, such as `127.0.0.1:9001`. Under [`Isolation::Process`](crate::Isolation::Process) the port is a free one of the
    /// host instead: let `announcements` tell the program.
    pub address: SocketAddr,
    /// Environment variables that tell the program the address that came true.
    pub announcements: Vec<Announcement>,
}

/// An environment variable that is set to `prefix` and then `address:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The variable's name, such as `AWS_LAMBDA_RUNTIME_API`.
    pub variable: OsString,
    /// What stands before the address, such as `http://`; often empty.
    pub prefix: OsString,
}

/// What stands at `/tmp`.
#[derive(Debug, Clone)]
pub enum Temporary {
    /// Empty, and so many bytes at most.
    Fresh {
        /// Bytes that files may take.
        bytes: u64,
    },
    /// That of an earlier cage, with what that left in it: [`Sandbox::temporary`](crate::Sandbox::temporary). Cages with the
    /// same one have the same host user. What is in it is lost when the cage fails to start.
    Kept(TemporaryStorage),
}

/// A `/tmp` that outlives its cage for as long as a clone of this is held.
#[derive(Debug, Clone)]
pub struct TemporaryStorage {
    pub(crate) inner: Arc<TemporaryHold>,
}

/// What keeps a `/tmp` alive. The kernel lets go of it with the last descriptor, so that nothing can be left behind.
#[derive(Debug)]
pub(crate) struct TemporaryHold {
    /// The detached mount; while a cage is being started with it, that has it.
    pub(crate) mount: Mutex<Option<OwnedFd>>,
    /// The host id that the files in it belong to.
    pub(crate) identity: Option<Arc<Identity>>,
    /// Under `Isolation::Process`, the directory.
    pub(crate) directory: Option<PathBuf>,
}

impl Drop for TemporaryHold {
    fn drop(&mut self) {
        let mount = self.mount.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let directory = self.directory.take();
        let release = move || {
            drop(mount);
            if let Some(directory) = directory {
                // What cannot be removed now goes with the run's directory.
                let _ = std::fs::remove_dir_all(directory);
            }
        };
        // Letting go of a mount waits for every processor to notice: not for a thread of the async runtime.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(release)),
            Err(_) => release(),
        }
    }
}

impl Spec {
    /// Refuses what no cage can be.
    pub(crate) fn check(&self, isolation: Isolation) -> Result<(), Error> {
        let refuse = |field, reason: &str| Err(Error::Spec { field, reason: reason.to_owned() });
        let absolute = |path: &PathBuf| path.is_absolute();
        if !absolute(&self.program) {
            return refuse("program", "the path must be absolute");
        }
        if !absolute(&self.directory) {
            return refuse("directory", "the path must be absolute");
        }
        if self.companions.len() > COMPANIONS_MAX {
            return refuse("companions", "a cage has 16 companions at most");
        }
        if !self.companions.iter().all(|companion| absolute(&companion.program)) {
            return refuse("companions", "the program's path must be absolute");
        }
        if self.hostname.is_empty() || self.hostname.len() > HOSTNAME_BYTES_MAX {
            return refuse("hostname", "a host name has 1 to 64 bytes");
        }
        if self.environment.iter().any(|(name, _)| name.is_empty() || name.as_bytes().contains(&b'=')) {
            return refuse("environment", "a variable's name is not empty and has no '='");
        }
        if self.listeners.len() > LISTENERS_MAX {
            return refuse("listeners", "a cage has 16 listeners at most");
        }
        if isolation == Isolation::Process {
            let needs_mounts = [
                ("mounts", self.mounts.is_empty()),
                ("links", self.links.is_empty()),
                ("files", self.files.is_empty()),
                ("stem", self.stem.is_none()),
            ];
            return match needs_mounts.iter().find(|(_, empty)| !empty) {
                Some((field, _)) => {
                    refuse(field, "a process without a sandbox sees the host's files as they are")
                }
                None => Ok(()),
            };
        }
        if !self.mounts.iter().all(|mount| absolute(&mount.source)) {
            return refuse("mounts", "the source's path must be absolute");
        }
        let targets = self.mounts.iter().map(|mount| ("mounts", &mount.target));
        let links = self.links.iter().map(|link| ("links", &link.link));
        let files = self.files.iter().map(|file| ("files", &file.path));
        if self
            .stem
            .as_ref()
            .is_some_and(|stem| stem.is_changed_from_outside() && !stem.places.contains(&self.directory))
        {
            return refuse("directory", "that of a stem cell with named pipes must be one of its places");
        }
        let places = self.stem.iter().flat_map(|stem| &stem.places).map(|place| ("stem", place));
        for (field, path) in targets.chain(links).chain(files).chain(places) {
            let plain =
                path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
            if !absolute(path) || !plain || path.parent().is_none() {
                return refuse(field, &format!("{} is no absolute path below the root", path.display()));
            }
        }
        Ok(())
    }
}

/// What the kernel takes.
const HOSTNAME_BYTES_MAX: usize = 64;
/// Enough for every use there is; each costs the start of a process.
const COMPANIONS_MAX: usize = 16;
/// Their descriptors must fit one message.
const LISTENERS_MAX: usize = 16;
