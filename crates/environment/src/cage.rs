//! One cage of an environment: the runtime's processes, with the Runtime API and the AWS endpoint served into it.
//!
//! It lives from one start of the runtime to its end; an environment that is reset gets another. It refuses to know
//! what an invocation is.

use crate::extensions_api::{Extensions, Failed, Kind, ShutdownReason};
use crate::failure::{Fault, status_text};
use crate::log::{LogStream, Output, Source};
use crate::plan::Plan;
use crate::rest::Rest;
use crate::runtime_api::RuntimeApi;
use crate::{Definition, Endpoint};
use hearth_base::Clock;
use hearth_sandbox::{Error as SandboxError, Exit, ExitStatus, Limits, Sandbox, Spawner, TemporaryStorage};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

/// Connections of one environment to the AWS endpoint at once; the next one waits for an end.
const ENDPOINT_CONNECTIONS_MAX: usize = 64;
/// How long the shutdown phase lasts at most, when there are internal extensions only.
const SHUTDOWN_INTERNAL: Duration = Duration::from_millis(500);
/// The same when there are external ones.
const SHUTDOWN_EXTERNAL: Duration = Duration::from_secs(2);
/// What of it the runtime has.
const SHUTDOWN_RUNTIME: Duration = Duration::from_millis(300);

/// Why there is no cage.
pub(crate) enum CageError {
    /// The function's own fault.
    Fault(Fault),
    /// The machine's.
    Machine(String),
    /// There are as many cages as can be.
    Full,
}

/// The runtime's processes.
pub(crate) struct Cage {
    sandbox: Arc<Sandbox>,
    pub(crate) api: Arc<RuntimeApi>,
    output: Arc<Output>,
    pub(crate) rest: Arc<Rest>,
    exit: watch::Receiver<Option<Exit>>,
    task: JoinHandle<()>,
    limits: Limits,
}

impl Cage {
    /// Starts the runtime.
    pub(crate) async fn start(
        spawner: &Spawner,
        plan: Plan<'_>,
        log: &Arc<LogStream>,
        endpoint: (Arc<dyn Endpoint>, Arc<Definition>),
    ) -> Result<Self, CageError> {
        let (spec, limits) = plan.initial(spawner.isolation()).map_err(CageError::Fault)?;
        let program = spec.program.clone();
        let mut sandbox = match plan.claim(&spec).await {
            Some(sandbox) => sandbox,
            None => spawner.spawn(spec).await.map_err(|error| refusal(&plan, &program, error))?,
        };
        let machine =
            |error: std::io::Error| CageError::Machine(format!("could not watch the cage: {error}"));
        let pipes = [
            (Source::Output, sandbox.take_stdout()),
            (Source::Error, sandbox.take_stderr()),
            (Source::Messages, sandbox.take_messages()),
        ];
        let pipes = pipes.into_iter().filter_map(|(source, pipe)| Some((source, pipe?)));
        let of_extensions = sandbox.take_companion_outputs().into_iter().enumerate();
        let pipes = pipes.chain(of_extensions.map(|(number, pipe)| (Source::Extension(number), pipe)));
        let output = Arc::new(Output::new(Arc::clone(log), pipes).map_err(machine)?);
        let mut listeners = sandbox.take_listeners().into_iter().map(TcpListener::from_std);
        let (Some(api_listener), Some(endpoint_listener)) = (listeners.next(), listeners.next()) else {
            return Err(CageError::Machine("the sandbox opened no listeners".to_owned()));
        };
        let (api_listener, endpoint_listener) =
            (api_listener.map_err(machine)?, endpoint_listener.map_err(machine)?);
        let (sandbox, api) = (Arc::new(sandbox), RuntimeApi::new(Arc::clone(&plan.extensions)));
        let rest = Rest::new(&sandbox, &api);
        let (ended, exit) = watch::channel(None);
        let deaths = plan.deaths;
        let task = {
            let (sandbox, api, output) = (Arc::clone(&sandbox), Arc::clone(&api), Arc::clone(&output));
            let rest = Arc::clone(&rest);
            tokio::spawn(async move {
                let watch = async {
                    let exit = sandbox.wait().await;
                    // Whoever waited for it may have gone.
                    let _ = ended.send(Some(exit));
                    deaths.notify_one();
                };
                let companions = watch_extensions(sandbox.companions(), &api.extensions, &deaths);
                tokio::join!(
                    watch,
                    companions,
                    api.serve(api_listener),
                    serve_endpoint(endpoint_listener, endpoint.0, endpoint.1),
                    output.follow(),
                    api.extensions.telemetry.deliver(&sandbox, &rest)
                );
            })
        };
        Ok(Self { sandbox, api, output, rest, exit, task, limits })
    }

    /// The initialisation is over: from now on the function has the processors that its memory gives it.
    pub(crate) fn settle(&self) {
        if let Err(error) = self.sandbox.set_processor_time(&self.limits) {
            tracing::warn!(%error, "an environment keeps the processors of its initialisation");
        }
    }

    /// Resolves when the runtime's process has ended, at once when it has already.
    pub(crate) async fn exited(&self) -> Exit {
        let mut exit = self.exit.clone();
        let ended = exit.wait_for(Option::is_some).await.ok().and_then(|exit| *exit);
        match ended {
            Some(exit) => exit,
            // The task was aborted: the cage is being destroyed.
            None => std::future::pending().await,
        }
    }

    /// Whether the processes of the runtime and of all extensions live.
    pub(crate) fn is_alive(&self) -> bool {
        self.exit.borrow().is_none() && self.sandbox.companions().borrow().iter().all(Option::is_none)
    }

    /// Puts into the log what was printed up to now.
    pub(crate) fn drain(&self) {
        self.output.drain();
    }

    /// Ends the runtime, now: every process, unless there are extensions, which are to hear of it.
    pub(crate) fn kill(&self) {
        match self.api.extensions.kind() {
            Kind::None => self.sandbox.kill(),
            Kind::Internal | Kind::External => self.sandbox.kill_program(),
        }
    }

    /// The shutdown phase: the runtime ends, then external extensions, each on request and within its time.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-shutdown>
    pub(crate) async fn shut_down(&self, reason: ShutdownReason, clock: &dyn Clock) {
        let (whole, of_runtime) = match self.api.extensions.kind() {
            Kind::None => return,
            Kind::Internal => (SHUTDOWN_INTERNAL, SHUTDOWN_INTERNAL),
            Kind::External => (SHUTDOWN_EXTERNAL, SHUTDOWN_RUNTIME),
        };
        self.rest.wake();
        self.api.extensions.telemetry.flush();
        let began = Instant::now();
        self.sandbox.terminate();
        if tokio::time::timeout_at(began + of_runtime, self.exited()).await.is_err() {
            self.sandbox.kill_program();
        }
        let left = whole.saturating_sub(began.elapsed());
        let told = self.api.extensions.shutdown(reason, clock.now().after(left).millis());
        let mut ends = self.sandbox.companions();
        let ended = ends.wait_for(|ends| ends.iter().zip(&told).all(|(end, told)| !told || end.is_some()));
        // Whoever has not ended by then is killed with the cage.
        let _ = tokio::time::timeout_at(began + whole, ended).await;
        self.drain();
    }

    /// The most memory used up to now, in bytes: of all processes where the kernel counts it, else of the runtime's own.
    pub(crate) fn memory_peak_bytes(&self) -> Option<u64> {
        self.sandbox.memory_peak_bytes().or_else(|| resident_peak_bytes(self.sandbox.process_id()))
    }

    /// Its `/tmp`, to outlive it.
    pub(crate) fn temporary(&self) -> TemporaryStorage {
        self.sandbox.temporary()
    }

    /// Ends it. All is gone when this returns.
    pub(crate) async fn destroy(self) {
        self.sandbox.kill();
        self.task.abort();
        // It was aborted: an error is what is expected.
        let _ = self.task.await;
        if let Some(sandbox) = Arc::into_inner(self.sandbox) {
            sandbox.destroy().await;
        }
    }
}

/// Tells of the first extension that ends, by itself or not.
async fn watch_extensions(
    mut ends: watch::Receiver<Vec<Option<ExitStatus>>>,
    extensions: &Extensions,
    deaths: &Notify,
) {
    let ended = ends.wait_for(|ends| ends.iter().any(Option::is_some)).await;
    let status = ended.ok().and_then(|ends| ends.iter().flatten().next().copied());
    if let Some(status) = status {
        extensions.ended(status_text(status));
        deaths.notify_one();
    }
}

async fn serve_endpoint(listener: TcpListener, endpoint: Arc<dyn Endpoint>, definition: Arc<Definition>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= ENDPOINT_CONNECTIONS_MAX {
            connections.join_next().await;
        }
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    connections.spawn(endpoint.serve(stream, Arc::clone(&definition)));
                }
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

fn refusal(plan: &Plan<'_>, program: &Path, error: SandboxError) -> CageError {
    match error {
        SandboxError::Execute { program, source } if plan.is_extension(Path::new(&program)) => {
            let message = format!("fork/exec {program}: {}", cause(&source));
            CageError::Fault(Fault::extension(Failed {
                error_type: "Extension.LaunchError".to_owned(),
                message,
            }))
        }
        SandboxError::Execute { source, .. }
            if plan.resolved.interpreter.is_none() || plan.wrapper().is_some() =>
        {
            let cause = cause(&source);
            CageError::Fault(Fault::invalid_entrypoint(format!("fork/exec {}: {cause}", program.display())))
        }
        SandboxError::TooMany { .. } => CageError::Full,
        error => CageError::Machine(chain(&error)),
    }
}

/// Why a program was not executed. AWS words it as Go does.
fn cause(source: &std::io::Error) -> String {
    match source.kind() {
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        _ if source.raw_os_error() == Some(8) => "exec format error".to_owned(),
        _ => source.to_string(),
    }
}

/// An error and its sources in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Some errors tell their cause themselves.
        let told = cause.to_string();
        if !text.contains(&told) {
            text.push_str(": ");
            text.push_str(&told);
        }
        source = cause.source();
    }
    text
}

fn resident_peak_bytes(process_id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process_id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes << 10)
}
