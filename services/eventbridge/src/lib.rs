//! EventBridge: buses, rules, and events on their way to targets; schedules of rules; archives and replays.
//!
//! What is put on a bus lies in durable queues of [`hearth_store::queue`] until every target has it, and is delivered by
//! [`hearth_api::Deliver`]. It refuses what it cannot honour: targets of services that are not here, partner event sources,
//! global endpoints, API destinations, KMS keys and logs of buses.

mod archive;
mod delivery;
mod failures;
mod incoming;
mod model;
mod naming;
mod ops;
mod registry;
mod scheduled;
mod targets;
mod task;
#[cfg(test)]
mod tests;
mod transform;

use bytes::Bytes;
use hearth_api::delivery::{Event, EventBuses};
use hearth_api::events::*;
use hearth_api::{Deliver, Grant};
use hearth_base::{Background, BoxFuture, Clock, Rng, Running};
use hearth_iam::ResourcePolicies;
use hearth_iam::policy::Document;
use hearth_store::queue::{Claimers, QueueOptions, Queues};
use hearth_store::records::RecordError;
use hearth_store::{Keyspace, Shard, Store, Table};
use hearth_wire::Failure;
use model::ArchiveSize;
use naming::{Name, RuleName};
use registry::Registry;
use std::sync::Arc;

/// What the service stands on.
pub struct Options {
    /// Where everything is kept, in the keyspace `Queues`.
    pub store: Store,
    /// Takes events to their targets.
    pub deliver: Arc<dyn Deliver>,
    /// For all times.
    pub clock: Arc<dyn Clock>,
    /// For ids and for the chance in waiting.
    pub rng: Arc<dyn Rng>,
}

/// The service. Clones are the same service.
#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    store: Store,
    shard: Shard,
    sizes: Table<ArchiveSize>,
    deliver: Arc<dyn Deliver>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    background: Background,
    schedules: scheduled::Activity,
}

impl Service {
    /// The service over a store, with all that is in it. [`Service::start`] makes it also deliver.
    ///
    /// # Errors
    /// What is stored cannot be read.
    pub async fn open(options: Options) -> Result<Self, RecordError> {
        let Options { store, deliver, clock, rng } = options;
        let shard = Shard::new(Keyspace::Queues, "events");
        let queues = Queues::new(QueueOptions {
            store: store.clone(),
            shard: shard.clone(),
            name: "events",
            clock: Arc::clone(&clock),
            rng: Arc::clone(&rng),
            claimers: Claimers::Here,
        });
        let registry = Registry::open(&store, &shard, queues).await?;
        let sizes = Table::new(store.clone(), shard.clone(), "events.archive.size");
        let inner = Inner {
            registry,
            store,
            shard,
            sizes,
            deliver,
            clock,
            rng,
            background: Background::default(),
            schedules: scheduled::Activity::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Starts to deliver, on the runtime of the caller.
    pub fn start(&self) -> Running {
        task::start(&self.inner)
    }

    /// Returns when no rule is due, and no event waits for anything but another try: for who moves the clock.
    pub async fn quiet(&self) {
        self.inner.schedules.quiet(&*self.inner.clock).await;
        task::quiet(&self.inner).await;
    }
}

impl Inner {
    /// The name of the session in which a role of this rule is taken on.
    fn session_name(&self, rule: &str) -> Arc<str> {
        // At most 64 characters, as a rule's name has; and at least two.
        if rule.len() < 2 { Arc::from(format!("rule-{rule}")) } else { Arc::from(rule) }
    }
}

impl EventBuses for Service {
    fn put_event<'a>(
        &'a self,
        grant: Grant,
        bus: &'a str,
        event: (Event, Bytes),
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move { ops::put_events::one(&self.inner, &grant, (bus, event)).await })
    }
}

impl ResourcePolicies for Service {
    fn policy(&self, resource_arn: &str) -> Option<Arc<Document>> {
        // AWS: the policy of a bus is also for its rules.
        let bus =
            Name::of_arn(resource_arn, "event-bus").or_else(|| Some(RuleName::of_arn(resource_arn)?.bus))?;
        self.inner.registry.bus(&bus)?.policy
    }

    fn tags(&self, resource_arn: &str) -> Vec<(String, String)> {
        ops::tags::of_arn(&self.inner, resource_arn).unwrap_or_default().into_iter().collect()
    }
}

/// Each operation is in the file of its name under `ops/`.
macro_rules! operations {
    ($($operation:ident: $input:ty => $output:ty;)*) => {
        impl Events for Service {
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
    cancel_replay: CancelReplayRequest => CancelReplayResponse;
    create_archive: CreateArchiveRequest => CreateArchiveResponse;
    create_event_bus: CreateEventBusRequest => CreateEventBusResponse;
    delete_archive: DeleteArchiveRequest => DeleteArchiveResponse;
    delete_event_bus: DeleteEventBusRequest => ();
    delete_rule: DeleteRuleRequest => ();
    describe_archive: DescribeArchiveRequest => DescribeArchiveResponse;
    describe_event_bus: DescribeEventBusRequest => DescribeEventBusResponse;
    describe_replay: DescribeReplayRequest => DescribeReplayResponse;
    describe_rule: DescribeRuleRequest => DescribeRuleResponse;
    disable_rule: DisableRuleRequest => ();
    enable_rule: EnableRuleRequest => ();
    list_archives: ListArchivesRequest => ListArchivesResponse;
    list_event_buses: ListEventBusesRequest => ListEventBusesResponse;
    list_replays: ListReplaysRequest => ListReplaysResponse;
    list_rule_names_by_target: ListRuleNamesByTargetRequest => ListRuleNamesByTargetResponse;
    list_rules: ListRulesRequest => ListRulesResponse;
    list_tags_for_resource: ListTagsForResourceRequest => ListTagsForResourceResponse;
    list_targets_by_rule: ListTargetsByRuleRequest => ListTargetsByRuleResponse;
    put_events: PutEventsRequest => PutEventsResponse;
    put_permission: PutPermissionRequest => ();
    put_rule: PutRuleRequest => PutRuleResponse;
    put_targets: PutTargetsRequest => PutTargetsResponse;
    remove_permission: RemovePermissionRequest => ();
    remove_targets: RemoveTargetsRequest => RemoveTargetsResponse;
    start_replay: StartReplayRequest => StartReplayResponse;
    tag_resource: TagResourceRequest => TagResourceResponse;
    test_event_pattern: TestEventPatternRequest => TestEventPatternResponse;
    untag_resource: UntagResourceRequest => UntagResourceResponse;
    update_archive: UpdateArchiveRequest => UpdateArchiveResponse;
    update_event_bus: UpdateEventBusRequest => UpdateEventBusResponse;
}
