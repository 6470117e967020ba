//! Delivery: an ARN and a payload to whatever the ARN names, in the name of a service or of a role.
//!
//! Destinations, dead-letter queues, subscriptions and rules all come through here, so that each is authorised in the
//! same way and each kind of target is known in one place. It refuses to try again and to keep anything: the sender
//! does, which knows what a failure means to it.
//!
//! Who sends is also a target of others: [`Targets`] are set once every service stands.

mod bus;
mod function;
mod log_group;
mod principal;
mod queue;
mod topic;

use hearth_api::delivery::{Deliver, Delivery, EventBuses};
use hearth_api::lambda::LambdaInvoke;
use hearth_api::logs::Logs;
use hearth_api::sns::Sns;
use hearth_api::sqs::Sqs;
use hearth_base::{Arn, BoxFuture, Clock};
use hearth_iam::Authority;
use hearth_wire::Failure;
use std::sync::{Arc, OnceLock};

/// Delivers. A cheap handle.
#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

struct Inner {
    authority: Arc<Authority>,
    targets: OnceLock<Targets>,
}

/// The services behind the ARNs.
pub struct Targets {
    /// Functions.
    pub lambda: Arc<dyn LambdaInvoke>,
    /// Queues.
    pub sqs: Arc<dyn Sqs>,
    /// Topics.
    pub sns: Arc<dyn Sns>,
    /// Event buses.
    pub events: Arc<dyn EventBuses>,
    /// Log groups.
    pub logs: Arc<dyn Logs>,
    /// For the time of log events.
    pub clock: Arc<dyn Clock>,
}

impl Service {
    /// Delivers to nobody yet.
    pub fn new(authority: Arc<Authority>) -> Self {
        Self { inner: Arc::new(Inner { authority, targets: OnceLock::new() }) }
    }

    /// From now on delivers to these.
    pub fn open(&self, targets: Targets) {
        // They are set by whoever puts the server together, and only there.
        let _ = self.inner.targets.set(targets);
    }
}

impl Deliver for Service {
    fn deliver(&self, delivery: Delivery) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(self.inner.deliver(delivery))
    }
}

impl Inner {
    async fn deliver(&self, delivery: Delivery) -> Result<(), Failure> {
        let target: Arn = delivery.target.parse().map_err(|_| unknown(&delivery.target))?;
        let targets = self.targets.get().ok_or_else(not_ready)?;
        match target.service.as_str() {
            "lambda" => function::deliver(self, targets.lambda.as_ref(), (&target, delivery)).await,
            "sqs" => queue::deliver(self, targets.sqs.as_ref(), (&target, delivery)).await,
            "sns" => topic::deliver(self, targets.sns.as_ref(), (&target, delivery)).await,
            "events" => bus::deliver(self, targets.events.as_ref(), (&target, delivery)).await,
            "logs" => log_group::deliver(self, targets, (&target, delivery)).await,
            _ => Err(unknown(&delivery.target)),
        }
    }
}

/// Nothing can be delivered to this.
fn unknown(target: &str) -> Failure {
    Failure::sender("InvalidParameter", 400, format!("Hearth cannot deliver to {target}."))
}

/// The server is being put together.
fn not_ready() -> Failure {
    let mut failure = Failure::internal("The target is not ready yet.");
    failure.status = 503;
    failure
}
