//! The service through its trait, on the in-memory store, a clock that the tests advance, and targets that they make fail.

mod delivery;
mod schedules;

use crate::{Options, Service};
use hearth_api::delivery::{Deliver, Delivery};
use hearth_api::events::*;
use hearth_api::grant::GrantParts;
use hearth_api::{Grant, Principal};
use hearth_base::{
    AccountId, BoxFuture, Clock, Region, RequestId, Running, SeededRng, Timestamp, VirtualClock,
};
use hearth_store::memory::{self, Memory};
use hearth_wire::Failure;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// 15 June 2025, 15:06:40.
const NOW: i64 = 1_750_000_000_000;
const QUEUES: &str = "arn:aws:sqs:us-east-1:000000000000:";

/// Targets that note what comes, when, and fail when they are told to.
#[derive(Default)]
struct Targets {
    arrived: Mutex<Vec<Delivery>>,
    tried: Mutex<Vec<(String, i64)>>,
    /// The targets that fail, with a status and a code.
    failing: Mutex<Vec<(String, u16, &'static str)>>,
    clock: Mutex<Option<Arc<VirtualClock>>>,
}

impl Deliver for Targets {
    fn deliver(&self, delivery: Delivery) -> BoxFuture<'_, Result<(), Failure>> {
        let now = self.clock.lock().unwrap().as_ref().unwrap().now().millis();
        self.tried.lock().unwrap().push((delivery.target.clone(), now));
        let failing = self.failing.lock().unwrap().iter().find(|it| it.0 == delivery.target).cloned();
        Box::pin(async move {
            match failing {
                Some((_, status, code)) => Err(Failure::sender(code, status, "as told")),
                None => {
                    self.arrived.lock().unwrap().push(delivery);
                    Ok(())
                }
            }
        })
    }
}

/// A service of one test.
struct World {
    service: Service,
    clock: Arc<VirtualClock>,
    store: Arc<Memory>,
    targets: Arc<Targets>,
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(VirtualClock::new(Timestamp::from_millis(NOW)));
        let store = Arc::new(Memory::new(clock.clone(), memory::Options::default()));
        let targets = Arc::new(Targets::default());
        *targets.clock.lock().unwrap() = Some(clock.clone());
        Self::over(store, clock, targets).await
    }

    async fn over(store: Arc<Memory>, clock: Arc<VirtualClock>, targets: Arc<Targets>) -> Self {
        let options = Options {
            store: store.clone(),
            deliver: targets.clone(),
            clock: clock.clone(),
            rng: Arc::new(SeededRng::new(7)),
        };
        let service = Service::open(options).await.unwrap();
        Self { service, clock, store, targets }
    }

    /// The same server started again over what is stored.
    async fn restarted(self) -> Self {
        Self::over(self.store, self.clock, self.targets).await
    }

    fn start(&self) -> Running {
        self.service.start()
    }

    fn grant(&self) -> Grant {
        Grant::issue(GrantParts {
            principal: Principal::Root(AccountId::DEVELOPMENT),
            account: AccountId::DEVELOPMENT,
            region: Region::default(),
            request_id: RequestId::new(&SeededRng::new(1)),
            endpoint: Arc::from("http://127.0.0.1:4566"),
        })
    }

    async fn rule(&self, name: &str, change: impl FnOnce(&mut PutRuleRequest)) -> String {
        let mut input = PutRuleRequest { name: text(name), ..Default::default() };
        change(&mut input);
        self.service.put_rule(self.grant(), input).await.unwrap().rule_arn.unwrap()
    }

    /// A queue becomes a target of a rule.
    async fn target(&self, rule: &str, queue: &str, change: impl FnOnce(&mut Target)) {
        let mut target =
            Target { id: text(queue), arn: text(&format!("{QUEUES}{queue}")), ..Default::default() };
        change(&mut target);
        let input = PutTargetsRequest { rule: text(rule), targets: Some(vec![target]), ..Default::default() };
        self.service.put_targets(self.grant(), input).await.unwrap();
    }

    async fn put(&self, source: &str, details: &[&str]) {
        let entries = details.iter().map(|detail| PutEventsRequestEntry {
            source: text(source),
            detail_type: text("t"),
            detail: text(detail),
            ..Default::default()
        });
        let input = PutEventsRequest { entries: Some(entries.collect()), endpoint_id: None };
        let answer = self.service.put_events(self.grant(), input).await.unwrap();
        assert_eq!(answer.failed_entry_count, Some(0), "{answer:?}");
    }

    fn fail(&self, queue: &str, status: u16, code: &'static str) {
        self.targets.failing.lock().unwrap().push((format!("{QUEUES}{queue}"), status, code));
    }

    fn heal(&self) {
        self.targets.failing.lock().unwrap().clear();
    }

    /// What has arrived at a queue.
    fn arrived(&self, queue: &str) -> Vec<Delivery> {
        let arrived = self.targets.arrived.lock().unwrap();
        arrived.iter().filter(|it| it.target == format!("{QUEUES}{queue}")).cloned().collect()
    }

    fn tries(&self, queue: &str) -> usize {
        self.targets.tried.lock().unwrap().iter().filter(|it| it.0 == format!("{QUEUES}{queue}")).count()
    }

    /// Waits, without the clock moving, until something holds.
    async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        for _ in 0..5_000 {
            if holds() {
                return;
            }
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        panic!("it never came to this: {what}");
    }

    /// Lets everything happen that is due, in steps of so many seconds.
    async fn pass(&self, steps: usize, seconds: u64) {
        for _ in 0..steps {
            self.clock.advance(Duration::from_secs(seconds));
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn pattern(source: &str) -> Option<String> {
    Some(format!("{{\"source\":[\"{source}\"]}}"))
}
