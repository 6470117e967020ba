//! The service through its trait, on the in-memory store and a clock that the tests advance.

mod dead_letters;
mod fifo;
mod messages;
mod moves;
mod queues;
mod storage;

use crate::{Options, Service};
use hearth_api::grant::GrantParts;
use hearth_api::sqs::*;
use hearth_api::{Grant, Principal};
use hearth_base::{AccountId, Clock, Region, RequestId, SeededRng, Timestamp, VirtualClock};
use hearth_iam::ResourcePolicies;
use hearth_store::memory::{self, Memory};
use hearth_store::{Key, Keyspace, Range};
use hearth_wire::Failure;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// 15 June 2025.
const NOW: i64 = 1_750_000_000_000;
const URL: &str = "http://127.0.0.1:4566/000000000000/";

/// A service of one test.
struct World {
    service: Service,
    clock: Arc<VirtualClock>,
    store: Arc<Memory>,
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(VirtualClock::new(Timestamp::from_millis(NOW)));
        let store = Arc::new(Memory::new(clock.clone(), memory::Options::default()));
        Self::over(store, clock).await
    }

    async fn over(store: Arc<Memory>, clock: Arc<VirtualClock>) -> Self {
        let rng = Arc::new(SeededRng::new(7));
        let options = Options { store: store.clone(), clock: clock.clone(), rng };
        let service = Service::open(options).await.unwrap();
        Self { service, clock, store }
    }

    /// The same server started again over what is stored.
    async fn restarted(self) -> Self {
        Self::over(self.store, self.clock).await
    }

    fn grant(&self) -> Grant {
        self.grant_of(AccountId::DEVELOPMENT)
    }

    fn grant_of(&self, account: AccountId) -> Grant {
        Grant::issue(GrantParts {
            principal: Principal::Root(account),
            account,
            region: Region::default(),
            request_id: RequestId::new(&SeededRng::new(1)),
            endpoint: Arc::from("http://127.0.0.1:4566"),
        })
    }

    async fn create(&self, name: &str, attributes: &[(&str, &str)]) -> Result<String, Failure> {
        let input =
            CreateQueueRequest { queue_name: text(name), attributes: Some(map(attributes)), tags: None };
        Ok(self.service.create_queue(self.grant(), input).await?.queue_url.unwrap())
    }

    async fn send(&self, queue: &str, body: &str) -> Result<SendMessageResult, Failure> {
        self.send_with(queue, body, |_| {}).await
    }

    async fn send_with(
        &self,
        queue: &str,
        body: &str,
        change: impl FnOnce(&mut SendMessageRequest),
    ) -> Result<SendMessageResult, Failure> {
        let mut input =
            SendMessageRequest { queue_url: url(queue), message_body: text(body), ..Default::default() };
        change(&mut input);
        self.service.send_message(self.grant(), input).await
    }

    async fn send_to_group(&self, queue: &str, (group, body): (&str, &str)) -> SendMessageResult {
        let sent = self.send_with(queue, body, |input| {
            input.message_group_id = text(group);
            input.message_deduplication_id = text(body);
        });
        sent.await.unwrap()
    }

    async fn receive(&self, queue: &str, max: i64) -> Vec<Message> {
        self.receive_with(queue, |input| input.max_number_of_messages = Some(max)).await.unwrap()
    }

    async fn receive_with(
        &self,
        queue: &str,
        change: impl FnOnce(&mut ReceiveMessageRequest),
    ) -> Result<Vec<Message>, Failure> {
        let mut input = ReceiveMessageRequest {
            queue_url: url(queue),
            attribute_names: Some(vec!["All".to_owned()]),
            ..Default::default()
        };
        change(&mut input);
        Ok(self.service.receive_message(self.grant(), input).await?.messages.unwrap_or_default())
    }

    async fn delete(&self, queue: &str, message: &Message) -> Result<(), Failure> {
        let input =
            DeleteMessageRequest { queue_url: url(queue), receipt_handle: message.receipt_handle.clone() };
        self.service.delete_message(self.grant(), input).await
    }

    async fn change_visibility(&self, queue: &str, message: &Message, seconds: i64) -> Result<(), Failure> {
        let input = ChangeMessageVisibilityRequest {
            queue_url: url(queue),
            receipt_handle: message.receipt_handle.clone(),
            visibility_timeout: Some(seconds),
        };
        self.service.change_message_visibility(self.grant(), input).await
    }

    async fn set(&self, queue: &str, attributes: &[(&str, &str)]) -> Result<(), Failure> {
        let input = SetQueueAttributesRequest { queue_url: url(queue), attributes: Some(map(attributes)) };
        self.service.set_queue_attributes(self.grant(), input).await
    }

    async fn attributes(&self, queue: &str) -> BTreeMap<String, String> {
        let input = GetQueueAttributesRequest {
            queue_url: url(queue),
            attribute_names: Some(vec!["All".to_owned()]),
        };
        self.service.get_queue_attributes(self.grant(), input).await.unwrap().attributes.unwrap()
    }

    /// Messages that are visible, in flight and delayed.
    async fn counts(&self, queue: &str) -> [String; 3] {
        let attributes = self.attributes(queue).await;
        ["", "NotVisible", "Delayed"]
            .map(|kind| attributes[&format!("ApproximateNumberOfMessages{kind}")].clone())
    }

    async fn purge(&self, queue: &str) -> Result<(), Failure> {
        self.service.purge_queue(self.grant(), PurgeQueueRequest { queue_url: url(queue) }).await
    }

    async fn delete_queue(&self, queue: &str) -> Result<(), Failure> {
        self.service.delete_queue(self.grant(), DeleteQueueRequest { queue_url: url(queue) }).await
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn now(&self) -> i64 {
        self.clock.now().millis()
    }

    /// How many keys there are of a kind.
    async fn rows(&self, table: &str) -> usize {
        use hearth_store::Engine;
        self.store.scan(Keyspace::Queues, Range::prefix(&Key::of(&["sqs", table]))).await.unwrap().rows.len()
    }
}

fn url(queue: &str) -> Option<String> {
    Some(format!("{URL}{queue}"))
}

fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{queue}")
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.body.as_deref().unwrap()).collect()
}

fn attribute<'a>(message: &'a Message, name: &str) -> &'a str {
    &message.attributes.as_ref().unwrap()[name]
}

/// Asserts the code and message of a failure.
#[track_caller]
fn assert_fails<T: std::fmt::Debug>(result: Result<T, Failure>, code: &str, message: &str) {
    let failure = result.expect_err(message);
    assert_eq!((failure.code.as_ref(), failure.message.as_str()), (code, message));
}
