//! The one way in which services hand something to a target that a user named by ARN: a destination, a dead-letter
//! queue, the endpoint of a subscription, the target of a rule.
//!
//! It says what is delivered and in whose name. It refuses to know targets: `hearth-delivery` does, and `server` wires
//! it to whoever delivers.

use crate::Grant;
use bytes::Bytes;
use hearth_base::{BoxFuture, Region, RequestId};
use hearth_wire::Failure;
use std::sync::Arc;

/// Hands things to targets.
pub trait Deliver: Send + Sync + 'static {
    /// Hands one thing over. It is there, durably, when this returns well. Nothing is tried twice: when to try again is
    /// the sender's business, and [`is_worth_another_try`] tells whether.
    fn deliver(&self, delivery: Delivery) -> BoxFuture<'_, Result<(), Failure>>;
}

/// One thing on its way to a target.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The target's ARN: of a function (with its qualifier), a queue, a topic, an event bus or a log group.
    pub target: String,
    /// In whose name.
    pub sender: Sender,
    /// What arrives: the payload of a function, the body of a message, the detail of an event.
    pub body: Bytes,
    /// What only some kinds of targets take.
    pub extras: Extras,
    /// The region of the sender: that of targets whose ARN has none.
    pub region: Region,
    /// The id of the request that caused it.
    pub request_id: RequestId,
    /// The trace it belongs to, as in `X-Amzn-Trace-Id`.
    pub trace_header: Option<String>,
}

/// In whose name something is delivered.
#[derive(Debug, Clone)]
pub enum Sender {
    /// A service in its own name, which the policy of the target must let in.
    Service {
        /// Such as `sns.amazonaws.com`.
        principal: &'static str,
        /// The resource on whose behalf: `aws:SourceArn`, whose account is `aws:SourceAccount`.
        source_arn: String,
    },
    /// A role that trusts the service, which its policies must allow it.
    Role {
        /// The role's ARN.
        arn: String,
        /// The name of its session.
        session: Arc<str>,
    },
}

/// What only some kinds of targets take.
#[derive(Debug, Clone, Default)]
pub struct Extras {
    /// Message attributes of queues and topics.
    pub attributes: Vec<Attribute>,
    /// `MessageGroupId` of FIFO queues and topics.
    pub group_id: Option<String>,
    /// `MessageDeduplicationId` of FIFO queues and topics.
    pub deduplication_id: Option<String>,
    /// `Subject` of topics.
    pub subject: Option<String>,
    /// What makes the body the detail of an event on a bus.
    pub event: Option<Event>,
    /// Wait for the function's answer, and take its failure for one of the delivery.
    pub synchronous: bool,
}

/// A message attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// `String`, `Number` or `Binary`.
    pub data_type: String,
    /// Its value; of `Binary`, the bytes.
    pub value: Bytes,
}

/// The envelope of an event on a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Such as `lambda`.
    pub source: String,
    /// What kind of event.
    pub detail_type: String,
    /// The ARNs it is about.
    pub resources: Vec<String>,
    /// What it keeps of the bus it was on before, when it comes from one.
    pub before: Option<Before>,
}

/// What an event keeps when it goes from one bus to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// Its id.
    pub id: String,
    /// The account it came from first.
    pub account: String,
    /// The region it came from first.
    pub region: String,
    /// Its time, as it is written.
    pub time: String,
}

/// Event buses, as targets of other services: what `PutEvents` does for clients.
pub trait EventBuses: Send + Sync + 'static {
    /// Puts one event with this detail on the bus of an ARN. It is there, durably, when this returns well.
    fn put_event<'a>(
        &'a self,
        grant: Grant,
        bus: &'a str,
        event: (Event, Bytes),
    ) -> BoxFuture<'a, Result<(), Failure>>;
}

/// Whether what failed now may work later: throttling and faults of the server, but neither a missing target nor a denial.
pub fn is_worth_another_try(failure: &Failure) -> bool {
    failure.status >= 500 || failure.status == 429 || failure.code.contains("Throttl")
}
