//! EventBridge Scheduler: schedules, their groups, and what they invoke when they are due.
//!
//! One task ([`task`]) for all schedules sleeps until the next is due. It puts an invocation in a durable queue of
//! [`hearth_store::queue`] and then notes when the schedule is due next; a second task delivers what is in the queue, each
//! invocation by itself, through [`hearth_api::Deliver`] and in the name of the schedule's role. A crash in between repeats
//! an invocation rather than lose it, and the queue knows those of the last minutes again.
//!
//! What passed while the server was down: a one-time schedule is due as soon as it is up again; a recurring one once, for
//! the latest time it missed. The retry policy of an invocation counts from when it was taken up.
//!
//! It refuses what it cannot honour: targets and parameters of services that Hearth has not, and KMS keys.

mod failures;
mod invocation;
mod model;
mod naming;
mod ops;
mod registry;
mod settings;
mod target;
mod task;
#[cfg(test)]
mod tests;
mod timing;

use hearth_api::scheduler::*;
use hearth_api::{Deliver, Grant};
use hearth_base::{Background, BoxFuture, Clock, Rng, Running};
use hearth_iam::policy::Document;
use hearth_iam::{Authority, ResourcePolicies};
use hearth_store::queue::{Claimers, Discipline, EntryId, Queue, QueueOptions, Queues};
use hearth_store::records::RecordError;
use hearth_store::{Keyspace, Shard, Store};
use hearth_wire::Failure;
use naming::GroupName;
use ops::Deletions;
use registry::Registry;
use std::sync::Arc;
use task::Activity;
use timing::Zones;

/// The one queue of invocations.
const QUEUE: EntryId = EntryId(1);

/// What the service stands on.
pub struct Options {
    /// Where everything is kept, in the keyspace `Queues`.
    pub store: Store,
    /// Takes invocations to their targets.
    pub deliver: Arc<dyn Deliver>,
    /// Says whether roles may be assumed.
    pub authority: Arc<Authority>,
    /// For all times.
    pub clock: Arc<dyn Clock>,
    /// For ids, and for moments within a flexible time window.
    pub rng: Arc<dyn Rng>,
}

/// The service. Clones are the same service.
#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    queues: Queues,
    queue: Queue,
    zones: Zones,
    deletions: Deletions,
    deliver: Arc<dyn Deliver>,
    authority: Arc<Authority>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    background: Background,
    activity: Activity,
}

impl Service {
    /// The service over a store, with all its schedules. [`Service::start`] makes them due.
    ///
    /// # Errors
    /// What is stored cannot be read.
    pub async fn open(options: Options) -> Result<Self, RecordError> {
        let Options { store, deliver, authority, clock, rng } = options;
        let shard = Shard::new(Keyspace::Queues, "scheduler");
        let queues = Queues::new(QueueOptions {
            store: store.clone(),
            shard: shard.clone(),
            name: "scheduler",
            clock: Arc::clone(&clock),
            rng: Arc::clone(&rng),
            claimers: Claimers::Here,
        });
        let inner = Inner {
            registry: Registry::open(store, shard).await?,
            queue: queues.queue(QUEUE, Discipline::Standard),
            queues,
            zones: Zones::default(),
            deletions: Deletions::default(),
            deliver,
            authority,
            clock,
            rng,
            background: Background::default(),
            activity: Activity::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Starts to invoke, on the runtime of the caller.
    pub fn start(&self) -> Running {
        task::start(&self.inner)
    }

    /// Returns when nothing is due, and all that was due has been delivered. Who moves the clock waits for it.
    pub async fn quiet(&self) {
        task::quiet(&self.inner).await;
    }
}

impl ResourcePolicies for Service {
    fn policy(&self, _resource_arn: &str) -> Option<Arc<Document>> {
        None
    }

    fn tags(&self, resource_arn: &str) -> Vec<(String, String)> {
        let found = GroupName::of_arn(resource_arn).and_then(|name| self.inner.registry.group(&name));
        found.map(|found| found.tags.into_iter().collect()).unwrap_or_default()
    }
}

/// Each operation is in the file of its name under `ops/`.
macro_rules! operations {
    ($($operation:ident: $input:ty => $output:ty;)*) => {
        impl Scheduler for Service {
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
    create_schedule: CreateScheduleInput => CreateScheduleOutput;
    create_schedule_group: CreateScheduleGroupInput => CreateScheduleGroupOutput;
    delete_schedule: DeleteScheduleInput => DeleteScheduleOutput;
    delete_schedule_group: DeleteScheduleGroupInput => DeleteScheduleGroupOutput;
    get_schedule: GetScheduleInput => GetScheduleOutput;
    get_schedule_group: GetScheduleGroupInput => GetScheduleGroupOutput;
    list_schedule_groups: ListScheduleGroupsInput => ListScheduleGroupsOutput;
    list_schedules: ListSchedulesInput => ListSchedulesOutput;
    list_tags_for_resource: ListTagsForResourceInput => ListTagsForResourceOutput;
    tag_resource: TagResourceInput => TagResourceOutput;
    untag_resource: UntagResourceInput => UntagResourceOutput;
    update_schedule: UpdateScheduleInput => UpdateScheduleOutput;
}
