//! Provisioned concurrency: environments that are initialised before anybody asks for them, and stay.
//!
//! It keeps as many as are wanted of each definition: it makes them, makes one anew when one has died, and ends those
//! that are too many. An initialisation that fails is tried again later, and later each time, one at a time: it refuses
//! to make a storm of a broken function. It refuses to decide how many are wanted.
//! <https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html>

use super::{Environments, Idle, Lease, Pool, Slot, State};
use crate::definition::InitializationType;
use crate::environment::Environment;
use crate::{Definition, Failure, Key, Refusal};
use hearth_base::Timestamp;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long after a first failure it is tried again; twice as long after each further one.
const RETRY: Duration = Duration::from_secs(60);
/// The longest that it takes until it is tried again.
const RETRY_MAX: Duration = Duration::from_secs(3_600);

/// How far the environments of a definition are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provisioned {
    /// Initialised, whether they run an invocation or not.
    pub allocated: usize,
    /// Initialised and waiting.
    pub available: usize,
    /// Why the last one could not be initialised; none when it could.
    pub failure: Option<String>,
}

/// What is provisioned, by the definition that invocations ask for.
#[derive(Default)]
pub(super) struct Provisions(HashMap<Key, Provision>);

struct Provision {
    /// The same function with the other type of initialisation.
    definition: Arc<Definition>,
    wanted: usize,
    /// Being initialised now.
    making: usize,
    idle: Vec<Idle>,
    seats: Arc<AtomicUsize>,
    failure: Option<Broken>,
}

/// The last initialisation failed.
struct Broken {
    reason: String,
    times: u32,
    again: Instant,
}

/// The place of one initialised environment: it is free again when this is dropped.
pub(super) struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(seats: &Arc<AtomicUsize>) -> Self {
        seats.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(seats))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Environments {
    /// Keeps `wanted` environments of a definition initialised from now on; none ends them. Asking for another number
    /// forgets earlier failures.
    pub fn provision(&self, definition: &Arc<Definition>, wanted: usize) {
        let mut state = self.pool.lock();
        if state.draining {
            return;
        }
        let ended = if wanted == 0 {
            state.withdraw_where(&|key: &Key| *key == definition.key)
        } else {
            let provision = state.provisions.0.entry(definition.key.clone()).or_insert_with(|| Provision {
                definition: Arc::new(Definition {
                    initialization: InitializationType::ProvisionedConcurrency,
                    ..(**definition).clone()
                }),
                wanted: 0,
                making: 0,
                idle: Vec::new(),
                seats: Arc::default(),
                failure: None,
            });
            if provision.wanted != wanted {
                provision.failure = None;
            }
            provision.wanted = wanted;
            let surplus = provision.seats.load(Ordering::Relaxed).saturating_sub(wanted);
            let ended: Vec<Idle> = provision.idle.drain(..surplus.min(provision.idle.len())).collect();
            state.counts.idle -= ended.len();
            ended
        };
        drop(state);
        // They end when they are dropped, outside the lock.
        drop(ended);
        self.pool.wanting.notify_one();
    }

    /// Tries again at once what has failed.
    pub fn provision_again(&self, key: &Key) {
        if let Some(provision) = self.pool.lock().provisions.0.get_mut(key) {
            provision.failure = None;
        }
        self.pool.wanting.notify_one();
    }

    /// How far the provisioned environments of a definition are.
    pub fn provisioned(&self, key: &Key) -> Provisioned {
        let state = self.pool.lock();
        let Some(provision) = state.provisions.0.get(key) else { return Provisioned::default() };
        let allocated = provision.seats.load(Ordering::Relaxed).min(provision.wanted);
        Provisioned {
            allocated,
            available: provision.idle.len().min(allocated),
            failure: provision.failure.as_ref().map(|broken| broken.reason.clone()),
        }
    }
}

impl Provisions {
    pub(super) fn idle(&self) -> impl Iterator<Item = &Idle> {
        self.0.values().flat_map(|provision| &provision.idle)
    }

    /// Whether an environment that was in use is to be kept: it is initialised, has its place among those that are wanted
    /// now, and is not one too many.
    pub(super) fn wants(&self, key: &Key, environment: Option<&Environment>, seat: &Seat) -> bool {
        environment.is_some_and(Environment::is_initialised)
            && self.0.get(key).is_some_and(|provision| {
                Arc::ptr_eq(&provision.seats, &seat.0)
                    && provision.seats.load(Ordering::Relaxed) <= provision.wanted
            })
    }

    /// Where the idle ones of a definition are.
    pub(super) fn place(&mut self, key: &Key) -> Option<&mut Vec<Idle>> {
        self.0.get_mut(key).map(|provision| &mut provision.idle)
    }
}

impl State {
    /// The idle provisioned environment that was used last, now busy.
    pub(super) fn take_provisioned(
        &mut self,
        key: &Key,
        now: Timestamp,
        new_slot: impl FnOnce() -> Slot,
    ) -> Option<(Environment, Option<Seat>)> {
        if self.provisions.0.is_empty() {
            return None;
        }
        let provision = self.provisions.0.get_mut(key)?;
        // One that is not usable stays for the reaper, who is told of it.
        let at = provision.idle.iter().rposition(|idle| idle.environment.is_usable(now))?;
        let idle = provision.idle.remove(at);
        self.counts.idle -= 1;
        self.counts.busy += 1;
        self.slots.entry(key.clone()).or_insert_with(new_slot).busy += 1;
        Some((idle.environment, idle.seat))
    }

    /// Takes out what has died or will not live much longer.
    pub(super) fn reap_provisioned(&mut self, now: Timestamp) -> Vec<Idle> {
        let mut ended = Vec::new();
        for provision in self.provisions.0.values_mut() {
            ended.extend(provision.idle.extract_if(.., |idle| !idle.environment.is_usable(now)));
        }
        self.counts.idle -= ended.len();
        ended
    }

    /// Wants none any more of what `matches`; gives what is to end.
    pub(super) fn withdraw_where(&mut self, matches: &dyn Fn(&Key) -> bool) -> Vec<Idle> {
        let mut ended = Vec::new();
        for (_, provision) in self.provisions.0.extract_if(|key, _| matches(key)) {
            ended.extend(provision.idle);
        }
        self.counts.idle -= ended.len();
        ended
    }

    /// What is to be made now, once for each environment, and when to look again.
    fn missing(&mut self, now: Instant) -> (Vec<Arc<Definition>>, Option<Instant>) {
        let (mut missing, mut again) = (Vec::new(), None::<Instant>);
        for provision in self.provisions.0.values_mut() {
            let there = provision.seats.load(Ordering::Relaxed) + provision.making;
            let mut wanting = provision.wanted.saturating_sub(there);
            if let Some(broken) = &provision.failure {
                wanting = wanting.min(1);
                if broken.again > now {
                    wanting = 0;
                    again = Some(again.map_or(broken.again, |again| again.min(broken.again)));
                } else if provision.making > 0 {
                    // It tells when it is done.
                    wanting = 0;
                }
            }
            provision.making += wanting;
            missing.extend((0..wanting).map(|_| Arc::clone(&provision.definition)));
        }
        (missing, again)
    }
}

/// What came of making one.
enum Made {
    Seated,
    Failed(String),
    /// The server ends, or nobody wants it any more.
    Unwanted,
}

impl Pool {
    async fn make(self: Arc<Self>, definition: Arc<Definition>) {
        let mut halted = self.halt.subscribe();
        let made = tokio::select! {
            biased;
            made = self.seat(&definition) => made,
            _ = halted.wait_for(|halted| *halted) => Made::Unwanted,
        };
        let mut state = self.lock();
        let Some(provision) = state.provisions.0.get_mut(&definition.key) else { return };
        provision.making = provision.making.saturating_sub(1);
        match made {
            Made::Seated => provision.failure = None,
            Made::Failed(reason) => {
                let times = provision.failure.as_ref().map_or(0, |broken| broken.times);
                // Those that began together fail together: that is one failure.
                let times = if provision.making > 0 { times.max(1) } else { times + 1 };
                let pause = RETRY.saturating_mul(1 << (times - 1).min(16)).min(RETRY_MAX);
                provision.failure = Some(Broken { reason, times, again: Instant::now() + pause });
            }
            Made::Unwanted => {}
        }
        drop(state);
        self.wanting.notify_one();
    }

    async fn seat(self: &Arc<Self>, definition: &Arc<Definition>) -> Made {
        let environment = match self.make_room(&definition.key) {
            Ok(share) => Environment::new(Arc::clone(&self.surroundings), Arc::clone(definition), share),
            Err(Refusal::TooManyEnvironments) => {
                let max = self.surroundings.options.environments_max;
                return Made::Failed(format!("The server runs {max} execution environments, and no more."));
            }
            Err(_) => return Made::Unwanted,
        };
        // From here on the lease counts it.
        let mut lease = Lease::new(self, definition);
        match environment {
            Ok(environment) => lease.environment = Some(environment),
            Err(refusal) => return Made::Failed(refusal.to_string()),
        }
        match lease.environment().initialise_ahead().await {
            Ok(Ok(())) => {}
            // AWS: the words of StatusReason.
            // https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html
            Ok(Err(Failure::TimedOut)) => return Made::Failed("FUNCTION_ERROR_INIT_TIMEOUT".to_owned()),
            Ok(Err(_)) => return Made::Failed("FUNCTION_ERROR_INIT_FAILURE".to_owned()),
            Err(Refusal::ShuttingDown) => return Made::Unwanted,
            Err(refusal) => return Made::Failed(refusal.to_string()),
        }
        let seats = {
            let state = self.lock();
            let Some(provision) = state.provisions.0.get(&definition.key) else { return Made::Unwanted };
            Arc::clone(&provision.seats)
        };
        lease.seat = Some(Seat::take(&seats));
        lease.put_back();
        Made::Seated
    }
}

/// The one task that makes provisioned environments.
pub(super) async fn keep(pool: Weak<Pool>, wanting: Arc<Notify>) {
    let mut again: Option<Instant> = None;
    loop {
        let retry = async {
            match again {
                Some(again) => tokio::time::sleep_until(again).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = wanting.notified() => {}
            () = retry => {}
        }
        let Some(strong) = pool.upgrade() else { return };
        let (missing, next) = strong.lock().missing(Instant::now());
        again = next;
        for definition in missing {
            tokio::spawn(Arc::clone(&strong).make(definition));
        }
    }
}
