//! Simple Notification Service: topics, their subscriptions, and messages that are published and delivered.
//!
//! What is published lies in durable queues of [`hearth_store::queue`] until every subscription has it, and is delivered
//! by [`hearth_api::Deliver`] to functions and queues and by [`hearth_api::delivery::Post`] to URLs, whose owners must
//! consent first. It refuses what it cannot honour: subscriptions to mail, telephones and devices, KMS keys, archives and
//! data protection.

mod attributes;
mod consent;
mod delivery_policy;
mod envelope;
mod failures;
mod filter;
mod model;
mod naming;
mod ops;
mod outgoing;
mod permission;
mod registry;
mod signing;
mod task;
#[cfg(test)]
mod tests;

use hearth_api::delivery::Post;
use hearth_api::sns::*;
use hearth_api::{Deliver, Grant};
use hearth_base::{Background, BoxFuture, Clock, Rng, Running};
use hearth_iam::ResourcePolicies;
use hearth_iam::policy::Document;
use hearth_store::queue::{Claimers, QueueOptions, Queues};
use hearth_store::records::RecordError;
use hearth_store::{Keyspace, Shard, Store, Table};
use hearth_wire::Failure;
use naming::TopicName;
use registry::{Registry, Tables};
pub use signing::PATH as CERTIFICATE_PATH;
use signing::Signer;
use std::sync::Arc;

/// What the service stands on.
pub struct Options {
    /// Where everything is kept, in the keyspace `Queues`.
    pub store: Store,
    /// Takes messages to functions and queues.
    pub deliver: Arc<dyn Deliver>,
    /// Takes messages to URLs.
    pub post: Arc<dyn Post>,
    /// Under which URL endpoints reach the server; where there is none, under the one that a publisher used.
    pub public_url: Option<String>,
    /// Where the server listens: for what services publish, which used none.
    pub own_url: String,
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
    post: Arc<dyn Post>,
    public_url: Option<String>,
    own_url: String,
    signer: Signer,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    background: Background,
}

impl Inner {
    /// How URLs begin that are given to endpoints, by the address under which whoever asks has reached the server.
    fn base<'a>(&'a self, endpoint: &'a str) -> &'a str {
        let known = endpoint.split_once("://").is_some_and(|(_, host)| !host.is_empty());
        let used = if known { endpoint } else { &self.own_url };
        self.public_url.as_deref().unwrap_or(used).trim_end_matches('/')
    }
}

impl Service {
    /// The service over a store, with all its topics. [`Service::start`] makes it also deliver.
    ///
    /// # Errors
    /// What is stored cannot be read.
    pub async fn open(options: Options) -> Result<Self, RecordError> {
        let Options { store, deliver, post, public_url, own_url, clock, rng } = options;
        let shard = Shard::new(Keyspace::Queues, "sns");
        let queues = Queues::new(QueueOptions {
            store: store.clone(),
            shard: shard.clone(),
            name: "sns",
            clock: Arc::clone(&clock),
            rng: Arc::clone(&rng),
            claimers: Claimers::Here,
        });
        let keys = Table::new(store.clone(), shard.clone(), "sns.signing");
        let tables = Tables {
            topics: Table::new(store.clone(), shard.clone(), "sns.topic"),
            subscriptions: Table::new(store, shard, "sns.subscription"),
        };
        let registry = Registry::open(tables, queues).await?;
        let signer = Signer::new(keys, Arc::clone(&rng));
        let background = Background::default();
        let inner = Inner { registry, deliver, post, public_url, own_url, signer, clock, rng, background };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The certificate that messages are signed with, in PEM, when a path is that of it.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn certificate(&self, path: &str) -> Result<Option<String>, impl std::error::Error + use<>> {
        self.inner.signer.certificate(path).await
    }

    /// Starts to deliver, on the runtime of the caller.
    pub fn start(&self) -> Running {
        task::start(&self.inner)
    }

    /// Returns when no message waits for anything but another try: for who moves the clock.
    pub async fn quiet(&self) {
        task::quiet(&self.inner).await;
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
