//! The service through its trait, on the in-memory store, a clock that the tests advance, and targets that they make fail.

mod delivery;
mod http;
mod topics;

use crate::signing::{KeyRecord, Text, Version};
use crate::{Options, Service};
use hearth_api::delivery::{Deliver, Delivery, Post, PostRefusal, Posting};
use hearth_api::grant::GrantParts;
use hearth_api::sns::*;
use hearth_api::{Grant, Principal};
use hearth_base::{
    AccountId, BoxFuture, Clock, Region, RequestId, Running, SeededRng, SystemRng, Timestamp, VirtualClock,
};
use hearth_store::memory::{self, Memory};
use hearth_store::{Keyspace, Shard, Table};
use hearth_wire::Failure;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

/// 15 June 2025.
const NOW: i64 = 1_750_000_000_000;
const TOPICS: &str = "arn:aws:sns:us-east-1:000000000000:";
const QUEUES: &str = "arn:aws:sqs:us-east-1:000000000000:";

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
                Some(status) => Err(Failure::sender("Failing", status, "as told")),
                None => {
                    self.arrived.lock().unwrap().push(delivery);
                    Ok(())
                }
            }
        })
    }
}

/// What no endpoint ever answers.
const UNANSWERED: &str = "never to be answered";

/// Endpoints that note what comes and when, and fail when they are told to.
#[derive(Default)]
struct Endpoints {
    posted: Mutex<Vec<(Posting, i64)>>,
    /// The URLs that fail, with a status.
    failing: Mutex<Vec<(String, u16)>>,
    clock: Mutex<Option<Arc<VirtualClock>>>,
}

impl Post for Endpoints {
    fn admit(&self, url: &str) -> Result<(), PostRefusal> {
        if url.contains("internal") { Err(PostRefusal::Internal) } else { Ok(()) }
    }

    fn post(&self, posting: Posting) -> BoxFuture<'_, Result<(), Failure>> {
        let now = self.clock.lock().unwrap().as_ref().unwrap().now().millis();
        let status = self.failing.lock().unwrap().iter().find(|it| it.0 == posting.url).map(|it| it.1);
        let answered = posting.body != UNANSWERED;
        self.posted.lock().unwrap().push((posting, now - NOW));
        Box::pin(async move {
            if !answered {
                std::future::pending::<()>().await;
            }
            status.map_or(Ok(()), |status| Err(Failure::sender("Failing", status, "as told")))
        })
    }
}

/// A service of one test.
struct World {
    service: Service,
    clock: Arc<VirtualClock>,
    store: Arc<Memory>,
    targets: Arc<Targets>,
    endpoints: Arc<Endpoints>,
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(VirtualClock::new(Timestamp::from_millis(NOW)));
        let store = Arc::new(Memory::new(clock.clone(), memory::Options::default()));
        let targets = Arc::new(Targets::default());
        *targets.clock.lock().unwrap() = Some(clock.clone());
        let endpoints = Arc::new(Endpoints::default());
        *endpoints.clock.lock().unwrap() = Some(clock.clone());
        Self::over((store, clock), (targets, endpoints)).await
    }

    async fn over(
        (store, clock): (Arc<Memory>, Arc<VirtualClock>),
        (targets, endpoints): (Arc<Targets>, Arc<Endpoints>),
    ) -> Self {
        let options = Options {
            store: store.clone(),
            deliver: targets.clone(),
            post: endpoints.clone(),
            public_url: None,
            own_url: "http://127.0.0.1:9".to_owned(),
            clock: clock.clone(),
            rng: Arc::new(SeededRng::new(7)),
        };
        // Making a key takes longer than tests wait: all have the same.
        static KEY: LazyLock<KeyRecord> = LazyLock::new(|| KeyRecord::make(&SystemRng).unwrap());
        let keys = Table::new(store.clone(), Shard::new(Keyspace::Queues, "sns"), "sns.signing");
        keys.put(&["key"], &*KEY).await.unwrap();
        let service = Service::open(options).await.unwrap();
        service.inner.signer.sign(Text::default(), Version::One).await.unwrap();
        Self { service, clock, store, targets, endpoints }
    }

    /// The same server started again over what is stored.
    async fn restarted(self) -> Self {
        Self::over((self.store, self.clock), (self.targets, self.endpoints)).await
    }

    fn start(&self) -> Running {
        self.service.start()
    }

    fn grant(&self) -> Grant {
        self.grant_to(Principal::Root(AccountId::DEVELOPMENT))
    }

    fn grant_to(&self, principal: Principal) -> Grant {
        Grant::issue(GrantParts {
            principal,
            account: AccountId::DEVELOPMENT,
            region: Region::default(),
            request_id: RequestId::new(&SeededRng::new(1)),
            endpoint: Arc::from("http://127.0.0.1:4566"),
        })
    }

    async fn topic(&self, name: &str, attributes: &[(&str, &str)]) -> Result<String, Failure> {
        let input =
            CreateTopicInput { name: text(name), attributes: Some(map(attributes)), ..Default::default() };
        Ok(self.service.create_topic(self.grant(), input).await?.topic_arn.unwrap())
    }

    async fn subscribe(
        &self,
        (topic, queue): (&str, &str),
        attributes: &[(&str, &str)],
    ) -> Result<String, Failure> {
        let input = SubscribeInput {
            topic_arn: text(&format!("{TOPICS}{topic}")),
            protocol: text("sqs"),
            endpoint: text(&format!("{QUEUES}{queue}")),
            attributes: Some(map(attributes)),
            return_subscription_arn: Some(true),
        };
        Ok(self.service.subscribe(self.grant(), input).await?.subscription_arn.unwrap())
    }

    async fn publish(&self, topic: &str, message: &str) -> Result<PublishResponse, Failure> {
        self.publish_with((topic, message), |_| {}).await
    }

    async fn publish_with(
        &self,
        (topic, message): (&str, &str),
        change: impl FnOnce(&mut PublishInput),
    ) -> Result<PublishResponse, Failure> {
        let topic_arn = text(&format!("{TOPICS}{topic}"));
        let mut input = PublishInput { topic_arn, message: text(message), ..Default::default() };
        change(&mut input);
        self.service.publish(self.grant(), input).await
    }

    /// Lets all that can be done be done.
    async fn settle(&self) {
        self.settle_for(200).await;
    }

    async fn settle_for(&self, turns: u32) {
        for _ in 0..turns {
            tokio::time::sleep(Duration::from_micros(50)).await;
        }
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

    /// After how many milliseconds a queue was tried.
    fn tries(&self, queue: &str) -> Vec<i64> {
        let tried = self.targets.tried.lock().unwrap();
        let own = tried.iter().filter(|it| it.0 == format!("{QUEUES}{queue}"));
        own.map(|it| it.1 - NOW).collect()
    }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn map(pairs: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
