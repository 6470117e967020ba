//! Measures SQS on the embedded store, without HTTP: `cargo run --release -p hearth-sqs --example queue_throughput [waiting]`.
//!
//! It prints messages a second sent by 64 senders, singly and in tens, and received and deleted by 8 receivers; then the
//! same with as many messages waiting as the argument says (a million), and what the process weighs.

use hearth_api::Grant;
use hearth_api::sqs::*;
use hearth_base::{AccountId, Region, RequestId, SystemClock, SystemRng};
use hearth_iam::{Access, AccessKey, Authority, Call, Credentials};
use hearth_sqs::{Options, Service};
use hearth_store::DataDirectory;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SENDERS: usize = 64;
const RECEIVERS: usize = 8;
const MESSAGES: usize = 64_000;
const BATCH: usize = 10;

struct World {
    service: Service,
    authority: Authority,
    url: Option<String>,
}

impl World {
    fn grant(&self) -> Grant {
        let call = Call {
            account: AccountId::DEVELOPMENT,
            region: Region::default(),
            request_id: RequestId::new(&SystemRng),
            endpoint: Arc::from("http://127.0.0.1:4566"),
        };
        let access = Access::new("sqs:SendMessage", "arn:aws:sqs:us-east-1:000000000000:q");
        let role = ("arn:aws:iam::000000000000:role/example", "example");
        self.authority
            .as_role(role, &access, call)
            .expect("without stored identities a role may do everything")
    }

    async fn send(&self, number: usize) {
        let input = SendMessageRequest {
            queue_url: self.url.clone(),
            message_body: Some(body(number)),
            ..Default::default()
        };
        self.service.send_message(self.grant(), input).await.expect("a message is taken");
    }

    async fn send_batch(&self, number: usize) {
        let entries = (0..BATCH).map(|entry| SendMessageBatchRequestEntry {
            id: Some(entry.to_string()),
            message_body: Some(body(number + entry)),
            ..Default::default()
        });
        let input = SendMessageBatchRequest { queue_url: self.url.clone(), entries: Some(entries.collect()) };
        self.service.send_message_batch(self.grant(), input).await.expect("messages are taken");
    }

    async fn receive(&self, max: usize) -> usize {
        let input = ReceiveMessageRequest {
            queue_url: self.url.clone(),
            max_number_of_messages: i64::try_from(max).ok(),
            ..Default::default()
        };
        let received = self.service.receive_message(self.grant(), input).await.expect("the queue is there");
        let messages = received.messages.unwrap_or_default();
        let entries: Vec<_> = messages
            .iter()
            .enumerate()
            .map(|(number, message)| DeleteMessageBatchRequestEntry {
                id: Some(number.to_string()),
                receipt_handle: message.receipt_handle.clone(),
            })
            .collect();
        if entries.is_empty() {
            return 0;
        }
        let input = DeleteMessageBatchRequest { queue_url: self.url.clone(), entries: Some(entries) };
        self.service.delete_message_batch(self.grant(), input).await.expect("messages are deleted");
        messages.len()
    }
}

fn body(number: usize) -> String {
    format!("{number:08} {}", "x".repeat(240))
}

#[tokio::main]
async fn main() {
    let waiting = std::env::args().nth(1).map_or(1_000_000, |count| count.parse().expect("a number"));
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let data = DataDirectory::open(&directory.path().join("data")).expect("the directory is free");
    let store = data.store(Arc::new(SystemClock)).expect("the store opens");
    let world = Arc::new(world(store).await);
    measure_all(&world, "nothing waits").await;
    fill(&world, waiting).await;
    println!("{waiting} messages wait; the process weighs {} MB", resident_mb());
    measure_all(&world, "many wait").await;
    println!("the process weighs {} MB", resident_mb());
}

async fn measure_all(world: &Arc<World>, when: &str) {
    let sent = spread(SENDERS, MESSAGES, 1, {
        let world = Arc::clone(world);
        move |number| {
            let world = Arc::clone(&world);
            async move { world.send(number).await }
        }
    });
    told(&format!("send, one at a time, {when}"), MESSAGES, sent.await);
    received(world, (1, when)).await;
    let sent = spread(SENDERS, MESSAGES, BATCH, {
        let world = Arc::clone(world);
        move |number| {
            let world = Arc::clone(&world);
            async move { world.send_batch(number).await }
        }
    });
    told(&format!("send, ten at a time, {when}"), MESSAGES, sent.await);
    received(world, (BATCH, when)).await;
}

/// Receives and deletes as many as were sent.
async fn received(world: &Arc<World>, (max, when): (usize, &str)) {
    let began = Instant::now();
    let receivers = (0..RECEIVERS).map(|_| {
        let world = Arc::clone(world);
        tokio::spawn(async move {
            let mut count = 0;
            while count < MESSAGES / RECEIVERS {
                match world.receive(max).await {
                    0 => break,
                    some => count += some,
                }
            }
            count
        })
    });
    let mut all = 0;
    for receiver in receivers.collect::<Vec<_>>() {
        all += receiver.await.expect("a receiver does not panic");
    }
    told(&format!("receive and delete, {max} at a time, {when}"), all, began.elapsed());
}

async fn fill(world: &Arc<World>, count: usize) {
    let world = Arc::clone(world);
    let filled = spread(SENDERS, count, BATCH, move |number| {
        let world = Arc::clone(&world);
        async move { world.send_batch(number).await }
    });
    filled.await;
}

/// Divides the work among tasks; each call does `step` of it.
async fn spread<F: Future<Output = ()> + Send + 'static>(
    tasks: usize,
    count: usize,
    step: usize,
    act: impl Fn(usize) -> F + Clone + Send + 'static,
) -> Duration {
    let began = Instant::now();
    let running = (0..tasks).map(|task| {
        let act = act.clone();
        tokio::spawn(async move {
            for number in (0..count / tasks).step_by(step) {
                act(task * (count / tasks) + number).await;
            }
        })
    });
    for task in running.collect::<Vec<_>>() {
        task.await.expect("no task panics");
    }
    began.elapsed()
}

fn told(what: &str, count: usize, took: Duration) {
    println!("{what}: {:.0} messages a second", count as f64 / took.as_secs_f64());
}

fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()).unwrap_or_default() / 1024
}

async fn world(store: hearth_store::Store) -> World {
    let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
    let options = Options { store, clock: clock.clone(), rng: rng.clone() };
    let service = Service::open(options).await.expect("the store is empty");
    let credentials = Credentials::new(hearth_iam::credentials::Options {
        account: AccountId::DEVELOPMENT,
        root: AccessKey::development(),
        sealing_key: [0; 32],
        clock: clock.clone(),
        rng,
    });
    let authority = Authority::new(Arc::new(credentials), clock);
    let mut world = World { service, authority, url: None };
    let input = CreateQueueRequest { queue_name: Some("q".to_owned()), ..Default::default() };
    world.url = world.service.create_queue(world.grant(), input).await.expect("the queue is new").queue_url;
    world
}
