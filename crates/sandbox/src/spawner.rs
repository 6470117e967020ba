//! The server's handle on the spawner process. It refuses to build anything itself: the server has threads, and a
//! process with threads must not fork into complex code.

use crate::cgroup::Layout;
use crate::filter::Filter;
use crate::identity::{Identities, Identity};
use crate::message::{Origin, Report, Request, TemporaryRequest};
use crate::sandbox::{self, Dialled, Fates, Life, Progress};
use crate::spec::{TemporaryHold, TemporaryStorage};
use crate::temporary::Images;
use crate::warden::Warden;
use crate::{Error, Fault, Finding, Sandbox, Spec, Temporary, kernel, probe, run, socket, zygote};
use hearth_base::{Rng, SystemRng};
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, WaitId, WaitIdOptions};
use std::ffi::OsString;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::{Semaphore, watch};

/// The size of `/tmp` that cages are kept ready with: what almost everybody asks for.
const TEMPORARY_BYTES_USUAL: u64 = 512 << 20;

/// How a spawner works.
#[derive(Debug, Clone)]
pub struct SpawnerOptions {
    /// A directory of the server's own for scratch files, made when missing. Nothing is left in it at the end.
    pub state_dir: PathBuf,
    /// Whether there are cages at all.
    pub isolation: Isolation,
    /// The name of the cgroup under which all of them stand, `hearth` as a rule. Servers may share it.
    pub cgroup_name: String,
}

/// Whether the program is caged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Everything in the crate's description.
    Sandbox,
    /// A plain process of the server's own user: resource limits, a session of its own, and a cgroup where possible. An
    /// explicit choice of the user; it protects nothing from the program.
    Process,
}

/// The handle on the spawner process: cheap to clone, usable in any task. When the last clone is dropped, and
/// whenever the server dies, the spawner kills every cage, removes what they left, and ends.
#[derive(Debug, Clone)]
pub struct Spawner {
    inner: Arc<Inner>,
}

/// Where copies of a zygote are asked for. The zygote ends when all clones are dropped.
#[derive(Debug, Clone)]
pub struct Nursery(Arc<OwnedFd>);

impl Nursery {
    /// Whether anybody holds another clone, as whoever waits for a copy does.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Whether both are of the same zygote.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

#[derive(Debug)]
struct Inner {
    socket: OwnedFd,
    /// Stands for the spawner process.
    process: Arc<OwnedFd>,
    isolation: Isolation,
    directory: PathBuf,
    layout: Layout,
    identities: Option<Arc<Identities>>,
    images: Option<Images>,
    findings: Vec<Finding>,
    /// Who may have a cage built just now. More at once than processors can build would only make all of them late.
    builders: Semaphore,
    /// Numbers the directories that stand for `/tmp` without a sandbox.
    next: AtomicU64,
}

impl Spawner {
    /// Forks the spawner. Call it first thing in `main`, before any thread and before the async runtime: the child
    /// is a copy of this process as it stands. (Calls from tests, which have threads, work with glibc: its `fork`
    /// keeps the allocator usable, and the child touches no other lock.)
    ///
    /// Also removes what dead servers left behind, never touching a living one's, and raises this process' soft limit of
    /// open files to the hard one: each cage takes about nine.
    ///
    /// # Errors
    /// [`Error::Start`] when the directory cannot be made or the process not forked, or when `Isolation::Sandbox` is
    /// wanted and the machine cannot have it at all; the message says what is missing.
    pub fn start(options: SpawnerOptions) -> Result<Self, Error> {
        Self::fork(options).map_err(Error::Start)
    }

    fn fork(options: SpawnerOptions) -> Result<Self, Fault> {
        raise_open_files()?;
        let mut random = [0; 8];
        SystemRng.fill(&mut random);
        let run = format!("run-{}-{:016x}", std::process::id(), u64::from_le_bytes(random));
        let caged = options.isolation == Isolation::Sandbox;
        let (directory, directory_lock) = run::claim(&options.state_dir, &run)?;
        let identities =
            if caged && rustix::process::geteuid().is_root() { Identities::take() } else { None };
        let images = match identities {
            Some(_) => Images::find(&directory, TEMPORARY_BYTES_USUAL),
            None => Err(probe::not_root()),
        };
        let usual = match &images {
            Ok(images) => images.made(TEMPORARY_BYTES_USUAL)?.map(|image| (image, TEMPORARY_BYTES_USUAL)),
            Err(_) => None,
        };
        if caged {
            probe::namespaces(identities.is_none())?;
        }
        let (layout, locks) = Layout::prepare(&options.cgroup_name, &run);
        let findings =
            probe::enforced(options.isolation, &layout, identities.is_some(), images.as_ref().err());
        let (socket, theirs) = socket::pair().map_err(Fault::at("make", "the spawner's socket"))?;
        let warden = Warden {
            socket: theirs,
            layout: layout.clone(),
            locks,
            directory: directory.clone(),
            directory_lock,
            filter: caged.then(Filter::compile).transpose()?,
            own_user_only: identities.is_none(),
            usual,
        };
        let process = match kernel::fork().map_err(Fault::at("fork", "the spawner"))? {
            None => become_spawner(warden),
            Some(process) => process,
        };
        let process = Pid::from_raw(process).ok_or_else(|| io::ErrorKind::InvalidData.into());
        let process = process
            .and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(io::Error::from))
            .map_err(Fault::at("watch", "the spawner"))?;
        let inner = Inner {
            socket,
            process: Arc::new(process),
            isolation: options.isolation,
            directory,
            layout,
            identities,
            images: images.ok(),
            findings,
            builders: Semaphore::new(builders()),
            next: AtomicU64::new(1),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Builds a cage and starts the program in it. Returns once the program's `execve` has succeeded.
    ///
    /// Cancel-safe: a dropped call leaves nothing behind.
    ///
    /// # Errors
    /// [`Error::Execute`] when the program cannot be executed; [`Error::Spec`] for what cannot be;
    /// [`Error::Cage`] for a failed step; [`Error::TooMany`] and [`Error::SpawnerGone`] as they say.
    pub async fn spawn(&self, spec: Spec) -> Result<Sandbox, Error> {
        self.spawn_as(spec, (Origin::Executed, None)).await
    }

    /// Starts a zygote: a program that waits as that of a stem cell does, and is only ever copied. It runs with root's privileges, and
    /// nothing of a user's may be in its spec. What the spec says of limits but memory, processors and processes, of `/tmp` and of
    /// listeners is for its copies.
    ///
    /// # Errors
    /// As [`Spawner::spawn`]; [`Error::Spec`] with field `stem` where [`Spawner::makes_zygotes`] says no.
    pub async fn spawn_zygote(&self, spec: Spec) -> Result<(Sandbox, Nursery), Error> {
        let (ours, theirs) = socket::pair().map_err(Fault::at("make", "a zygote's nursery"))?;
        let spec = Spec { listeners: Vec::new(), ..spec };
        let zygote = self.spawn_as(spec, (Origin::Zygote, Some(Arc::new(theirs)))).await?;
        Ok((zygote, Nursery(Arc::new(ours))))
    }

    /// Makes a stem cell whose program is a copy of a zygote that waits, and waits itself. The spec is the zygote's.
    ///
    /// # Errors
    /// As [`Spawner::spawn_zygote`]. After [`Error::Cage`] the zygote may be of no more use.
    pub async fn spawn_copy(&self, spec: Spec, zygote: &Nursery) -> Result<Sandbox, Error> {
        self.spawn_as(spec, (Origin::Copied, Some(zygote.0.clone()))).await
    }

    /// Whether there can be zygotes: where there can be stem cells, and processes may be traced, on x86-64.
    pub fn makes_zygotes(&self) -> bool {
        self.makes_stem_cells() && zygote::are_possible()
    }

    async fn spawn_as(&self, spec: Spec, origin: (Origin, Option<Arc<OwnedFd>>)) -> Result<Sandbox, Error> {
        spec.check(self.inner.isolation)?;
        let is_plain = origin.0 == Origin::Executed;
        if !is_plain && (spec.stem.is_none() || !spec.companions.is_empty() || !self.makes_zygotes()) {
            let reason = "there are no zygotes of this here".to_owned();
            return Err(Error::Spec { field: "stem", reason });
        }
        if spec.stem.is_some() && !self.makes_stem_cells() {
            let reason = "only root can put mounts into a living cage".to_owned();
            return Err(Error::Spec { field: "stem", reason });
        }
        let inner = self.inner.clone();
        // A task of its own, so that a call that is dropped half way still holds the host id until all is gone.
        match tokio::spawn(async move { inner.spawn(spec, origin).await }).await {
            Ok(result) => result,
            Err(_) => Err(Error::SpawnerGone),
        }
    }

    /// What this spawner enforces on this machine, and what it cannot.
    pub fn enforced(&self) -> &[Finding] {
        &self.inner.findings
    }

    /// Whether cages may have a [`Spec::stem`]: it takes root, as whose mounts the server takes what it assigns.
    pub fn makes_stem_cells(&self) -> bool {
        self.inner.isolation == Isolation::Sandbox && self.inner.identities.is_some()
    }

    /// The isolation it was started with.
    pub fn isolation(&self) -> Isolation {
        self.inner.isolation
    }

    /// Kills every cage, and returns when the spawner and all it made are gone. Sandboxes that are still held are dead.
    pub async fn shutdown(self) {
        // A spawner that is gone already needs no word.
        let _ = rustix::net::shutdown(&self.inner.socket, rustix::net::Shutdown::Both);
        let process = self.inner.process.clone();
        // The runtime's own end means the same.
        let _ = tokio::task::spawn_blocking(move || reap(&process)).await;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
        let process = self.process.clone();
        // A moment's work, but not for whoever happens to drop the last handle.
        std::thread::spawn(move || reap(&process));
    }
}

/// Waits for the spawner's end; at once when somebody has done so.
fn reap(process: &OwnedFd) {
    // It is nobody's child any more when somebody has done so before.
    let _ = rustix::io::retry_on_intr(|| {
        rustix::process::waitid(WaitId::PidFd(process.as_fd()), WaitIdOptions::EXITED)
    });
}

fn become_spawner(warden: Warden) -> ! {
    // A panic must not unwind into the frames of the process that this is a copy of.
    let end = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let kept: Vec<i32> = warden
            .locks
            .0
            .iter()
            .chain([&warden.socket, &warden.directory_lock])
            .chain(warden.usual.as_ref().map(|(image, _)| image))
            .map(AsRawFd::as_raw_fd)
            .collect();
        if kernel::close_all_but(&kept).is_err() {
            kernel::exit(1);
        }
        // Neither a terminal's keys nor a service manager's polite signal may take the cages from a draining server.
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGPIPE] {
            kernel::ignore_signal(signal);
        }
        // These only make the process tidier to look at.
        let _ = rustix::process::setsid();
        let _ = rustix::thread::set_name(c"hearth-spawner");
        if let Ok(null) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null") {
            let _ = (0..=2).try_for_each(|fd| kernel::duplicate_to(&null, fd));
        }
        rustix::process::umask(rustix::fs::Mode::WGRP | rustix::fs::Mode::WOTH);
        warden.run()
    }));
    let _: Result<std::convert::Infallible, _> = end;
    kernel::exit(1)
}

/// What a cage is started with and what the server keeps of it.
struct Outfit {
    request: Request,
    storage: Option<OwnedFd>,
    hold: Hold,
    listeners: Vec<TcpListener>,
}

/// What becomes of `/tmp` once the cage has started.
enum Hold {
    New(TemporaryHold),
    Kept(Arc<TemporaryHold>),
}

/// The server's ends of the pipes of a cage, and those that go there, in their order.
struct Pipes {
    stdout: OwnedFd,
    stderr: OwnedFd,
    companions: Vec<OwnedFd>,
    messages: Option<OwnedFd>,
    ends: Vec<OwnedFd>,
}

impl Pipes {
    fn open(request: &Request) -> Result<Self, Fault> {
        let mut ends = Vec::new();
        let mut pipe = || {
            let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
            rustix::io::ioctl_fionbio(&read, true)?;
            ends.push(write);
            Ok(read)
        };
        let mut open = || {
            pipe().map_err(|errno: rustix::io::Errno| {
                Fault::at("make", "a pipe for the program's output")(errno.into())
            })
        };
        let (stdout, stderr) = (open()?, open()?);
        let companions = request.companions.iter().map(|_| open()).collect::<Result<_, _>>()?;
        let messages = request.messages.as_ref().map(|_| open()).transpose()?;
        Ok(Self { stdout, stderr, companions, messages, ends })
    }
}

impl Inner {
    async fn spawn(
        &self,
        spec: Spec,
        (origin, nursery): (Origin, Option<Arc<OwnedFd>>),
    ) -> Result<Sandbox, Error> {
        // The semaphore is never closed.
        let _builder = self.builders.acquire().await.map_err(|_| Error::SpawnerGone)?;
        let outfit = self.equip(spec, origin).await?;
        let identity = match &outfit.hold {
            Hold::New(hold) => hold.identity.clone(),
            Hold::Kept(hold) => hold.identity.clone(),
        };
        let (ours, theirs) = socket::pair().map_err(Fault::at("make", "a cage's channel"))?;
        let Pipes { stdout, stderr, companions: companion_outputs, messages, ends } =
            Pipes::open(&outfit.request)?;
        let mut fds = vec![theirs.as_fd()];
        fds.extend(ends.iter().chain(&outfit.storage).map(AsFd::as_fd));
        fds.extend(nursery.as_deref().map(AsFd::as_fd));
        self.send(&outfit.request.encode(), &fds).await?;
        drop((theirs, ends, nursery));
        let channel = kernel::watch(ours).map_err(Fault::at("watch", "a cage's channel"))?;
        let channel = Arc::new(channel);
        let first = sandbox::receive(&channel).await;
        let number = match &first {
            Ok(Some((Report::Started { number, .. }, _))) => *number,
            // Cages are counted from 1: this group is nobody's.
            _ => 0,
        };
        let group = Arc::new(self.layout.group(number));
        let (life, followed) = watch::channel(Life::Running);
        let (ended, companions) = watch::channel(vec![None; outfit.request.companions.len()]);
        let (stem, progress) = watch::channel(Progress::Starting);
        let dialled = Dialled::default();
        let fates = Fates { life, companions: ended, stem, dialled: dialled.clone() };
        tokio::spawn(sandbox::watch(channel.clone(), group.clone(), fates, identity));
        let (mut fds, has_temporary) = match first {
            Ok(Some((Report::Started { has_temporary, .. }, fds))) => (fds.into_iter(), has_temporary),
            Ok(Some((Report::Failed(error), _))) => return Err(error),
            Ok(_) => return Err(self.silent()),
            Err(error) => return Err(Fault::at("hear from", "the cage")(error).into()),
        };
        let pidfd = fds.next().ok_or_else(|| self.silent())?;
        let mount = if has_temporary { fds.next() } else { None };
        let temporary = match outfit.hold {
            Hold::Kept(hold) => hold,
            Hold::New(hold) => Arc::new(hold),
        };
        *temporary.mount.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = mount;
        let mut listeners = outfit.listeners;
        listeners.extend(fds.map(TcpListener::from));
        Ok(Sandbox {
            process_id: process_id(&pidfd),
            pidfd,
            group,
            channel,
            life: followed,
            companions,
            stem: progress,
            listeners,
            stdout: Some(stdout),
            stderr: Some(stderr),
            companion_outputs,
            messages,
            dialled,
            temporary,
            peak: Mutex::new(None),
        })
    }

    /// The cage ended before it could say why.
    fn silent(&self) -> Error {
        let gone = socket::send(&self.socket, &[], &[], false).is_err();
        if gone {
            Error::SpawnerGone
        } else {
            Fault::at("start", "the cage")(io::Error::other("its first process was killed")).into()
        }
    }

    /// Sends a request without ever holding up the runtime.
    async fn send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), Error> {
        if bytes.len() > socket::MESSAGE_BYTES_MAX {
            let reason = format!(
                "arguments, environment and files take {} bytes, and {} at most can be passed on",
                bytes.len(),
                socket::MESSAGE_BYTES_MAX
            );
            return Err(Error::Spec { field: "files", reason });
        }
        match socket::send(&self.socket, bytes, fds, false) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(Error::SpawnerGone),
        }
        let copy = |fd: &BorrowedFd<'_>| fd.try_clone_to_owned().map_err(Fault::at("copy", "a descriptor"));
        let owned: Vec<OwnedFd> = fds.iter().map(copy).collect::<Result<_, _>>()?;
        let socket = copy(&self.socket.as_fd())?;
        let bytes = bytes.to_vec();
        let sent = tokio::task::spawn_blocking(move || {
            let fds: Vec<BorrowedFd<'_>> = owned.iter().map(AsFd::as_fd).collect();
            socket::send(&socket, &bytes, &fds, true)
        });
        match sent.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Error::SpawnerGone),
        }
    }

    async fn equip(&self, spec: Spec, origin: Origin) -> Result<Outfit, Error> {
        let (temporary, storage, hold) = match origin {
            Origin::Zygote => {
                let hold = TemporaryHold { mount: Mutex::new(None), identity: None, directory: None };
                (TemporaryRequest::Directory, None, Hold::New(hold))
            }
            Origin::Executed | Origin::Copied => self.equip_temporary(&spec.temporary).await?,
        };
        let identity = match &hold {
            Hold::New(hold) => hold.identity.as_ref(),
            Hold::Kept(hold) => hold.identity.as_ref(),
        };
        let mut environment = spec.environment;
        let directory = match &hold {
            Hold::New(hold) => hold.directory.as_ref(),
            Hold::Kept(hold) => hold.directory.as_ref(),
        };
        if let Some(directory) = directory {
            environment.push(("TMPDIR".into(), directory.into()));
        }
        let mut listeners = Vec::new();
        let mut addresses = Vec::new();
        for listener in spec.listeners {
            let mut address = listener.address;
            if self.isolation == Isolation::Process {
                let open = listen(address).map_err(Fault::at("listen on", address.to_string()))?;
                address = open.local_addr().map_err(Fault::at("listen on", address.to_string()))?;
                listeners.push(open);
            } else {
                addresses.push(address);
            }
            for announcement in listener.announcements {
                let mut value: OsString = announcement.prefix;
                value.push(address.to_string());
                environment.push((announcement.variable, value));
            }
        }
        let request = Request {
            origin,
            host_id: identity.map(|identity| identity.id),
            program: spec.program,
            arguments: spec.arguments,
            environment,
            directory: spec.directory,
            companions: spec.companions,
            mounts: spec.mounts,
            links: spec.links,
            files: spec.files,
            temporary,
            limits: spec.limits,
            hostname: spec.hostname,
            stem: spec.stem,
            listeners: addresses,
            messages: spec.messages,
        };
        Ok(Outfit { request, storage, hold, listeners })
    }

    async fn equip_temporary(
        &self,
        temporary: &Temporary,
    ) -> Result<(TemporaryRequest, Option<OwnedFd>, Hold), Error> {
        if self.isolation == Isolation::Process {
            return self.equip_directory(temporary);
        }
        match temporary {
            Temporary::Fresh { bytes } => {
                let identity = self.identity()?;
                let hold = Hold::New(TemporaryHold { mount: Mutex::new(None), identity, directory: None });
                match &self.images {
                    Some(images) => {
                        Ok((TemporaryRequest::Image { bytes: *bytes }, Some(images.of(*bytes).await?), hold))
                    }
                    None => Ok((TemporaryRequest::Memory { bytes: *bytes }, None, hold)),
                }
            }
            Temporary::Kept(TemporaryStorage { inner }) => {
                let mount = inner.mount.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
                let mount = mount.ok_or_else(|| Error::Spec {
                    field: "temporary",
                    reason: "it went with a cage that failed to start, or one is just starting with it"
                        .into(),
                })?;
                Ok((TemporaryRequest::Kept, Some(mount), Hold::Kept(inner.clone())))
            }
        }
    }

    /// Without mounts `/tmp` is a directory, whose size nothing bounds: `enforced` tells.
    fn equip_directory(
        &self,
        temporary: &Temporary,
    ) -> Result<(TemporaryRequest, Option<OwnedFd>, Hold), Error> {
        let hold = match temporary {
            Temporary::Fresh { .. } => {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                let directory = self.directory.join(format!("tmp-{number}"));
                std::fs::create_dir(&directory).map_err(Fault::at("make the directory", &directory))?;
                let directory = Some(directory);
                Hold::New(TemporaryHold { mount: Mutex::new(None), identity: None, directory })
            }
            Temporary::Kept(TemporaryStorage { inner }) => Hold::Kept(inner.clone()),
        };
        Ok((TemporaryRequest::Directory, None, hold))
    }

    fn identity(&self) -> Result<Option<Arc<Identity>>, Error> {
        let Some(identities) = &self.identities else { return Ok(None) };
        let cages_max = Identities::most();
        identities.next().map(|identity| Some(Arc::new(identity))).ok_or(Error::TooMany { cages_max })
    }
}

fn raise_open_files() -> Result<(), Fault> {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    rustix::process::setrlimit(Resource::Nofile, raised)
        .map_err(|errno| Fault::at("raise the limit of", "open files")(errno.into()))
}

/// How many cages are built at once.
fn builders() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (2 * processors).max(4)
}

/// A free port of the same address on the host.
fn listen(mut address: SocketAddr) -> io::Result<TcpListener> {
    address.set_port(0);
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The process id of what a pidfd stands for, as this process's `/proc` has it; 0 when it has ended.
fn process_id(pidfd: &OwnedFd) -> u32 {
    let told =
        std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).unwrap_or_default();
    let number = told.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse::<i64>().ok());
    number.and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
}
