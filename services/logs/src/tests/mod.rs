//! The service through its trait, on the in-memory store and a clock that the tests advance.

mod filter_log_events;
mod get_log_events;
mod groups;
mod order;
mod put_log_events;
mod streams;
mod task;

use crate::{Options, Service};
use hearth_api::grant::GrantParts;
use hearth_api::logs::*;
use hearth_api::{Grant, Principal};
use hearth_base::{AccountId, BoxFuture, Clock, Region, RequestId, SeededRng, Timestamp, VirtualClock};
use hearth_store::memory::{self, Memory};
use hearth_store::{
    Batch, CommitError, Engine, Entry, Error, Fence, Key, Keyspace, LeaseError, Range, Scan, Sequence, Shard,
    Watch,
};
use hearth_wire::Failure;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// 15 June 2025.
const NOW: i64 = 1_750_000_000_000;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const GROUP: &str = "/aws/lambda/f";

/// A service of one test.
struct World {
    service: Service,
    clock: Arc<VirtualClock>,
    store: Arc<Counting>,
    account: AccountId,
    region: Region,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(VirtualClock::new(Timestamp::from_millis(NOW)));
        let rng = Arc::new(SeededRng::new(7));
        let memory = Memory::new(clock.clone(), memory::Options::default());
        let store = Arc::new(Counting { memory, scans: AtomicUsize::new(0) });
        let service = Service::open(Options { store: store.clone(), clock: clock.clone(), rng });
        Self { service, clock, store, account: AccountId::DEVELOPMENT, region: Region::default() }
    }

    /// The same with a group and these streams.
    async fn with_streams(streams: &[&str]) -> Self {
        let world = Self::new();
        world.create_group(GROUP).await.unwrap();
        for stream in streams {
            world.create_stream(stream).await.unwrap();
        }
        world
    }

    fn grant(&self) -> Grant {
        Grant::issue(GrantParts {
            principal: Principal::Root(self.account),
            account: self.account,
            region: self.region.clone(),
            request_id: RequestId::new(&SeededRng::new(1)),
            endpoint: Arc::from("http://127.0.0.1:4566"),
        })
    }

    async fn create_group(&self, name: &str) -> Result<(), Failure> {
        let input = CreateLogGroupRequest { log_group_name: text(name), ..Default::default() };
        self.service.create_log_group(self.grant(), input).await
    }

    async fn create_stream(&self, name: &str) -> Result<(), Failure> {
        let input = CreateLogStreamRequest { log_group_name: text(GROUP), log_stream_name: text(name) };
        self.service.create_log_stream(self.grant(), input).await
    }

    async fn delete_group(&self) -> Result<(), Failure> {
        let input = DeleteLogGroupRequest { log_group_name: text(GROUP) };
        self.service.delete_log_group(self.grant(), input).await
    }

    async fn retain(&self, days: i64) -> Result<(), Failure> {
        let input = PutRetentionPolicyRequest { log_group_name: text(GROUP), retention_in_days: Some(days) };
        self.service.put_retention_policy(self.grant(), input).await
    }

    async fn put(&self, stream: &str, events: &[(i64, &str)]) -> Result<PutLogEventsResponse, Failure> {
        let event =
            |(time, message): &(i64, &str)| InputLogEvent { timestamp: Some(*time), message: text(message) };
        let input = PutLogEventsRequest {
            log_group_name: text(GROUP),
            log_stream_name: text(stream),
            log_events: Some(events.iter().map(event).collect()),
            ..Default::default()
        };
        self.service.put_log_events(self.grant(), input).await
    }

    /// The messages of a page of a stream.
    async fn get(
        &self,
        change: impl FnOnce(&mut GetLogEventsRequest),
    ) -> Result<GetLogEventsResponse, Failure> {
        let mut input = GetLogEventsRequest {
            log_group_name: text(GROUP),
            log_stream_name: text("s"),
            ..Default::default()
        };
        change(&mut input);
        self.service.get_log_events(self.grant(), input).await
    }

    async fn filter(
        &self,
        change: impl FnOnce(&mut FilterLogEventsRequest),
    ) -> Result<FilterLogEventsResponse, Failure> {
        let mut input = FilterLogEventsRequest { log_group_name: text(GROUP), ..Default::default() };
        change(&mut input);
        self.service.filter_log_events(self.grant(), input).await
    }

    /// All pages of a search: the messages.
    async fn filter_all(&self, change: impl Fn(&mut FilterLogEventsRequest)) -> Vec<String> {
        let (mut all, mut token) = (Vec::new(), None);
        loop {
            let page = self
                .filter(|input| {
                    change(input);
                    input.next_token = token.clone();
                })
                .await
                .unwrap();
            all.extend(page.events.unwrap().into_iter().map(|event| event.message.unwrap()));
            token = page.next_token;
            if token.is_none() {
                return all;
            }
        }
    }

    async fn describe_group(&self) -> Option<LogGroup> {
        let input = DescribeLogGroupsRequest { log_group_name_prefix: text(GROUP), ..Default::default() };
        let answer = self.service.describe_log_groups(self.grant(), input).await.unwrap();
        answer.log_groups.unwrap().pop()
    }

    /// One turn of the background work.
    async fn turn(&self) {
        crate::task::turn(&self.service.inner).await.unwrap();
    }

    fn advance(&self, millis: i64) {
        self.clock.advance(Duration::from_millis(millis.unsigned_abs()));
    }

    /// How many keys there are of a kind.
    async fn rows(&self, table: &str) -> usize {
        self.store.scan(Keyspace::Logs, Range::prefix(&Key::of(&[table]))).await.unwrap().rows.len()
    }

    fn now(&self) -> i64 {
        self.clock.now().millis()
    }
}

/// The in-memory engine, counting scans.
struct Counting {
    memory: Memory,
    scans: AtomicUsize,
}

impl Counting {
    fn scans(&self) -> usize {
        self.scans.load(Ordering::Relaxed)
    }

    fn faults(&self) -> &memory::Faults {
        self.memory.faults()
    }
}

impl Engine for Counting {
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Sequence, CommitError>> {
        self.memory.commit(batch)
    }

    fn get<'a>(&'a self, keyspace: Keyspace, key: &'a Key) -> BoxFuture<'a, Result<Option<Entry>, Error>> {
        self.memory.get(keyspace, key)
    }

    fn scan(&self, keyspace: Keyspace, range: Range) -> BoxFuture<'_, Result<Scan, Error>> {
        self.scans.fetch_add(1, Ordering::Relaxed);
        self.memory.scan(keyspace, range)
    }

    fn acquire<'a>(
        &'a self,
        shard: &'a Shard,
        owner: &'a str,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<Fence, LeaseError>> {
        self.memory.acquire(shard, owner, ttl)
    }

    fn renew<'a>(&'a self, fence: &'a Fence, ttl: Duration) -> BoxFuture<'a, Result<Fence, LeaseError>> {
        self.memory.renew(fence, ttl)
    }

    fn release<'a>(&'a self, fence: &'a Fence) -> BoxFuture<'a, Result<(), LeaseError>> {
        self.memory.release(fence)
    }

    fn watch(&self, keyspace: Keyspace, prefix: &Key) -> Watch {
        self.memory.watch(keyspace, prefix)
    }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn messages(answer: &GetLogEventsResponse) -> Vec<&str> {
    answer
        .events
        .as_deref()
        .unwrap_or_default()
        .iter()
        .map(|event| event.message.as_deref().unwrap())
        .collect()
}

/// Asserts the code and message of a failure.
#[track_caller]
fn assert_fails<T: std::fmt::Debug>(result: Result<T, Failure>, code: &str, message: &str) {
    let failure = result.expect_err(message);
    assert_eq!((failure.code.as_ref(), failure.message.as_str()), (code, message));
}

const NO_GROUP: (&str, &str) = ("ResourceNotFoundException", "The specified log group does not exist.");
const NO_STREAM: (&str, &str) = ("ResourceNotFoundException", "The specified log stream does not exist.");
