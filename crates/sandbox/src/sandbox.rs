//! The handle on one living cage. It refuses to outlive it: dropping it kills every process inside.

use crate::cage;
use crate::cgroup::{self, Group};
use crate::message::{Order, Report};
use crate::spec::{Announcement, Assignment, Listener, TemporaryHold, TemporaryStorage};
use crate::stem::{self, ENVIRONMENT_BYTES_MAX};
use crate::{Error, Fault, Limits, program, root, socket};
use rustix::net::Shutdown;
use rustix::process::Signal;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::sync::{oneshot, watch};

/// A cage and the program in it. Dropping it kills everything inside, at once, and lets go of all it used.
#[derive(Debug)]
pub struct Sandbox {
    pub(crate) process_id: u32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) group: Arc<Group>,
    pub(crate) channel: Arc<AsyncFd<OwnedFd>>,
    pub(crate) life: watch::Receiver<Life>,
    pub(crate) companions: watch::Receiver<Vec<Option<ExitStatus>>>,
    pub(crate) stem: watch::Receiver<Progress>,
    pub(crate) listeners: Vec<TcpListener>,
    pub(crate) stdout: Option<OwnedFd>,
    pub(crate) stderr: Option<OwnedFd>,
    pub(crate) companion_outputs: Vec<OwnedFd>,
    pub(crate) messages: Option<OwnedFd>,
    pub(crate) dialled: Dialled,
    pub(crate) temporary: Arc<TemporaryHold>,
    /// Where the kernel tells the peak, once it was asked for: since the last reset, to this open file alone (cgroup v2).
    pub(crate) peak: Mutex<Option<File>>,
}

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code or the signal that ended it.
    pub status: ExitStatus,
    /// Whether the kernel killed a process of the cage because its memory limit was reached.
    pub oom_killed: bool,
}

/// An exit code or a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// `exit(code)`, 0 to 255.
    Code(i32),
    /// Ended by this signal, such as 9.
    Signal(i32),
}

/// Where the watcher writes what has become of whom.
pub(crate) struct Fates {
    pub(crate) life: watch::Sender<Life>,
    pub(crate) companions: watch::Sender<Vec<Option<ExitStatus>>>,
    pub(crate) stem: watch::Sender<Progress>,
    pub(crate) dialled: Dialled,
}

/// Who waits for a socket of the cage's network, in the order in which they have asked.
pub(crate) type Dialled = Arc<Mutex<VecDeque<oneshot::Sender<Option<OwnedFd>>>>>;

/// How far a cage's life has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Running,
    /// The program has ended.
    Exited(Exit),
    /// Nothing of the cage is left.
    Gone(Exit),
}

/// How far a stem cell has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    Starting,
    /// Its program waits for an assignment.
    Waiting,
    Assigned,
    /// It could not become what it was to be: what failed, and the kernel's number.
    Failed(String, String, Option<i32>),
}

impl Sandbox {
    /// Resolves when the program of a stem cell waits for its assignment: false when it has ended instead.
    pub async fn waiting(&self) -> bool {
        let mut stem = self.stem.clone();
        tokio::select! {
            waiting = stem.wait_for(|progress| *progress == Progress::Waiting) => waiting.is_ok(),
            _ = self.wait() => false,
        }
    }

    /// Whether it is a stem cell that can be assigned at once.
    pub fn is_waiting(&self) -> bool {
        *self.stem.borrow() == Progress::Waiting && *self.life.borrow() == Life::Running
    }

    /// Makes a stem cell what it is to be; its program goes on from there. After an error it is good for nothing.
    ///
    /// # Errors
    /// [`Error::Spec`] for what cannot be, with field `stem` for a cage that does not wait, and [`Error::Cage`] for a failed
    /// step.
    pub async fn assign(&self, assignment: &Assignment) -> Result<(), Error> {
        if !self.is_waiting() {
            let reason = "this cage is no stem cell that waits".to_owned();
            return Err(Error::Spec { field: "stem", reason });
        }
        let mut environment = assignment.environment.clone();
        environment.extend(announced(&assignment.listeners));
        let messages = |variable: &OsString| (variable.clone(), program::MESSAGES.to_string().into());
        environment.extend(assignment.messages.iter().map(messages));
        if stem::environment_block(&environment).len() > ENVIRONMENT_BYTES_MAX {
            let reason = format!("it has more than {ENVIRONMENT_BYTES_MAX} bytes");
            return Err(Error::Spec { field: "environment", reason });
        }
        let mounts = assignment.mounts.iter().map(|mount| root::take_for_stem(&mount.source));
        let mounts = mounts.collect::<Result<Vec<_>, _>>()?;
        let targets = assignment.mounts.iter().map(|mount| mount.target.clone()).collect();
        let order = Order { targets, environment }.encode();
        let mounts: Vec<_> = mounts.iter().map(AsFd::as_fd).collect();
        // Before the program can go on: it is to run within the function's limits from its first instruction.
        self.set_limits(&assignment.limits)?;
        socket::send(&self.channel, &order, &mounts, false).map_err(Fault::at("assign", "a stem cell"))?;
        let mut stem = self.stem.clone();
        let gone = || Fault::at("assign", "a stem cell")(io::Error::other("it has ended")).into();
        let progress = tokio::select! {
            told = stem.wait_for(|told| matches!(told, Progress::Assigned | Progress::Failed(..))) => {
                told.map_err(|_| gone())?.clone()
            }
            _ = self.wait() => return Err(gone()),
        };
        match progress {
            Progress::Failed(act, object, code) => {
                let source = code.map_or_else(|| io::Error::other("it failed"), io::Error::from_raw_os_error);
                Err(Fault { act, object, source }.into())
            }
            _ => Ok(()),
        }
    }

    /// The program's process id on the host.
    pub fn process_id(&self) -> u32 {
        self.process_id
    }

    /// The listeners of the spec, in its order, non-blocking; empty when taken before. The cage's network lives for as
    /// long as one of them, or a connection that came from one, is open.
    pub fn take_listeners(&mut self) -> Vec<TcpListener> {
        std::mem::take(&mut self.listeners)
    }

    /// The read end of the pipe that is the program's standard output, non-blocking: for
    /// `tokio::net::unix::pipe::Receiver::from_owned_fd`. None when taken before.
    pub fn take_stdout(&mut self) -> Option<OwnedFd> {
        self.stdout.take()
    }

    /// The same of its standard error.
    pub fn take_stderr(&mut self) -> Option<OwnedFd> {
        self.stderr.take()
    }

    /// The read end of the pipe that is the standard output and error of each companion, in the spec's order, non-blocking;
    /// empty when taken before.
    pub fn take_companion_outputs(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.companion_outputs)
    }

    /// The read end of the pipe of the program's messages, non-blocking. None when taken before, or when the spec has none.
    pub fn take_messages(&mut self) -> Option<OwnedFd> {
        self.messages.take()
    }

    /// A TCP socket of the cage's network, non-blocking and not connected: what it connects to is in the cage, and nothing
    /// else can be reached by it. Under [`Isolation::Process`](crate::Isolation::Process) that network is the host's. The
    /// cage's network lives for as long as the socket is open.
    ///
    /// Waiting for it keeps nothing of the cage alive.
    ///
    /// # Errors
    /// [`Error::Steer`] when the cage is gone or can have no more sockets.
    pub fn dial(&self) -> impl Future<Output = Result<OwnedFd, Error>> + Send + use<> {
        let act = "open a socket in";
        let failed = move |error: io::Error| steer(act, Fault::at(act, "the cage")(error));
        let (sender, receiver) = oneshot::channel();
        let asked = {
            // Asked under the lock, so that the answers come in the order of the waiting.
            let mut waiting = self.dialled.lock().unwrap_or_else(PoisonError::into_inner);
            socket::send(&self.channel, &cage::DIAL, &[], false).map(|()| waiting.push_back(sender))
        };
        async move {
            asked.map_err(failed)?;
            match receiver.await {
                Ok(Some(socket)) => Ok(socket),
                Ok(None) => Err(failed(io::Error::other("its first process could make none"))),
                Err(_) => Err(failed(io::ErrorKind::BrokenPipe.into())),
            }
        }
    }

    /// Waits for the program's end. Other processes of the cage may live on until [`Sandbox::kill`]. May be called
    /// many times and by many tasks; cancel-safe.
    pub async fn wait(&self) -> Exit {
        self.ended().await
    }

    /// As [`Sandbox::wait`], for those who do not hold the sandbox meanwhile.
    pub fn ended(&self) -> impl Future<Output = Exit> + Send + use<> {
        let mut life = self.life.clone();
        async move {
            match life.wait_for(|life| *life != Life::Running).await.map(|life| *life) {
                Ok(Life::Exited(exit) | Life::Gone(exit)) => exit,
                // The watcher ends with the runtime only, and everything of the cage with it.
                Ok(Life::Running) | Err(_) => KILLED,
            }
        }
    }

    /// How the companions of the spec have ended, in its order: None for those that have not. All have when the sender is
    /// gone.
    pub fn companions(&self) -> watch::Receiver<Vec<Option<ExitStatus>>> {
        self.companions.clone()
    }

    /// Kills every process of the cage, frozen ones too. Does not wait.
    pub fn kill(&self) {
        self.group.kill();
        // The cage's first process ends when it hears this, and takes with it what the cgroup may have missed.
        // A channel whose other end is gone needs no closing.
        let _ = rustix::net::shutdown(&self.channel, Shutdown::Write);
    }

    /// Sends SIGTERM to the program.
    pub fn terminate(&self) {
        // A program that has ended needs no signal.
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::TERM);
    }

    /// Sends SIGKILL to the program, and to no companion.
    pub fn kill_program(&self) {
        // A program that has ended needs no signal.
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// Stops every process of the cage from running until [`Sandbox::thaw`]. Where there is no freezer it is done by
    /// SIGSTOP, a moment later: [`Spawner::enforced`](crate::Spawner::enforced) tells.
    ///
    /// # Errors
    /// [`Error::Steer`] when the kernel refuses.
    pub fn freeze(&self) -> Result<(), Error> {
        self.set_frozen(true)
    }

    /// Lets them run on.
    ///
    /// # Errors
    /// [`Error::Steer`] when the kernel refuses.
    pub fn thaw(&self) -> Result<(), Error> {
        self.set_frozen(false)
    }

    fn set_frozen(&self, frozen: bool) -> Result<(), Error> {
        let act = if frozen { "freeze" } else { "thaw" };
        if self.group.can_freeze() {
            return self.group.set_frozen(frozen).map_err(|fault| steer(act, fault));
        }
        let order = if frozen { cage::STOP } else { cage::CONTINUE };
        socket::send(&self.channel, &order, &[], false)
            .map_err(Fault::at(act, "the cage"))
            .map_err(|fault| steer(act, fault))
    }

    /// Changes what the cage may use at most: memory, processor time, processes. The number of open files stays.
    ///
    /// # Errors
    /// [`Error::Steer`] when the kernel refuses.
    pub fn set_limits(&self, limits: &Limits) -> Result<(), Error> {
        self.group.limit(limits).map_err(|fault| steer("limit", fault))
    }

    /// Changes only the processor time that the cage may use.
    ///
    /// # Errors
    /// [`Error::Steer`] when the kernel refuses.
    pub fn set_processor_time(&self, limits: &Limits) -> Result<(), Error> {
        self.group.limit_processors(limits).map_err(|fault| steer("limit", fault))
    }

    /// The most memory in bytes that the cage has used since the start or the last
    /// [`Sandbox::reset_memory_peak`]; None where there is no memory cgroup.
    pub fn memory_peak_bytes(&self) -> Option<u64> {
        // It is asked for after every invocation: the file stays open.
        let mut peak = self.peak.lock().unwrap_or_else(PoisonError::into_inner);
        if peak.is_none() {
            *peak = self.group.memory_peak_file();
        }
        peak.as_ref().and_then(cgroup::number)
    }

    /// Starts the peak anew from what is used now.
    ///
    /// # Errors
    /// [`Error::Steer`] when the kernel cannot (cgroup v2 before Linux 6.12).
    pub fn reset_memory_peak(&self) -> Result<(), Error> {
        let file =
            self.group.reset_memory_peak().map_err(|fault| steer("reset the memory peak of", fault))?;
        *self.peak.lock().unwrap_or_else(PoisonError::into_inner) = file;
        Ok(())
    }

    /// Processor time that all processes of the cage have used; None where it is not counted.
    pub fn cpu_time(&self) -> Option<Duration> {
        self.group.cpu_time()
    }

    /// The cage's `/tmp`, to keep it for the next one.
    pub fn temporary(&self) -> TemporaryStorage {
        TemporaryStorage { inner: self.temporary.clone() }
    }

    /// Kills every process and returns when all is gone: processes, mounts, cgroups.
    pub async fn destroy(self) {
        let mut life = self.life.clone();
        drop(self);
        // The watcher's own end means the same.
        let _ = life.wait_for(|life| matches!(life, Life::Gone(_))).await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What is said of a program whose end nobody saw: it went with its cage.
const KILLED: Exit = Exit { status: ExitStatus::Signal(libc::SIGKILL), oom_killed: false };

fn steer(act: &'static str, fault: Fault) -> Error {
    Error::Steer { act, object: fault.object, source: fault.source }
}

/// Follows a cage's life by its channel until all of it is gone. Runs as a task of its own; it holds what must not be
/// used again before then.
pub(crate) async fn watch<T>(
    channel: Arc<AsyncFd<OwnedFd>>,
    group: Arc<Group>,
    Fates { life, companions, stem, dialled }: Fates,
    held: T,
) {
    let mut exit = None;
    // What fails or makes no sense on the channel can only come from a dead cage.
    let told = |signalled, number| match signalled {
        true => ExitStatus::Signal(number),
        false => ExitStatus::Code(number),
    };
    loop {
        let status = match receive(&channel).await {
            Ok(Some((Report::Exited { signalled, number }, _))) => told(signalled, number),
            Ok(Some((Report::CompanionExited { index, signalled, number }, _))) => {
                companions.send_modify(|ends| {
                    if let Some(end) = ends.get_mut(index) {
                        *end = Some(told(signalled, number));
                    }
                });
                continue;
            }
            Ok(Some((Report::Waiting, _))) => {
                stem.send_replace(Progress::Waiting);
                continue;
            }
            Ok(Some((Report::Assigned, _))) => {
                stem.send_replace(Progress::Assigned);
                continue;
            }
            Ok(Some((Report::Failed(Error::Cage(Fault { act, object, source })), _))) => {
                stem.send_replace(Progress::Failed(act, object, source.raw_os_error()));
                continue;
            }
            Ok(Some((Report::Socket, fds))) => {
                let waiting = dialled.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                if let Some(waiting) = waiting {
                    // Whoever asked may have gone.
                    let _ = waiting.send(fds.into_iter().next());
                }
                continue;
            }
            _ => break,
        };
        let ended = Exit { status, oom_killed: group.oom_kills() > 0 };
        exit = Some(ended);
        life.send_replace(Life::Exited(ended));
    }
    dialled.lock().unwrap_or_else(PoisonError::into_inner).clear();
    drop(held);
    life.send_replace(Life::Gone(exit.unwrap_or(KILLED)));
}

/// The variables that tell the addresses of listeners in a cage, where each has the address that was asked for.
fn announced(listeners: &[Listener]) -> impl Iterator<Item = (OsString, OsString)> {
    listeners.iter().flat_map(|Listener { address, announcements }| {
        announcements.iter().map(move |Announcement { variable, prefix }| {
            let mut value = prefix.clone();
            value.push(address.to_string());
            (variable.clone(), value)
        })
    })
}

/// The next report, and the descriptors with it; None when the other ends are closed.
pub(crate) async fn receive(channel: &AsyncFd<OwnedFd>) -> io::Result<Option<(Report, Vec<OwnedFd>)>> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let mut ready = channel.readable().await?;
        match ready.try_io(|channel| socket::receive(channel, &mut buffer, false)) {
            Ok(Ok((0, _))) => return Ok(None),
            Ok(Ok((length, fds))) => {
                return Report::decode(&buffer[..length]).map(|report| Some((report, fds)));
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
            Ok(Err(error)) => return Err(error),
            Err(_would_block) => {}
        }
    }
}
