//! Simple Notification Service: topics, their subscriptions, and messages that are published and delivered.
//!
//! What is published lies in durable queues of [`hearth_store::queue`] until every subscription has it, and is delivered
//! by [`hearth_api::Deliver`]. It refuses what it cannot honour: subscriptions to anything but functions and queues (a
//! notification over HTTP must be signed with a certificate that clients trust), KMS keys, archives and data protection.

mod attributes;
mod envelope;
mod failures;
mod filter;
mod model;
mod naming;
mod ops;
mod outgoing;
mod permission;
mod registry;
mod task;
#[cfg(test)]
mod tests;

pub use task::Handle;

use hearth_api::sns::*;
use hearth_api::{Deliver, Grant};
use hearth_base::{BoxFuture, Clock, Rng};
use hearth_iam::ResourcePolicies;
use hearth_iam::policy::Document;
use hearth_store::queue::{QueueOptions, Queues};
use hearth_store::records::RecordError;
use hearth_store::{Keyspace, Shard, Store, Table};
use hearth_wire::Failure;
use naming::TopicName;
use registry::{Registry, Tables};
use std::sync::Arc;
use task::Workers;

/// What the service stands on.
pub struct Options {
    /// Where everything is kept, in the keyspace `Queues`.
    pub store: Store,
    /// Takes messages to functions and queues.
    pub deliver: Arc<dyn Deliver>,
    /// For all times.
    pub clock: Arc<dyn Clock>,
    /// For ids.
    pub rng: Arc<dyn Rng>,
}

/// The service. Clones are the same service.
#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    deliver: Arc<dyn Deliver>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    workers: Workers,
}

impl Service {
    /// The service over a store, with all its topics. [`Service::start`] makes it also deliver.
    ///
    /// # Errors
    /// What is stored cannot be read.
    pub async fn open(options: Options) -> Result<Self, RecordError> {
        let Options { store, deliver, clock, rng } = options;
        let shard = Shard::new(Keyspace::Queues, "sns");
        let queues = Queues::new(QueueOptions {
            store: store.clone(),
            shard: shard.clone(),
            name: "sns",
            clock: Arc::clone(&clock),
            rng: Arc::clone(&rng),
        });
        let tables = Tables {
            topics: Table::new(store.clone(), shard.clone(), "sns.topic"),
            subscriptions: Table::new(store, shard, "sns.subscription"),
        };
        let registry = Registry::open(tables, queues).await?;
        let inner = Inner { registry, deliver, clock, rng, workers: Workers::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Starts to deliver, on the runtime of the caller.
    pub fn start(&self) -> Handle {
        task::start(&self.inner)
    }
}

impl ResourcePolicies for Service {
    fn policy(&self, resource_arn: &str) -> Option<Arc<Document>> {
        self.inner.registry.topic(&TopicName::of_arn(resource_arn)?)?.policy
    }

    fn tags(&self, resource_arn: &str) -> Vec<(String, String)> {
        let found = TopicName::of_arn(resource_arn).and_then(|name| self.inner.registry.topic(&name));
        found.map(|found| found.record.tags.clone().into_iter().collect()).unwrap_or_default()
    }
}

/// Each operation is in the file of its name under `ops/`.
macro_rules! operations {
    ($($operation:ident: $input:ty => $output:ty;)*) => {
        impl Sns for Service {
            $(fn $operation<'a>(
                &'a self,
                grant: Grant,
                input: $input,
            ) -> BoxFuture<'a, Result<$output, Failure>> {
                Box::pin(async move { ops::$operation::run(&self.inner, &grant, input).await })
            })*
        }
    };
}

operations! {
    add_permission: AddPermissionInput => ();
    confirm_subscription: ConfirmSubscriptionInput => ConfirmSubscriptionResponse;
    create_topic: CreateTopicInput => CreateTopicResponse;
    delete_topic: DeleteTopicInput => ();
    get_subscription_attributes: GetSubscriptionAttributesInput => GetSubscriptionAttributesResponse;
    get_topic_attributes: GetTopicAttributesInput => GetTopicAttributesResponse;
    list_subscriptions: ListSubscriptionsInput => ListSubscriptionsResponse;
    list_subscriptions_by_topic: ListSubscriptionsByTopicInput => ListSubscriptionsByTopicResponse;
    list_tags_for_resource: ListTagsForResourceRequest => ListTagsForResourceResponse;
    list_topics: ListTopicsInput => ListTopicsResponse;
    publish: PublishInput => PublishResponse;
    publish_batch: PublishBatchInput => PublishBatchResponse;
    remove_permission: RemovePermissionInput => ();
    set_subscription_attributes: SetSubscriptionAttributesInput => ();
    set_topic_attributes: SetTopicAttributesInput => ();
    subscribe: SubscribeInput => SubscribeResponse;
    tag_resource: TagResourceRequest => TagResourceResponse;
    unsubscribe: UnsubscribeInput => ();
    untag_resource: UntagResourceRequest => UntagResourceResponse;
}
