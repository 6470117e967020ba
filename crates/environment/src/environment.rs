//! One execution environment: it is initialised, runs one invocation at a time, is reset after a crash, and ends.
//!
//! `Starting → Init (10 s) → Idle → Busy → Idle → …`. When Init fails, and after a crash or a timeout, the processes are
//! replaced and initialised again within the next invocation, under the function's own timeout; `/tmp` stays.
//! <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>
//!
//! It refuses to choose which environment serves whom: that is the pool's.

mod ahead;
mod course;
mod ending;
mod extended;
mod restore;

use crate::bootstrap::Bootstraps;
use crate::bytecode::{Bytecode, Function};
use crate::cage::{Cage, CageError};
use crate::cells::Cells;
use crate::extensions_api::{Extensions, Invoked, Kind, ShutdownReason};
use crate::failure::Fault;
use crate::function_classes::FunctionClasses;
use crate::invocation::{Completion, Failure, Invocation, Refusal, Report, new_trace};
use crate::living::{Life, Living};
use crate::log::{LogStream, LogWriter};
use crate::plan::{Plan, extension_names};
use crate::platform::{Event, Phase, Status};
use crate::response_stream::ResponseSink;
use crate::rest::Rest;
use crate::runtime_api::{Answer, Initialisation, Offer};
use crate::turns::{Share, Turn, Turns};
use crate::{Credentials, Definition, InitializationType, LogFormat, Options, Resolved, sdk};
use course::{Course, Starts};
use ending::Ending;
use hearth_base::{RequestId, Timestamp, id};
use hearth_sandbox::{Exit, TemporaryStorage};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
// Limits on processes are real time, which no test's clock can speed up and no change of the wall clock may disturb:
// they are measured here, while timestamps come from the clock of the options.
use tokio::time::Instant;

/// How long the last bytes of a process that has ended may take to arrive.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// How long a runtime that broke its response off may take to end, so that the log can say why. Ending takes processor
/// time, of which small functions have little.
const LAST_BREATH: Duration = Duration::from_secs(1);

/// How long a start may keep others from theirs: by then it waits for something other than a processor.
const TURN: Duration = Duration::from_secs(2);

/// What all environments share.
pub(crate) struct Surroundings {
    pub(crate) options: Options,
    pub(crate) bootstraps: Bootstraps,
    pub(crate) bytecode: Bytecode,
    pub(crate) function_classes: FunctionClasses,
    pub(crate) logs: LogWriter,
    pub(crate) cells: Arc<Cells>,
    pub(crate) living: Living,
    /// Told whenever a runtime's process has ended.
    pub(crate) deaths: Arc<Notify>,
    pub(crate) turns: Arc<Turns>,
    pub(crate) tasks: Handle,
}

/// One execution environment.
pub(crate) struct Environment {
    surroundings: Arc<Surroundings>,
    definition: Arc<Definition>,
    /// Of the turns to start.
    share: Share,
    resolved: Resolved,
    credentials: Credentials,
    log: Arc<LogStream>,
    cage: Option<Cage>,
    temporary: Option<TemporaryStorage>,
    /// The most memory that the cages before have used.
    memory_peak_bytes: u64,
    /// An invocation whose caller has its answer, while extensions still work.
    unsettled: Option<Unsettled>,
    /// The shutdown phase of the cage before.
    leaving: Option<JoinHandle<()>>,
    new: bool,
    _life: Life,
}

/// An invocation that is over but for its extensions.
struct Unsettled {
    course: Course,
    ending: Ending,
}

/// What came of handing an invocation to the runtime.
enum Handed {
    Ended(Ending),
    /// The runtime ended before it asked for it.
    Untaken(Invocation, Exit),
}

impl Environment {
    /// An environment without processes yet: they start with its first invocation.
    pub(crate) fn new(
        surroundings: Arc<Surroundings>,
        definition: Arc<Definition>,
        share: Share,
    ) -> Result<Self, Refusal> {
        let options = &surroundings.options;
        let resolved = options
            .runtimes
            .resolve(definition.runtime)
            .map_err(|unavailable| Refusal::CannotStart { reason: unavailable.to_string() })?;
        let credentials = options.credentials.issue(&definition).ok_or(Refusal::RoleNotAssumable)?;
        let name = stream_name(&definition, options.clock.now(), &*options.rng);
        let log = LogStream::new(
            Arc::clone(&definition),
            name,
            Arc::clone(&options.clock),
            surroundings.logs.clone(),
        );
        let _life = surroundings.living.begin();
        Ok(Self {
            definition,
            share,
            resolved,
            credentials,
            log,
            cage: None,
            temporary: None,
            memory_peak_bytes: 0,
            unsettled: None,
            leaving: None,
            new: true,
            _life,
            surroundings,
        })
    }

    /// Whether it can still serve an invocation that begins now.
    pub(crate) fn is_usable(&self, now: Timestamp) -> bool {
        let alive = self.cage.as_ref().is_none_or(Cage::is_alive);
        alive && now.after(self.definition.timeout) < self.credentials.expiration
    }

    /// An invocation is over, and nobody waits for anything.
    pub(crate) fn lie_down(&self) {
        if let Some(cage) = &self.cage {
            cage.rest.lie_down();
        }
    }

    /// Whether its runtime waits for an invocation, or will be started anew for it.
    pub(crate) fn is_ready(&self) -> bool {
        self.cage.as_ref().is_none_or(|cage| cage.api.is_ready())
    }

    /// Resolves when the runtime waits for an invocation.
    pub(crate) async fn ready(&self) {
        if let Some(cage) = &self.cage {
            cage.api.ready().await;
        }
    }

    /// What may be frozen until the next invocation, unless it is already.
    pub(crate) fn tired(&self) -> Option<Arc<Rest>> {
        self.cage.as_ref().map(|cage| &cage.rest).filter(|rest| rest.is_awake()).cloned()
    }

    /// Runs one invocation until its caller can be answered; what [`Self::is_settled`] then denies, [`Self::settle`] waits
    /// for. With a sink, the response goes there as it comes, if the runtime streams it.
    pub(crate) async fn run(
        &mut self,
        mut invocation: Invocation,
        sink: Option<ResponseSink>,
    ) -> Result<Completion, Refusal> {
        let (id, tail) = (invocation.request_id, invocation.tail);
        let options = &self.surroundings.options;
        let begin = || new_trace(options.clock.now(), &*options.rng);
        let trace = invocation.trace_header.get_or_insert_with(begin).clone();
        let mut starts = Starts::default();
        if std::mem::replace(&mut self.new, false) {
            self.log.begin_telemetry();
            self.announce();
            if invocation.tail {
                self.log.begin_tail();
            }
            // A failure is in the log; the second try below decides.
            starts = self
                .initialise(Phase::Init, self.definition.initialization_limit())
                .await?
                .unwrap_or_default();
        } else if invocation.tail {
            self.log.begin_tail();
        }
        let began = Instant::now();
        let prepared = if self.cage.is_some() { Ok(()) } else { self.initialise_late(began).await? };
        let course = Course::begin(id, trace, (starts, began), &*self.surroundings.options.clock);
        self.log.platform(&Event::Start { request_id: id, trace: &course.trace });
        let mut handed = match prepared {
            Ok(()) => self.hand_over(invocation, sink.clone(), began).await,
            Err(fault) => Handed::Ended(Ending::of(fault, id)),
        };
        if let Handed::Untaken(invocation, _) = handed {
            // The runtime died while it idled, and this is the first to notice: nothing of the invocation has run.
            self.reset(ShutdownReason::Failure);
            handed = match self.initialise_late(began).await? {
                Ok(()) => self.hand_over(invocation, sink, began).await,
                Err(fault) => Handed::Ended(Ending::of(fault, id)),
            };
        }
        let ending = match handed {
            Handed::Ended(ending) => ending,
            Handed::Untaken(_, exit) => Ending::of(Fault::exited(exit), id),
        };
        let settled = self.cage.as_ref().is_none_or(|cage| cage.api.extensions.is_settled());
        if ending.fault.is_some() || settled {
            return Ok(self.finish(course, ending));
        }
        let unsettled = Unsettled { course, ending };
        if tail {
            // Its end is a part of the answer.
            return Ok(self.settle_invocation(unsettled).await);
        }
        let report = self.report(&unsettled.course, &unsettled.ending.status);
        let outcome = unsettled.ending.outcome.clone();
        self.unsettled = Some(unsettled);
        Ok(Completion { outcome, log_tail: None, report })
    }

    /// Initialises within an invocation, out of that invocation's time.
    async fn initialise_late(&mut self, began: Instant) -> Result<Result<(), Fault>, Refusal> {
        self.log.begin_telemetry();
        let left = self.definition.timeout.saturating_sub(began.elapsed());
        let result = self.initialise(Phase::Invoke, left).await?;
        Ok(result.map(drop).map_err(|fault| match fault.failure {
            Failure::TimedOut => Fault::timed_out(self.definition.timeout),
            _ => fault,
        }))
    }

    /// The first lines of a stream.
    fn announce(&self) {
        let version = self.resolved.version_name();
        let version_arn = self.resolved.version_arn(&self.definition.key.region);
        self.log.platform(&Event::InitStart {
            phase: Phase::Init,
            version: &version,
            version_arn: &version_arn,
        });
        if let Some(warning) = &self.resolved.warning {
            self.log.platform(&Event::Warning { text: warning });
        }
    }

    /// Starts the runtime and waits until it asks for an invocation. After a fault there is no cage.
    async fn initialise(&mut self, phase: Phase, limit: Duration) -> Result<Result<Starts, Fault>, Refusal> {
        // One that happens within an invocation has no time to wait.
        let turn = match phase {
            Phase::Init => self.surroundings.turns.take(&self.share).await,
            Phase::Invoke => None,
        };
        self.left().await;
        let began = Instant::now();
        let result = match self.start().await {
            Ok(cage) => {
                let initialised = self.until_initialised(&cage, phase, (began + limit, limit));
                let result = in_turn(initialised, turn).await;
                self.cage = Some(cage);
                result
            }
            Err(CageError::Fault(fault)) => Err(fault),
            Err(CageError::Machine(reason)) => return Err(Refusal::CannotStart { reason }),
            Err(CageError::Full) => return Err(Refusal::TooManyEnvironments),
        };
        let duration = began.elapsed().min(limit);
        if let (Ok(()), Some(cage)) = (&result, &self.cage) {
            cage.settle();
        }
        let status = match &result {
            Ok(()) => Status::Success,
            Err(fault) => fault.status(),
        };
        self.introduce_extensions(result.as_ref().err());
        if result.is_err() {
            self.collect_output();
            self.log.platform(&Event::InitRuntimeDone { phase, status: &status });
        }
        self.log.platform(&Event::InitReport { phase, duration, status: &status });
        self.log.close_telemetry();
        if let Err(fault) = result {
            self.reset(fault.shutdown_reason());
            return Ok(Err(fault));
        }
        if self.definition.initialization == InitializationType::SnapStart {
            return Ok(Ok(Starts { init: None, restore: Some(self.restore().await?) }));
        }
        Ok(Ok(Starts { init: Some(duration), restore: None }))
    }

    async fn start(&self) -> Result<Cage, CageError> {
        let options = &self.surroundings.options;
        let plan = self.plan()?;
        let endpoint = (Arc::clone(&options.endpoint), Arc::clone(&self.definition));
        Cage::start(&options.spawner, plan, &self.log, endpoint).await
    }

    /// Lets stem cells be made for what it will start as.
    pub(crate) fn expect(&self) {
        if let Ok(plan) = self.plan() {
            plan.expect(&self.surroundings.options.spawner);
        }
    }

    fn plan(&self) -> Result<Plan<'_>, CageError> {
        let Surroundings { options, bootstraps, bytecode, function_classes, cells, deaths, .. } =
            &*self.surroundings;
        let names = extension_names(&self.definition).map_err(CageError::Fault)?;
        let telemetry = self.log.telemetry().unwrap_or_else(|| self.log.begin_telemetry());
        let told = (Arc::clone(&self.log), telemetry);
        let extensions = Extensions::new(told, names, Arc::clone(&options.rng));
        let sdk = sdk::installed(&options.sdk_dir, self.definition.runtime.language());
        if let Some(interpreter) = &self.resolved.interpreter {
            bootstraps.compile_for(interpreter);
            bootstraps.class_data.make_for(interpreter, &options.spawner);
            let function = Function { interpreter, definition: &self.definition, sdk: sdk.as_deref() };
            bytecode.make_for(function, &options.spawner);
            function_classes.make_for(interpreter, &self.definition, &options.spawner);
        }
        Ok(Plan {
            definition: &self.definition,
            resolved: &self.resolved,
            credentials: &self.credentials,
            log_stream: self.log.name(),
            bootstraps,
            bytecode,
            sdk,
            function_classes,
            temporary: self.temporary.clone(),
            extensions,
            cells,
            is_burst: self.share.is_crowded(),
            deaths: Arc::clone(deaths),
        })
    }

    async fn until_initialised(
        &self,
        cage: &Cage,
        phase: Phase,
        (deadline, limit): (Instant, Duration),
    ) -> Result<(), Fault> {
        let initialisation = tokio::select! {
            biased;
            failed = cage.api.extensions.failed() => return Err(Fault::extension(failed)),
            initialisation = cage.api.initialised() => initialisation,
            exit = cage.exited() => {
                // Its last request may still be on the way through the socket.
                let _ = tokio::time::timeout(LAST_WORDS, cage.api.disconnected()).await;
                match cage.api.last_initialisation() {
                    Some(failed @ Initialisation::Failed { .. }) => failed,
                    Some(Initialisation::Ready | Initialisation::Snapped) | None => {
                        return Err(Fault::exited(exit));
                    }
                }
            }
            () = tokio::time::sleep_until(deadline) => return Err(Fault::timed_out(limit)),
        };
        match initialisation {
            Initialisation::Ready | Initialisation::Snapped => {
                // Told at once: extensions may wait for it before they are ready themselves.
                cage.drain();
                self.log.platform(&Event::InitRuntimeDone { phase, status: &Status::Success });
                tokio::select! {
                    biased;
                    failed = cage.api.extensions.failed() => Err(Fault::extension(failed)),
                    () = cage.api.extensions.initialised() => Ok(()),
                    exit = cage.exited() => Err(Fault::exited(exit)),
                    () = tokio::time::sleep_until(deadline) => Err(Fault::timed_out(limit)),
                }
            }
            Initialisation::Failed { error_type, body } => {
                // The runtime exits by itself after it has told its error, and may still print.
                let _ = tokio::time::timeout(LAST_WORDS, cage.exited()).await;
                Err(Fault::initialisation(error_type, body))
            }
        }
    }

    /// Gives the event to the runtime and waits for its answer.
    async fn hand_over(&self, invocation: Invocation, sink: Option<ResponseSink>, began: Instant) -> Handed {
        let cage = self.cage.as_ref().expect("an initialised environment has a cage");
        let (id, timeout) = (invocation.request_id, self.definition.timeout);
        let options = &self.surroundings.options;
        let left = timeout.saturating_sub(began.elapsed());
        let trace_header = invocation.trace_header.clone().unwrap_or_default();
        let deadline_millis = options.clock.now().after(left).millis();
        // As late as can be: nothing of the function runs before its event is there.
        cage.rest.wake();
        cage.api.extensions.invoke(&Invoked {
            request_id: id,
            deadline_millis,
            function_arn: &invocation.invoked_function_arn,
            trace_header: &trace_header,
        });
        cage.api.offer(Offer { invocation, sink, deadline_millis, trace_header });
        let (answer, exit) = tokio::select! {
            biased;
            answer = cage.api.answer() => (answer, None),
            failed = cage.api.extensions.failed() => {
                return Handed::Ended(Ending::of(Fault::extension(failed), id));
            }
            exit = cage.exited() => {
                let _ = tokio::time::timeout(LAST_WORDS, cage.api.disconnected()).await;
                match (cage.api.last_answer(), cage.api.withdraw()) {
                    (Some(answer), _) => (answer, Some(exit)),
                    (None, Some(offer)) => return Handed::Untaken(offer.invocation, exit),
                    (None, None) => return Handed::Ended(Ending::of(Fault::exited(exit), id)),
                }
            }
            () = tokio::time::sleep_until(began + timeout) => {
                cage.kill();
                return Handed::Ended(Ending::of(Fault::timed_out(timeout), id));
            }
        };
        if let Answer::Truncated = answer {
            return Handed::Ended(Self::truncated(cage, exit, id).await);
        }
        Handed::Ended(Ending::of_answer(answer, id))
    }

    /// The end of a response that breaks off, most often because the runtime's process has ended.
    async fn truncated(cage: &Cage, exit: Option<Exit>, id: RequestId) -> Ending {
        let exit = match exit {
            Some(exit) => Some(exit),
            None => tokio::time::timeout(LAST_BREATH, cage.exited()).await.ok(),
        };
        let fault = exit.map_or_else(Fault::truncated, Fault::exited);
        let told = Ending::of(fault.amid_response(), id);
        Ending { status: fault.status(), fault: Some(fault), ..told }
    }

    /// Writes the end of the log, and resets the environment when it has to be.
    fn finish(&mut self, mut course: Course, ending: Ending) -> Completion {
        self.collect_output();
        if let Some(fault) = &ending.fault {
            if let Some(line) = self.last_line(fault, course.id) {
                self.log.line(line);
            }
            let text = format!("{}\n{}", fault.text(course.id), fault.error_type);
            self.log.platform(&Event::Fault { text: &text });
        }
        let report = self.report(&course, &ending.status);
        self.runtime_done(&mut course, &ending);
        let overhead = course.overhead();
        let done = course.done(&ending.status, &overhead);
        self.log.platform(&Event::Report { done, report: &report });
        if let Some(fault) = &ending.fault {
            self.reset(fault.shutdown_reason());
        }
        Completion { outcome: ending.outcome, log_tail: self.log.end_tail(), report }
    }

    fn report(&self, course: &Course, status: &Status) -> Report {
        let (Starts { init, restore }, elapsed) = (course.starts, course.began.elapsed());
        let duration = if *status == Status::Timeout { self.definition.timeout } else { elapsed };
        Report {
            duration,
            billed: whole_milliseconds(duration + init.or(restore).unwrap_or_default()),
            init,
            restore,
            memory_size_mb: self.definition.memory_mb,
            max_memory_used_mb: self.max_memory_used_mb(),
            log_stream: Arc::clone(self.log.name()),
        }
    }

    fn collect_output(&self) {
        if let Some(cage) = &self.cage {
            cage.drain();
        }
        self.log.end_lines();
    }

    /// What the log says before END about a fault.
    fn last_line(&self, fault: &Fault, id: RequestId) -> Option<String> {
        let now = self.surroundings.options.clock.now().date_time_millis();
        let text = match fault.failure {
            Failure::TimedOut => format!("{now} {id} {}", fault.message),
            // The runtime has printed its own error.
            _ if fault.body.is_some() => return None,
            _ => fault.text(id),
        };
        if self.definition.logging.format == LogFormat::Json {
            let line = serde_json::json!({
                "timestamp": now, "level": "ERROR", "requestId": id.to_string(), "message": text,
                "errorType": fault.error_type,
            });
            return Some(format!("{line}\n"));
        }
        Some(match fault.failure {
            // AWS ends this one line with two line ends.
            Failure::TimedOut => format!("{text}\n\n"),
            Failure::OutOfMemory => format!("{text}\nRuntime.ExitError\n"),
            _ => format!("{text}\n{}\n", fault.error_type),
        })
    }

    fn max_memory_used_mb(&self) -> u32 {
        let now = self.cage.as_ref().and_then(Cage::memory_peak_bytes).unwrap_or(0);
        let bytes = now.max(self.memory_peak_bytes);
        u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX).min(self.definition.memory_mb)
    }

    /// Ends the processes and keeps `/tmp`. Extensions hear why.
    fn reset(&mut self, reason: ShutdownReason) {
        if let Some(cage) = self.cage.take() {
            self.temporary = Some(cage.temporary());
            self.memory_peak_bytes = self.memory_peak_bytes.max(cage.memory_peak_bytes().unwrap_or(0));
            let life = self.surroundings.living.begin();
            if cage.api.extensions.kind() == Kind::None {
                cage.kill();
                self.surroundings.tasks.spawn(async move {
                    cage.destroy().await;
                    drop(life);
                });
                return;
            }
            let clock = Arc::clone(&self.surroundings.options.clock);
            self.leaving = Some(self.surroundings.tasks.spawn(async move {
                cage.shut_down(reason, &*clock).await;
                cage.destroy().await;
                drop(life);
            }));
        }
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.reset(ShutdownReason::Spindown);
    }
}

/// Gives up the turn when it is over or the work is done, whichever is first.
async fn in_turn<T>(work: impl Future<Output = T>, turn: Option<Turn>) -> T {
    tokio::pin!(work);
    if turn.is_some()
        && let Ok(result) = tokio::time::timeout(TURN, &mut work).await
    {
        return result;
    }
    drop(turn);
    work.await
}

fn whole_milliseconds(duration: Duration) -> Duration {
    Duration::from_millis(duration.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(u64::MAX))
}

/// `2026/11/23/[$LATEST]` and 32 hexadecimal digits.
fn stream_name(definition: &Definition, now: Timestamp, rng: &dyn hearth_base::Rng) -> Arc<str> {
    let day = now.calendar();
    let (year, month, day) = (day.year, day.month, day.day);
    let suffix = id::random_hex(rng, 16);
    format!("{year:04}/{month:02}/{day:02}/[{}]{suffix}", definition.key.version).into()
}
