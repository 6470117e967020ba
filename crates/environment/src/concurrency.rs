//! How many invocations may run at once: of a function, and of all functions of an account in a region.
//!
//! A [`Permit`] is one running invocation; it counts until it is dropped, however the invocation ends. A function is
//! counted with all its versions and aliases together. It refuses to queue: who finds no room is throttled at once.
//!
//! What a version runs beyond its provisioned concurrency is its spill-over. Spill-over has room in what the function
//! has reserved beside its provisioned concurrency, or, without a reservation, in the account's unreserved pool.
//! <https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html>

use hearth_base::{Clock, Timestamp};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Requests a second for each unit of concurrency.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html#api-requests>
const REQUESTS_PER_SECOND: u64 = 10;
/// Environments that a function may add within [`GROWTH_PERIOD`].
/// <https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html>
const GROWTH: u64 = 1_000;
const GROWTH_PERIOD: Duration = Duration::from_secs(10);
/// Versions that run nothing are forgotten when a function has more of them than this.
const VERSIONS_KEPT: usize = 16;
/// A token of a bucket, in the unit of its level.
const TOKEN: u64 = 1_000;

/// Why an invocation may not begin now, in the words of `Reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Throttle {
    /// The account's unreserved concurrency is in use.
    Concurrent,
    /// What the function has reserved is in use.
    ReservedConcurrent,
    /// The function has reserved nothing for itself: it runs nothing until that is changed.
    ReservedNothing,
    /// The functions without reservation are asked too often.
    Rate,
    /// A function is asked too often for what it has reserved.
    ReservedRate,
}

/// The concurrency of an account in a region.
pub struct Account {
    limit: u64,
    clock: Arc<dyn Clock>,
    /// What functions have reserved, or provisioned without a reservation.
    claimed: AtomicU64,
    /// Spill-over of functions without a reservation.
    used: AtomicU64,
    requests: Mutex<Bucket>,
}

/// The concurrency of a function.
pub struct Meter {
    account: Arc<Account>,
    state: Mutex<State>,
}

/// One running invocation.
pub struct Permit {
    meter: Arc<Meter>,
    version: Box<str>,
}

/// What a function may use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowance {
    /// `ReservedConcurrentExecutions`.
    pub reserved: Option<u32>,
    /// Provisioned concurrency by version.
    pub provisioned: Vec<(String, u32)>,
}

struct State {
    reserved: Option<u64>,
    versions: Vec<Version>,
    requests: Bucket,
    growth: Bucket,
}

struct Version {
    name: Box<str>,
    provisioned: u64,
    running: u64,
}

/// Tokens that come back with time: full at first.
struct Bucket {
    level: u64,
    at: Option<Timestamp>,
}

impl Throttle {
    /// AWS's name.
    /// <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_Errors>
    pub fn reason(self) -> &'static str {
        match self {
            Self::Concurrent => "ConcurrentInvocationLimitExceeded",
            Self::ReservedConcurrent | Self::ReservedNothing => {
                "ReservedFunctionConcurrentInvocationLimitExceeded"
            }
            Self::Rate => "FunctionInvocationRateLimitExceeded",
            Self::ReservedRate => "ReservedFunctionInvocationRateLimitExceeded",
        }
    }
}

impl Allowance {
    /// All provisioned concurrency of the function.
    pub fn provisioned(&self) -> u64 {
        self.provisioned.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    /// What other functions of the account may not use.
    pub fn claim(&self) -> u64 {
        self.reserved.map_or_else(|| self.provisioned(), u64::from)
    }
}

impl Account {
    /// An account that runs up to `limit` invocations at once.
    pub fn new(limit: u32, clock: Arc<dyn Clock>) -> Arc<Self> {
        let (claimed, used) = (AtomicU64::new(0), AtomicU64::new(0));
        let requests = Mutex::new(Bucket::new());
        Arc::new(Self { limit: limit.into(), clock, claimed, used, requests })
    }

    /// All invocations that it may run at once.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// What functions have claimed for themselves.
    pub fn claimed(&self) -> u64 {
        self.claimed.load(Ordering::Acquire)
    }

    /// What is left for functions that have claimed nothing.
    pub fn unreserved(&self) -> u64 {
        self.limit.saturating_sub(self.claimed())
    }

    fn take(&self) -> bool {
        let room = self.unreserved();
        let taken = self
            .used
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| (used < room).then_some(used + 1));
        taken.is_ok()
    }

    /// Moves a count from what it was to what it is.
    fn shift(counter: &AtomicU64, before: u64, after: u64) {
        if after >= before {
            counter.fetch_add(after - before, Ordering::AcqRel);
        } else {
            counter.fetch_sub(before - after, Ordering::AcqRel);
        }
    }
}

impl Meter {
    /// The meter of a function that has claimed nothing.
    pub fn new(account: Arc<Account>) -> Arc<Self> {
        let (requests, growth) = (Bucket::new(), Bucket::new());
        let state = State { reserved: None, versions: Vec::new(), requests, growth };
        Arc::new(Self { account, state: Mutex::new(state) })
    }

    /// The account that it is a part of.
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// From now on the function may use this. What runs goes on.
    pub fn allow(&self, allowance: &Allowance) {
        let mut state = self.lock();
        let (claim, used) = (state.claim(), state.used());
        state.reserved = allowance.reserved.map(u64::from);
        for version in &mut state.versions {
            version.provisioned = 0;
        }
        for (name, count) in &allowance.provisioned {
            state.version(name).provisioned = (*count).into();
        }
        Account::shift(&self.account.claimed, claim, state.claim());
        Account::shift(&self.account.used, used, state.used());
    }

    /// Leave for one invocation of a version.
    ///
    /// # Errors
    /// Why there is none now.
    pub fn admit(self: &Arc<Self>, version: &str) -> Result<Permit, Throttle> {
        let account = &self.account;
        let now = account.clock.now();
        let mut state = self.lock();
        let entry = state.version(version);
        let spills = entry.running >= entry.provisioned;
        let Some(reserved) = state.reserved else {
            let rate = REQUESTS_PER_SECOND * account.unreserved();
            if spills && !account.take() {
                return Err(Throttle::Concurrent);
            }
            if spills && !account.requests().take(now, rate, Duration::from_secs(1)) {
                account.used.fetch_sub(1, Ordering::AcqRel);
                return Err(Throttle::Rate);
            }
            state.version(version).running += 1;
            return Ok(Permit { meter: Arc::clone(self), version: version.into() });
        };
        if spills && state.spilled() + state.provisioned() >= reserved {
            return Err(if reserved == 0 { Throttle::ReservedNothing } else { Throttle::ReservedConcurrent });
        }
        if !state.requests.take(now, REQUESTS_PER_SECOND * reserved, Duration::from_secs(1)) {
            return Err(Throttle::ReservedRate);
        }
        state.version(version).running += 1;
        Ok(Permit { meter: Arc::clone(self), version: version.into() })
    }

    /// How many invocations of the function run now.
    pub fn running(&self) -> u64 {
        self.lock().versions.iter().map(|version| version.running).sum()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    fn requests(&self) -> MutexGuard<'_, Bucket> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Leave to make one environment more for the function.
    ///
    /// # Errors
    /// The function has grown too fast.
    pub(crate) fn grow(&self) -> Result<(), Throttle> {
        let now = self.meter.account.clock.now();
        let mut state = self.meter.lock();
        if state.growth.take(now, GROWTH, GROWTH_PERIOD) {
            return Ok(());
        }
        Err(if state.reserved.is_some() { Throttle::ReservedConcurrent } else { Throttle::Concurrent })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.meter.lock();
        let used = state.used();
        state.version(&self.version).running -= 1;
        Account::shift(&self.meter.account.used, used, state.used());
    }
}

impl Drop for Meter {
    /// Nothing runs any more: every permit holds its meter.
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        Account::shift(&self.account.claimed, state.claim(), 0);
    }
}

impl State {
    fn version(&mut self, name: &str) -> &mut Version {
        let at = self.versions.iter().position(|version| &*version.name == name);
        let at = at.unwrap_or_else(|| {
            if self.versions.len() >= VERSIONS_KEPT {
                self.versions.retain(|version| version.running > 0 || version.provisioned > 0);
            }
            self.versions.push(Version { name: name.into(), provisioned: 0, running: 0 });
            self.versions.len() - 1
        });
        &mut self.versions[at]
    }

    fn spilled(&self) -> u64 {
        self.versions.iter().map(|version| version.running.saturating_sub(version.provisioned)).sum()
    }

    fn provisioned(&self) -> u64 {
        self.versions.iter().map(|version| version.provisioned).sum()
    }

    fn claim(&self) -> u64 {
        self.reserved.unwrap_or_else(|| self.provisioned())
    }

    /// What the function uses of the account's unreserved pool.
    fn used(&self) -> u64 {
        if self.reserved.is_some() { 0 } else { self.spilled() }
    }
}

impl Bucket {
    const fn new() -> Self {
        Self { level: 0, at: None }
    }

    /// Takes a token of a bucket that holds `size`, and fills in `period` when it is empty.
    fn take(&mut self, now: Timestamp, size: u64, period: Duration) -> bool {
        let full = size.saturating_mul(TOKEN);
        let period = u64::try_from(period.as_millis()).unwrap_or(u64::MAX).max(1);
        self.level = match self.at {
            None => full,
            Some(at) => {
                let elapsed = u64::try_from(now.since(at).as_millis()).unwrap_or(u64::MAX).min(period);
                self.level.saturating_add(full.saturating_mul(elapsed) / period).min(full)
            }
        };
        self.at = Some(now);
        if self.level < TOKEN {
            return false;
        }
        self.level -= TOKEN;
        true
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.used.load(Ordering::Relaxed);
        let limit = self.limit;
        f.debug_struct("Account").field("limit", &limit).field("used", &used).finish_non_exhaustive()
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").field("running", &self.running()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({})", self.version)
    }
}

impl fmt::Display for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_base::VirtualClock;

    struct House {
        clock: Arc<VirtualClock>,
        account: Arc<Account>,
    }

    fn house(limit: u32) -> House {
        let clock = Arc::new(VirtualClock::new(Timestamp::from_seconds(1_000)));
        House { account: Account::new(limit, clock.clone()), clock }
    }

    fn reserved(count: u32) -> Allowance {
        Allowance { reserved: Some(count), ..Allowance::default() }
    }

    /// As many permits as there are, and why there is not one more.
    fn exhaust(meter: &Arc<Meter>, version: &str) -> (Vec<Permit>, Throttle) {
        let mut permits = Vec::new();
        loop {
            match meter.admit(version) {
                Ok(permit) => permits.push(permit),
                Err(throttle) => return (permits, throttle),
            }
        }
    }

    #[test]
    fn a_reservation_is_a_limit_and_a_guarantee() {
        let House { account, .. } = house(10);
        let (held, free) = (Meter::new(account.clone()), Meter::new(account.clone()));
        held.allow(&reserved(4));
        let (unreserved, why) = exhaust(&free, "$LATEST");
        assert_eq!((unreserved.len(), why), (6, Throttle::Concurrent));
        let (first, why) = exhaust(&held, "1");
        assert_eq!((first.len(), why), (4, Throttle::ReservedConcurrent));
        // Versions are counted together.
        assert_eq!(held.admit("2").unwrap_err(), Throttle::ReservedConcurrent);
        drop(first);
        assert!(held.admit("2").is_ok());
        held.allow(&reserved(0));
        let why = held.admit("1").unwrap_err();
        assert_eq!((why, why.reason()), (Throttle::ReservedNothing, Throttle::ReservedConcurrent.reason()));
        assert_eq!(account.unreserved(), 10);
    }

    #[test]
    fn what_runs_is_counted_where_it_belongs_when_a_reservation_changes() {
        let House { account, .. } = house(10);
        let meter = Meter::new(account.clone());
        let (running, _) = exhaust(&meter, "1");
        assert_eq!(account.used.load(Ordering::Relaxed), 10);
        meter.allow(&reserved(3));
        assert_eq!((account.used.load(Ordering::Relaxed), account.unreserved()), (0, 7));
        assert_eq!(meter.admit("1").unwrap_err(), Throttle::ReservedConcurrent);
        meter.allow(&Allowance::default());
        assert_eq!((account.used.load(Ordering::Relaxed), account.unreserved()), (10, 10));
        drop(running);
        drop(meter);
        assert_eq!((account.used.load(Ordering::Relaxed), account.claimed()), (0, 0));
    }

    #[test]
    fn provisioned_concurrency_is_claimed_and_what_is_beyond_it_spills_over() {
        let House { account, .. } = house(10);
        let (meter, other) = (Meter::new(account.clone()), Meter::new(account.clone()));
        let provisioned = vec![("1".to_owned(), 4)];
        meter.allow(&Allowance { reserved: None, provisioned: provisioned.clone() });
        let (others, _) = exhaust(&other, "1");
        assert_eq!(others.len(), 6);
        let (own, why) = exhaust(&meter, "1");
        assert_eq!((own.len(), why), (4, Throttle::Concurrent));
        assert_eq!(meter.admit("$LATEST").unwrap_err(), Throttle::Concurrent);
        drop((others, own));
        // All that is reserved is provisioned: the other versions have nothing.
        meter.allow(&Allowance { reserved: Some(4), provisioned: provisioned.clone() });
        assert_eq!(meter.admit("$LATEST").unwrap_err(), Throttle::ReservedConcurrent);
        assert_eq!(exhaust(&meter, "1").0.len(), 4);
        meter.allow(&Allowance { reserved: Some(6), provisioned });
        assert_eq!(exhaust(&meter, "$LATEST").0.len(), 2);
        assert_eq!(exhaust(&meter, "1").0.len(), 6);
        assert_eq!(account.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn rates_are_ten_times_the_concurrency_a_second() {
        let House { account, clock } = house(100);
        let (held, free) = (Meter::new(account.clone()), Meter::new(account));
        held.allow(&reserved(2));
        let burst = |meter: &Arc<Meter>| (0..2_000).take_while(|_| meter.admit("1").is_ok()).count();
        assert_eq!(burst(&held), 20);
        assert_eq!(held.admit("1").unwrap_err(), Throttle::ReservedRate);
        assert_eq!(burst(&free), 980);
        assert_eq!(free.admit("1").unwrap_err(), Throttle::Rate);
        assert_eq!((held.running(), free.running()), (0, 0));
        clock.advance(Duration::from_millis(500));
        assert_eq!((burst(&held), burst(&free)), (10, 490));
        clock.advance(Duration::from_secs(3_600));
        assert_eq!((burst(&held), burst(&free)), (20, 980));
    }

    #[test]
    fn a_function_grows_by_a_thousand_environments_in_ten_seconds() {
        let House { account, clock } = house(10);
        let meter = Meter::new(account.clone());
        let permit = meter.admit("1").unwrap();
        let burst = || (0..2_000).take_while(|_| permit.grow().is_ok()).count();
        assert_eq!(burst(), 1_000);
        clock.advance(Duration::from_secs(1));
        assert_eq!(burst(), 100);
        assert_eq!(permit.grow().unwrap_err(), Throttle::Concurrent);
        let other = Meter::new(account);
        assert!(other.admit("1").unwrap().grow().is_ok(), "each function grows for itself");
        meter.allow(&reserved(1));
        assert_eq!(permit.grow().unwrap_err(), Throttle::ReservedConcurrent);
    }

    #[test]
    fn versions_that_run_nothing_are_forgotten() {
        let House { account, .. } = house(1_000);
        let meter = Meter::new(account);
        for number in 0..500 {
            drop(meter.admit(&number.to_string()).unwrap());
        }
        assert!(meter.lock().versions.len() <= VERSIONS_KEPT);
        let held: Vec<Permit> = (0..100).map(|n| meter.admit(&n.to_string()).unwrap()).collect();
        assert_eq!(meter.running(), 100);
        drop(held);
        assert_eq!(meter.running(), 0);
    }

    #[test]
    fn counts_are_exact_when_many_threads_come_and_go() {
        let House { account, clock } = house(8);
        let meters = [Meter::new(account.clone()), Meter::new(account.clone())];
        let highest = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (meter, account, highest, clock) = (&meters[thread % 2], &account, &highest, &clock);
                scope.spawn(move || {
                    for _ in 0..500 {
                        clock.advance(Duration::from_secs(1));
                        let first = meter.admit("1");
                        let second = meter.admit("2");
                        highest.fetch_max(account.used.load(Ordering::Relaxed), Ordering::Relaxed);
                        drop((first, second));
                    }
                });
            }
        });
        assert!(highest.load(Ordering::Relaxed) <= 8);
        assert_eq!(account.used.load(Ordering::Relaxed), 0);
        assert_eq!(meters.map(|meter| meter.running()), [0, 0]);
    }
}
