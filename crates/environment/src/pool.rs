//! The pool: idle environments by key, a new one for each invocation that finds none, and an end for each.
//!
//! Idle ones are taken last in, first out, so that those that are not needed grow old and end. It refuses to queue: an
//! invocation that finds no room is refused at once.

mod provisioned;

pub use provisioned::Provisioned;

use crate::bootstrap::{BootstrapError, Bootstraps};
use crate::bytecode::Bytecode;
use crate::cells::Cells;
use crate::concurrency::Permit;
use crate::environment::{Environment, Surroundings};
use crate::function_classes::FunctionClasses;
use crate::living::Living;
use crate::log::LogWriter;
use crate::response_stream::{self, ResponseSink};
use crate::rest::Rest;
use crate::turns::{Share, Turns};
use crate::{Completion, Definition, Invocation, Key, Options, Refusal, ResponseStream};
use hearth_base::{BoxFuture, Timestamp};
use provisioned::{Provisions, Seat};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// How long an environment that has answered may take to ask for more before another is made in its place: about as long
/// as a small one takes to start on a busy machine.
const AFTERMATH: Duration = Duration::from_millis(200);
/// How long an environment idles before it is frozen: what comes back to back does not pay for a freeze and a thaw. Real
/// time, whatever the clock of timestamps.
const QUIET: Duration = Duration::from_millis(20);
/// How often idle environments are looked through, as a fraction of the time they may idle.
const REAPS_PER_IDLE_TIMEOUT: u32 = 4;

/// All execution environments of the server. A cheap handle: clone it freely.
#[derive(Clone)]
pub struct Environments {
    pool: Arc<Pool>,
}

/// How many environments there are, by what they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Being made or initialised, or running an invocation.
    pub busy: usize,
    /// Waiting for an invocation.
    pub idle: usize,
}

struct Pool {
    surroundings: Arc<Surroundings>,
    state: Mutex<State>,
    /// Told whenever an environment begins to idle.
    idled: Arc<Notify>,
    /// Told whenever provisioned environments may be wanting.
    wanting: Arc<Notify>,
    /// Set when the grace of a drain is over.
    halt: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    slots: HashMap<Key, Slot>,
    provisions: Provisions,
    counts: Counts,
    draining: bool,
}

struct Slot {
    /// Of the turns to start.
    share: Share,
    idle: Vec<Idle>,
    busy: usize,
    /// No busy one comes back.
    retired: bool,
}

struct Idle {
    environment: Environment,
    since: Timestamp,
    /// When it was put here, by a clock that no test turns.
    quiet_since: Instant,
    /// Its place among the provisioned ones.
    seat: Option<Seat>,
}

/// A busy environment. However it ends, the counts are right.
struct Lease {
    pool: Arc<Pool>,
    definition: Arc<Definition>,
    environment: Option<Environment>,
    /// Leave for the invocation under way, which counts until the environment is free.
    permit: Option<Arc<Permit>>,
    /// Its place among the provisioned ones.
    seat: Option<Seat>,
    released: bool,
}

/// A future that runs to its end even when whoever waited for it has gone.
struct Undropped<'a, F: Future<Output: Send> + Send + 'static> {
    future: Option<Pin<Box<F>>>,
    surroundings: &'a Surroundings,
}

impl Environments {
    /// Starts with no environment, and writes the bootstraps to the data directory. Call it inside the tokio runtime.
    pub fn new(options: Options) -> Result<Self, BootstrapError> {
        let bootstraps = Bootstraps::write(&options.data_dir)?;
        let living = Living::new();
        let turns = Arc::new(Turns::new());
        let surroundings = Arc::new(Surroundings {
            function_classes: FunctionClasses::new(&options.data_dir, &bootstraps, &living),
            bootstraps,
            logs: LogWriter::start(Arc::clone(&options.logs)),
            bytecode: Bytecode::new(&options.data_dir, &living),
            cells: Cells::new(&options.spawner, options.stem_cell_bytes, &living, &turns),
            living,
            deaths: Arc::new(Notify::new()),
            turns,
            tasks: tokio::runtime::Handle::current(),
            options,
        });
        let halt = watch::Sender::new(false);
        let pool = Arc::new(Pool {
            surroundings,
            state: Mutex::new(State::default()),
            idled: Arc::new(Notify::new()),
            wanting: Arc::new(Notify::new()),
            halt,
        });
        tokio::spawn(reap(Arc::downgrade(&pool), Arc::clone(&pool.surroundings.deaths)));
        tokio::spawn(freeze(Arc::downgrade(&pool), Arc::clone(&pool.idled)));
        tokio::spawn(provisioned::keep(Arc::downgrade(&pool), Arc::clone(&pool.wanting)));
        Ok(Self { pool })
    }

    /// Runs one invocation in an environment of its own for that time. Dropping the future does not stop the function: it
    /// runs to its end, as on AWS.
    pub async fn invoke(
        &self,
        definition: &Arc<Definition>,
        invocation: Invocation,
    ) -> Result<Completion, Refusal> {
        let serve = Arc::clone(&self.pool).serve(Arc::clone(definition), invocation, None);
        Undropped { future: Some(Box::pin(serve)), surroundings: &self.pool.surroundings }.await
    }

    /// Runs one invocation as [`Self::invoke`] does, and hands its response on while the function makes it. Returns with
    /// the first byte, or with the end when there is none.
    pub async fn invoke_streaming(
        &self,
        definition: &Arc<Definition>,
        invocation: Invocation,
    ) -> Result<ResponseStream, Refusal> {
        let (sink, source) = response_stream::channel();
        let serve = Arc::clone(&self.pool).serve(Arc::clone(definition), invocation, Some(sink));
        // A task of its own: its time runs out whether or not the caller reads.
        let serving = self.pool.surroundings.tasks.spawn(serve);
        ResponseStream::begin(source, serving).await
    }

    /// Invocations of this definition may come: what can be ready for its first environment is made ready.
    pub fn expect(&self, definition: &Arc<Definition>) {
        let (surroundings, definition) = (Arc::clone(&self.pool.surroundings), Arc::clone(definition));
        // Files are looked at, and interpreters perhaps not yet discovered.
        self.pool.surroundings.tasks.spawn_blocking(move || {
            // What is wrong with the function, its first invocation will tell.
            let share = surroundings.turns.share();
            if let Ok(environment) = Environment::new(surroundings, definition, share) {
                environment.expect();
            }
        });
    }

    /// No environment of `key` takes another invocation: idle ones end now, busy ones after theirs.
    pub fn retire(&self, key: &Key) {
        self.retire_where(|other| other == key);
    }

    /// As [`Self::retire`], for every key that `matches`: a whole function, a whole account.
    pub fn retire_where(&self, matches: impl Fn(&Key) -> bool) {
        let mut state = self.pool.lock();
        let mut ended = Vec::new();
        let withdrawn = state.withdraw_where(&matches);
        let State { slots, counts, .. } = &mut *state;
        slots.retain(|key, slot| {
            if matches(key) {
                counts.idle -= slot.idle.len();
                ended.append(&mut slot.idle);
                slot.retired = true;
            }
            !slot.is_empty()
        });
        drop(state);
        // They end when they are dropped, outside the lock.
        drop((ended, withdrawn));
    }

    /// Refuses new invocations, waits up to `grace` for those in flight, then ends every environment. All are gone, and
    /// all logs written, when it returns.
    pub async fn drain(&self, grace: Duration) {
        self.pool.lock().draining = true;
        self.retire_where(|_| true);
        self.pool.surroundings.cells.close();
        self.pool.surroundings.bytecode.close();
        self.pool.surroundings.function_classes.close();
        let living = &self.pool.surroundings.living;
        if tokio::time::timeout(grace, living.none()).await.is_err() {
            self.pool.halt.send_replace(true);
            living.none().await;
        }
        self.pool.surroundings.logs.flush().await;
    }

    /// How many environments there are now.
    pub fn counts(&self) -> Counts {
        self.pool.lock().counts
    }

    /// Whether environments are being initialised.
    pub fn is_starting(&self) -> bool {
        !self.pool.surroundings.turns.are_free()
    }

    /// Returns when every log line written up to now has been handed to the log sink.
    pub async fn flush_logs(&self) {
        self.pool.surroundings.logs.flush().await;
    }
}

impl Pool {
    async fn serve(
        self: Arc<Self>,
        definition: Arc<Definition>,
        mut invocation: Invocation,
        sink: Option<ResponseSink>,
    ) -> Result<Completion, Refusal> {
        let mut halted = self.halt.subscribe();
        let run = async {
            let mut lease = self.claim(definition, invocation.permit.take()).await?;
            let completion = lease.environment().run(invocation, sink).await?;
            if lease.environment().is_settled() {
                lease.put_back();
            } else {
                tokio::spawn(settle(lease));
            }
            Ok(completion)
        };
        tokio::select! {
            biased;
            result = run => result,
            _ = halted.wait_for(|halted| *halted) => Err(Refusal::ShuttingDown),
        }
    }

    async fn claim(
        self: &Arc<Self>,
        definition: Arc<Definition>,
        permit: Option<Arc<Permit>>,
    ) -> Result<Lease, Refusal> {
        if let Some((environment, seat)) = self.take_idle(&definition.key)? {
            let mut lease = Lease::new(self, &definition);
            lease.seat = seat;
            let environment = lease.environment.insert(environment);
            // The runtime may still be on its way from its last response to the next request.
            if environment.is_ready() || tokio::time::timeout(AFTERMATH, environment.ready()).await.is_ok() {
                lease.permit = permit;
                return Ok(lease);
            }
            lease.put_last();
        }
        if let Some(permit) = &permit {
            permit.grow().map_err(Refusal::Throttled)?;
        }
        let share = self.make_room(&definition.key)?;
        let mut lease = Lease::new(self, &definition);
        lease.permit = permit;
        lease.environment = Some(Environment::new(Arc::clone(&self.surroundings), definition, share)?);
        Ok(lease)
    }

    /// The idle environment that was used last, now busy; a provisioned one before all others.
    fn take_idle(&self, key: &Key) -> Result<Option<(Environment, Option<Seat>)>, Refusal> {
        let now = self.surroundings.options.clock.now();
        let mut unusable = Vec::new();
        let mut state = self.lock();
        if state.draining {
            return Err(Refusal::ShuttingDown);
        }
        let new_slot = || Slot::new(self.surroundings.turns.share());
        if let Some(provisioned) = state.take_provisioned(key, now, new_slot) {
            return Ok(Some(provisioned));
        }
        let State { slots, counts, .. } = &mut *state;
        let Some(slot) = slots.get_mut(key) else { return Ok(None) };
        let mut taken = None;
        while let Some(idle) = slot.idle.pop() {
            counts.idle -= 1;
            if idle.environment.is_usable(now) {
                slot.busy += 1;
                counts.busy += 1;
                taken = Some((idle.environment, None));
                break;
            }
            unusable.push(idle);
        }
        if slot.is_empty() {
            slots.remove(key);
        }
        drop(state);
        drop(unusable);
        Ok(taken)
    }

    /// Counts a new environment as busy, and gives its function's share of the turns to start; ends the one that has idled
    /// longest when there are too many.
    fn make_room(&self, key: &Key) -> Result<Share, Refusal> {
        let mut state = self.lock();
        if state.draining {
            return Err(Refusal::ShuttingDown);
        }
        let mut evicted = None;
        if state.counts.busy + state.counts.idle >= self.surroundings.options.environments_max {
            evicted = state.evict();
            if evicted.is_none() {
                return Err(Refusal::TooManyEnvironments);
            }
        }
        state.counts.busy += 1;
        let new = || Slot::new(self.surroundings.turns.share());
        let slot = state.slots.entry(key.clone()).or_insert_with(new);
        slot.busy += 1;
        let share = slot.share.clone();
        drop(state);
        drop(evicted);
        Ok(share)
    }

    /// Freezes what has been quiet; false when something idles that has not been for long enough, or is not done.
    fn freeze(&self) -> bool {
        let state = self.lock();
        let idle = state.slots.values().flat_map(|slot| &slot.idle).chain(state.provisions.idle());
        let tired: Vec<(bool, Arc<Rest>)> = idle
            .filter_map(|idle| Some((idle.quiet_since.elapsed() >= QUIET, idle.environment.tired()?)))
            .collect();
        // The kernel is asked outside the lock. What was taken meanwhile is busy, and refuses.
        drop(state);
        tired.iter().fold(true, |done, (quiet, rest)| *quiet && rest.freeze() && done)
    }

    fn reap(&self) {
        let now = self.surroundings.options.clock.now();
        let timeout = self.surroundings.options.idle_timeout;
        let mut ended = Vec::new();
        let mut state = self.lock();
        let unusable = state.reap_provisioned(now);
        if !unusable.is_empty() {
            self.wanting.notify_one();
        }
        let State { slots, counts, .. } = &mut *state;
        slots.retain(|_, slot| {
            let spent =
                |idle: &mut Idle| now.since(idle.since) >= timeout || !idle.environment.is_usable(now);
            ended.extend(slot.idle.extract_if(.., spent));
            !slot.is_empty()
        });
        counts.idle -= ended.len();
        drop(state);
        drop((ended, unusable));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn evict(&mut self) -> Option<Environment> {
        let oldest = |slot: &Slot| slot.idle.iter().map(|idle| idle.since).min();
        let key =
            self.slots.iter().filter_map(|(key, slot)| Some((oldest(slot)?, key))).min_by_key(|e| e.0)?;
        let key = key.1.clone();
        let slot = self.slots.get_mut(&key)?;
        let at = slot.idle.iter().enumerate().min_by_key(|(_, idle)| idle.since)?.0;
        let idle = slot.idle.remove(at);
        self.counts.idle -= 1;
        if slot.is_empty() {
            self.slots.remove(&key);
        }
        Some(idle.environment)
    }
}

impl Slot {
    fn new(share: Share) -> Self {
        Self { share, idle: Vec::new(), busy: 0, retired: false }
    }

    fn is_empty(&self) -> bool {
        self.idle.is_empty() && self.busy == 0
    }
}

impl Lease {
    fn new(pool: &Arc<Pool>, definition: &Arc<Definition>) -> Self {
        let (pool, definition) = (Arc::clone(pool), Arc::clone(definition));
        Self { pool, definition, environment: None, permit: None, seat: None, released: false }
    }

    fn environment(&mut self) -> &mut Environment {
        self.environment.as_mut().expect("a lease has its environment until it is given up")
    }

    /// To be taken next.
    fn put_back(mut self) {
        self.release(|idle, environment| idle.push(environment));
    }

    /// To be taken when there is no other.
    fn put_last(mut self) {
        self.release(|idle, environment| idle.insert(0, environment));
    }

    fn release(&mut self, put: impl FnOnce(&mut Vec<Idle>, Idle)) {
        self.released = true;
        let Lease { pool, definition, environment, seat, .. } = self;
        let since = pool.surroundings.options.clock.now();
        let mut state = pool.lock();
        state.counts.busy -= 1;
        let State { slots, provisions, counts, draining } = &mut *state;
        let slot =
            slots.get_mut(&definition.key).expect("a slot stays while one of its environments is busy");
        slot.busy -= 1;
        if !slot.retired
            && !*draining
            && seat.as_ref().is_none_or(|seat| provisions.wants(&definition.key, environment.as_ref(), seat))
            && let Some(environment) = environment.take()
        {
            counts.idle += 1;
            environment.lie_down();
            let place = if seat.is_some() { provisions.place(&definition.key) } else { None };
            let idle = Idle { environment, since, quiet_since: Instant::now(), seat: seat.take() };
            put(place.unwrap_or(&mut slot.idle), idle);
            pool.idled.notify_one();
        } else if slot.is_empty() {
            slots.remove(&definition.key);
        }
    }
}

impl Drop for Lease {
    /// It was not given back, or not wanted: the environment ends.
    fn drop(&mut self) {
        if !self.released {
            let ended = self.environment.take();
            self.release(|_, _| {});
            drop(ended);
        }
        if self.seat.take().is_some() {
            self.pool.wanting.notify_one();
        }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for Undropped<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let future = self.future.as_mut().expect("a future is not polled after its end");
        let output = std::task::ready!(future.as_mut().poll(context));
        self.future = None;
        Poll::Ready(output)
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Undropped<'_, F> {
    fn drop(&mut self) {
        if let Some(future) = self.future.take() {
            self.surroundings.tasks.spawn(future);
        }
    }
}

/// Extensions are not done: the environment comes back when they are, or ends with the server.
async fn settle(mut lease: Lease) {
    let mut halted = lease.pool.halt.subscribe();
    tokio::select! {
        biased;
        () = lease.environment().settle() => {}
        _ = halted.wait_for(|halted| *halted) => return,
    }
    lease.put_back();
}

/// The one timer that freezes, off the path of invocations.
async fn freeze(pool: Weak<Pool>, idled: Arc<Notify>) {
    loop {
        idled.notified().await;
        loop {
            tokio::time::sleep(QUIET).await;
            let Some(strong) = pool.upgrade() else { return };
            if strong.freeze() {
                break;
            }
        }
    }
}

/// The one timer for all environments: ends those that have idled long enough, have died, or whose credentials end.
async fn reap(pool: Weak<Pool>, deaths: Arc<Notify>) {
    loop {
        let Some(strong) = pool.upgrade() else { return };
        let options = &strong.surroundings.options;
        let step = (options.idle_timeout / REAPS_PER_IDLE_TIMEOUT).max(Duration::from_millis(10));
        let pause: BoxFuture<'static, ()> = options.clock.idle_until(options.clock.now().after(step));
        drop(strong);
        tokio::select! {
            () = pause => {}
            () = deaths.notified() => {}
        }
        let Some(strong) = pool.upgrade() else { return };
        strong.reap();
    }
}
