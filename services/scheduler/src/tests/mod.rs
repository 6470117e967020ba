//! The service through its trait, on the in-memory store, a clock that the tests advance, and targets that they make fail.

mod groups;
mod invocations;
mod schedules;

use crate::{Options, Service};
use hearth_api::delivery::{Deliver, Delivery};
use hearth_api::grant::GrantParts;
use hearth_api::scheduler::*;
use hearth_api::{Grant, Principal};
use hearth_base::{
    AccountId, BoxFuture, Clock, Region, RequestId, Running, SeededRng, Timestamp, VirtualClock,
};
use hearth_iam::{AccessKey, Authority, credentials};
use hearth_store::memory::{self, Memory};
use hearth_wire::Failure;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// 15 June 2025, 15:06:40.
const NOW: i64 = 1_750_000_000_000;
const QUEUES: &str = "arn:aws:sqs:us-east-1:000000000000:";
const ROLE: &str = "arn:aws:iam::000000000000:role/scheduler";
const MINUTE: Duration = Duration::from_secs(60);

/// Targets that note what comes, when, and fail when they are told to.
#[derive(Default)]
struct Targets {
    arrived: Mutex<Vec<Delivery>>,
    tried: Mutex<Vec<(String, i64)>>,
    /// The targets that fail, with a status.
    failing: Mutex<Vec<(String, u16)>>,
    clock: Mutex<Option<Arc<VirtualClock>>>,
}

impl Deliver for Targets {
    fn deliver(&self, delivery: Delivery) -> BoxFuture<'_, Result<(), Failure>> {
        let now = self.clock.lock().unwrap().as_ref().unwrap().now().millis();
        self.tried.lock().unwrap().push((delivery.target.clone(), now));
        let status = self.failing.lock().unwrap().iter().find(|it| it.0 == delivery.target).map(|it| it.1);
        Box::pin(async move {
            match status {
                // Never answers.
                Some(0) => std::future::pending().await,
                Some(status) => Err(Failure::sender("Failing", status, "as told")),
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
        let credentials = credentials::Credentials::new(credentials::Options {
            account: AccountId::DEVELOPMENT,
            root: AccessKey::development(),
            sealing_key: [7; 32],
            clock: clock.clone(),
            rng: Arc::new(SeededRng::new(3)),
        });
        let options = Options {
            store: store.clone(),
            deliver: targets.clone(),
            authority: Arc::new(Authority::new(Arc::new(credentials), clock.clone())),
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

    /// Makes a schedule that sends its name to the queue of its name.
    async fn schedule(&self, name: &str, expression: &str) -> Result<String, Failure> {
        self.schedule_with((name, expression), |_| {}).await
    }

    async fn schedule_with(
        &self,
        (name, expression): (&str, &str),
        change: impl FnOnce(&mut CreateScheduleInput),
    ) -> Result<String, Failure> {
        let mut input = asked(name, expression);
        change(&mut input);
        Ok(self.service.create_schedule(self.grant(), input).await?.schedule_arn.unwrap())
    }

    async fn get(&self, name: &str) -> Result<GetScheduleOutput, Failure> {
        let input = GetScheduleInput { name: text(name), group_name: None };
        self.service.get_schedule(self.grant(), input).await
    }

    async fn delete(&self, name: &str) -> Result<(), Failure> {
        let input = DeleteScheduleInput { name: text(name), ..Default::default() };
        self.service.delete_schedule(self.grant(), input).await.map(drop)
    }

    /// Updates a schedule to what it is but for a change.
    async fn update(&self, name: &str, change: impl FnOnce(&mut UpdateScheduleInput)) -> Result<(), Failure> {
        let there = self.get(name).await?;
        let mut input = UpdateScheduleInput {
            name: there.name,
            group_name: there.group_name,
            schedule_expression: there.schedule_expression,
            schedule_expression_timezone: there.schedule_expression_timezone,
            start_date: there.start_date,
            end_date: there.end_date,
            description: there.description,
            state: there.state,
            target: there.target,
            flexible_time_window: there.flexible_time_window,
            action_after_completion: there.action_after_completion,
            ..Default::default()
        };
        change(&mut input);
        self.service.update_schedule(self.grant(), input).await.map(drop)
    }

    /// Lets all that can be done be done.
    async fn settle(&self) {
        for _ in 0..2_000 {
            tokio::task::yield_now().await;
        }
    }

    /// Puts the clock forward and lets all that is due be done.
    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.settle().await;
    }

    /// The bodies that have arrived at a queue.
    fn at(&self, queue: &str) -> Vec<String> {
        let arrived = self.targets.arrived.lock().unwrap();
        let own = arrived.iter().filter(|delivery| delivery.target == format!("{QUEUES}{queue}"));
        own.map(|delivery| String::from_utf8_lossy(&delivery.body).into_owned()).collect()
    }

    fn fail(&self, queue: &str, status: u16) {
        self.targets.failing.lock().unwrap().push((format!("{QUEUES}{queue}"), status));
    }

    fn mend(&self) {
        self.targets.failing.lock().unwrap().clear();
    }

    /// After how many seconds a queue was tried.
    fn tries(&self, queue: &str) -> Vec<i64> {
        let tried = self.targets.tried.lock().unwrap();
        let own = tried.iter().filter(|it| it.0 == format!("{QUEUES}{queue}"));
        own.map(|it| (it.1 - NOW) / 1_000).collect()
    }
}

fn asked(name: &str, expression: &str) -> CreateScheduleInput {
    CreateScheduleInput {
        name: text(name),
        schedule_expression: text(expression),
        flexible_time_window: Some(FlexibleTimeWindow {
            mode: Some(FlexibleTimeWindowMode::Off),
            maximum_window_in_minutes: None,
        }),
        target: Some(target(&format!("{QUEUES}{name}"), Some(name))),
        ..Default::default()
    }
}

fn target(arn: &str, input: Option<&str>) -> Target {
    Target { arn: text(arn), role_arn: text(ROLE), input: input.and_then(text), ..Default::default() }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn seconds(after: i64) -> Option<Timestamp> {
    Some(Timestamp::from_millis(NOW + after * 1_000))
}
