//! Measures PutLogEvents on the embedded store, beside what the store itself commits: `cargo run -p hearth-logs --example ingest`.
//!
//! It prints requests and events a second for 64 writers, each with a stream of its own, and what reading them back takes.

use hearth_api::Grant;
use hearth_api::logs::*;
use hearth_base::{AccountId, Clock, Region, RequestId, SystemClock, SystemRng};
use hearth_iam::policy::Document;
use hearth_iam::{Access, AccessKey, Authority, Call, Credentials, ResourcePolicies, Sources};
use hearth_logs::{Options, Service};
use hearth_store::{Batch, DataDirectory, Key, Keyspace, Shard, Store};
use std::sync::Arc;
use std::time::Instant;

const WRITERS: usize = 64;
const REQUESTS: usize = 400;
const EVENTS: usize = 5;

struct World {
    service: Service,
    authority: Authority,
}

impl World {
    fn grant(&self) -> Grant {
        let call = Call {
            account: AccountId::DEVELOPMENT,
            region: Region::default(),
            request_id: RequestId::new(&SystemRng),
            endpoint: Arc::from("http://127.0.0.1:4566"),
        };
        let access = Access::new("logs:PutLogEvents", "arn:aws:logs:us-east-1:000000000000:log-group:g");
        self.authority.as_service("lambda.amazonaws.com", &access, call).expect("everybody may")
    }

    async fn put(&self, stream: &str, request: usize) {
        let now = SystemClock.now().millis();
        let event = |number: usize| InputLogEvent {
            timestamp: Some(now),
            message: Some(format!("{request}.{number} {}", "x".repeat(90))),
        };
        let input = PutLogEventsRequest {
            log_group_name: Some("g".to_owned()),
            log_stream_name: Some(stream.to_owned()),
            log_events: Some((0..EVENTS).map(event).collect()),
            ..Default::default()
        };
        self.service.put_log_events(self.grant(), input).await.expect("events are taken");
    }
}

/// Lets everybody do everything with every group.
struct Everybody(Arc<Document>);

impl ResourcePolicies for Everybody {
    fn policy(&self, _resource_arn: &str) -> Option<Arc<Document>> {
        Some(Arc::clone(&self.0))
    }
}

#[tokio::main]
async fn main() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let data = DataDirectory::open(&directory.path().join("data")).expect("the directory is free");
    let store = data.store(Arc::new(SystemClock)).expect("the store opens");
    measure("store: commits of one row of 512 bytes", WRITERS * REQUESTS, write_rows(store.clone())).await;

    let world = Arc::new(world(store));
    let group = CreateLogGroupRequest { log_group_name: Some("g".to_owned()), ..Default::default() };
    world.service.create_log_group(world.grant(), group).await.expect("the group is new");
    measure("PutLogEvents: requests of 5 lines", WRITERS * REQUESTS, write_events(world.clone())).await;
    let all = WRITERS * REQUESTS * EVENTS;
    measure("FilterLogEvents: events of 64 streams", all, filter(&world, None)).await;
    measure("FilterLogEvents: the same with a pattern", all, filter(&world, Some("{ $.a = 1 || $.b = 2 }")))
        .await;
}

fn world(store: Store) -> World {
    let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
    let credentials = Credentials::new(hearth_iam::credentials::Options {
        account: AccountId::DEVELOPMENT,
        root: AccessKey::development(),
        sealing_key: [0; 32],
        clock: clock.clone(),
        rng: rng.clone(),
    });
    let authority = Authority::new(Arc::new(credentials), clock.clone());
    let text = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"*"}}"#;
    let everybody = Everybody(Arc::new(Document::resource(text).expect("it is well formed")));
    authority.set_sources(Sources::new().with_resources("logs", Arc::new(everybody)));
    World { authority, service: Service::open(Options { store, clock, rng }) }
}

async fn measure(what: &str, count: usize, work: impl Future<Output = ()>) {
    let start = Instant::now();
    work.await;
    let seconds = start.elapsed().as_secs_f64();
    println!("{what:50} {:>10.0} a second ({seconds:.2} s)", count as f64 / seconds);
}

async fn write_rows(store: Store) {
    let writers = (0..WRITERS).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            for request in 0..REQUESTS {
                let shard = Shard::new(Keyspace::Streams, "bare");
                let key = Key::of(&[&request.to_string(), &writer.to_string()]);
                store.commit(Batch::new(shard).put(key, vec![b'x'; 512])).await.expect("the store writes");
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("no writer panics");
    }
}

async fn write_events(world: Arc<World>) {
    let writers = (0..WRITERS).map(|writer| {
        let world = world.clone();
        tokio::spawn(async move {
            let stream = format!("s{writer}");
            let input = CreateLogStreamRequest {
                log_group_name: Some("g".to_owned()),
                log_stream_name: Some(stream.clone()),
            };
            world.service.create_log_stream(world.grant(), input).await.expect("the stream is new");
            for request in 0..REQUESTS {
                world.put(&stream, request).await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("no writer panics");
    }
}

async fn filter(world: &World, pattern: Option<&str>) {
    let (mut token, mut found, mut pages) = (None, 0, 0);
    loop {
        let input = FilterLogEventsRequest {
            log_group_name: Some("g".to_owned()),
            filter_pattern: pattern.map(str::to_owned),
            next_token: token,
            ..Default::default()
        };
        let page = world.service.filter_log_events(world.grant(), input).await.expect("the group is there");
        found += page.events.unwrap_or_default().len();
        pages += 1;
        token = page.next_token;
        if token.is_none() {
            println!("    {found} events in {pages} pages");
            return;
        }
    }
}
